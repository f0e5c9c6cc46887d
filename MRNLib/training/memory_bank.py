"""Category memory bank: a ring of teacher projections for each class (paper section 3.3.2).

It caches stable patient representations so that a batch of four sees up to 2 x 1,024 keys.
Everything it knows is in buffers, so it is saved with the training state as safetensors and is
never exported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from MRNLib.training.transfer import sent

NOBODY = -1


@dataclass(frozen=True)
class Keys:
    """Contrastive keys.

    Attributes:
        vectors: ``[K, D]`` teacher projections.
        labels: ``[K]`` classes.
        patients: ``[K]`` patient numbers, to leave out an anchor's own.
    """

    vectors: Tensor
    labels: Tensor
    patients: Tensor

    def joined(self, other: Keys) -> Keys:
        """These keys followed by the other ones."""
        return Keys(
            torch.cat((self.vectors, other.vectors)),
            torch.cat((self.labels, other.labels)),
            torch.cat((self.patients, other.patients)),
        )

    def usable_for(self, patients: Tensor) -> Tensor:
        """Boolean ``[A, K]``: ``False`` where a key belongs to the anchor's own patient."""
        return patients[:, None] != self.patients[None, :]


class MemoryBank(nn.Module):
    """One circular buffer of ``capacity`` keys for each class.

    The counters stay on the CPU wherever the keys are: the host needs them for every slice, and to
    ask a GPU for them would wait for all its work.

    Args:
        capacity: Keys kept for each class (paper: 1,024; Table 5 compares 128 to 1,024).
        dimension: Length of a projection.
        classes: Number of classes.
    """

    def __init__(self, capacity: int, dimension: int, classes: int = 2) -> None:
        super().__init__()
        if capacity < 1:
            raise ValueError(f"bank capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.register_buffer("vectors", torch.zeros(classes, capacity, dimension))
        self.register_buffer("patients", torch.full((classes, capacity), NOBODY))
        self.register_buffer("valid", torch.zeros(classes, dtype=torch.int64))
        self.register_buffer("pointer", torch.zeros(classes, dtype=torch.int64))

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        for name in ("valid", "pointer"):
            setattr(self, name, getattr(self, name).cpu())
        return self

    @torch.no_grad()
    def enqueue(self, keys: Keys, classes: list[int] | None = None) -> None:
        """Writes keys over the oldest ones; the pointer advances by what was written.

        Args:
            keys: The new keys, oldest first.
            classes: Their labels where the host knows them, so that no GPU has to be asked.
        """
        vectors, patients = cast(Tensor, self.vectors), cast(Tensor, self.patients)
        valid, pointer = cast(Tensor, self.valid), cast(Tensor, self.pointer)
        known = keys.labels.tolist() if classes is None else classes
        for label in range(vectors.shape[0]):
            chosen = [place for place, one in enumerate(known) if one == label][-self.capacity :]
            if not chosen:
                continue
            start = int(pointer[label])
            slots = (start + torch.arange(len(chosen), device=vectors.device)) % self.capacity
            found = sent(chosen, vectors.device)
            vectors[label].index_copy_(0, slots, keys.vectors[found].to(vectors.dtype))
            patients[label].index_copy_(0, slots, keys.patients[found])
            pointer[label] = (start + len(chosen)) % self.capacity
            valid[label] = min(int(valid[label]) + len(chosen), self.capacity)

    def keys(self) -> Keys:
        """All keys written so far; unfilled slots are left out."""
        vectors, patients = cast(Tensor, self.vectors), cast(Tensor, self.patients)
        counts = cast(Tensor, self.valid).tolist()
        labels = [
            torch.full((count,), label, dtype=torch.int64, device=vectors.device)
            for label, count in enumerate(counts)
        ]
        return Keys(
            torch.cat([vectors[label, :count] for label, count in enumerate(counts)]),
            torch.cat(labels),
            torch.cat([patients[label, :count] for label, count in enumerate(counts)]),
        )
