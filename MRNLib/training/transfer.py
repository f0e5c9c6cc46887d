"""Between the host and a GPU without waiting for the GPU's work.

``torch.tensor(values, device="cuda")`` and ``tensor.to("cuda")`` wait until the GPU has done all
that is queued on the current stream; a step that sends a few dozen small tensors so would spend
much of its time waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


def sent(values: Sequence[int] | Tensor, device: torch.device) -> Tensor:
    """Some numbers on a device.

    The driver has copied them when this returns (CUDA's asynchronous copy from pageable memory), so
    that the host's tensor may go.
    """
    tensor = values if isinstance(values, Tensor) else torch.tensor(values)
    return tensor.to(device, non_blocking=True)


class SideStream:
    """A stream of its own for small work beside a GPU's main work; nothing on a CPU.

    What is queued there does not wait for the main stream, and what waits for it does not wait for
    the main stream's work either: the next batch is cut while the last step is still computed.

    Args:
        device: Of the work.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self._stream is not None:
            # What was put on the device before, the crops, is there from here on.
            self._stream.wait_stream(torch.cuda.current_stream(device))

    @contextmanager
    def queued(self) -> Iterator[None]:
        """Work inside goes to this stream; work after it, on the main one, comes after it."""
        if self._stream is None:
            yield
            return
        main = torch.cuda.current_stream(self._stream.device)
        with torch.cuda.stream(self._stream):
            yield
        main.wait_stream(self._stream)

    def handed_over(self, tensors: Iterator[Tensor]) -> None:
        """Keeps the memory of tensors made inside until the main stream is done with them."""
        if self._stream is not None:
            main = torch.cuda.current_stream(self._stream.device)
            for tensor in tensors:
                tensor.record_stream(main)
