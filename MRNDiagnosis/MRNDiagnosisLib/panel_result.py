"""The Diagnosis section: the result's tables and chart, the report. Qt inside Slicer."""

from __future__ import annotations

from typing import Any

from MRNDiagnosisLib import work
from MRNDiagnosisLib.result_tables import NOTICE_COLUMN
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.translation import tr as _

PLOT_VIEW = "MRNDiagnosis"


class ResultPart:
    """Wires the Diagnosis section.

    Args:
        ui: The panel's widgets by name.
        session: The session.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._shown: Any = None
        ui.diagnoseButton.connect("clicked()", self.diagnose)
        ui.cancelButton.connect("clicked()", session.runs.cancel)
        ui.reportButton.connect("clicked()", self.open_report)

    def diagnose(self) -> None:
        """Starts a diagnosis; what it reads is written first, which can take a moment."""
        import slicer

        with slicer.util.WaitCursor():
            work.diagnose(self._session)

    def update(self) -> None:
        """Shows the result's nodes in the tables and the chart."""
        nodes = self._session.nodes
        if nodes is self._shown:
            return
        before, self._shown = self._shown, nodes
        self._ui.maskingTableView.setMRMLTableNode(nodes and nodes.maskings)
        self._ui.biomarkerTableView.setMRMLTableNode(nodes and nodes.biomarkers)
        if nodes is not None:
            for table, node in (
                (self._ui.maskingTableView, nodes.maskings),
                (self._ui.biomarkerTableView, nodes.biomarkers),
            ):
                # It is for tables that leave the scene; the panel has a notice of its own.
                table.setColumnHidden(node.GetColumnIndex(NOTICE_COLUMN), True)
                table.resizeColumnsToContents()
            if before is None:
                self._ui.resultTabs.setCurrentIndex(0)  # there was only the log to see
            view = self._plot_view()
            view.SetPlotChartNodeID(nodes.chart.GetID())
            self._ui.maskingPlotWidget.setMRMLPlotViewNode(view)

    def close(self) -> None:
        """Lets go of a scene that is about to be closed."""
        self._shown = None
        self._ui.maskingTableView.setMRMLTableNode(None)
        self._ui.biomarkerTableView.setMRMLTableNode(None)
        self._ui.maskingPlotWidget.setMRMLPlotViewNode(None)

    def _plot_view(self) -> Any:
        """A view of the panel's own, which no layout takes for one of Slicer's."""
        import slicer

        scene = self._session.scene
        for number in range(scene.GetNumberOfNodesByClass("vtkMRMLPlotViewNode")):
            node = scene.GetNthNodeByClass(number, "vtkMRMLPlotViewNode")
            if node.GetLayoutName() == PLOT_VIEW:
                return node
        node = slicer.vtkMRMLPlotViewNode()
        node.SetName(_("MRN maskings"))
        node.SetLayoutName(PLOT_VIEW)
        node.SetLayoutLabel("M")
        node.SetAndObserveParentLayoutNodeID(self._session.chosen.parameterNode.GetID())
        node.SetSaveWithScene(False)
        return scene.AddNode(node)

    def open_report(self) -> None:
        """Opens the written report in the web browser."""
        import qt

        report = self._session.result_folder / "report.html"
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(report)))
