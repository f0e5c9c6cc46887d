"""What is known when the panel is drawn, and what is drawn from it: plain values, no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from MRNDiagnosisLib.translation import tr as _

if TYPE_CHECKING:
    from MRNLib.examination import Examination

Kind = Literal["plain", "good", "warning", "error"]
Task = Literal["", "segment", "diagnose", "sample", "setup", "bundle", "batch"]


def busy(task: Task) -> str:
    """What is going on, as the reason why a button waits; empty for nothing."""
    match task:
        case "segment":
            return _("The nuclei are being outlined.")
        case "diagnose":
            return _("A diagnosis is being made.")
        case "sample":
            return _("A demo patient is being made.")
        case "setup":
            return _("Packages are being installed.")
        case "bundle":
            return _("A model is being added or removed.")
        case "batch":
            return _("A folder of cases is being worked through.")
    return ""


@dataclass(frozen=True)
class RoiFacts:
    """One of the four ROIs as it is in the scene.

    Attributes:
        name: Its name.
        slices: Slices in its box; 0 without one.
        size_mm: Extent of its box.
        by_hand: Whether the box was set by hand.
        notes: What was noticed while the box was drawn.
    """

    name: str
    slices: int = 0
    size_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    by_hand: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchFacts:
    """What is known about the folder of cases.

    Attributes:
        folder: The cases.
        out: Their results.
        cases: How many there are.
        done: How many are done.
        failed: How many failed.
        problem: Why the folder cannot be worked through.
        note: Why a row was not opened.
    """

    folder: str = ""
    out: str = ""
    cases: int = 0
    done: int = 0
    failed: int = 0
    problem: str = ""
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known when the panel is drawn.

    Attributes:
        too_old: The sentence for a Slicer that lacks what is needed.
        missing: Python packages that are not installed.
        setup_error: Why the last installation failed.
        qsm: Name of the chosen QSM volume; empty for none.
        nm: Name of the chosen NM volume.
        checked: Whether the library has looked at the chosen volumes.
        problem: Why they cannot be used, in the library's words.
        doubts: What is doubtful about them, in the library's words.
        masks: The modalities that have outlines.
        outline_problem: Why the outlines do not belong to the volumes.
        rois: The four ROIs; empty before there are outlines.
        roi_problem: Why a box cannot be used.
        unused: The ROIs that are switched off.
        running: What is being done.
        fraction: How much of it, in [0, 1].
        message: The step it is at.
        cancelling: Whether it was asked to stop.
        ended: Why the last run failed.
        cancelled: Whether the last run was cancelled.
        notes: What the last run warned of.
        result: The diagnosis that is shown.
        elsewhere: Whether it is that of volumes which are not those chosen.
        changes: What changed since, one sentence each.
        recompute: What Diagnose will do again.
        files: Whether the result's report is on disk.
        dicom: Whether a volume that has outlines came from the DICOM database.
        bundle: The chosen model.
        bundle_added: Whether it was added by the user.
        cache_megabytes: Size of what is kept between runs.
        batch: The folder of cases.
    """

    too_old: str = ""
    missing: tuple[str, ...] = ()
    setup_error: str = ""
    qsm: str = ""
    nm: str = ""
    checked: bool = False
    problem: str = ""
    doubts: str = ""
    masks: tuple[str, ...] = ()
    outline_problem: str = ""
    rois: tuple[RoiFacts, ...] = ()
    roi_problem: str = ""
    unused: tuple[str, ...] = ()
    running: Task = ""
    fraction: float = 0.0
    message: str = ""
    cancelling: bool = False
    ended: str = ""
    cancelled: bool = False
    notes: tuple[str, ...] = ()
    result: Examination | None = None
    elsewhere: bool = False
    changes: tuple[str, ...] = ()
    recompute: str = ""
    files: bool = False
    dicom: bool = False
    bundle: str = ""
    bundle_added: bool = False
    cache_megabytes: float = 0.0
    batch: BatchFacts = BatchFacts()

    @property
    def moved(self) -> tuple[str, ...]:
        """The ROIs whose box was set by hand."""
        return tuple(roi.name for roi in self.rois if roi.by_hand)


@dataclass(frozen=True)
class Button:
    """A button: a disabled one says why in its tooltip. ``text`` None leaves the caption."""

    enabled: bool
    tip: str
    text: str | None = None


@dataclass(frozen=True)
class Line:
    """A line of text and how urgent it is; an empty one takes no room."""

    text: str = ""
    kind: Kind = "plain"


@dataclass(frozen=True)
class PanelState:
    """Everything that changes in the panel, by widget name.

    Attributes:
        buttons: Buttons.
        lines: Labels.
        progress: Percent done, or None while nothing runs.
        details: Whether there is something to see in the result's tabs or the log.
        result: Whether there is a result; without one there is only the log to see.
    """

    buttons: Mapping[str, Button]
    lines: Mapping[str, Line]
    progress: int | None = None
    details: bool = False
    result: bool = False
