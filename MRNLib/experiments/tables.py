"""The paper's tables: their rows, its figures, and the cell whose predictions stand beside them.

Figures are percentages as printed (arXiv 2509.17566, validation 100). The published text lost the
tick columns of Table 2 and the cross columns of Table 4; their order is reconstructed.
"""

from __future__ import annotations

from collections.abc import Iterable

from MRNLib.anatomy import MASKINGS, ROI_NAMES
from MRNLib.errors import InputError
from MRNLib.experiments.cells import (
    FULL,
    IMAGE_ORACLE,
    LATENT_ORACLE,
    MIDBRAIN_FOLDS,
    ORACLES,
    RADIOMICS,
    VOTERS,
    masking_name,
)
from MRNLib.experiments.layout import Figures, Row, Table
from MRNLib.radiomics_models import MODELS as RADIOMICS_MODELS


def _row(labels: str | tuple[str, ...], cell: str, *figures: float | None) -> Row:
    names = (labels,) if isinstance(labels, str) else labels
    return Row(names, (cell,), Figures(*figures) if figures else None)  # type: ignore[arg-type]


_COMPONENTS = ("DINOv2", "FFA", "SFA", "DPT", "mSupMoCo")


def _ticks(pattern: str, cell: str, *figures: float) -> Row:
    return _row(tuple("✓" if one == "x" else "" for one in pattern), cell, *figures)


TABLE_2 = Table(
    "2",
    "Components",
    _COMPONENTS,
    (
        _ticks("x    ", "mrn-d", 50.0, 50.0, 33.3),
        _ticks("xx   ", "mrn-d-ffa", 72.0, 79.3, 72.0),
        _ticks("x x  ", "mrn-d-sfa", 50.0, 50.0, 33.3),
        _ticks("x  x ", "mrn-d-dpt", 50.0, 50.0, 33.3),
        _ticks("xxx  ", "mrn-d-ffa-sfa", 55.0, 62.2, 55.0),
        _ticks("xx x ", "mrn-d-ffa-dpt", 77.0, 82.6, 76.6),
        _ticks("x xx ", "mrn-d-sfa-dpt", 50.0, 50.0, 33.3),
        _ticks("xxxx ", "mrn-d-ffa-sfa-dpt", 75.0, 85.5, 74.9),
        _ticks("xxxxx", FULL, 83.0, 91.2, 83.0),
        _ticks("xx xx", "mrn-d-ffa-dpt-msupmoco", 75.0, 85.1, 75.0),
    ),
    "Without SFA the ROI token is the mean of the slice tokens. Rows without DPT and mSupMoCo have "
    "no phase 1, which would have no loss, and so fewer updates; phase 2 is the same for all rows. "
    "The paper's text lost the tick columns: their order is a reading of it.",
)

TABLE_3 = Table(
    "3",
    "Depth of FFA and SFA",
    ("FFA", "SFA"),
    (
        _row(("2", "1"), "mrn-ffa2-sfa1", 83.0, 89.8, 83.0),
        _row(("2", "2"), "mrn-ffa2-sfa2", 81.0, 92.0, 81.0),
        _row(("3", "1"), "mrn-ffa3-sfa1", 81.0, 90.6, 81.0),
        _row(("3", "2"), FULL, 83.0, 91.2, 83.0),
        _row(("4", "1"), "mrn-ffa4-sfa1", 83.0, 87.0, 82.8),
        _row(("4", "2"), "mrn-ffa4-sfa2", 82.0, 88.6, 82.0),
        _row(("4", "3"), "mrn-ffa4-sfa3", 84.0, 88.6, 83.9),
    ),
)

