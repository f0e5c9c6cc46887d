"""Masks that cannot be painted into, and the command's options about them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from MRNLib.errors import InputError
from MRNLib.phantom import paint_case
from MRNLib.phantom.write import CHALLENGE_DIRECTION
from MRNLib.sides import swap

TURNED = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def _written(array, path, spacing, origin=(0.0, 0.0, 0.0), direction=CHALLENGE_DIRECTION):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    sitk.WriteImage(image, str(path))
    return path


def _paths(control, folder, qsm=None, nm=None, **geometry):
    """Two mask files; ``geometry`` is the NM mask's."""
    folder.mkdir(exist_ok=True)
    qsm = control.qsm_mask if qsm is None else qsm
    nm = control.nm_mask if nm is None else nm
    return (
        _written(qsm, folder / "q.nii.gz", control.spacing),
        _written(nm, folder / "n.nii.gz", **{"spacing": control.spacing, **geometry}),
    )


def _refusal(paths, out) -> str:
    with pytest.raises(InputError) as caught:
        paint_case(*paths, 9_600_002, "HC", out, modalities=("QSM",))
    assert not out.exists()
    text = str(caught.value)
    assert 1 <= len(text.splitlines()) <= 3
    assert "What to do" in text
    return text


@pytest.mark.parametrize(
    "geometry",
    [
        {"origin": (0.0, 0.0, 4.0)},
        {"origin": (0.1, 0.0, 0.0)},
        {"spacing": (0.7, 2 / 3, 2.0)},
        {"direction": TURNED},
    ],
    ids=["a slice off", "a fraction of a voxel off", "other pixels", "the other way round"],
)
def test_masks_of_one_size_on_different_grids_are_refused(control, tmp_path, geometry):
    paths = _paths(control, tmp_path / "masks", **geometry)
    text = _refusal(paths, tmp_path / "out")
    assert text.startswith(str(paths[1]))
    assert "different grids" in text


def test_rounding_in_a_header_is_no_other_grid(control, tmp_path):
    paths = _paths(control, tmp_path / "masks", origin=(0.001, 0.0, -0.001))
    case = paint_case(*paths, 9_600_002, "HC", tmp_path / "out", modalities=("QSM",))
    assert (case / "QSM.nii.gz").is_file()


@pytest.mark.parametrize("modality", ["QSM", "NM"])
def test_exchanged_sides_are_refused(control, tmp_path, modality):
    arrays = {"qsm": control.qsm_mask, "nm": control.nm_mask}
    arrays[modality.lower()] = swap(arrays[modality.lower()])
    paths = _paths(control, tmp_path / "masks", **arrays)
    text = _refusal(paths, tmp_path / "out")
    assert text.startswith(str(paths[modality == "NM"]))
    assert "odd labels lie on the patient's left" in text
    # This command has no such option.
    assert "--swap-sides" not in text


def test_one_exchanged_nucleus_is_refused(control, tmp_path):
    wrong = control.qsm_mask.copy()
    wrong[control.qsm_mask == 13], wrong[control.qsm_mask == 14] = 14, 13
    text = _refusal(_paths(control, tmp_path / "masks", qsm=wrong), tmp_path / "out")
    assert "in some nuclei only: RN" in text


def test_merged_sides_are_refused(control, tmp_path):
    merged = (control.nm_mask > 0).astype(np.uint8)
    text = _refusal(_paths(control, tmp_path / "masks", nm=merged), tmp_path / "out")
    assert "share a label" in text


@pytest.mark.parametrize("value", [-3, 300])
def test_an_image_instead_of_a_mask_is_refused(control, tmp_path, value):
    image = control.qsm_mask.astype(np.int16)
    image[0, 0, 0] = value
    paths = _paths(control, tmp_path / "masks", qsm=image)
    assert f"{value}" in _refusal(paths, tmp_path / "out")


def test_a_number_of_patients_makes_no_sense_with_masks(control, tmp_path, capfd):
    from MRNLib.cli.app import run
    from MRNLib.cli.console import EXIT_INPUT

    masks = [str(path) for path in _paths(control, tmp_path / "masks")]
    out = tmp_path / "out"
    options = ["--number", "2", "--out", str(out), "--progress", "none"]
    assert run(["phantom", "--from-masks", *masks, *options]) == EXIT_INPUT
    said = capfd.readouterr().err
    assert "--number 2" in said
    assert "Traceback" not in said
    assert not out.exists()
