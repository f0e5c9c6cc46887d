from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from bad_inputs.patient import rois_of, sound
from MRNDiagnosisLib.case import Inputs, check, prepare
from MRNDiagnosisLib.rois import show_boxes
from MRNDiagnosisLib.segmentations import show_mask
from MRNDiagnosisLib.volumes import canonical_grid, load
from scenes import LYING, cube, new_transform, write_patient

from MRNLib.anatomy import nucleus
from MRNLib.boxes import Box
from MRNLib.cases import Case, load_case
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters


def loaded(scene, paths) -> Inputs:
    inputs = Inputs(load(scene, paths["qsm"], "QSM"), load(scene, paths["nm"], "NM"))
    inputs.qsm_segmentation = show_mask(scene, paths["qsm_mask"], "QSM", inputs.qsm, "nuclei")
    inputs.nm_segmentation = show_mask(scene, paths["nm_mask"], "NM", inputs.nm, "NM nuclei")
    return inputs


@pytest.mark.parametrize("lying", LYING)
def test_a_run_reads_from_the_scene_what_it_reads_from_the_files(scene, tmp_path, lying):
    paths = write_patient(tmp_path, lying)
    inputs = loaded(scene, paths)
    case = prepare(inputs, tmp_path / "run")
    assert (case.identifier, case.qsm, case.nm, case.t1) == ("QSM", paths["qsm"], paths["nm"], None)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "NM_mask.nrrd",
        "QSM_mask.nrrd",
    ]
    # And when the volumes are in no file, they are written and read as the same.
    for volume in (inputs.qsm, inputs.nm):
        volume.GetImageData().Modified()
    written = prepare(inputs, tmp_path / "all")
    assert written.qsm.parent == tmp_path / "all"
    files, scenes = load_case(Case("P", **paths)), [load_case(case), load_case(written)]
    for images in scenes:
        for name in ("qsm", "nm"):
            first, second = (getattr(item, name).image for item in (files, images))
            assert np.allclose(
                *map(sitk.GetArrayViewFromImage, (first, second)), rtol=1e-5, atol=1e-3
            )
        for name in ("qsm_mask", "nm_mask"):
            first, second = (getattr(item, name) for item in (files, images))
            assert (sitk.GetArrayFromImage(first) == sitk.GetArrayFromImage(second)).all()
        assert rois_of(images) == rois_of(files)
    assert len(scenes[0].warnings) == len(files.warnings)


def test_an_edit_reaches_the_run(scene, tmp_path):
    inputs = loaded(scene, write_patient(tmp_path))
    before = load_case(prepare(inputs, tmp_path / "run"))
    cube(inputs.qsm_segmentation, "RN_R", inputs.qsm, (2, 60, 5))
    after = load_case(prepare(inputs, tmp_path / "run"))
    changed = sitk.GetArrayFromImage(after.qsm_mask) != sitk.GetArrayFromImage(before.qsm_mask)
    assert np.count_nonzero(changed) == 27
    assert set(sitk.GetArrayFromImage(after.qsm_mask)[changed]) == {nucleus("RN").right}


def test_a_t1_goes_along_and_segmentations_need_not(scene, tmp_path):
    paths = write_patient(tmp_path)
    inputs = Inputs(load(scene, paths["qsm"], "QSM"), load(scene, paths["nm"], "NM"))
    inputs.t1 = load(scene, paths["nm"], "T1")
    case = prepare(inputs, tmp_path / "run")
    assert case == Case("QSM", paths["qsm"], paths["nm"], paths["nm"])
    assert not (tmp_path / "run").exists()


def test_what_is_sound_needs_no_words(scene, tmp_path):
    inputs = loaded(scene, write_patient(tmp_path))
    assert check(inputs, tmp_path / "run") == ""


def test_the_check_speaks_the_librarys_words(scene, tmp_path):
    paths = write_patient(tmp_path)
    qsm, nm = load(scene, paths["qsm"], "QSM"), load(scene, paths["nm"], "NM")
    folder = tmp_path / "run"
    assert "no QSM and no NM volume is chosen" in check(Inputs(), folder)
    assert "no NM volume is chosen" in check(Inputs(qsm), folder)
    swapped = check(Inputs(nm, qsm), folder)
    assert "QSM and NM are swapped" in swapped
    assert check(Inputs(nm, qsm), folder, Parameters(swap_modalities=True)) == ""
    nm.SetAndObserveTransformNodeID(new_transform(scene).GetID())
    assert "'NM' lies under the transform 'Moved'" in check(Inputs(qsm, nm), folder)


def test_the_check_passes_on_doubts_and_errors_of_the_files(scene, tmp_path):
    patient = sound()
    patient.qsm[:] = patient.qsm / 1000
    paths = write_patient(tmp_path, "oblique 15", patient)
    inputs = Inputs(load(scene, paths["qsm"], "QSM"), load(scene, paths["nm"], "NM"))
    said = check(inputs, tmp_path / "run")
    assert "ppm" in said
    assert said.count("oblique by 15 degrees") == 2
    constant = sound().but(nm=np.ones_like(patient.nm))
    inputs.nm = load(scene, write_patient(tmp_path / "c", patient=constant)["nm"], "NM")
    with pytest.raises(InputError) as error:
        load_case(prepare(inputs, tmp_path / "run"))
    assert check(inputs, tmp_path / "run") == str(error.value)


def test_boxes_are_on_the_grid_of_a_run(scene, tmp_path):
    inputs = loaded(scene, write_patient(tmp_path, "sagittal oblique"))
    assert inputs.boxes() == {}
    box = Box((10, 12, 5), (30, 40, 11))
    inputs.roi_nodes = show_boxes(scene, {"QSM2": box}, canonical_grid(inputs.qsm))
    assert inputs.boxes() == {"QSM2": box}
    inputs.roi_nodes["QSM2"].SetCenter(900, 0, 0)
    assert "'MRN QSM2' lies outside the QSM volume" in check(inputs, tmp_path / "run")
