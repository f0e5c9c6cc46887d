"""Radiomics of each nucleus; :mod:`MRNLib.radiomics_models` are the models on them.

The features are MIRP's (Zwanenburg et al. 2024, JOSS; IBSI-compliant, maintained; extra
``radiomics``), because pyradiomics no longer installs. First-order statistics, grey-level
co-occurrence and run lengths, from the modality that outlines the nucleus: neuromelanin for NM-SN,
QSM for the others, left and right together.

Readings: texture is of slices, merged over the nucleus (IBSI's 2.5-D), as voxels are three times as
thick as wide; bins have a fixed width, as both modalities are in units that mean the same in every
patient. Nothing tells how large a nucleus is: features that count voxels, or grow with their number
as an extreme does, are left out.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import ROIS, Nucleus, RoiDefinition
from MRNLib.errors import InputError
from MRNLib.progress import Progress, silent
from MRNLib.training.crops import PatientCrops, RoiCrop
from MRNLib.writing import replaced

FAMILIES = ("statistics", "glcm", "glrlm")
SIZE_DEPENDENT = ("stat_energy", "stat_min", "stat_max", "stat_range", "rlm_glnu", "rlm_rlnu")
# Width of a grey-level bin: ppb, and share of the tissue's signal.
BIN_WIDTH = {"QSM": 20.0, "NM": 0.02}
# Beyond every tissue: values are clipped here, where the first bin starts.
RANGE = {"QSM": (-500.0, 1000.0), "NM": (0.0, 4.0)}
# In-plane pixel to which images of other pixels are resampled: the challenge's, in mm.
PIXEL_MM = 2 / 3
FEWEST_VOXELS = 10


@dataclass(frozen=True)
class FeatureTable:
    """Features of N patients.

    Attributes:
        identifiers: The patients.
        diagnoses: ``[N]`` 0 HC, 1 PD.
        names: F feature names, ``<nucleus> <MIRP's name>``.
        values: ``[N, F]`` float64; NaN where a nucleus is absent or too small.
        source: Hash of the crops and settings that they were made from.
    """

    identifiers: tuple[str, ...]
    diagnoses: NDArray[np.int64]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    source: str = ""


def feature_table(
    patients: Sequence[PatientCrops], cache: Path | None = None, progress: Progress = silent
) -> FeatureTable:
    """The features of some patients, about two seconds each.

    Args:
        patients: Their crops.
        cache: File (``.npz``) that the table is read from if it is of these crops, and else written
            to.
        progress: Called after each patient; may raise ``Cancelled``.

    Raises:
        InputError: The extra ``radiomics`` is not installed.
    """
    source = _source(patients)
    if cache is not None and (stored := _read(cache)) and stored.source == source:
        return stored
    rows = []
    for place, patient in enumerate(patients, start=1):
        rows.append(patient_features(patient))
        progress(place / len(patients), f"radiomics of {patient.identifier}")
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    values = np.array([[row.get(name, np.nan) for name in names] for row in rows], np.float64)
    diagnoses = np.array([patient.diagnosis for patient in patients], np.int64)
    identifiers = tuple(patient.identifier for patient in patients)
    table = FeatureTable(identifiers, diagnoses, names, values, source)
    if cache is not None:
        _write(table, cache)
    return table


def patient_features(patient: PatientCrops) -> dict[str, float]:
    """One patient's features by name; nuclei that are absent or too small have none.

    Raises:
        InputError: The extra ``radiomics`` is not installed.
    """
    features: dict[str, float] = {}
    for definition in ROIS:
        if definition.name in patient.rois:
            features |= _roi_features(patient.rois[definition.name], definition, patient.spacing)
    return features


def _roi_features(
    crop: RoiCrop, definition: RoiDefinition, spacing: tuple[float, float, float]
) -> dict[str, float]:
    image, labels = _at_pixel(crop, spacing)
    modality = definition.modality
    low, high = RANGE[modality]
    found = {
        number: nucleus
        for number, nucleus in enumerate(definition.nuclei, start=1)
        if (labels == number).sum() >= FEWEST_VOXELS
    }
    features: dict[str, float] = {}
    for number, nucleus in found.items():
        around = tuple(
            slice(max(int(places.min()) - 1, 0), int(places.max()) + 2)
            for places in np.nonzero(labels == number)
        )
        table = _extract(
            image=np.clip(image[around], low, high),
            mask=(labels[around] == number).astype(np.uint8),
            base_feature_families=list(FAMILIES),
            base_discretisation_method="fixed_bin_size",
            base_discretisation_bin_width=BIN_WIDTH[modality],
            resegmentation_intensity_range=[low, high],
            glcm_spatial_method="2.5d_volume_merge",
            glrlm_spatial_method="2.5d_volume_merge",
        )
        features |= _named(table, nucleus)
    return features


def _named(table: Mapping[str, Any], nucleus: Nucleus) -> dict[str, float]:
    """MIRP's columns that are features and do not depend on size, with the nucleus' name."""
    features = {}
    for column, value in table.items():
        short = column.split("_2.5d")[0].removesuffix("_d1")
        if short.startswith(("stat_", "cm_", "rlm_")) and short not in SIZE_DEPENDENT:
            features[f"{nucleus.key} {short}"] = float(value)
    return features


def _at_pixel(
    crop: RoiCrop, spacing: tuple[float, float, float]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Image and labels ``[S, H, W]`` at pixels of ``PIXEL_MM``; unchanged if they have it."""
    image = crop.image.astype(np.float32)
    _, height, width = image.shape
    rows, columns = round(height * spacing[1] / PIXEL_MM), round(width * spacing[0] / PIXEL_MM)
    if (rows, columns) == (height, width):
        return image, crop.labels
    import torch

    from MRNLib.models.resampling import resample_box, resample_labels

    box = torch.tensor([[[0, size] for size in image.shape]])
    plain, size = torch.zeros(1, dtype=torch.bool), (max(rows, 1), max(columns, 1))
    resized = resample_box(torch.from_numpy(image)[None, None], box, plain, size)[0, 0]
    labels = resample_labels(torch.from_numpy(crop.labels)[None], box, plain, size)[0]
    return resized.numpy(), labels.numpy().astype(np.uint8)


