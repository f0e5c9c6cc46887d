"""The evaluation behind a model card: what is measured, resumed, and written down."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from MRNLib.bundle import open_bundle
from MRNLib.bundle_export import update_bundle
from MRNLib.canonical_phantom import CanonicalPhantom, blank_nuclei, overlaps, volumes
from MRNLib.card import card, classification_rows
from MRNLib.evaluation import PREDICTED, evaluate
from MRNLib.phantom import HELD_OUT_SEEDS, TRAINING_SEEDS, VALIDATION_SEEDS

SEEDS = list(range(1_900_000, 1_900_006))


@pytest.fixture(scope="module")
def patient():
    return CanonicalPhantom.of(SEEDS[0], whole=False)


def test_seeds_of_different_use_never_meet():
    ranges = (TRAINING_SEEDS, VALIDATION_SEEDS, HELD_OUT_SEEDS)
    for number, one in enumerate(ranges):
        for other in ranges[number + 1 :]:
            assert one.stop <= other.start or other.stop <= one.start


def test_a_part_of_a_patient_classifies_like_the_whole(patient):
    whole = CanonicalPhantom.of(SEEDS[0], whole=True)
    for part, all_of_it in ((patient.qsm, whole.qsm), (patient.nm, whole.nm)):
        inside = [patient.masks["QSM"] == 11, whole.masks["QSM"] == 11]
        np.testing.assert_array_equal(part[inside[0]], all_of_it[inside[1]])


def test_blanking_removes_every_nucleus_and_nothing_far_away(patient):
    qsm, nm = blank_nuclei(patient)
    nuclei = (patient.masks["QSM"] > 0) | (patient.masks["NM"] > 0)
    assert np.unique(qsm[nuclei]).size == 1
    assert np.unique(nm[nuclei]).size == 1
    changed = qsm != patient.qsm
    assert changed.sum() < 3 * nuclei.sum()


def test_overlap_and_volume_by_hand(patient):
    found = overlaps(patient.masks, patient.masks)
    assert set(found.values()) == {1.0}
    assert len(found) == 18
    voxels = (patient.masks["QSM"] == 1).sum()
    expected = voxels * np.prod(patient.spacing)
    assert volumes(patient.masks, patient.spacing)["CN R"] == pytest.approx(expected)


def test_evaluation_goes_on_where_it_stopped_and_ignores_other_bundles(random_bundle, tmp_path):
    bundle = open_bundle(random_bundle)
    file = tmp_path / "records.jsonl"
    first = evaluate(bundle, SEEDS[:4], segmented=0, records_file=file)
    foreign = {**first[0], "seed": SEEDS[4], "bundle": "another", "margins": [9.0, 9.0]}
    with file.open("a") as stream:
        stream.write(json.dumps(foreign) + "\n")
        stream.write('{"seed": 19000')  # cut off by a kill
    calls = []
    records = evaluate(
        bundle,
        SEEDS,
        segmented=0,
        records_file=file,
        progress=lambda fraction, message: calls.append(message),
    )
    assert [record["seed"] for record in records] == SEEDS
    assert records[:4] == first
    assert records[4]["margins"] != [9.0, 9.0]
    assert len(calls) == 2


def test_what_was_outlined_beyond_segmented_stays_out_of_the_figures(random_bundle, tmp_path):
    bundle = open_bundle(random_bundle)
    file = tmp_path / "records.jsonl"
    records = [record | {"bundle": bundle.measured_sha256} for record in synthetic(60, _rng())]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    before = file.read_text(encoding="utf-8")
    seeds = [record["seed"] for record in records]
    found = evaluate(bundle, seeds, segmented=21, records_file=file)
    assert found[:21] == records[:21]
    for fewer, record in zip(found[21:], records[21:], strict=True):
        assert fewer == {key: value for key, value in record.items() if key not in PREDICTED}
    assert file.read_text(encoding="utf-8") == before
    text = card(bundle, found, "mrn evaluate --number 60 --segmented 21", draws=20)
    assert "own masks (n=21)" in text
    assert "Segmentation on 21 of them" in text
    assert "n=60" in text


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize("when", ["starting", "working"])
def test_ctrl_c_ends_the_workers_without_a_word(random_bundle, tmp_path, when):
    out = tmp_path / "out"
    command = [
        *(sys.executable, "-m", "MRNLib", "evaluate", f"--bundle={random_bundle}"),
        *("--number=20", "--segmented=0", "--workers=2", "--progress=json", f"--out={out}"),
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    if when == "working":
        assert json.loads(running.stdout.readline().removeprefix("@mrn "))["event"] == "progress"
    else:
        for _ in range(600):
            if (out / "records.jsonl").exists():
                break
            time.sleep(0.1)
        time.sleep(0.5)  # the workers import what they need
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert said.strip() == "Cancelled."
    finished = (out / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert 1 <= len(finished) < 20
    assert all(json.loads(line)["margins"] for line in finished)


def _rng():
    return np.random.default_rng(0)


def synthetic(number, rng):
    """Records as an evaluation writes them, of a model that is right most of the time."""
    records = []
    for index in range(number):
        pd = index % 2
        records.append(
            {
                "seed": HELD_OUT_SEEDS[index],
                "pd": pd,
                "margins": list(rng.normal(2 * pd - 1, 1, 2)),
                "margins_blanked": list(rng.normal(0, 1, 2)),
                "margins_predicted": list(rng.normal(2 * pd - 1, 1, 2)),
                "measurements": {"a": rng.normal(pd), "b": rng.normal()},
                "dice": {f"{key} {side}": 0.8 for key in KEYS for side in "RL"},
                "volumes": {f"{key} {side}": rng.normal(100, 9) for key in KEYS for side in "RL"},
            }
        )
    return records


KEYS = ("CN", "PUT", "GP", "TH", "STN", "SN", "RN", "DN", "NM-SN")


def test_a_new_card_leaves_what_was_measured_known(random_bundle, tmp_path):
    folder = shutil.copytree(random_bundle, tmp_path / "bundle")
    before = open_bundle(folder)
    update_bundle(before, card="# Another card")
    after = open_bundle(folder)
    assert after.sha256 != before.sha256
    assert after.measured_sha256 == before.measured_sha256
    calibration = before.manifest.calibration.model_copy(update={"temperature": 7.0})
    other = dataclasses.replace(
        after, manifest=after.manifest.model_copy(update={"calibration": calibration})
    )
    assert other.measured_sha256 != before.measured_sha256


def test_card_states_figures_oracles_and_leakage(random_bundle):
    bundle = open_bundle(random_bundle)
    records = synthetic(60, _rng())
    rows = classification_rows(bundle, records, draws=100)
    value, low, high = rows["MRN, boxes from its own masks (n=60)"]["auc"]
    assert low < value < high
    assert value > 0.8
    blanked = rows["Leakage: MRN on crops with the nuclei blanked"]["auc"]
    assert blanked[1] < 0.5 < blanked[2]
    text = card(bundle, records, "mrn evaluate", draws=20)
    for fragment in (
        "Research use only. Not for clinical use.",
        "atypical parkinsonism",
        "phantom",
        "Image oracle",
        "Latent oracle",
        "| STN | 0.800",
        "ECE",
        "mrn evaluate",
    ):
        assert fragment in text
