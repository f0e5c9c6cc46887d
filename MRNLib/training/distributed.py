"""Several processes that train one model, each on its share of every batch (``torchrun``).

Every process holds all patients and walks through the same batches; of a batch it takes a run of
places. What one process would have seen, drawn and put into the memory bank is seen, drawn and put
there by all of them together, but for dropout and drop path, which each process draws for its own
share: the same expectation, other units.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from MRNLib.errors import Cancelled, InputError


class Group:
    """The processes of one training.

    Args:
        rank: This process's number; 0 leads: it alone writes and speaks.
        size: How many there are.
        control: Group for small messages between the hosts, or None when alone. Apart from the
            GPUs' own, so that asking for a stop does not wait for a GPU.
    """

    def __init__(self, rank: int = 0, size: int = 1, control: Any = None) -> None:
        self.rank = rank
        self.size = size
        self._control = control

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def check_batch(self, batch_size: int) -> None:
        """Refuses batches that the processes cannot share evenly.

        Raises:
            InputError: The number of processes does not divide the batch.
        """
        if batch_size % self.size:
            raise InputError(
                f"a batch of {batch_size} cannot be shared among {self.size} processes",
                expected=f"train.batch_size a multiple of {self.size}",
                remedy="change train.batch_size or --nproc_per_node",
            )

    def share(self, batch_size: int) -> range:
        """The places of a batch that are this process's."""
        each = batch_size // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    def gathered(self, values: Tensor) -> Tensor:
        """Everybody's ``[n, ...]`` as ``[size * n, ...]``, in the order of places."""
        if self.size == 1:
            return values
        parts = [torch.empty_like(values) for _ in range(self.size)]
        dist.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    def summed(self, values: Tensor) -> Tensor:
        """The sum over the processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def any(self, here: bool) -> bool:
        """Whether it holds in any process; all get the same answer."""
        if self._control is None:
            return here
        flag = torch.tensor([int(here)])
        dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=self._control)
        return bool(flag.item())

    def wrapped(self, module: nn.Module, *, some_unused: bool) -> nn.Module:
        """The module with gradients averaged over the processes.

        Args:
            module: What is called and then differentiated.
            some_unused: Whether some weights take no part: the classification head in phase 1, a
                head whose loss is switched off.
        """
        if self.size == 1:
            return module
        return DistributedDataParallel(
            module, find_unused_parameters=some_unused, gradient_as_bucket_view=True
        )


ALONE = Group()


def started_by_torchrun() -> bool:
    """Whether this process is one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def rank_here() -> int:
    """This process's number, 0 when alone; known before the processes have met."""
    return int(os.environ.get("RANK", "0")) if started_by_torchrun() else 0


def check_device_name(kind: str) -> None:
    """Refuses what names no device; whether this machine has it is not asked.

    Raises:
        InputError: Such a name.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", kind):
        raise InputError(f"--device {kind}: unknown", expected="cpu, cuda, cuda:N or auto")


def own_device(kind: str) -> torch.device:
    """The device of this process: each of several on one machine has a GPU of its own.

    Args:
        kind: ``cpu``, ``cuda``, ``cuda:N``, or ``auto`` for a GPU where there is one.

    Raises:
        InputError: Another name, no GPU, no such GPU, or fewer than processes.
    """
    check_device_name(kind)
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cpu":
        return torch.device(kind)
    if not torch.cuda.is_available():
        raise InputError("PyTorch finds no GPU here", remedy="use --device cpu")
    count, chosen = torch.cuda.device_count(), torch.device(kind).index
    if chosen is not None:
        if chosen >= count:
            raise InputError(
                f"--device {kind}: this machine has no such GPU",
                expected=f"a number below {count}, which they are counted to from 0",
            )
        return torch.device(kind)
    number = int(os.environ.get("LOCAL_RANK", "0")) if started_by_torchrun() else 0
    if number >= count:
        raise InputError(
            f"process {number} of this machine has no GPU: there are {count}",
            remedy="start as many processes as there are GPUs, or use --device cpu",
        )
    return torch.device("cuda", number)


def dealt_device(kind: str, worker: int) -> torch.device:
    """The device of one of several workers that train apart: of several GPUs one in turn.

    Args:
        kind: As for :func:`own_device`; ``cuda:N`` is that GPU for all of them.
        worker: Its number on this machine, from 0.

    Raises:
        InputError: As for :func:`own_device`.
    """
    device = own_device(kind)
    if device.type == "cpu" or ":" in kind:
        return device
    return torch.device("cuda", worker % torch.cuda.device_count())


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """Meets the other processes that torchrun started; alone without it.

    A failure of one process leaves without a farewell: the others may be waiting in the middle of
    an exchange, and torchrun ends them.
    """
    if not started_by_torchrun():
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device)
    else:
        dist.init_process_group("gloo")
    control = dist.new_group(backend="gloo")
    try:
        yield Group(dist.get_rank(), dist.get_world_size(), control)
    except Cancelled:
        dist.destroy_process_group()
        raise
    dist.destroy_process_group()