_MASKED_FIGURES = (
    Figures(83.0, 91.2, 83.0),
    Figures(76.0, 85.6, 75.4),
    Figures(81.0, 89.1, 81.0),
    Figures(83.0, 87.9, 83.0),
    Figures(82.0, 91.2, 82.0),
    Figures(72.0, 82.4, 71.1),
    Figures(65.0, 73.7, 63.4),
    Figures(68.0, 84.9, 66.7),
    Figures(74.0, 81.0, 74.0),
    Figures(82.0, 90.9, 82.0),
    Figures(79.0, 86.5, 79.0),
    Figures(48.0, 50.3, 46.6),
    Figures(66.0, 79.6, 64.3),
    Figures(61.0, 76.6, 57.9),
    Figures(72.0, 82.6, 72.0),
    Figures(45.0, 40.7, 37.3),
)


def _crosses(masked: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("✕" if name in masked else "" for name in ROI_NAMES)


TABLE_4 = Table(
    "4",
    "ROIs masked at inference",
    ROI_NAMES,
    tuple(
        Row(_crosses(masked), (FULL,), figures, masking_name(masked))
        for masked, figures in zip(MASKINGS, _MASKED_FIGURES, strict=True)
    ),
    "The full model of Table 2, not trained again; a masked ROI is a zero image of its own shape. "
    "The paper's text lost the crosses: their order is a reading of it.",
    latent=True,
)

_BASELINE = _row("SERes10 (3-D CNN baseline)", "seres10", 79.0, 88.1, 78.9)
_CONTRASTED = _row("SERes10-mSupMoCo", "seres10-msupmoco", 81.0, 87.7, 81.0)
_OURS = _row("MRN-ViT-Base (ours)", FULL, 83.0, 91.2, 83.0)
_SMALL = _row("MRN-ViT-Small", "mrn-small", 80.0, None, 80.0)

TABLE_5 = Table(
    "5",
    "Size of the memory bank (SERes10-mSupMoCo)",
    ("Method",),
    (
        _BASELINE,
        _row("K = 128", "seres10-msupmoco-k128", 76.0, 85.4, 76.0),
        _row("K = 256", "seres10-msupmoco-k256", 73.0, 84.5, 72.9),
        _row("K = 512", "seres10-msupmoco-k512", 81.0, 89.9, 81.0),
        _row("K = 1024", "seres10-msupmoco-k1024", 82.0, 90.0, 82.0),
    ),
    "At τ = 0.07, as in the paper: its row K = 1024 is the row τ = 0.07 of Table 6.",
)

TABLE_6 = Table(
    "6",
    "Temperature of mSupMoCo (SERes10-mSupMoCo)",
    ("Method",),
    (
        _BASELINE,
        _row("τ = 0.01", "seres10-msupmoco-tau0.01", 80.0, 88.3, 80.0),
        _row("τ = 0.07", "seres10-msupmoco-k1024", 82.0, 90.0, 82.0),
        _row("τ = 0.1", "seres10-msupmoco", 81.0, 87.7, 81.0),
    ),
    "With 1,024 keys of each class.",
)

_NAMES = (
    "The rows have the paper's names. What stands behind them here is in the settings above: at "
    "scale tiny Base is four blocks of width 64 and Small four of width 32."
)
TABLE_7 = Table(
    "7", "Size of the DINOv2 backbone", ("Method",), (_CONTRASTED, _SMALL, _OURS), _NAMES
)

TABLE_8 = Table(
    "8",
    "Global or local attention as DPT's last input",
    ("Method",),
    (
        _CONTRASTED,
        _row("MRN-DPT-Global", "mrn-global", 82.0, None, 81.8),
        _row("MRN-DPT-Local (ours)", FULL, 83.0, 91.2, 83.0),
    ),
)

TABLE_9 = Table(
    "9",
    "2-D and 3-D foundation models",
    ("Method", "Data"),
    (
        _row(("SERes10 (trained from scratch)", "3-D"), "seres10", 79.0, 88.1, 78.9),
        _row(("M3D-CLIP-ViT-Base", "3-D"), "m3d-clip", 70.0, 75.7, 70.0),
        _row(("DINOv2-ViT-Base", "2-D"), "mrn-d", 50.0, 50.0, 33.3),
        _row(("MRN-ViT-Small", "2-D"), "mrn-small", 80.0, None, 80.0),
        _row(("MRN-ViT-Base (ours)", "2-D"), FULL, 83.0, 91.2, 83.0),
    ),
    _NAMES,
)

_BOXES = "four boxes"
_MASKED_BOXES = "four boxes, the true masks of the nuclei as channels"
_SQUARE = "a square of 50 mm around the midbrain"
_INSIDE = "the images inside the true masks of the nuclei"

SYSTEMS = Table(
    "systems",
    "All systems",
    ("System", "Sees"),
    (
        _row(("MRN", _BOXES), FULL, 83.0, 91.2, 83.0),
        _row(("SERes10", _MASKED_BOXES), "seres10", 79.0, 88.1, 78.9),
        _row(("SERes10-mSupMoCo", _MASKED_BOXES), "seres10-msupmoco", 81.0, 87.7, 81.0),
        _row(("DINOv2, fine-tuned directly", _BOXES), "mrn-d", 50.0, 50.0, 33.3),
        _row(("M3D-CLIP, fine-tuned", _BOXES), "m3d-clip", 70.0, 75.7, 70.0),
        _row(("Midbrain 3-D CNN, fold 0 alone", _SQUARE), MIDBRAIN_FOLDS[0]),
        Row((f"Midbrain 3-D CNN, vote of {VOTERS} folds", _SQUARE), MIDBRAIN_FOLDS, Figures(63.0)),
        *(
            Row((f"Radiomics, {name}", _INSIDE), (RADIOMICS,), variant=name)
            for name in RADIOMICS_MODELS
        ),
        Row(("Image oracle, cross-validated", _INSIDE), (ORACLES,), variant=IMAGE_ORACLE),
        Row(("Latent oracle", "the state behind the images"), (ORACLES,), variant=LATENT_ORACLE),
    ),
    "The midbrain CNN is the organisers' kind of baseline (one crop of 50 mm, QSM and NM as "
    "channels). Its figure is the challenge page's for RRMediCa, which the page calls its "
    "classification baseline, on the validation set; it does not say that it is this network. The "
    "vote's accuracy and F1 are those of the majority, the rest of the mean "
    "probability; all other systems are one model, to which its fold 0 alone can be compared. "
    "Radiomics are first-order statistics and grey-level co-occurrence and run-length features of "
    "each nucleus. Shape and volume are left out, and features that grow with size: on digital "
    "patients volume is a control for leakage. The paper compares with no radiomics model.",
    ("sensitivity", "specificity", "brier", "ece"),
)

TABLES = {
    table.number: table
    for table in (
        TABLE_2,
        TABLE_3,
        TABLE_4,
        TABLE_5,
        TABLE_6,
        TABLE_7,
        TABLE_8,
        TABLE_9,
        SYSTEMS,
    )
}


def parse_tables(text: str) -> list[Table]:
    """``all``, or numbers and ``systems`` with commas between.

    Raises:
        InputError: No such table.
    """
    if text.strip() == "all":
        return list(TABLES.values())
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in TABLES]:
        raise InputError(
            f"--tables: there is no table {', '.join(unknown)}",
            expected=f"all, or some of {', '.join(TABLES)} with commas between (Table 1 lists "
            "other teams)",
        )
    if not names:
        raise InputError("--tables names no table", expected=f"all, or some of {', '.join(TABLES)}")
    return [table for number, table in TABLES.items() if number in names]


def needed(tables: Iterable[Table], oracles: bool) -> set[str]:
    """Keys of the cells that tables show; the full model is always there, to compare with.

    Args:
        tables: Which tables.
        oracles: Whether there are oracles (on digital patients only).
    """
    keys = {key for table in tables for row in table.rows for key in row.cells} | {FULL}
    return keys | {ORACLES} if oracles else keys - {ORACLES}
