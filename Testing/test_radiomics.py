from __future__ import annotations

import builtins
import dataclasses
import importlib.util
import logging

import numpy as np
import pytest

from MRNLib.anatomy import NUCLEI, ROI_NAMES, roi
from MRNLib.boxes import Box
from MRNLib.errors import Cancelled, InputError
from MRNLib.radiomics import FeatureTable, feature_table, patient_features
from MRNLib.radiomics_models import MODELS, make_model, predicted_margins
from MRNLib.training.crops import PatientCrops, RoiCrop

SPACING = (2 / 3, 2 / 3, 2.0)


def installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)


needs_mirp = pytest.mark.skipif(
    not installed("mirp"), reason="the extra radiomics is not installed"
)
needs_xgboost = pytest.mark.skipif(
    not installed("xgboost"), reason="the extra radiomics is not installed"
)


def make_patient(
    number: int, diagnosis: int = 0, names: tuple[str, ...] = ("QSM3",)
) -> PatientCrops:
    """Nuclei brighter than their noise; NM over its median, QSM in ppb."""
    random = np.random.default_rng(number)
    rois = {}
    for definition in (roi(name) for name in names):
        labels = np.zeros((4, 26, 24), np.uint8)
        for nucleus in range(1, definition.classes):
            labels[1:3, 5 * nucleus : 5 * nucleus + 4, 6:14] = nucleus
        noise = random.normal(0, 1, labels.shape)
        bright = (labels > 0) * (1.0 + 0.5 * diagnosis)
        nm = definition.modality == "NM"
        image = 1 + 0.05 * (noise + bright) if nm else 30 * noise + 100 * bright
        box = Box((3, 3, 0), (20, 24, 4))
        rois[definition.name] = RoiCrop(image.astype(np.float16), labels, box)
    return PatientCrops(f"case_{number:03d}", diagnosis, rois, spacing=SPACING)


def with_roi(patient: PatientCrops, name: str, image=None, labels=None) -> PatientCrops:
    crop = patient.rois[name]
    crop = dataclasses.replace(
        crop,
        image=crop.image if image is None else image,
        labels=crop.labels if labels is None else labels,
    )
    return dataclasses.replace(patient, rois={**patient.rois, name: crop})


@needs_mirp
def test_features_of_every_nucleus():
    features = patient_features(make_patient(0, names=ROI_NAMES))
    assert {name.split()[0] for name in features} == {nucleus.key for nucleus in NUCLEI}
    assert len(features) == 53 * len(NUCLEI)
    assert all(np.isfinite(value) for value in features.values())


@needs_mirp
def test_first_order_and_cooccurrence_by_hand():
    """A chessboard of two bins: every neighbour in plane is of the other or the same bin."""
    labels = np.zeros((3, 26, 24), np.uint8)
    labels[1, 5:9, 6:14] = 1
    rows, columns = np.indices(labels.shape[1:])
    image = np.broadcast_to(100.0 + 20.0 * ((rows + columns) % 2), labels.shape)
    patient = with_roi(make_patient(0), "QSM3", image.astype(np.float16), labels)
    features = patient_features(patient)
    assert features["DN stat_mean"] == pytest.approx(110)
    assert features["DN stat_var"] == pytest.approx(100)
    assert features["DN stat_iqr"] == pytest.approx(20)
    # 4 x 8 voxels: 28 + 24 pairs along the sides differ by one bin, 2 x 21 diagonal ones by none.
    assert features["DN cm_contrast"] == pytest.approx(52 / (52 + 42))
    assert features["DN cm_inv_diff"] == pytest.approx((42 + 52 / 2) / (52 + 42))


@needs_mirp
def test_the_size_of_a_nucleus_does_not_tell():
    """The same tissue twice as many slices deep has the same features."""
    once = make_patient(1)
    crop = once.rois["QSM3"]
    twice = with_roi(
        once, "QSM3", np.concatenate([crop.image] * 2), np.concatenate([crop.labels] * 2)
    )
    before, after = patient_features(once), patient_features(twice)
    assert before.keys() == after.keys()
    # Percentiles lie between other neighbours.
    between = {f"DN stat_{short}" for short in ("p10", "p90", "iqr", "rmad", "qcod")}
    for name, value in before.items():
        assert after[name] == pytest.approx(value, rel=0.15 if name in between else 1e-5), name


@needs_mirp
def test_only_the_nucleus_counts():
    patient = make_patient(2)
    crop = patient.rois["QSM3"]
    outside = np.where(crop.labels == 0, np.float16(900), crop.image)
    assert patient_features(with_roi(patient, "QSM3", outside)) == patient_features(patient)


@needs_mirp
def test_absent_rois_and_tiny_nuclei_have_no_features():
    whole = make_patient(3, names=("NM", "QSM2"))
    rois = {name: one for name, one in whole.rois.items() if name != "NM"}
    labels = whole.rois["QSM2"].labels.copy()
    stn = np.argwhere(labels == 1)[3:]
    labels[tuple(stn.T)] = 0
    patient = with_roi(dataclasses.replace(whole, rois=rois), "QSM2", labels=labels)
    table = feature_table([whole, patient])
    missing = {
        name.split()[0]
        for name, value in zip(table.names, table.values[1], strict=True)
        if np.isnan(value)
    }
    assert missing == {"NM-SN", "STN"}
    assert np.isfinite(table.values[0]).all()


