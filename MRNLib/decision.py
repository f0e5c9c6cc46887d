"""From a probability to a decision, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Sequence

from MRNLib.examination import DEMONSTRATION, IN_WORDS, NO_MEANING, Decision
from MRNLib.manifest import Manifest


def decide(probability: float, manifest: Manifest, phantom: bool) -> Decision:
    """PD or HC outside the bundle's abstain limits; none where the number has no meaning.

    Args:
        probability: Of PD, calibrated.
        manifest: The bundle's.
        phantom: Whether the patient is a digital one.
    """
    if manifest.trained_on == "phantom" and not phantom:
        return DEMONSTRATION
    limits = manifest.calibration
    if limits.abstain_low < probability < limits.abstain_high:
        return "undecided"
    return "PD" if probability >= 0.5 else "HC"


def headline(
    decision: Decision, probability: float, left_out: Sequence[str] = (), phantom: bool = False
) -> str:
    """One sentence for the top of every view.

    Args:
        decision: What the rules say.
        probability: Of PD.
        left_out: ROIs that were absent or masked.
        phantom: Whether the patient is a digital one.
    """
    if decision == DEMONSTRATION:
        return NO_MEANING
    of = " (digital phantom)" if phantom else ""
    without = f" Degraded: without {', '.join(left_out)}." if left_out else ""
    return f"P(PD) = {probability:.2f}{of}: {IN_WORDS[decision]}.{without}"
