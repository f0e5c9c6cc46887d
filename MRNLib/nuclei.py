"""The two masks of a case: given ones as they are, cached ones, or nnU-Net's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import SimpleITK as sitk

from MRNLib.anatomy import NOTICE
from MRNLib.bundle import Bundle
from MRNLib.cache import ArrayCache, content_key
from MRNLib.cases import CaseImages
from MRNLib.errors import InputError
from MRNLib.images import PHANTOM_MARK, Volume, restore, write_image
from MRNLib.progress import Progress, part, silent

if TYPE_CHECKING:
    from MRNLib.segmentation import Segmenter

Modality = Literal["QSM", "NM"]
# Part of the cache key; raised when the same weights give other masks than before.
SEGMENTATION_VERSION = 3
MODALITIES: tuple[Modality, Modality] = ("QSM", "NM")


@dataclass(frozen=True)
class Outlines:
    """A case with both masks on its canonical grid; :meth:`write` gives them back in the files'
    own.

    Attributes:
        images: Volumes and masks.
        notes: Where each mask comes from.
        warnings: What a reader should know about volumes and masks.
    """

    images: CaseImages
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def masks(self) -> tuple[sitk.Image, sitk.Image]:
        """QSM and NM mask on the canonical grid."""
        qsm_mask, nm_mask = self.images.qsm_mask, self.images.nm_mask
        assert qsm_mask is not None
        assert nm_mask is not None
        return qsm_mask, nm_mask

    def write(self, out: Path, ending: str = "mask") -> dict[str, Path]:
        """Writes ``QSM_mask.nii.gz`` and ``NM_mask.nii.gz``, each on its volume's own grid.

        Args:
            out: Folder, made if missing.
            ending: What takes the place of ``mask`` in the names.
        """
        out.mkdir(parents=True, exist_ok=True)
        files = {}
        for mask, volume in zip(self.masks, (self.images.qsm, self.images.nm), strict=True):
            path = out / f"{volume.role}_{ending}.nii.gz"
            write_mask(mask, volume, path, phantom=self.images.phantom)
            files[path.name] = path
        return files


def write_mask(mask: sitk.Image, volume: Volume, path: Path, *, phantom: bool) -> None:
    """Writes one mask on its volume's own grid, marked as what it is.

    Args:
        mask: On the canonical grid.
        volume: What was outlined.
        path: The file to write.
        phantom: Whether it is a digital patient's.
    """
    image = restore(mask, volume)
    # ITK writes this note as NIfTI's ``descrip``, 80 bytes at most.
    mark = f"{PHANTOM_MARK}. " if phantom else ""
    image.SetMetaData("ITK_FileNotes", mark + NOTICE)
    write_image(image, path)


class BundleSegmenters:
    """A bundle's nnU-Nets behind the mask cache; each is loaded when it is first needed.

    Attributes:
        warnings: What a segmenter had to do otherwise than asked, as sentences.
    """

    def __init__(self, bundle: Bundle, cache: ArrayCache, *, device: str, exact: bool) -> None:
        self.bundle = bundle
        self.device = device
        self.exact = exact
        self.warnings: list[str] = []
        self._cache = cache
        self._loaded: dict[Modality, Segmenter] = {}

    def segment(
        self, modality: Modality, images: list[sitk.Image], progress: Progress = silent
    ) -> tuple[sitk.Image, bool]:
        """Label map of one modality on the images' grid, and whether it was in the cache.

        Args:
            modality: Whose nuclei.
            images: Canonical images, one for each of the segmenter's channels.
            progress: May raise Cancelled.
        """
        reference = images[0]
        key = content_key(
            "mask",
            SEGMENTATION_VERSION,
            self.bundle.segmenter_sha256(modality),
            self.exact,
            list(reference.GetSpacing()),
            *(sitk.GetArrayViewFromImage(image) for image in images),
        )
        array = self._cache.get(key)
        known = array is not None
        if array is None:
            progress(0.0, f"Outlining the nuclei in the {modality} volume")
            segmenter = self._load(modality)
            mask = segmenter.segment(
                images, device=self.device, exact=self.exact, progress=progress
            )
            self.warnings += segmenter.warnings
            array = sitk.GetArrayFromImage(mask).astype(np.uint8)
            self._cache.put(key, array)
        result = sitk.GetImageFromArray(array)
        result.CopyInformation(reference)
        return result, known

    def _load(self, modality: Modality) -> Segmenter:
        from MRNLib.segmentation import Segmenter

        if modality not in self._loaded:
            folder = self.bundle.segmenter_folder(modality)
            self._loaded[modality] = Segmenter.from_bundle(folder)
        return self._loaded[modality]


def outline(
    images: CaseImages, segmenters: BundleSegmenters, progress: Progress = silent
) -> Outlines:
    """Completes the masks of a case. A mask that was given is never changed.

    Raises:
        InputError: The bundle's segmenter needs a T1 volume and none was given.
        Cancelled: From the progress callback.
    """
    segmenters.warnings.clear()  # of an earlier case
    given = {"QSM": images.qsm_mask, "NM": images.nm_mask}
    missing: list[Modality] = [modality for modality in MODALITIES if given[modality] is None]
    notes = [f"{modality} mask: given" for modality in MODALITIES if modality not in missing]
    for number, modality in enumerate(missing):
        step = part(progress, number / len(missing), (number + 1) / len(missing))
        bundle = segmenters.bundle
        channels = bundle.segmenter_channels(modality)
        inputs = segmenter_inputs(images, modality, channels, bundle.manifest.name)
        mask, known = segmenters.segment(modality, inputs, step)
        if modality == "QSM":
            images = replace(images, qsm_mask=mask)
        else:
            images = replace(images, nm_mask=mask)
        origin = "from the cache" if known else f"nnU-Net of bundle {segmenters.bundle.identity}"
        notes.append(f"{modality} mask: {origin}{', whole volume' if segmenters.exact else ''}")
    if images.t1 is not None and not segmenters.bundle.needs_t1:
        notes.append("T1: recorded, not used by this bundle's segmenters")
    return Outlines(images, tuple(notes), (*images.warnings, *segmenters.warnings))


def segmenter_inputs(
    images: CaseImages, modality: Modality, channels: Sequence[str], model: str
) -> list[sitk.Image]:
    """The volumes a segmenter looks at, in its order.

    Args:
        images: The case.
        modality: Whose nuclei.
        channels: Names of the volumes.
        model: What the segmenter belongs to, for the error.

    Raises:
        InputError: One of them was not given.
    """
    volumes = {"QSM": images.qsm, "NM": images.nm, "T1": images.t1}
    inputs = []
    for name in channels:
        volume = volumes[name]
        if volume is None:
            raise InputError(
                f"The {modality} segmenter of {model} was trained with {name}.",
                remedy=f"give a {name} volume, or a {modality} mask",
            )
        inputs.append(volume.image)
    return inputs
