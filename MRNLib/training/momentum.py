"""The momentum teacher: an exponential moving average of the student (paper Eq. 9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MomentumTeacher:
    """Follows a student; evaluates, never trains.

    The teacher may lack modules of the student (the DPT: its segmentations are never used); every
    tensor it has must exist in the student under the same name.

    Args:
        network: The teacher's network. It is overwritten with the student's weights.
        student: The network to follow.
        momentum: Share of the teacher that stays at each update (paper: .999).
        warm_up: Use ``min(1 - 1/(t+1), momentum)`` at update ``t`` = 1, 2, ... (C3R's schedule),
            so that a short training does not keep its random start. Off in ``paper.yaml``.
    """

    def __init__(
        self, network: nn.Module, student: nn.Module, momentum: float = 0.999, warm_up: bool = False
    ) -> None:
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(f"teacher momentum must lie in [0, 1], got {momentum}")
        self.network = network.eval().requires_grad_(False)
        self.momentum = momentum
        self.warm_up = warm_up
        self.updates = 0
        source = student.state_dict()
        self.network.load_state_dict({name: source[name] for name in network.state_dict()})
        self._followed: tuple[nn.Module, list[Tensor], list[Tensor]] | None = None

    def momentum_at(self, update: int) -> float:
        """Momentum of the given update, counted from 1."""
        return min(1.0 - 1.0 / (update + 1), self.momentum) if self.warm_up else self.momentum

    @torch.no_grad()
    def update(self, student: nn.Module) -> None:
        """One step towards the student; call it after the optimizer's step. Buffers are copied."""
        self.updates += 1
        keep = self.momentum_at(self.updates)
        if self._followed is None or self._followed[0] is not student:
            own, current = dict(self.network.named_parameters()), dict(student.named_parameters())
            self._followed = (student, list(own.values()), [current[n].detach() for n in own])
        # One call for all tensors: a loop over hundreds of small ones costs more than their sums.
        torch._foreach_lerp_(*self._followed[1:], 1.0 - keep)
        if next(self.network.buffers(), None) is None:
            return
        buffers = dict(student.named_buffers())
        for name, buffer in self.network.named_buffers():
            buffer.copy_(buffers[name])
