"""A cohort in the challenge's layout as an nnU-Net raw dataset.

nnU-Net reads voxels as they lie in the file and never reorients (its documentation,
``dataset_format.md``), while a label's side is decided in physical space. So every image is brought
to canonical orientation before it gets there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MRNLib.anatomy import label_names
from MRNLib.cases import DIAGNOSES, Case, folds
from MRNLib.errors import InputError
from MRNLib.images import on_grid, read_volume
from MRNLib.masks import read_mask
from MRNLib.progress import Progress, silent

# Uncompressed: nnU-Net reads every file twice and a small machine should not spend its time on
# gzip.
FILE_ENDING = ".mha"
DESCRIPTION = "dataset.json"
IDENTIFIERS = {"NM": 504, "QSM": 505}
FOLDS = 5
# How many names of cases left out are said; the rest are counted.
NAMED = 10

Split = tuple[list[str], list[str]]


@dataclass(frozen=True)
class RawDataset:
    """One nnU-Net raw dataset.

    Attributes:
        modality: ``QSM`` or ``NM``: whose mask is learned.
        channels: Images given to the network, in order.
        folder: ``nnUNet_raw/DatasetXXX_Name``.
        cases: The cases in it: those with the mask and every channel.
        left_out: The cohort's other cases.
    """

    modality: str
    channels: tuple[str, ...]
    folder: Path
    cases: tuple[Case, ...] = ()
    left_out: tuple[Case, ...] = ()

    @property
    def identifier(self) -> int:
        """nnU-Net's number of the dataset."""
        return IDENTIFIERS[self.modality]

    def left_out_note(self) -> str | None:
        """One line on the cases left out, None if there are none."""
        if not self.left_out:
            return None
        total, more = len(self.cases) + len(self.left_out), len(self.left_out) - NAMED
        needed = ", ".join((*self.channels, f"{self.modality}_mask"))
        names = ", ".join(case.identifier for case in self.left_out[:NAMED])
        rest = f" and {more} more" if more > 0 else ""
        return (
            f"{self.modality}: {len(self.left_out)} of {total} cases left out (needed: {needed}): "
            f"{names}{rest}"
        )


def dataset_name(modality: str) -> str:
    """``Dataset504_PDSegNM`` or ``Dataset505_PDSegQSM``."""
    return f"Dataset{IDENTIFIERS[modality]}_PDSeg{modality}"


def write_raw_dataset(
    cases: Sequence[Case],
    modality: str,
    channels: Sequence[str],
    raw_folder: Path,
    *,
    progress: Progress = silent,
) -> RawDataset:
    """Writes the cases that have a mask; files already there are kept unless a source is newer.

    Args:
        cases: The cohort.
        modality: ``QSM`` or ``NM``.
        channels: ``["QSM"]``, ``["QSM", "T1"]`` or ``["NM"]``.
        raw_folder: nnU-Net's ``nnUNet_raw``.
        progress: Called with the share done.

    Returns:
        The dataset, which knows the cases it holds and those left out.

    Raises:
        InputError: Fewer than two cases have the mask and the channels, a file cannot be used, or
            the dataset is there with other channels.
    """
    usable = [case for case in cases if _complete(case, modality, channels)]
    dataset = RawDataset(
        modality,
        tuple(channels),
        raw_folder / dataset_name(modality),
        tuple(usable),
        tuple(case for case in cases if case not in usable),
    )
    if len(usable) < 2:
        raise InputError(
            f"{len(usable)} of {len(cases)} cases have {', '.join(channels)} and a mask",
            expected="at least two cases to train and validate with",
            remedy="check the layout: <ID>/{NM,QSM,T1}.nii.gz and {NM,QSM}_mask.nii.gz",
        )
    description = _description(dataset)
    _require_channels(dataset.folder / DESCRIPTION, description)
    for folder in ("imagesTr", "labelsTr"):
        (dataset.folder / folder).mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(usable):
        progress(number / len(usable), f"{modality}: {case.identifier}")
        _write_case(case, dataset)
    text = json.dumps(description, indent=1)
    (dataset.folder / DESCRIPTION).write_text(text, encoding="utf-8")
    progress(1.0, f"{modality}: {len(usable)} cases")
    return dataset


