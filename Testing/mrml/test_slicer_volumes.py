from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from bad_inputs.patient import sound
from MRNDiagnosisLib.volumes import canonical_grid, file_of, image_of, load, require_no_transform
from scenes import LYING, assert_same_in_space, new_transform, write_patient

from MRNLib.errors import InputError
from MRNLib.geometry import Grid
from MRNLib.images import PHANTOM_MARK, is_phantom, read_volume


@pytest.mark.parametrize("lying", LYING)
def test_a_node_lies_where_its_file_lies(scene, tmp_path, lying):
    path = write_patient(tmp_path, lying)["qsm"]
    volume = load(scene, path, "QSM")
    assert_same_in_space(sitk.ReadImage(str(path)), image_of(volume))


@pytest.mark.parametrize("lying", LYING)
def test_the_canonical_grid_of_a_node_is_that_of_a_run(scene, tmp_path, lying):
    path = write_patient(tmp_path, lying)["qsm"]
    run, seen = Grid.of(read_volume(path, "QSM").image), canonical_grid(load(scene, path, "QSM"))
    assert run.size == seen.size
    assert np.allclose(run.corners(), seen.corners(), atol=1e-4)


@pytest.mark.parametrize("lying", LYING)
def test_a_written_file_lies_where_its_node_lies(scene, tmp_path, lying):
    path = write_patient(tmp_path, lying)["nm"]
    volume = load(scene, path, "NM/1: the patient's")
    before = sitk.ReadImage(str(path))
    path.unlink()
    written = file_of(volume, tmp_path / "run")
    assert written.parent == tmp_path / "run"
    assert_same_in_space(before, sitk.ReadImage(str(written)))
    assert file_of(volume, tmp_path / "run", "NM").name == "NM.nrrd"


def test_an_unchanged_volume_is_read_from_its_own_file(scene, tmp_path):
    path = write_patient(tmp_path)["qsm"]
    volume = load(scene, path, "QSM")
    volume.SetName("renamed")
    volume.GetDisplayNode().SetWindowLevel(100, 0)
    image_of(volume)
    assert file_of(volume, tmp_path / "run", "QSM") == path
    assert not (tmp_path / "run").exists()


def test_a_volume_changed_in_the_scene_is_written(scene, tmp_path):
    import slicer

    path = write_patient(tmp_path)["qsm"]
    volume = load(scene, path, "QSM")
    slicer.util.arrayFromVolume(volume)[5, 5, 5] = 77
    slicer.util.arrayFromVolumeModified(volume)
    written = file_of(volume, tmp_path / "run", "QSM")
    assert written == tmp_path / "run" / "QSM.nrrd"
    assert_same_in_space(image_of(volume), sitk.ReadImage(str(written)))
    volume.GetStorageNode().SetFileName(str(tmp_path / "saved.nrrd"))
    volume.GetStorageNode().WriteData(volume)
    assert file_of(volume, tmp_path / "run", "QSM") == tmp_path / "saved.nrrd"


def test_a_volume_moved_by_its_own_geometry_is_written(scene, tmp_path):
    volume = load(scene, write_patient(tmp_path)["qsm"], "QSM")
    volume.SetOrigin(1, 2, 3)
    assert file_of(volume, tmp_path / "run").name == "QSM.nrrd"


def test_a_volume_centred_while_reading_is_written(scene, tmp_path):
    volume = load(scene, write_patient(tmp_path)["qsm"], "QSM")
    storage = volume.GetStorageNode()
    storage.SetCenterImage(1)
    storage.ReadData(volume)
    written = file_of(volume, tmp_path / "run")
    assert written.name == "QSM.nrrd"
    middle = [(n - 1) / 2 for n in volume.GetImageData().GetDimensions()]
    image = sitk.ReadImage(str(written))
    assert np.allclose(image.TransformContinuousIndexToPhysicalPoint(middle), 0, atol=2)


def test_a_volume_without_a_file_is_written(scene, tmp_path):
    import slicer

    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "..")
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    slicer.util.updateVolumeFromArray(volume, array)
    written = file_of(volume, tmp_path)
    assert written == tmp_path / "volume.nrrd"
    assert (sitk.GetArrayFromImage(sitk.ReadImage(str(written))) == array).all()