def _extract(**settings: Any) -> dict[str, Any]:
    """MIRP's row for one image and mask."""
    try:
        from mirp import extract_features
    except ImportError as error:
        raise missing_extra("mirp") from error
    with _quiet():
        tables = extract_features(**settings)
    return tables[0].iloc[0].to_dict()


@contextmanager
def _quiet() -> Iterator[None]:
    """MIRP sets up the program's logging and warns of uncalibrated units, which ours are not."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(handler)


def missing_extra(module: str) -> InputError:
    """What to say when a package of the extra ``radiomics`` is not installed."""
    return InputError(
        f"The radiomics models need packages that are not installed (no module {module}).",
        expected="MRN with its extra 'radiomics'",
        remedy="run pip install -c requirements.lock -e '.[radiomics]' in MRN's folder",
    )


def _source(patients: Sequence[PatientCrops]) -> str:
    settings = (FAMILIES, SIZE_DEPENDENT, BIN_WIDTH, RANGE, PIXEL_MM, FEWEST_VOXELS)
    digest = hashlib.sha256(repr(settings).encode())
    for patient in patients:
        digest.update(repr((patient.identifier, patient.diagnosis, patient.spacing)).encode())
        for name, crop in patient.rois.items():
            digest.update(name.encode() + crop.image.tobytes() + crop.labels.tobytes())
    return digest.hexdigest()


def _write(table: FeatureTable, path: Path) -> None:
    with replaced(path) as partial, partial.open("wb") as stream:
        np.savez_compressed(
            stream,
            identifiers=np.array(table.identifiers),
            diagnoses=table.diagnoses,
            names=np.array(table.names),
            values=table.values,
            source=np.array(table.source),
        )


def _read(path: Path) -> FeatureTable | None:
    """The stored table; None if there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return FeatureTable(
                tuple(stored["identifiers"].tolist()),
                stored["diagnoses"],
                tuple(stored["names"].tolist()),
                stored["values"],
                str(stored["source"]),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
