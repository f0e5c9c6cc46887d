"""From a crop to its token, with one fold of a bundle: computed once, then found by content."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from MRNLib.anatomy import RoiDefinition
from MRNLib.bundle import Bundle
from MRNLib.cache import ArrayCache, content_key
from MRNLib.errors import InputError
from MRNLib.models.preprocess import blank, preprocess

if TYPE_CHECKING:
    from MRNLib.models.mrn import Mrn

Shape = tuple[int, int, int]
# Part of the cache key; raised when the same weights give other tokens than before.
ENCODING_VERSION = 2


def choose_device(asked: str) -> str:
    """``cuda`` or ``cpu``.

    Raises:
        InputError: A GPU was asked for and there is none that PyTorch can use.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "A CUDA GPU was asked for, but PyTorch finds none.", remedy="use --device cpu or auto"
        )
    return asked


def check_precision(precision: str, device: str) -> None:
    """Refuses bf16 where the processor would emulate it, many times slower.

    Raises:
        InputError: ``bf16`` on a CPU or GPU without it.
    """
    if precision != "bf16":
        return
    if device == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # torch has no public question for this; builds without oneDNN lack the private one too.
        asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
        supported = asked is not None and asked()
    if not supported:
        raise InputError(
            f"This {'GPU' if device == 'cuda' else 'CPU'} has no bf16 arithmetic.",
            remedy="use --precision fp32",
        )


class RoiEncoder:
    """Encodes ROIs with one fold; counts what it had to compute.

    Attributes:
        computed: Encodings computed by this object.
        device: Where it computes; becomes ``cpu`` after a GPU ran out of memory.
    """

    def __init__(
        self,
        bundle: Bundle,
        fold: int,
        *,
        device: str,
        precision: str,
        cache: ArrayCache,
        warn: Callable[[str], None],
    ) -> None:
        self.bundle = bundle
        self.fold = fold
        self.device = device
        self.precision = precision
        self.computed = 0
        self._cache = cache
        self._warn = warn
        self._model: Mrn | None = None
        config = bundle.manifest.model.preprocess
        self._recipe: list[Any] = [
            ENCODING_VERSION,
            bundle.encoder_sha256(fold),
            dataclasses.asdict(bundle.manifest.model.for_inference()),
            precision,
        ]
        self._config = config

    def token(
        self, roi: RoiDefinition, crop: NDArray[np.float32], *, mirrored: bool = False
    ) -> torch.Tensor:
        """Token ``[C]`` of a native crop ``[slices, height, width]`` (ppb, or NM units)."""
        key = content_key("token", *self._recipe, roi.modality, mirrored, crop)

        def stack() -> torch.Tensor:
            values = torch.from_numpy(np.ascontiguousarray(crop, np.float32))
            if mirrored:
                values = values.flip(-1)
            return preprocess(values, roi.modality, self._config)

        return self._cached(key, stack)

    def blank_token(self, shape: Shape) -> torch.Tensor:
        """Token ``[C]`` of a masked ROI of native ``shape``: zeros before normalisation."""
        key = content_key("blank", *self._recipe, list(shape))
        return self._cached(key, lambda: blank(*shape, self._config))

    def _cached(self, key: str, stack: Callable[[], torch.Tensor]) -> torch.Tensor:
        known = self._cache.get(key)
        if known is None:
            self.computed += 1
            known = self._encode(stack()).numpy()
            self._cache.put(key, known)
        return torch.from_numpy(known.copy())

    def _encode(self, stack: torch.Tensor) -> torch.Tensor:
        try:
            return self._forward(stack)
        except torch.cuda.OutOfMemoryError:
            self._warn("The GPU ran out of memory; this fold was computed on the CPU instead.")
            self.device = "cpu"
            self._model = self._model.cpu() if self._model is not None else None
            torch.cuda.empty_cache()
            check_precision(self.precision, self.device)
            return self._forward(stack)

    @torch.inference_mode()
    def _forward(self, stack: torch.Tensor) -> torch.Tensor:
        if self._model is None:
            self._model = self.bundle.encoder(self.fold).to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
            token = self._model.encode([stack.to(self.device)])[0]
        return token.float().cpu()
