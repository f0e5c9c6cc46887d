"""Digital patients: QSM, NM and T1 volumes with masks, a diagnosis and the truth behind it.

Everything here is made up by a random generator from published group statistics; no patient's data
is in it. The core needs numpy and scipy only. Importing this package is cheap: a name is loaded
when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from MRNLib.phantom.cohort import paint_case, write_cohort
    from MRNLib.phantom.measure import image_measurements
    from MRNLib.phantom.oracle import latent_oracle
    from MRNLib.phantom.painting import paint
    from MRNLib.phantom.patient import Phantom, generate
    from MRNLib.phantom.truth import Truth, sample_truth
    from MRNLib.phantom.write import is_phantom, write_case

# Who may use which seeds: one patient is never in two of these sets.
TRAINING_SEEDS = range(1_000_000)
VALIDATION_SEEDS = range(1_000_000, 2_000_000)
DEMO_SEEDS = range(8_000_000, 9_000_000)
HELD_OUT_SEEDS = range(9_000_000, 10_000_000)

_HOMES = {
    "Phantom": "patient",
    "Truth": "truth",
    "generate": "patient",
    "image_measurements": "measure",
    "is_phantom": "write",
    "latent_oracle": "oracle",
    "paint": "painting",
    "paint_case": "cohort",
    "sample_truth": "truth",
    "write_case": "write",
    "write_cohort": "cohort",
}

__all__ = [
    "DEMO_SEEDS",
    "HELD_OUT_SEEDS",
    "TRAINING_SEEDS",
    "VALIDATION_SEEDS",
    "Phantom",
    "Truth",
    "generate",
    "image_measurements",
    "is_phantom",
    "latent_oracle",
    "paint",
    "paint_case",
    "sample_truth",
    "write_case",
    "write_cohort",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
