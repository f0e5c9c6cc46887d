from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from bad_inputs.broken import write_series
from bad_inputs.grids import shear_header
from bad_inputs.patient import sound

from MRNLib import files, geometry
from MRNLib.errors import InputError
from MRNLib.images import read_volume, restore, write_image


def save(image, path):
    sitk.WriteImage(image, str(path))
    return path


def canonical_array(name):
    return getattr(sound(), name)[:, ::-1]


def test_a_single_trailing_dimension_is_dropped(tmp_path):
    image = sitk.JoinSeries([sound().image("qsm")])
    assert image.GetDimension() == 4
    volume = read_volume(save(image, tmp_path / "q.mha"), "QSM")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), canonical_array("qsm"))


def test_a_repaired_header_keeps_the_voxels(tmp_path):
    path = save(sound().image("qsm"), tmp_path / "q.nii.gz")
    shear_header(path, 6e-4)
    volume = read_volume(path, "QSM")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), canonical_array("qsm"))
    assert geometry.shear(np.reshape(volume.source.direction, (3, 3))) < 1e-6
    np.testing.assert_allclose(volume.source.spacing, sound().spacing, rtol=1e-5)


def test_a_header_without_orientation_is_said(tmp_path):
    path = save(sound().image("qsm"), tmp_path / "q.nii")
    data = bytearray(path.read_bytes())
    data[252:256] = bytes(4)
    path.write_bytes(data)
    assert any("how the patient lies" in note for note in read_volume(path, "QSM").warnings)


def test_a_dicom_series_is_read_in_order(tmp_path):
    patient = sound()
    write_series(patient.image("qsm"), tmp_path / "série")
    volume = read_volume(tmp_path / "série", "QSM")
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(volume.image), np.round(canonical_array("qsm"))
    )
    assert volume.image.GetSpacing() == pytest.approx(patient.spacing)
    assert len(volume.source.sha256) == 64
    back = restore(sitk.Cast(volume.image > 50, sitk.sitkUInt8), volume)
    assert back.GetSize() == volume.source.size


def test_slices_at_one_position_are_refused(tmp_path):
    write_series(sound().image("qsm"), tmp_path / "s", positions=2.5 * (np.arange(32) // 2))
    with pytest.raises(InputError, match="same position"):
        read_volume(tmp_path / "s", "QSM")


def test_paths_with_any_letters_and_the_hash_of_the_file(tmp_path):
    folder = tmp_path / "Müller 患者 α"
    folder.mkdir()
    path = save(sound().image("nm"), folder / "NM.nii.gz")
    volume = read_volume(path, "NM")
    assert volume.source.path == str(path)
    assert volume.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_unreadable_file_is_said(tmp_path, monkeypatch):
    path = save(sound().image("nm"), tmp_path / "NM.nii.gz")
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    with pytest.raises(InputError, match="may not be read"):
        read_volume(path, "NM")


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_writing_leaves_only_the_target(ending, tmp_path):
    labels = sound().image("nm_mask")
    target = tmp_path / "new folder" / f"mask.v2{ending}"
    assert write_image(labels, target) == target
    assert list(target.parent.iterdir()) == [target]
    again = sitk.ReadImage(str(target))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), sound().nm_mask)
    assert geometry.same_grid(again, labels)


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "mask.nii.gz"
    target.write_bytes(b"old")

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(InputError, match="No space left"):
        write_image(sound().image("nm_mask"), target)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["mask.nii.gz"]
    with pytest.raises(InputError, match="not a format"):
        write_image(sound().image("nm_mask"), tmp_path / "mask.txt")


def test_nothing_heavy_is_imported():
    """A Slicer panel uses these modules before torch and the rest are installed."""
    heavy = ["torch", "scipy", "pydantic", "timm", "monai", "nnunetv2", "sklearn", "pandas"]
    modules = ["errors", "anatomy", "progress", "images", "masks", "cases", "rois", "quality"]
    code = "; ".join(
        [
            "import sys",
            f"sys.modules.update({{name: None for name in {heavy}}})",
            *(f"import MRNLib.{name}" for name in modules),
            f"assert not [name for name in {heavy} if sys.modules[name]]",
            "print(sorted({name.split('.')[0] for name in sys.modules} & {'numpy', 'SimpleITK'}))",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["['SimpleITK',", "'numpy']"]


def test_boxes_and_crops_need_numpy_alone():
    code = "import sys; sys.modules['SimpleITK'] = None; import MRNLib.rois, MRNLib.boxes"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
