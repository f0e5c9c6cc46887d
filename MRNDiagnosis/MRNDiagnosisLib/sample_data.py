"""Demo patients: digital ones, generated on the spot by ``mrn phantom`` and loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.callbacks import call, nothing
from MRNDiagnosisLib.jobs import Job, Outcome, Runner
from MRNDiagnosisLib.loading import load_both
from MRNDiagnosisLib.temporary import new_folder
from MRNDiagnosisLib.translation import tr as _
from MRNDiagnosisLib.views import show_volume
from MRNLib.casefiles import Case, read_cohort
from MRNLib.errors import InputError

CATEGORY = "MRNDiagnosis"


@dataclass(frozen=True)
class Sample:
    """A demo patient; the seeds are those of ``mrn demo``, which no model was trained on.

    Attributes:
        name: Shown in Sample Data.
        diagnosis: ``HC`` or ``PD``.
        seed: The same seed gives the same patient.
    """

    name: str
    diagnosis: str
    seed: int


SAMPLES = (Sample("Demo patient (PD)", "PD", 8000000), Sample("Demo patient (HC)", "HC", 8000001))


class Making:
    """One demo patient being made; its files are gone after ``on_done``.

    Args:
        sample: Which one.
        place: Where its files go meanwhile; the system's place for such without one.
        on_progress: Called with a fraction and a message.
        on_done: Called once, with the files or with why there are none; no files and no reason
            mean that it was cancelled.
    """

    def __init__(
        self,
        sample: Sample,
        place: Path | None = None,
        *,
        on_progress: Callable[[float, str], Any] = nothing,
        on_done: Callable[[Case | None, str], Any] = nothing,
    ) -> None:
        self._sample, self._place = sample, place
        self._on_progress, self._on_done = on_progress, on_done
        self._job: Job | None = None
        self.over = False

    def start(self, runner: Runner) -> None:
        """Starts the program; returns at once."""
        self._folder = new_folder("demo", self._place)
        command = [
            "phantom",
            f"--out={self._folder}",
            f"--seed={self._sample.seed}",
            f"--diagnosis={self._sample.diagnosis}",
        ]
        self._job = Job(command, place=self._place, on_progress=self._progress, on_done=self._ended)
        self._job.start(runner)

    def cancel(self) -> None:
        """Asks the program to stop, and ends it if it does not."""
        if self._job is not None:
            self._job.cancel()

    def kill(self) -> None:
        """Ends the program now; ``on_done`` is not called."""
        if self._job is not None and not self.over:
            self._job.kill()
            shutil.rmtree(self._folder, ignore_errors=True)
            self.over = True

    def _progress(self, fraction: float, message: str) -> None:
        said = _("{patient} is being made").format(patient=self._sample.name)
        call(self._on_progress, fraction, said)

    def _ended(self, outcome: Outcome) -> None:
        case, error = None, outcome.error or ""
        if outcome.result is not None:
            try:
                case = read_cohort(self._folder)[0]
            except InputError as refused:
                error = str(refused)
        try:
            call(self._on_done, case, error)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self.over = True


def show(scene: Any, case: Case, sample: Sample) -> tuple[Any, Any]:
    """Loads and shows QSM and NM of a demo patient, which outlive their files.

    Raises:
        InputError: A file cannot be read.
    """
    nodes = load_both(scene, case.qsm, case.nm, sample.name)
    for node in nodes:
        # The file is removed: a run, and saving the scene, must take the node itself.
        storage = node.GetStorageNode()
        node.SetAndObserveStorageNodeID(None)
        scene.RemoveNode(storage)
    show_volume(nodes[0])
    return nodes


def register(thumbnails: Path) -> None:
    """Puts the demo patients into Slicer's Sample Data module."""
    import SampleData
    from slicer.i18n import tr

    logic = SampleData.SampleDataLogic
    logic.registerCustomSampleDataCategory(CATEGORY, title=tr("Parkinson's MRN Diagnosis"))
    for sample in SAMPLES:
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=sample.name,
            uris=[],  # nothing is downloaded
            fileNames=[],
            nodeNames=[],
            thumbnailFileName=str(thumbnails / f"Demo{sample.diagnosis}.png"),
            customDownloader=_Downloader(sample),
        )


class _Downloader:
    """What Sample Data calls when a demo patient's button is clicked."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def __str__(self) -> str:
        return f"makes {self._sample.name}"  # Sample Data compares sources by their text

    def __call__(self, source: Any = None) -> list[Any]:
        """Makes and loads the patient; the window stays alive meanwhile.

        Raises:
            InputError: It could not be made.
        """
        import qt
        import slicer

        from MRNDiagnosisLib.packages import missing
        from MRNDiagnosisLib.runners import SlicerRunner

        if missing():
            slicer.util.selectModule("MRNDiagnosis")
            raise InputError("packages are missing", remedy="install them under Setup, then again")
        found: list[Any] = []
        errors: list[str] = []
        loop = qt.QEventLoop()

        def leave() -> None:
            loop.quit()

        def done(case: Case | None, error: str) -> None:
            errors.append(error)
            try:
                if case is not None:
                    found.extend(show(slicer.mrmlScene, case, self._sample))
            except InputError as refused:
                errors.append(str(refused))
            finally:
                leave()

        making = Making(self._sample, Path(slicer.app.temporaryPath), on_done=done)
        making.start(SlicerRunner())
        if not making.over:
            slicer.app.connect("aboutToQuit()", leave)
            loop.exec_()
            slicer.app.disconnect("aboutToQuit()", leave)
        making.kill()  # without effect unless Slicer is quit
        if not found:
            said = next(filter(None, reversed(errors)), "")
            raise InputError(
                said or "the demo patient was not made", remedy="" if said else "make it again"
            )
        return found
