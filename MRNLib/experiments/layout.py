"""What a table is made of: rows with the paper's figures and the cells that stand beside them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """What the paper prints, in percent; ``None`` where it prints N/A."""

    accuracy: float
    auc: float | None = None
    f1: float | None = None


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        labels: What stands in the table's first columns.
        cells: Keys; several are folds that vote.
        paper: The paper's figures, if it has the row.
        variant: Which of the cell's predictions: a masking, a radiomics model, an oracle.
    """

    labels: tuple[str, ...]
    cells: tuple[str, ...]
    paper: Figures | None = None
    variant: str = ""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        number: As on the command line.
        title: What it is about.
        columns: Heads of the rows' labels.
        rows: In the paper's order.
        note: Said below it.
        measures: Beyond accuracy, AUC and F1, which every table has.
        latent: Whether each row has a latent oracle of its own (maskings).
    """

    number: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""
    measures: tuple[str, ...] = ()
    latent: bool = False