@needs_mirp
def test_other_pixels_are_resampled():
    """A constant nucleus keeps its value, and texture is measured at the challenge's pixels."""
    labels = np.zeros((3, 20, 20), np.uint8)
    labels[1, 6:14, 6:14] = 1
    image = np.full(labels.shape, 120, np.float16)
    patient = with_roi(make_patient(5), "QSM3", image, labels)
    fine = dataclasses.replace(patient, spacing=(1 / 3, 1 / 3, 2.0))
    assert patient_features(fine)["DN stat_mean"] == pytest.approx(120)
    # 8 x 8 voxels become 4 x 4: the longest run is 4 along the sides.
    assert patient_features(patient)["DN rlm_lre"] > 2 * patient_features(fine)["DN rlm_lre"]


@needs_mirp
def test_table_is_cached_for_the_same_crops_only(tmp_path, monkeypatch):
    patients = [make_patient(0), make_patient(1, 1)]
    path = tmp_path / "features.npz"
    seen: list[float] = []
    table = feature_table(patients, path, lambda fraction, message: seen.append(fraction))
    assert seen == [0.5, 1.0]
    monkeypatch.setattr("MRNLib.radiomics.patient_features", None)
    again = feature_table(patients, path)
    assert again.names == table.names
    assert again.identifiers == ("case_000", "case_001")
    np.testing.assert_array_equal(again.values, table.values)
    np.testing.assert_array_equal(again.diagnoses, [0, 1])
    monkeypatch.undo()
    changed = [make_patient(7), patients[1]]
    assert feature_table(changed, path).identifiers == ("case_007", "case_001")
    path.write_bytes(b"torn")
    np.testing.assert_array_equal(feature_table(patients, path).values, table.values)


@needs_mirp
def test_cancelled_leaves_no_cache(tmp_path):
    def cancel(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        feature_table([make_patient(0)], tmp_path / "features.npz", cancel)
    assert list(tmp_path.iterdir()) == []


@needs_mirp
def test_says_nothing_and_leaves_logging_alone(capfd, recwarn):
    handlers = list(logging.getLogger().handlers)
    patient_features(make_patient(0))
    assert logging.getLogger().handlers == handlers
    assert "Initialising" not in "".join(capfd.readouterr())
    assert not [one for one in recwarn if "calibrated" in str(one.message)]


def table_of(patients: int, seed: int, effect: float = 1.0) -> FeatureTable:
    """Twelve features, of which two tell the classes apart, and a few holes."""
    random = np.random.default_rng(seed)
    diagnoses = np.arange(patients) % 2
    values = random.normal(size=(patients, 12))
    values[:, :2] += effect * diagnoses[:, None]
    values[random.random(values.shape) < 0.05] = np.nan
    names = tuple(f"SN feature_{place}" for place in range(12))
    identifiers = tuple(f"case_{seed}_{place}" for place in range(patients))
    return FeatureTable(identifiers, diagnoses, names, values)


def auc(labels, scores) -> float:
    positive, negative = scores[labels == 1], scores[labels == 0]
    return float((positive[:, None] > negative).mean())


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=needs_xgboost if one == "XGBoost" else ()) for one in MODELS]
)
def test_models_learn_and_are_reproducible(name):
    training, evaluation = table_of(120, 0, 2.0), table_of(200, 1, 2.0)
    margins = predicted_margins(name, training, evaluation)
    assert margins.shape == (200,)
    assert np.isfinite(margins).all()
    assert auc(evaluation.diagnoses, margins) > 0.9
    np.testing.assert_array_equal(margins, predicted_margins(name, training, evaluation))
    # Nothing is learned from nothing, and the probabilities do not pretend.
    nothing = predicted_margins(name, table_of(120, 2, 0.0), table_of(200, 3, 0.0))
    assert 0.35 < auc(evaluation.diagnoses, nothing) < 0.65


def test_columns_are_matched_by_name():
    training, evaluation = table_of(60, 0, 2.0), table_of(50, 1, 2.0)
    order = np.random.default_rng(0).permutation(12)
    shuffled = dataclasses.replace(
        evaluation,
        names=(*(evaluation.names[place] for place in order), "RN new"),
        values=np.column_stack([evaluation.values[:, order], np.zeros(50)]),
    )
    expected = predicted_margins("LR", training, evaluation)
    np.testing.assert_allclose(predicted_margins("LR", training, shuffled), expected)
    fewer = dataclasses.replace(
        evaluation, names=evaluation.names[:5], values=evaluation.values[:, :5]
    )
    assert np.isfinite(predicted_margins("LR", training, fewer)).all()


def test_a_nucleus_that_nobody_has():
    training = table_of(40, 0, 2.0)
    training.values[:, 3] = np.nan
    assert np.isfinite(predicted_margins("LR", training, table_of(20, 1))).all()


def test_too_few_patients():
    with pytest.raises(InputError, match="a class has 6 patients"):
        predicted_margins("LR", table_of(12, 0), table_of(12, 1))
    # The fewest that are taken are enough for every model, whose folds may lie in folds.
    assert np.isfinite(predicted_margins("SVM", table_of(14, 0), table_of(8, 1))).all()


def test_unknown_model():
    with pytest.raises(ValueError, match="LR, SVM, XGBoost"):
        make_model("RF")


@pytest.mark.parametrize(
    ("module", "ask"),
    [
        ("mirp", lambda: patient_features(make_patient(0))),
        ("xgboost", lambda: make_model("XGBoost")),
    ],
)
def test_missing_extra_is_said(monkeypatch, module, ask):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == module:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=f"no module {module}") as caught:
        ask()
    assert "[radiomics]" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3
