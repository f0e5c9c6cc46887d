from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from MRNLib.phantom import image_measurements
from MRNLib.phantom.checks import cross_validated_auc, record
from MRNLib.phantom.measure import anterior_sign


def _measure(phantom):
    return image_measurements(
        phantom.qsm, phantom.nm, phantom.qsm_mask, phantom.nm_mask, phantom.spacing
    )


def test_row_order_does_not_matter(affected):
    turned = [a[:, ::-1] for a in (affected.qsm, affected.nm, affected.qsm_mask, affected.nm_mask)]
    assert anterior_sign(affected.qsm_mask) == 1
    assert anterior_sign(turned[2]) == -1
    assert image_measurements(*turned, affected.spacing) == _measure(affected)


def test_disease_shows_in_every_sign(control, affected):
    before, after = _measure(control), _measure(affected)
    assert after["nm contrast"] < before["nm contrast"] - 0.01
    assert after["nm hyperintense share"] < before["nm hyperintense share"]
    assert after["nigrosome"] > before["nigrosome"] + 20
    # .68 of 27.1 ppb, and .37 of 23.3.
    key = "susceptibility SN"
    assert after[key] - before[key] == pytest.approx(18.4, abs=3)
    assert after["susceptibility GP"] - before["susceptibility GP"] == pytest.approx(8.5, abs=3)


def test_an_absent_nucleus_is_not_a_number(affected):
    mask = np.where(affected.qsm_mask == 11, 0, affected.qsm_mask)
    found = image_measurements(affected.qsm, affected.nm, mask, affected.nm_mask, affected.spacing)
    assert np.isnan(found["susceptibility SN"])
    assert np.isfinite(found["susceptibility GP"])


def test_measurements_inside_the_true_masks_tell_the_classes_apart(records):
    labels = np.array([item.pd for item in records])
    assert labels.sum() == len(labels) / 2
    signs = {"nm contrast": -1, "nm hyperintense share": -1, "nigrosome": 1}
    total = np.zeros(len(records))
    for name, sign in signs.items():
        values = np.array([item.measurements[name] for item in records])
        total += sign * (values - values.mean()) / values.std()
    # Over 400 patients a fitted reading reaches .85 to .91; the standard error of 30 is .06.
    assert roc_auc_score(labels, total) > 0.7


def test_measured_means_follow_the_table(records):
    labels = np.array([item.pd for item in records])
    for name, wanted, spread in (
        ("SN", (132, 151), 27),
        ("GP", (120, 129), 23),
        ("RN", (112, 113), 21),
    ):
        values = np.array([item.measurements[f"susceptibility {name}"] for item in records])
        for group, mean in zip((~labels, labels), wanted, strict=True):
            # Three standard errors of the mean of 15 patients.
            assert values[group].mean() == pytest.approx(mean, abs=3 * spread / 15**0.5)
    neuromelanin = np.array([item.neuromelanin["NM-SN"] for item in records])
    assert neuromelanin[~labels].mean() == pytest.approx(1.042, abs=0.012)
    assert neuromelanin[~labels].mean() > neuromelanin[labels].mean()


def test_volumes_do_not_depend_on_the_class(records):
    labels = np.array([item.pd for item in records])
    volumes = np.array([item.volumes for item in records])
    aucs = [roc_auc_score(labels, column) for column in volumes.T]
    # 15 + 15 patients: standard error .11 for each of 18 labels, which share their variation.
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.2)


def test_a_blanked_picture_does_not_depend_on_the_class(control, affected):
    from MRNLib.phantom.checks import blanked_picture

    assert np.array_equal(blanked_picture(control), blanked_picture(affected))


def test_a_record_repeats(records, control):
    again = record(control.truth.seed)
    assert again.measurements == records[0].measurements


def test_cross_validation_finds_a_signal_and_only_a_signal():
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2 == 0
    noise = random.standard_normal((200, 5))
    assert cross_validated_auc(noise, labels, 3) == pytest.approx(0.5, abs=0.12)
    assert cross_validated_auc(noise + labels[:, None], labels) > 0.85
    assert cross_validated_auc(np.ones((20, 3)), labels[:20]) == 0.5
