"""The result in the scene: one text node with ``diagnosis.json``, and tables and a plot made of it.

The text node is the result; it refers to the others, so that a second result takes the place of the
first and a saved scene gives everything back. The tables are for reading: Slicer saves their
numbers with six digits, therefore :func:`restore` fills them again from the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MRNDiagnosisLib.hierarchy import place_beside
from MRNLib.errors import InputError

if TYPE_CHECKING:
    from MRNLib.examination import Examination

NAME = "MRN result"
MARK = "MRN.Result"
FINGERPRINT = "MRN.Fingerprint"
UTF_8 = 3  # VTK_ENCODING_UTF_8
# Roles of the references from the text node to the volumes that it is the result of.
VOLUMES = ("MRN.Qsm", "MRN.Nm")
BAR_COLOR = (0.38, 0.49, 0.58)
# Role of the reference from the text node, class, and what follows the result's name.
PARTS = {
    "maskings": ("MRN.Maskings", "vtkMRMLTableNode", "ROI maskings"),
    "biomarkers": ("MRN.Biomarkers", "vtkMRMLTableNode", "biomarkers"),
    "rois": ("MRN.Rois", "vtkMRMLTableNode", "ROIs"),
    "series": ("MRN.Series", "vtkMRMLPlotSeriesNode", "P(PD) by masking"),
    "chart": ("MRN.Chart", "vtkMRMLPlotChartNode", "chart of ROI maskings"),
}


@dataclass(frozen=True, eq=False)
class ResultNodes:
    """The nodes of one result.

    Attributes:
        text: ``diagnosis.json``; its attribute ``MRN.Result`` is ``1``.
        maskings: Table of the 16 maskings.
        biomarkers: Table of the measurements.
        rois: Table of the four ROIs.
        series: Bars of the maskings' probabilities.
        chart: Chart that holds the bars.
    """

    text: Any
    maskings: Any
    biomarkers: Any
    rois: Any
    series: Any
    chart: Any


def show(scene: Any, examination: Examination, name: str = NAME, beside: Any = None) -> ResultNodes:
    """Puts ``examination`` into the scene, in place of the result that is there.

    Args:
        scene: The MRML scene.
        examination: What to show.
        name: Name of the text node; the other nodes' names begin with it.
        beside: The volume under whose study the nodes go in the subject hierarchy; without one
            they go where the text node is.

    Returns:
        The nodes, all of them saved with the scene.
    """
    from MRNDiagnosisLib import result_tables
    from MRNLib.examination import to_json

    content = to_json(examination)
    text = find(scene) or scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    blocked = text.StartModify()
    try:
        if text.GetText() != content:
            # What an earlier result was made of says nothing about this one.
            text.RemoveAttribute(FINGERPRINT)
            text.SetText(content, UTF_8)
        text.SetName(name)
        text.SetAttribute(MARK, "1")
        text.SetDescription(result_tables.caution(examination))
        nodes = ResultNodes(text, **{part: _part(scene, text, part) for part in PARTS})
    finally:
        text.EndModify(blocked)
    for part, (_, _, words) in PARTS.items():
        node = getattr(nodes, part)
        node.SetName(f"{name} {words} {_in_brackets(examination)}")
        node.SetDescription(f"{examination.headline} {result_tables.caution(examination)}")
    result_tables.fill(nodes.maskings, result_tables.maskings(examination))
    result_tables.fill(nodes.biomarkers, result_tables.biomarkers(examination))
    result_tables.fill(nodes.rois, result_tables.rois(examination))
    _plot(nodes, examination)
    for node in (text, *(getattr(nodes, part) for part in PARTS)):
        place_beside(scene, node, text if beside is None else beside)
    return nodes


def find(scene: Any) -> Any | None:
    """The text node that holds the scene's result, or None."""
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLTextNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLTextNode")
        if node.GetAttribute(MARK) == "1":
            return node
    return None


