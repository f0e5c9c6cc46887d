"""Outlining the nuclei: nnU-Net v2 in this process, no child process, no pickle.

Two modes. ``exact`` gives what ``nnUNetv2_predict --disable_tta`` gives on the same model and
input, voxel for voxel on the CPU. The default leaves out the sliding window's tiles that do not
bear on a nucleus, and resamples in little memory; it agrees with the exact mode at a Dice of .995
or more. In both, of the nuclei that the model names only the largest connected part is kept.

Isensee et al., nnU-Net, Nature Methods 18, 203-211 (2021).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from MRNLib.errors import InputError
from MRNLib.nnunet.importing import import_nnunet_results
from MRNLib.progress import Progress, part, silent
from MRNLib.rois import without_strays

if TYPE_CHECKING:
    import torch

    from MRNLib.nnunet.stored import StoredNetwork

__all__ = ["Segmenter", "import_nnunet_results"]


class Segmenter:
    """One trained nnU-Net of a bundle.

    Attributes:
        channels: Names of the images :meth:`segment` takes, in order, such as ``("QSM", "T1")``.
        warnings: What the latest :meth:`segment` had to do otherwise than asked, as sentences.
    """

    def __init__(self, stored: StoredNetwork) -> None:
        self._stored = stored
        self.channels = stored.channels
        self.warnings: list[str] = []

    @classmethod
    def from_bundle(cls, folder: str | Path) -> Segmenter:
        """Reads a segmenter folder of a bundle.

        Raises:
            BundleError: A file is missing, damaged or names a class that is not allowed.
        """
        from MRNLib.nnunet.stored import load

        return cls(load(Path(folder)))

    def segment(
        self,
        images: sitk.Image | Sequence[sitk.Image],
        *,
        device: str | torch.device = "cpu",
        exact: bool = False,
        progress: Progress = silent,
    ) -> sitk.Image:
        """Outlines the nuclei in one patient's images.

        Args:
            images: Canonical (LPS) image, or one for each of :attr:`channels`, on one grid.
            device: ``cpu`` or ``cuda``; a GPU without enough memory is replaced by the CPU, with a
                warning.
            exact: Run nnU-Net's whole sliding window.
            progress: Called with the share done; may raise :class:`MRNLib.errors.Cancelled`.

        Returns:
            A uint8 label map on the images' grid, in the challenge's numbering.

        Raises:
            InputError: The images are not those the network was trained with.
            Cancelled: From the callback; nothing is left behind.
        """
        import torch

        self.warnings = []
        channels = self._checked([images] if isinstance(images, sitk.Image) else list(images))
        wanted = torch.device(device)
        try:
            with _all_cores():
                labels = self._labels(channels, wanted, exact, progress)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            self.warnings.append(
                f"Not enough memory on {wanted}: the nuclei were outlined on the CPU."
            )
            with _all_cores():
                labels = self._labels(channels, torch.device("cpu"), exact, progress)
        finally:
            self._stored.network.to("cpu")
        labels = without_strays(labels, self._stored.settings.keep_largest)
        result = sitk.GetImageFromArray(labels)
        result.CopyInformation(channels[0])
        progress(1.0, "Nuclei outlined")
        return result

    def _checked(self, images: list[sitk.Image]) -> list[sitk.Image]:
        if len(images) != len(self.channels):
            raise InputError(
                f"{len(images)} images given to a network with {len(self.channels)} channels",
                expected=", ".join(self.channels),
            )
        first = images[0]
        for name, image in zip(self.channels, images, strict=True):
            found = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
                image.GetDirection()
            )
            if image.GetDimension() != 3 or found != "LPS":
                raise InputError(
                    f"the {name} image lies as {found}",
                    expected="a 3-D image in canonical orientation (LPS)",
                    remedy="read it with MRNLib.images.read_volume",
                )
            if image.GetSize() != first.GetSize() or not np.allclose(
                image.GetSpacing(), first.GetSpacing(), atol=1e-4
            ):
                raise InputError(
                    f"the {name} image is not on the grid of the {self.channels[0]} image"
                )
        return images

    def _labels(
        self, images: list[sitk.Image], device: torch.device, exact: bool, progress: Progress
    ) -> np.ndarray:
        """Label map ``[k, j, i]`` uint8."""
        if not any(sitk.GetArrayViewFromImage(image).any() for image in images):
            return np.zeros(images[0].GetSize()[::-1], np.uint8)
        progress(0.0, "Preparing the volume")
        from nnunetv2.inference.export_prediction import (
            convert_predicted_logits_to_segmentation_with_correct_shape as nnunet_export,
        )

        from MRNLib.nnunet.volumes import BlockwiseConfiguration, preprocess, to_labels
        from MRNLib.nnunet.window import TilePredictor

        predictor = TilePredictor(self._stored, device)
        plans, configuration = predictor.plans_manager, predictor.configuration_manager
        if not exact:
            configuration = BlockwiseConfiguration(configuration.configuration)
        array = np.stack([sitk.GetArrayViewFromImage(image) for image in images], dtype=np.float32)
        spacing = images[0].GetSpacing()[::-1]
        data, properties = preprocess(array, spacing, plans, configuration, self._stored.dataset)
        logits = predictor.predict(data, exact=exact, progress=part(progress, 0.1, 0.9))
        progress(0.9, "Drawing the outlines")
        if not exact:
            return to_labels(logits, properties, plans, configuration)
        labels = nnunet_export(logits, plans, configuration, predictor.label_manager, properties)
        return labels.astype(np.uint8)


@contextlib.contextmanager
def _all_cores() -> Iterator[None]:
    """Lets torch use the cores this process may use; ``OMP_NUM_THREADS`` stands if it is set."""
    import torch

    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        affinity = getattr(os, "sched_getaffinity", None)
        torch.set_num_threads(len(affinity(0)) if affinity else os.cpu_count() or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