def test_the_mark_of_a_phantom_is_kept(scene, tmp_path):
    marked = sound().image("qsm")
    marked.SetMetaData("ITK_FileNotes", f"{PHANTOM_MARK} 0.1")
    paths = sound().write(tmp_path, qsm=marked)
    for name, phantom in (("qsm", True), ("nm", False)):
        volume = load(scene, paths[name], name)
        assert (volume.GetAttribute("MRN.Phantom") == "1") is phantom
        volume.Modified()
        volume.SetOrigin(0, 0, 1)
        written = file_of(volume, tmp_path / "run")
        assert is_phantom(sitk.ReadImage(str(written))) is phantom


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_a_phantom_that_slicer_saved_stays_a_phantom(scene, tmp_path, ending):
    marked = sound().image("qsm")
    marked.SetMetaData("ITK_FileNotes", f"{PHANTOM_MARK} 0.1")
    paths = sound().write(tmp_path, qsm=marked)
    phantom, patient = (load(scene, paths[name], name) for name in ("qsm", "nm"))
    for volume in (phantom, patient):
        saved = tmp_path / "saved" / f"{volume.GetName()}{ending}"
        saved.parent.mkdir(exist_ok=True)
        storage = volume.GetStorageNode()
        storage.SetFileName(str(saved))
        assert storage.WriteData(volume)
        assert not is_phantom(sitk.ReadImage(str(saved)))  # else Slicer has learned it
    before = image_of(phantom)
    written = file_of(phantom, tmp_path / "run", "QSM")
    assert written == tmp_path / "run" / "QSM.nrrd"
    assert is_phantom(sitk.ReadImage(str(written)))
    assert_same_in_space(before, sitk.ReadImage(str(written)))
    assert file_of(patient, tmp_path / "run", "NM") == tmp_path / "saved" / f"nm{ending}"


def test_a_transform_is_refused_by_name(scene, tmp_path):
    volume = load(scene, write_patient(tmp_path)["qsm"], "QSM")
    require_no_transform(volume)
    volume.SetAndObserveTransformNodeID(new_transform(scene).GetID())
    for refused in (require_no_transform, image_of, lambda node: file_of(node, tmp_path)):
        with pytest.raises(InputError, match="'QSM' lies under the transform 'Moved'") as error:
            refused(volume)
        assert "harden" in error.value.remedy


def test_what_is_no_scalar_volume_is_refused(scene):
    import slicer

    with pytest.raises(InputError, match="'nothing' is empty"):
        image_of(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing"))
    colour = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colour")
    slicer.util.updateVolumeFromArray(colour, np.zeros((4, 5, 6, 3), np.uint8))
    with pytest.raises(InputError, match="'colour' holds 3 numbers"):
        image_of(colour)


def test_a_sheared_volume_is_refused(scene, tmp_path):
    volume = load(scene, write_patient(tmp_path)["qsm"], "QSM")
    volume.SetIJKToRASDirections(-1, 0.1, 0, 0, -1, 0, 0, 0, 1)
    with pytest.raises(InputError, match="'QSM': the image axes are not at right angles"):
        image_of(volume)


def test_a_file_that_cannot_be_read_leaves_the_scene_as_it_was(scene, tmp_path):
    path = tmp_path / "QSM.nii.gz"
    path.write_bytes(b"no image")
    before = scene.GetNumberOfNodes()
    for missing in (path, tmp_path / "other.nrrd"):
        with pytest.raises(InputError, match="cannot be read as a volume"):
            load(scene, missing, "QSM")
    assert scene.GetNumberOfNodes() == before


def test_a_volume_from_a_saved_scene_is_written_when_its_file_is_gone(scene, tmp_path):
    import slicer

    volume = load(scene, write_patient(tmp_path)["qsm"], "QSM")
    before = image_of(volume)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    volume = slicer.util.getNode("QSM")
    written = file_of(volume, tmp_path / "run")
    assert_same_in_space(before, sitk.ReadImage(str(written)))