def restore(scene: Any) -> tuple[Examination, ResultNodes] | None:
    """The result of a scene that was read from a file, or None where it holds none.

    Tables and chart are filled again, and made again where they were deleted.

    Raises:
        InputError: The scene holds a result that cannot be read.
    """
    text = find(scene)
    if text is None:
        return None
    examination = _parsed(text.GetText(), text.GetName(), "the result in this scene")
    return examination, show(scene, examination, text.GetName())


def refer(text: Any, qsm: Any, nm: Any) -> None:
    """Stores with a result's text node which volumes it is the result of."""
    for role, node in zip(VOLUMES, (qsm, nm), strict=True):
        text.SetNodeReferenceID(role, None if node is None else node.GetID())


def of_others(nodes: ResultNodes | None, qsm: Any, nm: Any) -> bool:
    """Whether a result is known to be that of other volumes than these."""
    if nodes is None:
        return False
    known = [nodes.text.GetNodeReference(role) for role in VOLUMES]
    return any(
        node is not None and node is not chosen
        for node, chosen in zip(known, (qsm, nm), strict=True)
    )


def read(path: Path) -> Examination:
    """The result in a ``diagnosis.json``.

    Raises:
        InputError: It cannot be read, or is that of another version.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the result cannot be read ({error})", file=path) from error
    return _parsed(content, str(path), "the result")


def _parsed(content: str, where: str, what: str) -> Examination:
    try:
        from MRNLib.examination import from_json

        return from_json(content)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{what} cannot be read: the Python package {error.name} is not installed",
            remedy="install the packages of this module; the tables of a saved scene can be read "
            "without them",
        ) from error
    except ValueError as error:
        raise InputError(
            f"{what} cannot be read ({str(error).splitlines()[0]})",
            file=where,
            expected="a result of this version of the module",
            remedy="run the diagnosis again",
        ) from error


def _part(scene: Any, text: Any, part: str) -> Any:
    """The node that the text node refers to in this role, made where there is none."""
    role, class_name, _ = PARTS[part]
    node = text.GetNodeReference(role)
    if node is None:
        node = scene.AddNewNodeByClass(class_name)
        text.SetNodeReferenceID(role, node.GetID())
    return node


def _in_brackets(examination: Examination) -> str:
    """The notice in a few words, for names."""
    if examination.demonstration:
        return "(demonstration model, no meaning for a patient)"
    return f"({'digital phantom, ' if examination.phantom else ''}research use only)"


def _plot(nodes: ResultNodes, examination: Examination) -> None:
    from MRNDiagnosisLib.result_tables import MASKED, PROBABILITY
    from MRNLib.examination import NO_MEANING

    series, chart = nodes.series, nodes.chart
    series.SetAndObserveTableNodeID(nodes.maskings.GetID())
    series.SetPlotType(series.PlotTypeBar)
    series.SetYColumnName(PROBABILITY)
    series.SetLabelColumnName(MASKED)
    series.SetColor(*BAR_COLOR)
    title = "P(PD) with ROIs masked"
    if examination.phantom:
        title += " (digital phantom)"
    blocked = chart.StartModify()
    try:
        chart.RemoveAllPlotSeriesNodeIDs()
        if examination.masking:
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        chart.SetTitle(NO_MEANING if examination.demonstration else title)
        chart.SetXAxisTitle(f"Row of the masking table, 0: none masked. {examination.notice}")
        chart.SetYAxisTitle("P(PD)")
        for size in (chart.SetTitleFontSize, chart.SetAxisTitleFontSize):
            size(12)  # a whole sentence has to fit
        chart.SetLegendVisibility(False)
        chart.SetXAxisRangeAuto(False)
        chart.SetXAxisRange(-0.5, max(len(examination.masking), 1) - 0.5)
        chart.SetYAxisRangeAuto(False)
        chart.SetYAxisRange(0.0, 1.0)
        # By default a bar could be dragged, which would change the table.
        chart.SetEnablePointMoveAlongX(False)
        chart.SetEnablePointMoveAlongY(False)
    finally:
        chart.EndModify(blocked)
