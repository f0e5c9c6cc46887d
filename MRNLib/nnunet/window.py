"""nnU-Net's sliding window in this process: tile by tile, with progress, and only where it matters.

The tiles, their weights and the sums are nnU-Net's own (``nnUNetPredictor``, nnunetv2 2.8); in
exact mode so is their order. Two things differ: there is no helper thread that a cancelled run
would leave behind, and a run may leave tiles out:

1. Every other tile along each axis already covers the volume once. They are run first.
2. Of the tiles between them, only those are run that touch something the first ones found.

So the nuclei get all the tiles that nnU-Net would give them, wherever the head lies in the volume,
and the rest of it an eighth.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from scipy import ndimage

from MRNLib.progress import Progress, silent

if TYPE_CHECKING:
    from MRNLib.nnunet.stored import StoredNetwork

Slices = tuple[slice, ...]
DOING = "Outlining the nuclei"

# Voxels around what was found that count as found, since the first tiles see the edges of things.
FOUND_MARGIN = (2, 6, 6)
# Fewer voxels than this, that lie apart from others, are not looked at again: a tile's rim, far
# from its centre, often takes a few for a nucleus, and the tiles beside it outvote it. The smallest
# nucleus (STN) has 75.
SMALLEST_FIND = 40
# Tiles that go through the network together, outside exact mode (nnU-Net runs one at a time).
BATCH = 4
# Memory for the first tiles' outputs; what does not fit is computed again if it is needed.
KEPT_BYTES = 512_000_000


class TilePredictor(nnUNetPredictor):
    """nnU-Net's predictor for one stored network."""

    def __init__(self, stored: StoredNetwork, device: torch.device) -> None:
        # nnU-Net's constructor prints advice to whoever has no GPU.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(
                tile_step_size=stored.settings.tile_step_size,
                use_mirroring=False,
                perform_everything_on_device=device.type == "cuda",
                device=device,
                allow_tqdm=False,
            )
        plans = PlansManager(stored.plans)
        configuration = plans.get_configuration(stored.settings.configuration)
        self.manual_initialization(
            stored.network,
            plans,
            configuration,
            list(stored.folds),
            stored.dataset,
            stored.settings.trainer,
            None,
        )
        self.exact = True
        self.progress: Progress = silent
        self._chosen: list[Slices] | None = None

    def predict(self, data: torch.Tensor, *, exact: bool, progress: Progress) -> torch.Tensor:
        """Logits of preprocessed data, averaged over the folds.

        Args:
            data: ``[channels, slices, rows, columns]`` as nnU-Net's preprocessor gives it.
            exact: Run all tiles, in nnU-Net's order.
            progress: Called after every tile; may raise to cancel.

        Returns:
            ``[classes, slices, rows, columns]``, float16, on the CPU.
        """
        self.exact, self._chosen = exact, None
        total: torch.Tensor | None = None
        count = len(self.list_of_parameters)
        for number, weights in enumerate(self.list_of_parameters):
            self.network.load_state_dict(weights, strict=False)
            start = number / count
            self.progress = _scaled(progress, start, 1 / count)
            logits = self.predict_sliding_window_return_logits(data).to("cpu")
            total = logits if total is None else total.add_(logits)
        assert total is not None
        return total if count == 1 else total.div_(count)

    @torch.inference_mode()
    def _internal_predict_sliding_window_return_logits(
        self, data: torch.Tensor, slicers: Sequence[Slices], do_on_device: bool = True
    ) -> torch.Tensor:
        """nnU-Net's loop over the tiles, in one thread."""
        where = self.device if do_on_device else torch.device("cpu")
        data = data.to(where)
        patch = tuple(self.configuration_manager.patch_size)
        gaussian = compute_gaussian(patch, sigma_scale=1 / 8, value_scaling_factor=10, device=where)
        heads = self.label_manager.num_segmentation_heads
        logits = torch.zeros((heads, *data.shape[1:]), dtype=torch.half, device=where)
        weights = torch.zeros(data.shape[1:], dtype=torch.half, device=where)

        def output(tiles: Sequence[Slices]) -> torch.Tensor:
            batch = torch.stack([data[tile] for tile in tiles]).contiguous().to(self.device)
            prediction = self.network(batch).to(where)
            prediction *= gaussian
            return prediction

        def add(tile: Slices, prediction: torch.Tensor) -> None:
            logits[tile] += prediction
            weights[tile[1:]] += gaussian

        if self.exact:
            for number, tile in enumerate(slicers):
                self.progress(number / len(slicers), DOING)
                add(tile, output([tile])[0])
        else:
            kept = self._choose(slicers, data, output, where)
            chosen = self._chosen or []
            missing = [tile for tile in chosen if _start(tile) not in kept]
            for number, tiles in enumerate(batches := _batches(missing)):
                self.progress(0.6 + 0.4 * number / len(batches), DOING)
                for tile, prediction in zip(tiles, output(tiles), strict=True):
                    add(tile, prediction)
            for tile in chosen:
                if _start(tile) in kept:
                    add(tile, kept.pop(_start(tile)))
        # Tiles left out leave nothing to divide by; their voxels are background.
        empty = weights == 0
        weights[empty] = 1
        logits.div_(weights)
        if empty.any():
            logits[0][empty] = 1
        if torch.isinf(logits).any():
            raise RuntimeError("the network's output is infinite")
        self.progress(1.0, "Nuclei outlined")
        return logits

    def _choose(
        self,
        slicers: Sequence[Slices],
        data: torch.Tensor,
        output: Callable[[Sequence[Slices]], torch.Tensor],
        where: torch.device,
    ) -> dict[tuple[int, ...], torch.Tensor]:
        """Sets the tiles to run, in nnU-Net's order; returns outputs that are there already."""
        kept: dict[tuple[int, ...], torch.Tensor] = {}
        if self._chosen is not None:  # a further fold runs the tiles that the first one chose
            return kept
        found = torch.zeros(data.shape[1:], dtype=torch.bool, device=where)
        first = [tile for tile in cover(slicers)[0] if _holds_tissue(data[tile])]
        room = KEPT_BYTES
        for number, tiles in enumerate(batches := _batches(first)):
            self.progress(0.6 * number / len(batches), DOING)
            for tile, prediction in zip(tiles, output(tiles), strict=True):
                found[tile[1:]] |= prediction[1:].amax(0) > prediction[0]
                room -= prediction.nbytes
                if room >= 0:
                    kept[_start(tile)] = prediction.clone()
        found = _region(found)
        have = {_start(tile) for tile in first}
        self._chosen = [tile for tile in slicers if _start(tile) in have or found[tile[1:]].any()]
        return kept


