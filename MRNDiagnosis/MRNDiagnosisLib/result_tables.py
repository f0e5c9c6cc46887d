"""What the result's tables say: columns taken from an examination, and how they fill a table node.

Numbers stay numbers: doubles, rounded to what can be read (``diagnosis.json`` has them in full;
a probability to the headline's two decimals), where NaN stands for what could not be measured;
flags are bits, which Slicer shows as check boxes. A table leaves the scene as a file of its own, so
its last column repeats the notice in every row.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from MRNLib.anatomy import NUCLEI
from MRNLib.biomarkers import SNPC, SNPC_NAME, Biomarker
from MRNLib.examination import NO_MEANING, Examination

Kind = Literal["text", "number", "count", "flag"]
MASKED, PROBABILITY = "masked", "probability_pd"
NOTICE_COLUMN = "notice"
SIDES = {"R": "right", "L": "left", "both": "both"}
# Digits that count in a number of a table, and decimals of a probability, as in the headline.
DIGITS = 4
DECIMALS = 2


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: What programs look it up by; the field's name in ``diagnosis.json`` where it has one.
        title: What people read.
        kind: ``text``, ``number`` (None becomes NaN; rounded), ``count`` or ``flag``.
        values: One per row.
        unit: Shown behind the title.
        description: Shown as the column's tooltip.
        decimals: Of a number, instead of ``DIGITS`` that count.
    """

    name: str
    title: str
    kind: Kind
    values: tuple[Any, ...]
    unit: str = ""
    description: str = ""
    decimals: int | None = None


def caution(examination: Examination) -> str:
    """What has to stand beside every number of the result, in full sentences."""
    from MRNLib.report import PHANTOM

    before = ""
    if examination.demonstration:
        before = f"{NO_MEANING} "
    elif examination.phantom:
        before = f"{PHANTOM} "
    return before + examination.notice


def maskings(examination: Examination) -> tuple[Column, ...]:
    """The 16 maskings in the order of Table 4; row 0 masks nothing."""
    rows = examination.masking
    return (
        Column("row", "Row", "count", tuple(range(len(rows)))),
        Column(MASKED, "Left out", "text", tuple(", ".join(r.masked) or "none" for r in rows)),
        Column(
            PROBABILITY,
            "P(PD)",
            "number",
            tuple(row.probability_pd for row in rows),
            description="Mean probability of Parkinson's disease with these ROIs left out",
            decimals=DECIMALS,
        ),
        Column(
            "change",
            "Change",
            "number",
            tuple(row.change for row in rows),
            description="P(PD) minus that of the examination with all ROIs",
            decimals=DECIMALS,
        ),
        Column(
            "flips",
            "Flips",
            "flag",
            tuple(row.flips for row in rows),
            description="Whether P(PD) lies on the other side of .5 than with all ROIs",
        ),
        _notice(examination, len(rows)),
    )


def biomarkers(examination: Examination) -> tuple[Column, ...]:
    """The measurements, one row each, with the columns of ``biomarkers.csv``."""
    rows = examination.biomarkers
    names = {item.key: item.name for item in NUCLEI} | {SNPC: SNPC_NAME}
    titles: dict[str, tuple[str, Kind]] = {
        "nucleus": ("Nucleus", "text"),
        "side": ("Side", "text"),
        "name": ("Measurement", "text"),
        "value": ("Value", "number"),
        "unit": ("Unit", "text"),
        "published": ("Published mean", "number"),
        "z": ("z", "number"),
        "norm": ("Source of the published values", "text"),
        "reference": ("Rule or reference region", "text"),
        "flags": ("Warnings", "text"),
    }
    assert set(titles) == {field.name for field in dataclasses.fields(Biomarker)}
    columns = [
        Column(name, title, kind, tuple(_shown(row, name) for row in rows))
        for name, (title, kind) in titles.items()
    ]
    full_names = tuple(names[row.nucleus] for row in rows)
    columns.append(Column("nucleus_name", "Name of the nucleus", "text", full_names))
    return (*columns, _notice(examination, len(rows)))


def _shown(biomarker: Biomarker, name: str) -> Any:
    value = getattr(biomarker, name)
    if name == "side":
        return SIDES[value]
    if name == "name":
        return value.replace("_", " ")
    return "; ".join(value) if name == "flags" else value


def rois(examination: Examination) -> tuple[Column, ...]:
    """The four ROIs as they went into the model."""
    rows = examination.rois
    sizes = [row.size_mm or (None, None, None) for row in rows]
    return (
        Column("name", "ROI", "text", tuple(row.name for row in rows)),
        Column("modality", "Modality", "text", tuple(row.modality for row in rows)),
        Column("nuclei", "Nuclei", "text", tuple(", ".join(row.nuclei) for row in rows)),
        Column("present", "Present", "flag", tuple(row.present for row in rows)),
        Column("masked", "Masked", "flag", tuple(row.masked for row in rows)),
        Column(
            "encoded",
            "Read in this run",
            "flag",
            tuple(row.encoded for row in rows),
            description="By the model; otherwise the ROI was known from an earlier run",
        ),
        Column(
            "box",
            "Box",
            "text",
            tuple(row.box or "" for row in rows),
            description="Voxels i0:i1,j0:j1,k0:k1 on the canonical (LPS) grid of the QSM",
        ),
        Column("slices", "Slices", "count", tuple(row.slices for row in rows)),
        *(
            Column(f"size_{axis}", f"Size {axis}", "number", tuple(s[n] for s in sizes), "mm")
            for n, axis in enumerate("xyz")
        ),
        Column("warnings", "Warnings", "text", tuple("; ".join(row.warnings) for row in rows)),
        _notice(examination, len(rows)),
    )


def _notice(examination: Examination, rows: int) -> Column:
    return Column(NOTICE_COLUMN, "Notice", "text", (caution(examination),) * rows)


def fill(node: Any, columns: tuple[Column, ...]) -> None:
    """Gives a table node these columns instead of the ones it has."""
    import vtk

    table = vtk.vtkTable()
    for column in columns:
        table.AddColumn(_array(column))
    blocked = node.StartModify()
    try:
        node.SetAndObserveSchema(None)
        node.SetAndObserveTable(table)
        for column in columns:
            node.SetColumnTitle(column.name, column.title)
            if column.unit:
                node.SetColumnUnitLabel(column.name, column.unit)
            if column.description:
                node.SetColumnDescription(column.name, column.description)
            if column.kind == "number":
                # An empty cell of a file is no number either; the default would be 0.
                node.SetColumnNullValue(column.name, "nan")
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetLocked(True)
    finally:
        node.EndModify(blocked)


def _array(column: Column) -> Any:
    import vtk

    kinds = {
        "text": vtk.vtkStringArray,
        "number": vtk.vtkDoubleArray,
        "count": vtk.vtkIntArray,
        "flag": vtk.vtkBitArray,
    }
    array = kinds[column.kind]()
    array.SetName(column.name)
    for value in column.values:
        array.InsertNextValue(_cell(column, value))
    return array


def _cell(column: Column, value: Any) -> Any:
    if column.kind == "text":
        # Slicer's table files have no escapes: a line break or quote would shift the columns.
        return " ".join(str(value or "").replace('"', "'").split())
    if column.kind == "number":
        if value is None:
            return math.nan
        if column.decimals is not None:
            return round(value, column.decimals) + 0.0  # no minus before a nought
        return float(f"{value:.{DIGITS}g}")
    return int(value)
