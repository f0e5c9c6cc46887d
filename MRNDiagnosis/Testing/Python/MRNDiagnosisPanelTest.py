"""The panel inside Slicer: with a fake program, and one real demo patient.

To be run by Slicer 5.12.1 or newer, from the repository's folder::

    Slicer --testing --no-splash --additional-module-paths MRNDiagnosis \
        --python-script MRNDiagnosis/Testing/Python/MRNDiagnosisPanelTest.py

It is also registered with CTest. It was run in an application built from source, in no release of
Slicer yet: the module's README says which. What can be run without it is in Testing/mrml.

The tests with the real program are skipped where its packages are missing, unless the environment
variable MRN_PROGRAM_NEEDED is set: then they fail.
"""

import json
import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

import slicer

# What a demo patient may take on a slow computer without a GPU.
PATIENCE_S = 900


class FakeRunner:
    """Keeps what was to be started; the test says what comes out of it."""

    def __init__(self):
        self.started = []

    def __call__(self):
        """A runner is asked for; there is this one."""
        return self

    def launch(self, args, on_line, on_end):
        """Starts nothing."""
        self.started.append(list(args))
        self.on_line, self.on_end = on_line, on_end
        return self

    def kill_tree(self):
        """Ends nothing."""


def wait_for(condition, seconds=PATIENCE_S):
    """Lets the application work until ``condition()`` holds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        slicer.app.processEvents()
    return condition()


class MRNDiagnosisPanelTest(unittest.TestCase):
    """Clicks through the panel."""

    def setUp(self):
        """An empty scene and the panel open."""
        slicer.mrmlScene.Clear()
        slicer.util.selectModule("MRNDiagnosis")
        self.widget = slicer.modules.MRNDiagnosisWidget
        self.session, self.ui = self.widget.session, self.widget.ui
        self.real_runner = self.session.runs.runner

    def tearDown(self):
        """Nothing runs on, nothing stays."""
        self.session.runs.runner = self.real_runner
        slicer.mrmlScene.Clear()

    def make_phantom(self, folder):
        """QSM and NM of a digital patient, written by the library in this process."""
        from MRNLib.casefiles import read_cohort
        from MRNLib.phantom import write_cohort

        write_cohort(folder, 1, 8000000, diagnosis="PD")
        return read_cohort(folder)[0]

    def choose(self, case):
        """Loads a case and chooses it."""
        chosen = self.session.chosen
        chosen.qsm = slicer.util.loadVolume(str(case.qsm))
        chosen.nm = slicer.util.loadVolume(str(case.nm))
        self.widget.on_check()

    def test_title_and_notice(self):
        """The title spells MRN out, and the notice is there."""
        assert slicer.modules.mrndiagnosis.title == "Parkinson's MRN Diagnosis"
        assert "Not for clinical use" in self.ui.noticeLabel.text
        assert self.ui.noticeLabel.visible

    def test_nothing_chosen(self):
        """A disabled button says why."""
        assert not self.ui.diagnoseButton.enabled
        assert self.ui.diagnoseButton.toolTip
        assert self.ui.inputsLabel.text.startswith("Choose a QSM")

    def test_parameters_are_bound_and_saved(self):
        """Every bound widget writes into the parameter node."""
        self.ui.ttaCheckBox.checked = True
        self.ui.foldsLineEdit.text = "0, 2"
        self.ui.useQSM3CheckBox.checked = False
        chosen = self.session.chosen
        assert chosen.tta
        assert chosen.folds == "0, 2"
        assert not chosen.use_qsm3
        node = chosen.parameterNode
        assert node.GetParameter("folds") == "0, 2"

    def test_sample_data_and_terms_are_registered(self):
        """Both demo patients are in Sample Data, the nuclei in the terminology."""
        names = [s.sampleName for s in slicer.modules.sampleDataSources["MRNDiagnosis"]]
        assert names == ["Demo patient (PD)", "Demo patient (HC)"]
        from MRNDiagnosisLib.terminology import CONTEXT

        logic = slicer.modules.terminologies.logic()
        assert logic.IsTerminologyContextLoaded(CONTEXT)

    def test_fake_run_with_masks_and_cancel(self):
        """Segments with a fake program, corrects, cancels, closes the scene."""
        runner = FakeRunner()
        self.session.runs.runner = runner
        self.widget.parts["setup"].missing = ()
        with tempfile.TemporaryDirectory() as folder:
            case = self.make_phantom(Path(folder))
            self.choose(case)
            assert "The grids fit" in self.ui.inputsLabel.text
            self.ui.segmentButton.click()
            assert not self.ui.diagnoseButton.enabled
            files = {"QSM_mask.nii.gz": str(case.qsm_mask), "NM_mask.nii.gz": str(case.nm_mask)}
            runner.on_line("@mrn " + json.dumps({"event": "result", "files": files}))
            runner.on_end(0)
        chosen = self.session.chosen
        assert chosen.qsm_segmentation.GetSegmentation().GetNumberOfSegments() == 16
        self.ui.editQsmButton.click()
        assert self.ui.segmentEditorWidget.segmentationNode() == chosen.qsm_segmentation
        self.ui.goQSM2Button.click()
        self.ui.reviewButton.click()
        assert self.ui.reviewWidget.visible
        self.ui.diagnoseButton.click()
        self.ui.cancelButton.click()
        runner.on_end(130)
        assert "Cancelled" in self.ui.statusLabel.text
        slicer.mrmlScene.Clear()
        assert self.ui.inputsLabel.text.startswith("Choose a QSM")

    def need_program(self):
        """Skips where the program cannot run, or fails where it has to."""
        from MRNDiagnosisLib.packages import missing

        if left := missing():
            said = f"packages are missing: {', '.join(entry.text for entry in left)}"
            if os.environ.get("MRN_PROGRAM_NEEDED"):
                self.fail(said)
            self.skipTest(f"{said}; install them under Setup")

    def make_demo_patient(self):
        """The PD demo patient, made by the real program, chosen and looked at."""
        self.ui.demoPdButton.click()
        assert wait_for(lambda: not self.session.runs.task)
        self.widget.on_check()
        assert self.session.chosen.qsm is not None, self.ui.statusLabel.text

    def test_real_cancel(self):
        """A diagnosis is cancelled once the real program works: it ends, and nothing stays."""
        self.need_program()
        self.make_demo_patient()
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        self.ui.diagnoseButton.click()
        assert wait_for(lambda: self.session.runs.fraction or not self.session.runs.task)
        assert self.session.runs.task == "diagnose", self.ui.statusLabel.text
        began = time.monotonic()
        self.ui.cancelButton.click()
        assert wait_for(lambda: not self.session.runs.task, 30)
        print(f"Cancelled after {time.monotonic() - began:.1f} s")
        assert "Cancelled" in self.ui.statusLabel.text
        assert self.session.result is None
        assert self.session.chosen.qsm_segmentation is None
        assert slicer.mrmlScene.GetNumberOfNodes() == nodes
        assert self.ui.diagnoseButton.enabled

    def test_real_demo_patient(self):
        """Demo patient, diagnosis, saved scene: the whole road with the real program."""
        self.need_program()
        self.make_demo_patient()
        self.ui.diagnoseButton.click()
        assert wait_for(lambda: not self.session.runs.task)
        assert self.session.result is not None, self.ui.statusLabel.text
        assert self.session.result.phantom
        assert "digital phantom" in self.ui.probabilityLabel.text
        assert self.session.changes == ()
        assert (self.session.result_folder / "report.html").is_file()
        before = self.session.result
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            slicer.util.saveScene(path)
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
        assert self.session.result == before


if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(MRNDiagnosisPanelTest)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.stdout.flush()
    slicer.util.exit(0 if result.wasSuccessful() else 1)
