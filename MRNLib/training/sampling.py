"""Which patients make a batch, and where a patient's chance comes from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Generator


def generator_for(*numbers: int) -> Generator:
    """A random generator that depends on the given numbers only."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return Generator().manual_seed(int(state >> np.uint64(1)))


def balanced_batches(
    diagnoses: NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """One epoch of batches that each hold both classes, half and half.

    A smaller class is repeated, each patient as often as the others (give or take one), until both
    are used up. With an odd batch size the extra place goes to the classes in turn.

    Args:
        diagnoses: ``[N]`` classes 0 and 1, both present.
        batch_size: Patients in a batch, at least 2.
        seed: Of the training.
        epoch: Its number; each has its own order.
    """
    random = np.random.default_rng([seed, epoch])
    members = [np.flatnonzero(diagnoses == label) for label in (0, 1)]
    half = batch_size / 2
    number = max(-(-len(group) // max(int(half), 1)) for group in members)
    places = [
        batch_size // 2 + (batch_size % 2 if batch % 2 == 0 else 0) for batch in range(number)
    ]
    needed = [sum(places), sum(batch_size - place for place in places)]
    order = [_cycled(group, count, random) for group, count in zip(members, needed, strict=True)]
    batches, used = [], [0, 0]
    for place in places:
        counts = (place, batch_size - place)
        parts = [order[k][used[k] : used[k] + counts[k]] for k in (0, 1)]
        used = [used[k] + counts[k] for k in (0, 1)]
        batches.append(random.permutation(np.concatenate(parts)))
    return batches


def _cycled(
    members: NDArray[np.int64], count: int, random: np.random.Generator
) -> NDArray[np.int64]:
    rounds = [random.permutation(members) for _ in range(-(-count // len(members)))]
    return np.concatenate(rounds)[:count]
