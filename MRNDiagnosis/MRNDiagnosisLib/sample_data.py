"""Demo patients: digital ones, generated on the spot by ``mrn phantom`` and loaded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.callbacks import call, nothing
from MRNDiagnosisLib.jobs import Job, Outcome, Runner
from MRNDiagnosisLib.translation import tr as _
from MRNDiagnosisLib.views import show_volume
from MRNDiagnosisLib.volumes import load
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
        on_progress: Called with a fraction and a message.
        on_done: Called once, with the files or with why there are none; no files and no reason
            mean that it was cancelled.
    """

    def __init__(
        self,
        sample: Sample,
        *,
        on_progress: Callable[[float, str], Any] = nothing,
        on_done: Callable[[Case | None, str], Any] = nothing,
    ) -> None:
        self._sample, self._on_progress, self._on_done = sample, on_progress, on_done
        self._job: Job | None = None
        self.over = False

    def start(self, runner: Runner) -> None:
        """Starts the program; returns at once."""
        self._folder = Path(tempfile.mkdtemp(prefix="mrn-demo-"))
        command = [
            "phantom",
            f"--out={self._folder}",
            f"--seed={self._sample.seed}",
            f"--diagnosis={self._sample.diagnosis}",
        ]
        self._job = Job(command, on_progress=self._progress, on_done=self._ended)
        self._job.start(runner)

    def cancel(self) -> None:
        """Asks the program to stop, and ends it if it does not."""
        if self._job is not None:
            self._job.cancel()

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
    nodes = []
    for role, path in (("QSM", case.qsm), ("NM", case.nm)):
        node = load(scene, path, f"{sample.name} {role}")
        # The file is removed: a run, and saving the scene, must take the node itself.
        storage = node.GetStorageNode()
        node.SetAndObserveStorageNodeID(None)
        scene.RemoveNode(storage)
        nodes.append(node)
    show_volume(nodes[0])
    return nodes[0], nodes[1]


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
        import slicer

        from MRNDiagnosisLib.packages import missing
        from MRNDiagnosisLib.runners import SlicerRunner

        if missing():
            slicer.util.selectModule("MRNDiagnosis")
            raise InputError("packages are missing", remedy="install them under Setup, then again")
        found: list[Any] = []
        errors: list[str] = []

        def done(case: Case | None, error: str) -> None:
            errors.append(error)
            if case is not None:
                found.extend(show(slicer.mrmlScene, case, self._sample))

        making = Making(self._sample, on_done=done)
        making.start(SlicerRunner())
        while not making.over:
            slicer.app.processEvents()
        if not found:
            raise InputError(errors[0] if errors else "the demo patient could not be loaded")
        return found
