"""The result of one patient's examination: assembled once, shown by every front end.

These dataclasses hold plain JSON values only, so ``from_json(to_json(x)) == x``. The JSON Schema
``MRNLib/resources/diagnosis.schema.json`` is generated from them (``schema()``), and a test keeps
the two equal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from MRNLib.anatomy import NOTICE
from MRNLib.biomarkers import Biomarker

Decision = Literal["PD", "HC", "undecided", "none (demonstration model)"]
DEMONSTRATION: Decision = "none (demonstration model)"
IN_WORDS: dict[Decision, str] = {
    "PD": "Parkinson's disease more likely",
    "HC": "Healthy control more likely",
    "undecided": "Undecided",
    DEMONSTRATION: "No decision: demonstration model",
}
NO_MEANING = "Demonstration model: this number has no meaning for a patient."
SCHEMA_FILE = Path(__file__).parent / "resources" / "diagnosis.schema.json"


@dataclass(frozen=True)
class FoldResult:
    """One cross-validation model's calibrated probability of PD, in [0, 1]."""

    fold: int
    probability_pd: float


@dataclass(frozen=True)
class Masking:
    """One row of the ROI-masking experiment (Table 4 of the paper).

    Attributes:
        masked: Names of the ROIs replaced by blank ones; empty for the examination as it is.
        probability_pd: Mean probability of the folds with these ROIs masked.
        change: ``probability_pd`` minus that of the unmasked examination.
        flips: Whether the answer at .5 is another one than unmasked.
    """

    masked: tuple[str, ...]
    probability_pd: float
    change: float
    flips: bool


@dataclass(frozen=True)
class Jitter:
    """Probabilities when the ROI boxes are shifted in plane by ``voxels`` voxels.

    ``flips`` counts the shifts whose answer at .5 is another one than that of the unshifted boxes.
    """

    voxels: int
    probabilities: tuple[float, ...]
    mean: float
    minimum: float
    maximum: float
    flips: int


@dataclass(frozen=True)
class Calibration:
    """How logits became the probability, from the bundle.

    Attributes:
        temperature: What the logits were divided by; 1 means uncalibrated.
        abstain_low: A probability above this ...
        abstain_high: ... and below this is ``undecided``.
        source: What the temperature and the limits were fitted on.
    """

    temperature: float
    abstain_low: float
    abstain_high: float
    source: str


@dataclass(frozen=True)
class RoiSummary:
    """One of the four ROIs as it went into the model.

    Attributes:
        name: ``NM``, ``QSM1``, ``QSM2`` or ``QSM3``.
        modality: ``NM`` or ``QSM``.
        nuclei: Keys of the nuclei the ROI is drawn around.
        box: ``i0:i1,j0:j1,k0:k1`` on the canonical (LPS) grid of the QSM, upper bounds exclusive.
        slices: Number of slices.
        size_mm: Extent (x, y, z) in mm.
        present: Whether its nuclei were found.
        masked: Whether the model saw a blank ROI in its place.
        encoded: Whether the tokens were computed in this run, or else taken from the cache.
        warnings: What was noticed while the box was drawn.
    """

    name: str
    modality: str
    nuclei: tuple[str, ...]
    box: str | None
    slices: int
    size_mm: tuple[float, float, float] | None
    present: bool
    masked: bool
    encoded: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examination:
    """Everything one run found out about one patient.

    Attributes:
        identifier: The case's name.
        probability_pd: Mean of the folds' calibrated probabilities, in [0, 1].
        decision: ``PD``, ``HC``, ``undecided`` (within the abstain limits) or none, where a bundle
            trained on phantoms met an input that is no phantom.
        headline: One sentence for the top of every view.
        folds: Each fold's probability.
        spread: SD of the folds' probabilities (population SD, 0 for one fold).
        calibration: Temperature and abstain limits.
        masking: 16 rows in Table 4's order, or empty where not asked for.
        jitter: Box jitter by one and by two voxels; empty where not asked for.
        robustness: One plain sentence that sums up masking and jitter.
        rois: The four ROIs in the paper's order.
        biomarkers: The measurements inside the masks.
        trained_on: What the bundle was trained on.
        phantom: Whether the input is marked as a digital phantom.
        degraded: Whether the model saw a blank ROI: one absent, or left out on request.
        segmentation_notes: Where the masks come from and what was repaired.
        warnings: Everything a reader has to know before trusting a number.
        provenance: Hashes, geometry, versions, device, precision, bundle, seeds. JSON values only
            (lists, no tuples).
        notice: The line every output carries.
    """

    identifier: str
    probability_pd: float
    decision: Decision
    headline: str
    folds: tuple[FoldResult, ...]
    spread: float
    calibration: Calibration
    masking: tuple[Masking, ...]
    jitter: tuple[Jitter, ...]
    robustness: str
    rois: tuple[RoiSummary, ...]
    biomarkers: tuple[Biomarker, ...]
    trained_on: Literal["phantom", "human"]
    phantom: bool
    degraded: bool = False
    segmentation_notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    notice: str = NOTICE

    @property
    def demonstration(self) -> bool:
        """Whether the probability is meaningless for this input."""
        return self.decision == DEMONSTRATION


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Examination)


def to_jsonable(examination: Examination) -> dict[str, Any]:
    """``examination`` as JSON values (dicts, lists, strings, finite numbers, None)."""
    return _adapter().dump_python(examination, mode="json")


def to_json(examination: Examination) -> str:
    """``examination`` as indented JSON text.

    Raises:
        ValueError: For a NaN or an infinity; an unknown value is None, never NaN.
    """
    data = to_jsonable(examination)
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Examination:
    """The examination that :func:`to_json` wrote.

    Raises:
        ValueError: Where ``text`` does not follow the schema (pydantic's own text says where).
    """
    return _adapter().validate_json(text)


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``diagnosis.json``, generated from the dataclasses."""
    generated = _adapter().json_schema(mode="serialization")
    for definition in (generated, *generated["$defs"].values()):
        # Every field is always written, and no other: a reader may rely on both.
        definition["required"] = list(definition["properties"])
        definition["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **generated,
        "title": "MRN examination",
    }


def write_schema(path: Path = SCHEMA_FILE) -> None:
    """Writes :func:`schema` to its committed place; run it after a change of the dataclasses."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
