"""nnU-Net's sliding window in this process: tile by tile, with progress, and only where it matters.

The tiles, their weights and the sums are nnU-Net's own (``nnUNetPredictor``, nnunetv2 2.8); in
exact mode so is their order. Two things differ: there is no helper thread that a cancelled run
would leave behind, and a run may leave tiles out:

1. Every other tile along each axis already covers the volume once. They are run first.
2. Of the tiles between them, those are run that touch something found, with a margin; again until
   nothing new is found.

So whatever is called a nucleus in the end got all the tiles that nnU-Net would give it, and the
rest of the volume an eighth.
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
# Tiles that go through the network together, outside exact mode (nnU-Net runs one at a time).
BATCH = 4


class TilePredictor(nnUNetPredictor):
    """nnU-Net's predictor for one stored network.

    Attributes:
        tiles_run: Tiles that the latest :meth:`predict` ran, of all folds.
    """

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
        self.tiles_run = 0

    @torch.inference_mode()
    def predict(self, data: torch.Tensor, *, exact: bool, progress: Progress) -> torch.Tensor:
        """Logits of preprocessed data, averaged over the folds.

        Args:
            data: ``[channels, slices, rows, columns]`` as nnU-Net's preprocessor gives it.
            exact: Run all tiles, in nnU-Net's order.
            progress: Called after every tile; may raise to cancel.

        Returns:
            ``[classes, slices, rows, columns]``, float16, on the CPU.
        """
        self.exact, self.tiles_run = exact, 0
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

        def run(tiles: Sequence[Slices]) -> None:
            self.tiles_run += len(tiles)
            batch = torch.stack([data[tile] for tile in tiles]).contiguous().to(self.device)
            prediction = self.network(batch).to(where)
            prediction *= gaussian
            for tile, part in zip(tiles, prediction, strict=True):
                logits[tile] += part
                weights[tile[1:]] += gaussian

        if self.exact:
            for number, tile in enumerate(slicers):
                self.progress(number / len(slicers), DOING)
                run([tile])
        else:
            self._run_where_it_matters(slicers, data, logits, run)
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

    def _run_where_it_matters(
        self,
        slicers: Sequence[Slices],
        data: torch.Tensor,
        logits: torch.Tensor,
        run: Callable[[Sequence[Slices]], None],
    ) -> None:
        """Runs the covering tiles, then those around what is found, until nothing new is."""
        left = list(slicers)
        chosen = [tile for tile in cover(slicers)[0] if _holds_tissue(data[tile])]
        start, width = 0.0, 0.6
        while chosen:
            for number, tiles in enumerate(batches := _batches(chosen)):
                self.progress(start + width * number / len(batches), DOING)
                run(tiles)
            start, width = start + width, 0.75 * (1 - start - width)
            ran = {_start(tile) for tile in chosen}
            left = [tile for tile in left if _start(tile) not in ran]
            found = _with_margin(logits[1:].amax(0) > logits[0])
            chosen = [tile for tile in left if found[tile[1:]].any()]


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


def _with_margin(found: torch.Tensor) -> torch.Tensor:
    """Also what lies within :data:`FOUND_MARGIN` of something found."""
    sizes = [2 * margin + 1 for margin in FOUND_MARGIN]
    wide = ndimage.maximum_filter(found.cpu().numpy().view(np.uint8), sizes)
    return torch.from_numpy(wide.view(np.bool_)).to(found.device)


def _scaled(progress: Progress, start: float, width: float) -> Progress:
    def report(fraction: float, message: str) -> None:
        progress(start + width * fraction, message)

    return report
