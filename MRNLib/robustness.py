"""How far the result leans on each ROI and on the exact boxes.

The 16 ROI maskings of the paper's Table 4 need one real and one blank token per ROI and fold, eight
encodings at most, because the encoder sees each ROI alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from MRNLib.anatomy import MASKINGS, ROI_NAMES
from MRNLib.examination import Jitter, Masking

# In-plane directions in which all boxes are moved together, in voxels (i, j).
JITTER_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))
JITTER_VOXELS = (1, 2)


def maskings(probability: Callable[[tuple[str, ...]], float]) -> tuple[Masking, ...]:
    """The 16 rows of Table 4, in its order.

    Args:
        probability: Probability of PD with the named ROIs masked.
    """
    base = probability(())
    rows = []
    for masked in MASKINGS:
        value = probability(masked)
        rows.append(Masking(masked, value, value - base, (value >= 0.5) != (base >= 0.5)))
    return tuple(rows)


def jitter(base: float, moved: Mapping[int, Sequence[float]]) -> tuple[Jitter, ...]:
    """Summary of the probabilities after the boxes were moved, by distance in voxels."""
    return tuple(
        Jitter(
            voxels=voxels,
            probabilities=tuple(values),
            mean=sum(values) / len(values),
            minimum=min(values),
            maximum=max(values),
            flips=sum((value >= 0.5) != (base >= 0.5) for value in values),
        )
        for voxels, values in moved.items()
    )


def summary(rows: Sequence[Masking], moves: Sequence[Jitter], left_out: Sequence[str] = ()) -> str:
    """One plain sentence about how robust the probability is.

    Args:
        rows: The 16 maskings.
        moves: The box jitters, or none.
        left_out: ROIs that were masked or absent to begin with; masking them changes nothing.
    """
    single = [row for row in rows if len(row.masked) == 1 and row.masked[0] not in left_out]
    text = ""
    if single:
        most = max(single, key=lambda row: abs(row.change))
        flipping = [row.masked[0] for row in single if row.flips]
        text = (
            f"Masking one ROI moves the probability by at most {abs(most.change):.2f} "
            f"({most.masked[0]}) and "
        )
        text += (
            f"flips the answer for {_listed(flipping)}" if flipping else "never flips the answer"
        )
    if moves:
        base = rows[0].probability_pd
        widest = max(max(abs(p - base) for p in move.probabilities) for move in moves)
        flips = sum(move.flips for move in moves)
        times = sum(len(move.probabilities) for move in moves)
        text += (
            f"{'; moving' if text else 'Moving'} the boxes by up to "
            f"{max(move.voxels for move in moves)} voxels moves it by at most {widest:.2f} and "
            + (f"flips it {flips} of {times} times" if flips else "never flips it")
        )
    if left_out:
        named = _listed([name for name in ROI_NAMES if name in left_out])
        text += f"{', with ' if text else 'Computed with '}{named} left out from the start"
    return text + "." if text else ""


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
