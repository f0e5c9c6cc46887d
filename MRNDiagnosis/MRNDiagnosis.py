"""Parkinson's MRN Diagnosis: the module that 3D Slicer loads; its parts are in MRNDiagnosisLib.

Kept free of what an older Slicer cannot read, so that it can say which Slicer is needed. Nothing
but Slicer itself is imported and nothing is done while this file is loaded.
"""

import os
import sys
from typing import Annotated

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# Milliseconds after a choice until the library looks at it, and after an edit until the result is
# compared with it: a stroke of the brush is not the moment.
CHECK_AFTER, LOOK_AFTER = 300, 1500
RELOADED = ("MRNDiagnosisLib", "MRNLib")


class MRNDiagnosis(ScriptedLoadableModule):
    """What Slicer shows of the module in its lists."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Parkinson's MRN Diagnosis")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Neuroimaging")]
        parent.dependencies = ["Segmentations", "Markups", "Tables", "Plots", "Terminologies"]
        parent.contributors = ["MRN for 3D Slicer developers"]
        parent.helpText = _(
            "From paired QSM and neuromelanin MRI to nucleus outlines, four regions of interest, a "
            "classification of Parkinson's disease and how robust it is. Outlines and boxes can be "
            "corrected, and only what changed is computed again.\n\n"
            "Research use only. Not for clinical use."
        )
        parent.acknowledgementText = _(
            "Implements MRN: Harnessing 2D Vision Foundation Models for Diagnosing Parkinson's "
            'Disease with Limited 3D MR Data, <a href="https://arxiv.org/abs/2509.17566">arXiv '
            "2509.17566</a>. Please cite it if you use this module."
        )
        find_library()
        slicer.app.connect("startupCompleted()", self.at_startup)

    def at_startup(self):
        """Registers the demo patients and the names of the nuclei."""
        from MRNDiagnosisLib.packages import slicer_problem, slicer_version

        if slicer_problem(slicer_version(slicer.app)):
            return  # the panel says so
        from pathlib import Path

        from MRNDiagnosisLib import sample_data
        from MRNDiagnosisLib.segmentations import load_terminology

        sample_data.register(Path(self.resourcePath("Icons")))
        terms = self.resourcePath("Terminology/MRNDiagnosis.term.json")
        load_terminology(slicer.modules.terminologies.logic(), terms)


def find_library():
    """Run from source, MRNLib lies beside the module's folder; installed, it is found anyway."""
    beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.isdir(os.path.join(beside, "MRNLib")) and beside not in sys.path:
        sys.path.append(beside)


@parameterNodeWrapper
class MRNDiagnosisParameterNode:
    """What the user chooses; saved with the scene. The settings are those of MRNLib.parameters."""

    qsm: vtkMRMLScalarVolumeNode
    nm: vtkMRMLScalarVolumeNode
    t1: vtkMRMLScalarVolumeNode
    qsm_segmentation: vtkMRMLSegmentationNode
    nm_segmentation: vtkMRMLSegmentationNode
    use_nm: bool = True
    use_qsm1: bool = True
    use_qsm2: bool = True
    use_qsm3: bool = True
    bundle: str = "phantom-tiny"
    folds: str = ""
    margin_mm: Annotated[float, WithinRange(-1, 50)] = -1.0
    device: Annotated[str, Choice(["auto", "cpu", "cuda"])] = "auto"
    precision: Annotated[str, Choice(["fp32", "bf16"])] = "fp32"
    tta: bool = False
    exact_segmentation: bool = False
    jitter: bool = True
    swap_modalities: bool = False
    swap_sides: bool = False
    split_merged: bool = False


class MRNDiagnosisLogic(ScriptedLoadableModuleLogic):
    """Gives the parameter node; the work itself is MRNDiagnosisLib.session and .work."""

    def getParameterNode(self):  # noqa: N802
        """The scene's parameter node, typed."""
        return MRNDiagnosisParameterNode(super().getParameterNode())


class MRNDiagnosisWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: connects the widgets of MRNDiagnosis.ui with MRNDiagnosisLib."""

    def __init__(self, parent=None):
        self.session, self.parts, self._gui_tag = None, {}, None
        self._drawing = False
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self):
        """Builds the panel; an older Slicer gets one sentence instead."""
        ScriptedLoadableModuleWidget.setup(self)
        import qt

        find_library()
        from MRNDiagnosisLib.packages import slicer_problem, slicer_version

        problem = slicer_problem(slicer_version(slicer.app))
        if problem:
            self.layout.addWidget(qt.QLabel(problem))
            return
        panel = slicer.util.loadUI(self.resourcePath("UI/MRNDiagnosis.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = MRNDiagnosisLogic()
        self.check_timer = self._timer(CHECK_AFTER, self.on_check)
        self.look_timer = self._timer(LOOK_AFTER, self.on_look)
        self._begin()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.on_scene_closing)
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.on_scene_changed)
        self.take_up_scene()

    @staticmethod
    def _timer(milliseconds, handler):
        import qt

        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.connect("timeout()", handler)
        return timer

    def _begin(self, runner=None):
        """Makes the session and wires the sections; tests give their own runner."""
        import tempfile

        from MRNDiagnosisLib import panel_parts, temporary
        from MRNDiagnosisLib.jobs import SlicerRunner
        from MRNDiagnosisLib.session import Session

        place = slicer.app.temporaryPath
        temporary.sweep((place, tempfile.gettempdir()))
        self.session = Session(
            slicer.mrmlScene,
            temporary.new_folder("session", place),
            runner or SlicerRunner,
            changed=self.draw,
            touched=self.look_timer.start,
            log=lambda line: self.ui.logTextEdit.appendPlainText(line),
        )
        self.parts = panel_parts.wire(self.ui, self.session)
        self.parts["setup"].check()

    def draw(self):
        """Puts what is known on the screen."""
        if self._drawing or not self.parts:
            return
        from MRNDiagnosisLib import panel, panel_view
        from MRNDiagnosisLib.facts import facts_of

        self._drawing = True
        try:
            setup = self.parts["setup"]
            facts = facts_of(
                self.session,
                missing=setup.missing,
                setup_error=setup.error,
                batch=self.parts["batch"].facts(),
            )
            panel_view.apply(panel.present(facts), self.ui)
            for name in ("nuclei", "rois", "result", "advanced"):
                self.parts[name].update()
        finally:
            self._drawing = False

    # What is chosen

    def take_up_scene(self):
        """Takes up the scene's parameter node, and chooses volumes that are plainly named."""
        if self.session is None:
            return
        from MRNDiagnosisLib import work

        self._disconnect()
        self.session.choose(self.logic.getParameterNode())
        chosen = self.session.chosen
        self._gui_tag = chosen.connectGui(self.ui)
        self.addObserver(chosen.parameterNode, vtk.vtkCommand.ModifiedEvent, self.on_chosen)
        work.preselect(self.session)
        self.parts["nuclei"].enter()
        self.on_chosen()

    def _disconnect(self):
        chosen = self.session.chosen
        if chosen is not None and self._gui_tag is not None:
            chosen.disconnectGui(self._gui_tag)
            self._gui_tag = None
            self.removeObserver(chosen.parameterNode, vtk.vtkCommand.ModifiedEvent, self.on_chosen)

    def on_chosen(self, caller=None, event=None):
        """Something was chosen: looks at it once the user pauses."""
        self.check_timer.start()
        self.look_timer.start()
        self.draw()

    def on_check(self):
        """Asks the library about the volumes."""
        if self.session.chosen is not None:
            with slicer.util.WaitCursor():
                self.session.check()

    def on_look(self):
        """Compares the scene with the result."""
        if self.session.chosen is not None and self.session.runs.task != "diagnose":
            self.session.look()

    # Slicer's occasions

    def enter(self):
        """The module is opened."""
        self.take_up_scene()

    def exit(self):
        """Another module is opened; what runs goes on."""
        if self.session is not None:
            self._disconnect()
            self.parts["nuclei"].leave()

    def on_scene_closing(self, caller, event):
        """The scene is about to be closed: lets go of its nodes."""
        self._disconnect()
        for name in ("nuclei", "rois", "result"):
            self.parts[name].close()
        self.session.choose(None)
        self.draw()

    def on_scene_changed(self, caller, event):
        """A scene was closed or read: a saved result appears again."""
        if self.parent.isEntered:
            self.take_up_scene()

    def cleanup(self):
        """The module is unloaded: stops what runs and removes what was derived from patients."""
        if self.session is not None:
            self._disconnect()
            self.session.close()
        self.removeObservers()

    def onReload(self):  # noqa: N802
        """Reloads the module together with its libraries."""
        import importlib

        for name in [name for name in sys.modules if name.split(".")[0] in RELOADED]:
            del sys.modules[name]
        importlib.invalidate_caches()
        ScriptedLoadableModuleWidget.onReload(self)


class MRNDiagnosisTest(ScriptedLoadableModuleTest):
    """A quick look from the Reload & Test section; Testing/Python has the rest."""

    def setUp(self):
        """Starts from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):  # noqa: N802
        """Opens the panel without data: it says what to do, and nothing can be started."""
        self.setUp()
        slicer.util.selectModule("MRNDiagnosis")
        ui = slicer.modules.MRNDiagnosisWidget.ui
        assert "Choose a QSM" in ui.inputsLabel.text
        assert not ui.diagnoseButton.enabled
        assert ui.diagnoseButton.toolTip