def splits(cases: Sequence[Case], validation: int | None = None) -> list[Split]:
    """Which identifiers train and which validate, for nnU-Net's ``splits_final.json``.

    Outlining nuclei needs no diagnosis: the folds are stratified by it (:func:`MRNLib.cases.folds`)
    when every case has one and each diagnosis fills the folds, and go by identifier otherwise.

    Args:
        cases: The cases of the raw dataset; the order does not matter.
        validation: Hold out this many last cases once, in place of folds.

    Raises:
        InputError: Too few cases.
    """
    names = sorted(case.identifier for case in cases)
    if validation is not None:
        if not 0 < validation < len(names):
            raise InputError(
                f"--validation {validation} of {len(names)} usable cases",
                expected=f"1 to {len(names) - 1}, so that some are left to train with",
            )
        return [(names[:-validation], names[-validation:])]
    if len(names) < FOLDS:
        raise InputError(
            f"{len(names)} usable cases for {FOLDS} folds",
            expected=f"at least {FOLDS}",
            remedy="hold out some cases instead of folds: --validation 1",
        )
    diagnoses = [case.diagnosis for case in cases]
    if set(diagnoses) <= set(DIAGNOSES) and min(map(diagnoses.count, DIAGNOSES)) >= FOLDS:
        return [
            ([case.identifier for case in kept], [case.identifier for case in held_out])
            for kept, held_out in folds(cases, FOLDS)
        ]
    from sklearn.model_selection import KFold

    return [
        ([names[index] for index in kept], [names[index] for index in held_out])
        for kept, held_out in KFold(FOLDS, shuffle=True, random_state=1).split(names)
    ]


def raw_case(
    dataset_folder: Path, identifier: str, channels: int
) -> tuple[list[sitk.Image], sitk.Image]:
    """The images of one case of a raw dataset, and its labels, canonical.

    Raises:
        InputError: A file is missing or cannot be read.
    """
    names = [f"imagesTr/{identifier}_{number:04d}" for number in range(channels)]
    images = []
    for name in (*names, f"labelsTr/{identifier}"):
        path = dataset_folder / f"{name}{FILE_ENDING}"
        try:
            images.append(sitk.ReadImage(str(path)))
        except RuntimeError as error:
            raise InputError(
                "cannot be read", file=path, remedy="prepare the dataset again"
            ) from error
    return images[:-1], images[-1]


def _path(case: Case, channel: str) -> Path | None:
    return {"QSM": case.qsm, "NM": case.nm, "T1": case.t1}[channel]


def _mask(case: Case, modality: str) -> Path | None:
    return case.qsm_mask if modality == "QSM" else case.nm_mask


def _complete(case: Case, modality: str, channels: Sequence[str]) -> bool:
    paths = [_path(case, channel) for channel in channels]
    return all(path is not None for path in (*paths, _mask(case, modality)))


def _require_channels(file: Path, description: dict[str, Any]) -> None:
    """Refuses to mix images of one channel and of two: nnU-Net would find files missing."""
    if not file.is_file():
        return
    there = json.loads(file.read_text(encoding="utf-8"))["channel_names"]
    if there != description["channel_names"]:
        said = [" + ".join(names.values()) for names in (there, description["channel_names"])]
        raise InputError(
            f"the dataset is there with {said[0]}, and {said[1]} was asked for",
            file=file,
            remedy="name another --work folder",
        )


def _write_case(case: Case, dataset: RawDataset) -> None:
    label_file = dataset.folder / "labelsTr" / f"{case.identifier}{FILE_ENDING}"
    # _complete() let only cases through that have them all.
    paths = {name: path for name in dataset.channels if (path := _path(case, name)) is not None}
    mask_path = _mask(case, dataset.modality)
    assert mask_path is not None
    if label_file.is_file() and not _newer([*paths.values(), mask_path], label_file):
        return
    first = None
    for number, (channel, path) in enumerate(paths.items()):
        volume = read_volume(path, channel)
        volume = volume if first is None else on_grid(volume, first)
        first = first or volume
        name = f"{case.identifier}_{number:04d}{FILE_ENDING}"
        sitk.WriteImage(volume.image, str(dataset.folder / "imagesTr" / name), False)
    assert first is not None
    mask, _ = read_mask(mask_path, dataset.modality, first)
    # The label file comes last: a case counts as written once it is there.
    temporary = label_file.with_name(f".{label_file.name}")
    sitk.WriteImage(mask, str(temporary), False)
    temporary.replace(label_file)


def _newer(sources: Sequence[Path], written: Path) -> bool:
    return max(path.stat().st_mtime for path in sources) > written.stat().st_mtime


def _description(dataset: RawDataset) -> dict[str, Any]:
    names = {"background": 0} | {
        name: label for label, name in label_names(dataset.modality).items()
    }
    return {
        "channel_names": {str(number): name for number, name in enumerate(dataset.channels)},
        "labels": names,
        "numTraining": len(dataset.cases),
        "file_ending": FILE_ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
        "orientation": "LPS",
    }
