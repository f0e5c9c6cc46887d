"""One examination from files to result, with a random model: rules and counts."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from diagnosis_helpers import edited

from MRNLib.anatomy import MASKINGS, NOTICE, ROI_NAMES
from MRNLib.boxes import Box
from MRNLib.bundle import open_bundle
from MRNLib.bundle_export import update_bundle
from MRNLib.classifier import Classifier, calibrated, patient_crops
from MRNLib.diagnosis import Diagnoser
from MRNLib.errors import Cancelled, InputError
from MRNLib.models.preprocess import blank, preprocess
from MRNLib.parameters import Parameters
from MRNLib.readout import read_out
from MRNLib.rois import boxes_from_masks


@pytest.fixture(scope="module")
def arrays(plain):
    return plain.report_images


@pytest.fixture(scope="module")
def boxes(arrays):
    found = boxes_from_masks(arrays.qsm_mask, arrays.nm_mask, arrays.spacing)
    return {name: roi.box for name, roi in found.items()}


def test_probability_equals_the_whole_model_run_plainly(random_bundle, arrays, boxes, plain):
    """Tokens, cached and put together, give what Mrn.forward gives in one piece."""
    bundle = open_bundle(random_bundle)
    config = bundle.manifest.model.preprocess
    crops = patient_crops(arrays.qsm, arrays.nm, boxes, bundle.manifest.absent_roi_shapes).crops
    expected = []
    for fold in (0, 1):
        stacks = {
            name: preprocess(torch.from_numpy(crop), "NM" if name == "NM" else "QSM", config)
            for name, crop in crops.items()
        }
        with torch.no_grad():
            logits = bundle.encoder(fold)([stacks], segment=False).logits
        expected.append(float(logits.softmax(-1)[0, 1]))
    found = [fold.probability_pd for fold in plain.examination.folds]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert plain.examination.probability_pd == pytest.approx(np.mean(expected), abs=1e-5)
    assert plain.examination.spread == pytest.approx(np.std(expected), abs=1e-5)


def test_sixteen_maskings_need_at_most_eight_encodings_a_fold(plain):
    assert plain.examination.provenance["encodings"] == {"0": 8, "1": 8}
    assert tuple(row.masked for row in plain.examination.masking) == MASKINGS


def test_a_masked_roi_is_zeros_before_normalisation(random_bundle, arrays, boxes, plain):
    bundle = open_bundle(random_bundle)
    config = bundle.manifest.model.preprocess
    crops = patient_crops(arrays.qsm, arrays.nm, boxes, bundle.manifest.absent_roi_shapes).crops
    votes = []
    for fold in (0, 1):
        stacks = {
            name: blank(*crop.shape, config)
            if name == "NM"
            else preprocess(torch.from_numpy(crop), "QSM", config)
            for name, crop in crops.items()
        }
        with torch.no_grad():
            votes.append(
                float(bundle.encoder(fold)([stacks], segment=False).logits.softmax(-1)[0, 1])
            )
    row = next(row for row in plain.examination.masking if row.masked == ("NM",))
    assert row.probability_pd == pytest.approx(np.mean(votes), abs=1e-5)


def test_mask_roi_option_equals_its_masking_row(phantom_case, random_bundle, plain):
    parameters = Parameters(bundle=str(random_bundle), jitter=False, masked=("QSM2",))
    found = Diagnoser(parameters).diagnose(phantom_case).examination
    row = next(row for row in plain.examination.masking if row.masked == ("QSM2",))
    assert found.probability_pd == pytest.approx(row.probability_pd, abs=1e-6)
    assert [roi.name for roi in found.rois if roi.masked] == ["QSM2"]


def test_folds_can_be_chosen(phantom_case, random_bundle, plain):
    parameters = Parameters(bundle=str(random_bundle), folds=(1,), jitter=False)
    found = Diagnoser(parameters).diagnose(phantom_case).examination
    assert [fold.fold for fold in found.folds] == [1]
    assert found.probability_pd == pytest.approx(plain.examination.folds[1].probability_pd)
    assert found.spread == 0


def test_temperature_pulls_a_probability_towards_one_half(phantom_case, random_bundle, tmp_path):
    copy = shutil.copytree(random_bundle, tmp_path / "bundle")
    bundle = open_bundle(copy)
    warm = bundle.manifest.calibration.model_copy(update={"temperature": 4.0})
    update_bundle(bundle, calibration=warm)
    base = Diagnoser(Parameters(bundle=str(random_bundle), jitter=False)).diagnose(phantom_case)
    found = Diagnoser(Parameters(bundle=str(copy), jitter=False)).diagnose(phantom_case)
    for before, after in zip(base.examination.folds, found.examination.folds, strict=True):
        logit = np.log(before.probability_pd / (1 - before.probability_pd))
        expected = float(calibrated(np.array([logit]), 4.0)[0])
        assert after.probability_pd == pytest.approx(expected, abs=1e-6)


def test_tta_averages_the_mirror_image_in(random_bundle, arrays, boxes):
    bundle = open_bundle(random_bundle)
    patient = patient_crops(arrays.qsm, arrays.nm, boxes, bundle.manifest.absent_roi_shapes)
    turned = dataclasses.replace(
        patient, crops={name: crop[:, :, ::-1].copy() for name, crop in patient.crops.items()}
    )
    plain = Classifier(bundle, Parameters(bundle=str(random_bundle)))
    both = Classifier(bundle, Parameters(bundle=str(random_bundle), tta=True))
    expected = (plain.fold_probabilities(patient) + plain.fold_probabilities(turned)) / 2
    np.testing.assert_allclose(both.fold_probabilities(patient), expected, atol=1e-6)


def test_an_absent_roi_is_masked_and_said(random_bundle, phantom_case, tmp_path):
    def without_dentate_nuclei(array):
        array[array >= 15] = 0

    case = edited(phantom_case, tmp_path, without_dentate_nuclei)
    diagnoser = Diagnoser(Parameters(bundle=str(random_bundle), jitter=False))
    found = diagnoser.diagnose(case).examination
    assert found.degraded
    assert [roi.name for roi in found.rois if not roi.present] == ["QSM3"]
    assert any("QSM3" in text for text in found.warnings)
    same = [row.probability_pd for row in found.masking if row.masked in ((), ("QSM3",))]
    assert same[0] == same[1] == found.probability_pd


def test_a_box_set_by_hand_is_used(random_bundle, phantom_case, plain):
    box = Box((100, 120, 20), (150, 160, 28))
    parameters = Parameters(bundle=str(random_bundle), jitter=False, boxes={"QSM2": box})
    found = Diagnoser(parameters).diagnose(phantom_case).examination
    chosen = {roi.name: roi.box for roi in found.rois}
    assert chosen["QSM2"] == str(box)
    others = {roi.name: roi.box for roi in plain.examination.rois}
    assert all(chosen[name] == others[name] for name in ROI_NAMES if name != "QSM2")


def test_a_box_outside_the_volume_is_refused(random_bundle, phantom_case):
    box = Box((100, 120, 20), (150, 160, 99))
    diagnoser = Diagnoser(Parameters(bundle=str(random_bundle), boxes={"NM": box}))
    with pytest.raises(InputError, match="leaves the volume"):
        diagnoser.diagnose(phantom_case)


def test_written_files_hold_the_result_and_the_masks_on_their_own_grid(
    plain, phantom_case, tmp_path
):
    files = plain.write(tmp_path / "out")
    written = json.loads(files["diagnosis.json"].read_text("utf-8"))
    assert written["probability_pd"] == plain.examination.probability_pd
    assert len(written["masking"]) == 16
    assert written["notice"] == NOTICE
    for role in ("QSM", "NM"):
        given = sitk.ReadImage(str(getattr(phantom_case, f"{role.lower()}_mask")))
        back = sitk.ReadImage(str(files[f"{role}_mask.nii.gz"]))
        assert back.GetDirection() == given.GetDirection()
        assert back.GetSize() == given.GetSize()
        np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(given))


def test_cancel_stops_between_steps_and_writes_nothing(random_bundle, phantom_case, tmp_path):
    seen = []

    def cancel_late(fraction, message):
        seen.append(fraction)
        if fraction > 0.8:
            raise Cancelled("Cancelled.")

    parameters = Parameters(bundle=str(random_bundle), cache=tmp_path / "cache")
    with pytest.raises(Cancelled):
        Diagnoser(parameters).diagnose(phantom_case, cancel_late)
    assert seen == sorted(seen)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.suffix == ".npy" for path in written)  # whole cache entries, no partial file


def test_gpu_out_of_memory_falls_back_to_the_cpu_with_a_warning(
    random_bundle, arrays, boxes, monkeypatch
):
    """No GPU here: the encoder is told that its first forward pass ran out of GPU memory."""
    from MRNLib.encoding import RoiEncoder

    bundle = open_bundle(random_bundle)
    said = []
    classifier = Classifier(bundle, Parameters(bundle=str(random_bundle)), warn=said.append)
    real = RoiEncoder._forward
    for encoder in classifier._encoders.values():
        encoder.device = "cuda"

    def forward(self, stack):
        if self.device == "cuda":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(self, stack)

    monkeypatch.setattr(RoiEncoder, "_forward", forward)
    readout = read_out(classifier, arrays.qsm, arrays.nm, boxes, jitter=False)
    assert len(readout.masking) == 16
    assert classifier.device == "cpu"
    assert any("ran out of memory" in text for text in said)