def _batches(tiles: Sequence[Slices]) -> list[Sequence[Slices]]:
    """Tiles in small batches: on a CPU a narrow network takes a fifth of the time for each."""
    return [tiles[start : start + BATCH] for start in range(0, len(tiles), BATCH)]


def _start(tile: Slices) -> tuple[int, ...]:
    return tuple(part.start for part in tile[1:])


def cover(slicers: Sequence[Slices]) -> tuple[list[Slices], list[Slices]]:
    """Every other tile along each axis, with the last one, and the rest.

    nnU-Net's steps are at most half a tile, so the first list alone covers the volume.
    """
    axes = range(1, len(slicers[0]))
    starts = [sorted({tile[axis].start for tile in slicers}) for axis in axes]
    kept = [{*values[::2], values[-1]} for values in starts]
    first: list[Slices] = []
    rest: list[Slices] = []
    for tile in slicers:
        covers = all(tile[axis].start in kept[axis - 1] for axis in axes)
        (first if covers else rest).append(tile)
    return first, rest


def _holds_tissue(patch: torch.Tensor) -> bool:
    """Whether a tile is anything but one flat value (padding, or outside a brain mask)."""
    return bool(patch.max() > patch.min())


def _region(found: torch.Tensor) -> torch.Tensor:
    """What was found with a margin, in parts that hold enough voxels to be of a nucleus."""
    array = found.cpu().numpy()
    sizes = [2 * margin + 1 for margin in FOUND_MARGIN]
    parts, _ = ndimage.label(ndimage.maximum_filter(array.view(np.uint8), sizes))
    voxels = np.bincount(parts[array], minlength=parts.max() + 1)
    return torch.from_numpy((voxels >= SMALLEST_FIND)[parts]).to(found.device)


def _scaled(progress: Progress, start: float, width: float) -> Progress:
    def report(fraction: float, message: str) -> None:
        progress(start + width * fraction, message)

    return report
