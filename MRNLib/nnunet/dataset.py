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

import SimpleITK as sitk

from MRNLib.anatomy import label_names
from MRNLib.cases import Case
from MRNLib.errors import InputError
from MRNLib.images import on_grid, read_volume
from MRNLib.masks import read_mask
from MRNLib.progress import Progress, silent

# Uncompressed: nnU-Net reads every file twice and a small machine should not spend its time on
# gzip.
FILE_ENDING = ".mha"
IDENTIFIERS = {"NM": 504, "QSM": 505}


@dataclass(frozen=True)
class RawDataset:
    """One nnU-Net raw dataset.

    Attributes:
        modality: ``QSM`` or ``NM``: whose mask is learned.
        channels: Images given to the network, in order.
        folder: ``nnUNet_raw/DatasetXXX_Name``.
    """

    modality: str
    channels: tuple[str, ...]
    folder: Path

    @property
    def identifier(self) -> int:
        """nnU-Net's number of the dataset."""
        return IDENTIFIERS[self.modality]


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
    """Writes the cases that have a mask; files already there are kept.

    Args:
        cases: The cohort.
        modality: ``QSM`` or ``NM``.
        channels: ``["QSM"]``, ``["QSM", "T1"]`` or ``["NM"]``.
        raw_folder: nnU-Net's ``nnUNet_raw``.
        progress: Called with the share done.

    Raises:
        InputError: No case has the mask and the channels, or a file cannot be used.
    """
    dataset = RawDataset(modality, tuple(channels), raw_folder / dataset_name(modality))
    usable = [case for case in cases if _complete(case, dataset)]
    if len(usable) < 2:
        raise InputError(
            f"{len(usable)} of {len(cases)} cases have {', '.join(channels)} and a mask",
            expected="at least two cases to train and validate with",
            remedy="check the layout: <ID>/{NM,QSM,T1}.nii.gz and {NM,QSM}_mask.nii.gz",
        )
    for folder in ("imagesTr", "labelsTr"):
        (dataset.folder / folder).mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(usable):
        progress(number / len(usable), f"{modality}: {case.identifier}")
        _write_case(case, dataset)
    description = json.dumps(_description(dataset, usable), indent=1)
    (dataset.folder / "dataset.json").write_text(description, encoding="utf-8")
    progress(1.0, f"{modality}: {len(usable)} cases")
    return dataset


def _path(case: Case, channel: str) -> Path | None:
    return {"QSM": case.qsm, "NM": case.nm, "T1": case.t1}[channel]


def _mask(case: Case, modality: str) -> Path | None:
    return case.qsm_mask if modality == "QSM" else case.nm_mask


def _complete(case: Case, dataset: RawDataset) -> bool:
    paths = [_path(case, channel) for channel in dataset.channels]
    return all(path is not None for path in (*paths, _mask(case, dataset.modality)))


def _write_case(case: Case, dataset: RawDataset) -> None:
    label_file = dataset.folder / "labelsTr" / f"{case.identifier}{FILE_ENDING}"
    if label_file.is_file():
        return
    first = None
    for number, channel in enumerate(dataset.channels):
        path = _path(case, channel)
        assert path is not None  # _complete() let only such cases through
        volume = read_volume(path, channel)
        volume = volume if first is None else on_grid(volume, first)
        first = first or volume
        name = f"{case.identifier}_{number:04d}{FILE_ENDING}"
        sitk.WriteImage(volume.image, str(dataset.folder / "imagesTr" / name), False)
    mask_path = _mask(case, dataset.modality)
    assert mask_path is not None
    assert first is not None
    mask, _ = read_mask(mask_path, dataset.modality, first)
    # The label file comes last: a case counts as written once it is there.
    temporary = label_file.with_name(f".{label_file.name}")
    sitk.WriteImage(mask, str(temporary), False)
    temporary.replace(label_file)


def _description(dataset: RawDataset, cases: Sequence[Case]) -> dict:
    names = {"background": 0} | {
        name: label for label, name in label_names(dataset.modality).items()
    }
    return {
        "channel_names": {str(number): name for number, name in enumerate(dataset.channels)},
        "labels": names,
        "numTraining": len(cases),
        "file_ending": FILE_ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
        "orientation": "LPS",
    }
