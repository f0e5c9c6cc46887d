from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from MRNLib.neuromelanin import nm_reference
from MRNLib.phantom import acquisition, generate, image_measurements, sample_truth
from MRNLib.phantom.checks import auc_error, cross_validated_auc, record
from MRNLib.phantom.geometry import draw
from MRNLib.phantom.grid import CHALLENGE_GRID
from MRNLib.phantom.measure import anterior_sign, oracle_reference
from MRNLib.phantom.patient import DEEP_GREY_WINDOW
from MRNLib.phantom.tables import NM_SN_MEAN, SUSCEPTIBILITY
from MRNLib.phantom.tissue import paint_nuclei
from MRNLib.phantom.truth import random_stream

SEED, PATIENTS = 9_500_000, 30  # as the fixture ``records``
GRID = CHALLENGE_GRID.windowed(DEEP_GREY_WINDOW)


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
    # .68 of 27.1 ppb, and .37 of 23.3: the same noise is in both.
    key = "susceptibility SN"
    assert after[key] - before[key] == pytest.approx(18.45, abs=0.05)
    assert after["susceptibility GP"] - before["susceptibility GP"] == pytest.approx(8.55, abs=0.05)


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


@pytest.mark.parametrize("nucleus", SUSCEPTIBILITY)
def test_the_same_patient_differs_by_the_tables_class_effect(pairs, nucleus):
    """All else cancels; the smallest effect is .9 ppb: exchanged classes fail in any nucleus."""
    name = f"susceptibility {nucleus}"
    wanted = SUSCEPTIBILITY[nucleus].pd - SUSCEPTIBILITY[nucleus].hc
    assert abs(wanted) > 0.8
    for control, affected in pairs:
        assert not control.pd
        assert affected.pd
        effect = affected.measurements[name] - control.measurements[name]
        assert effect == pytest.approx(wanted, abs=0.05)


def test_the_same_patient_loses_the_published_neuromelanin(pairs):
    losses = [hc.neuromelanin["NM-SN"] - pd.neuromelanin["NM-SN"] for hc, pd in pairs]
    assert min(losses) > 0.006
    assert np.mean(losses) == pytest.approx(NM_SN_MEAN["HC"] - NM_SN_MEAN["PD"], abs=0.002)


@pytest.mark.parametrize("nucleus", SUSCEPTIBILITY)
def test_patients_have_the_tables_level_and_their_own_deviation(records, nucleus):
    row = SUSCEPTIBILITY[nucleus]
    left = []
    for seed, item in zip(range(SEED, SEED + PATIENTS), records, strict=True):
        truth = sample_truth(seed)
        assert item.pd == (truth.diagnosis == "PD")
        measured = item.measurements[f"susceptibility {nucleus}"]
        left.append(measured - row.sd * truth.latent[nucleus])
    # What is left varies by 3 to 6 ppb, the image's smooth error: three standard errors of 30.
    assert np.mean(left) == pytest.approx(row.hc, abs=3.0)


def test_neuromelanin_lies_at_the_published_level(records):
    """To half a class effect; the oracle's reference is .3 % low, see ``measure``."""
    labels = np.array([item.pd for item in records])
    values = np.array([item.neuromelanin["NM-SN"] for item in records])
    for group, wanted in ((~labels, NM_SN_MEAN["HC"]), (labels, NM_SN_MEAN["PD"])):
        assert values[group].mean() / 1.003 == pytest.approx(wanted, abs=0.005)


def test_only_noise_parts_the_oracles_reference_from_the_readers(control, monkeypatch):
    def references(phantom):
        arrays = phantom.nm, phantom.nm_mask
        ours = oracle_reference(*arrays, phantom.qsm_mask, phantom.spacing)
        return ours, nm_reference(*arrays, phantom.spacing, tissue=phantom.qsm != 0).mode

    ours, theirs = references(control)
    assert 0.001 < 1 - ours / theirs < 0.01
    monkeypatch.setattr(acquisition, "NM_NOISE", 0.0)
    monkeypatch.setattr(acquisition, "NM_SHADING", 0.0)
    clean = generate(control.truth.seed, "HC", region="deep-grey")
    ours, theirs = references(clean)
    assert ours == pytest.approx(theirs, rel=0.0015)
    # NM-SN is then at its painted level.
    assert clean.nm[clean.nm_mask > 0].mean() / ours == pytest.approx(
        _measure(clean)["nm mean"], abs=0.002
    )


def test_the_red_nucleus_is_brighter_only_where_the_nigra_is_painted_over_it():
    """Why its NM signal is above the table's: overlap of the labels, not a blurred rim."""
    seed = next(s for s in range(SEED, SEED + 50) if _covered(s) > 0.1)
    anatomy = draw(random_stream(seed, "geometry"), GRID)
    nigra, red = anatomy.nm_mask > 0, np.isin(anatomy.qsm_mask, (13, 14))
    images = []
    for structures in (anatomy.structures, anatomy.structures[:16]):
        image = {"NM": np.ones(GRID.size, np.float32)}
        part = dataclasses.replace(anatomy, structures=structures)
        # One box for the texture, whichever nuclei are painted.
        paint_nuclei(image, part, sample_truth(seed, "HC"), random_stream(seed, "tissue"))
        images.append(image["NM"])
    whole, without = images
    assert whole[red].mean() - without[red].mean() > 0.004
    assert whole[red & ~nigra].mean() == pytest.approx(without[red & ~nigra].mean(), abs=0.001)
    assert whole[red & nigra].mean() > 1.04


def _covered(seed: int) -> float:
    anatomy = draw(random_stream(seed, "geometry"), GRID)
    return float((anatomy.nm_mask > 0)[np.isin(anatomy.qsm_mask, (13, 14))].mean())


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


def test_the_error_of_an_auc_is_that_of_repeated_draws():
    random = np.random.default_rng(1)
    labels = np.arange(100) % 2 == 0
    aucs = [roc_auc_score(labels, random.standard_normal(100) + labels) for _ in range(400)]
    assert auc_error(float(np.mean(aucs)), labels) == pytest.approx(np.std(aucs), rel=0.15)
