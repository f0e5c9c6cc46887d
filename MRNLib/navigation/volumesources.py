"""Where volumes to navigate come from: digital patients by seed, or any files without labels.

SimpleITK is imported where files are read, so that a machine without it can use digital patients.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from MRNLib.casefiles import FORMATS
from MRNLib.cohort.discovery import NOT_VOLUMES
from MRNLib.errors import InputError
from MRNLib.navigation.filenames import key_of, patient_of, place_of, role_of, stem
from MRNLib.navigation.volumecache import MixedError, VolumeCache
from MRNLib.navigation.volumes import Volume, normalised
from MRNLib.progress import Progress, silent
from MRNLib.training.sources import phantom_name

# Share of voxels without a number that is filled in; above it the volume is not used.
MOST_NOT_FINITE = 0.01


def phantom_volumes(
    seeds: Iterable[int],
    roles: Sequence[str] = ("QSM", "NM"),
    labels: bool = False,
    cache: VolumeCache | None = None,
) -> Iterator[Volume]:
    """Whole heads of digital patients, one volume for each seed and role.

    Args:
        seeds: The patients; all volumes of one seed have one name.
        roles: ``QSM``, ``NM``, ``T1``.
        labels: With the nuclei: 0 to 16 on QSM and T1, 0 to 2 on NM.
        cache: Keeps them; what it has is not made again.
    """
    for seed in seeds:
        made: dict[str, Volume] = {}
        for role in roles:
            make = partial(_phantom, seed, role, roles, labels, made)
            if cache is None:
                yield make()
            else:
                yield cache.kept(f"{phantom_name(seed)}_{role}", make, labels=labels)


def _phantom(
    seed: int, role: str, roles: Sequence[str], labels: bool, made: dict[str, Volume]
) -> Volume:
    """One volume of a patient, who is painted once: the others wait in ``made``."""
    from MRNLib.phantom import generate

    if role not in made:
        patient = generate(seed, modalities=roles)
        masks = {"QSM": patient.qsm_mask, "NM": patient.nm_mask, "T1": patient.qsm_mask}
        for name in roles:
            # The generator's rows run to anterior, canonical ones to posterior.
            array = getattr(patient, name.lower())[:, ::-1]
            mask = torch.from_numpy(masks[name][:, ::-1].copy()) if labels else None
            values = torch.from_numpy(normalised(array, name).astype(np.float16))
            made[name] = Volume(
                values, patient.spacing, (0.0, 0.0, 0.0), phantom_name(seed), name, mask, True
            )
    return made.pop(role)


def read_volumes(
    source: str | Path | Sequence[str | Path],
    progress: Progress = silent,
    cache: VolumeCache | None = None,
) -> tuple[list[Volume], list[str]]:
    """The volumes of a folder or of some files, whatever they are of.

    Args:
        source: A folder, searched with all folders in it for NIfTI, NRRD and MHA files, label maps
            (``*_mask``, ``*_dseg`` ...) left out; one file or DICOM folder; or several of these.
        progress: Called before each file; may raise ``Cancelled``.
        cache: Keeps the volumes, which are then mapped into memory instead of held in it; a file
            that it has, unchanged, is not read again. Files are known by the name of the source
            folder and their path in it, and by size and time of change; what it has of an older
            state of a file is removed.

    Returns:
        The volumes, and a line ``file: reason`` for each file that cannot be used.

    Raises:
        InputError: No files, the only one cannot be used, or none of several; people's and digital
            patients' volumes for one cache.
    """
    folder, paths = _files(source)
    volumes: list[Volume] = []
    skipped: list[str] = []
    for number, path in enumerate(paths):
        progress(number / len(paths), f"reading {path.name}")
        make = partial(read_volume, path, patient_of(path, folder))
        try:
            if cache is None:
                volumes.append(make())
            else:
                older = f"_{place_of(path, folder)}_"
                volumes.append(cache.kept(key_of(path, folder), make, older=older))
        except MixedError:
            raise
        except InputError as error:
            if len(paths) == 1:
                raise
            skipped.append(f"{path}: {' '.join(error.found.split())}")
    if not volumes:
        raise InputError(
            f"none of {len(paths)} files can be used, the first: {skipped[0]}",
            expected="3-D volumes of the head with a single number per voxel",
            remedy="see the reasons, and name other files",
        )
    progress(1.0, f"{len(volumes)} volumes, {len(skipped)} files skipped")
    return volumes, skipped


def read_volume(path: Path, name: str | None = None) -> Volume:
    """One file or DICOM folder as a volume.

    Args:
        path: What it is of is told by the words of its name (``QSM``, ``NM``, ``T1`` ...).
        name: The patient; by default as the path tells.

    Raises:
        InputError: It is not one 3-D scalar volume, more than 1 % of it are no numbers, it is
            constant, or it is named a susceptibility map and is none.
    """
    import SimpleITK as sitk

    from MRNLib import dicom, files, images, repair, values

    file, role = str(path), role_of(path)
    try:
        raw = files.read_raw(path).image
    except dicom.NoSeries as error:
        raise InputError(
            "the folder holds no NIfTI, NRRD or MHA files besides label maps, nor a DICOM series",
            file=path,
            expected=f"volumes of the head ({', '.join(FORMATS)}) there or in folders below",
            remedy="name the folder that they are in",
        ) from error
    found = sitk.GetArrayViewFromImage(raw)
    bad = 1.0 - float(np.isfinite(found).mean())
    if bad > MOST_NOT_FINITE:
        raise InputError(
            f"{100 * bad:.1f} % of the voxels are not numbers (NaN or infinite)",
            file=path,
            expected=f"at most {100 * MOST_NOT_FINITE:.0f} %",
            remedy="export the volume again, with 0 where nothing was measured",
        )
    phantom = images.is_phantom(raw)
    image, _, _ = repair.usable(raw, file)
    array = sitk.GetArrayFromImage(image)
    summary = values.summarise(array)
    values.check_not_constant(summary, file)
    if role == "QSM":
        scale, _ = values.susceptibility_scale(summary, file)
        array *= scale
        values.check_sign(array, file)
    unit = normalised(array, role, file=file)
    # The world is the grid's own: a head that lies up to five degrees askew is left so.
    axes = np.reshape(image.GetDirection(), (3, 3))
    i, j, k = (axes.T @ image.GetOrigin()).tolist()
    voxels = torch.from_numpy(unit.astype(np.float16))
    name = name or patient_of(path, path.parent)
    return Volume(voxels, image.GetSpacing(), (i, j, k), name, role, None, phantom)


def _files(source: str | Path | Sequence[str | Path]) -> tuple[Path, list[Path]]:
    """The folder that is searched, or holds what is named, and the files in the order of names."""
    if not isinstance(source, str | Path):
        paths = [Path(one).absolute() for one in source]
        if not paths:
            raise InputError("no files are named", remedy="name a folder or some files")
        return Path(os.path.commonpath([path.parent for path in paths])), paths
    folder = Path(source).absolute()
    if not folder.is_dir():
        return folder.parent, [folder]
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(FORMATS)
        and not stem(path).endswith(NOT_VOLUMES)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    # A folder without such files may be a DICOM series.
    return (folder, found) if found else (folder.parent, [folder])
