"""From folds to a bundle: calibrated by the unseen, with its card, or refused in one sentence."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fold_helpers import split
from safetensors.torch import save_file
from training_helpers import cut_again, make_patient, tiny_settings

import MRNLib
from MRNLib.bundle import open_bundle
from MRNLib.bundle_folds import Naming, boxed, bundle_votes, make_bundle
from MRNLib.bundle_sources import Sources, check_sources
from MRNLib.classifier import Classifier
from MRNLib.errors import InputError
from MRNLib.metrics import fit_temperature
from MRNLib.models.mrn import build, inference_state
from MRNLib.parameters import Parameters
from MRNLib.training.config import parse_config
from MRNLib.training.folds import read_fold

SHIPPED = Path(MRNLib.__file__).parent / "bundles" / "phantom-tiny"
SEGMENTERS = {"QSM": SHIPPED / "segmenter_qsm", "NM": SHIPPED / "segmenter_nm"}
NAMING = Naming("tested", "1.2.3", "Untrained, for tests.", "the test")


@pytest.fixture(scope="module")
def cohort():
    return [make_patient(number, number % 2) for number in range(12)]


@pytest.fixture(scope="module")
def folds(cohort, tmp_path_factory):
    """Three folds with random weights, as a training would leave them."""
    folder = tmp_path_factory.mktemp("folds")
    config = parse_config(tiny_settings())
    model = json.loads(json.dumps(dataclasses.asdict(config.model.for_inference())))
    found = []
    for one in split(cohort):
        torch.manual_seed(one.fold)
        weights = folder / one.weights
        save_file(inference_state(build(config.model).state_dict()), weights)
        record = {
            "model": model,
            "fold": one.fold,
            "folds": one.folds,
            "trained_on": "phantom",
            "settings": config.as_json(),
            "patients": sorted(one.trained),
            "held_out_patients": sorted(one.held_out),
            "crops": {patient.identifier: patient.fingerprint for patient in cohort},
        }
        weights.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")
        found.append(read_fold(weights))
    return found


@pytest.fixture(scope="module")
def sources(folds, cohort):
    return Sources(folds, cohort, [], True, SEGMENTERS)


@pytest.fixture(scope="module")
def bundle(sources, tmp_path_factory):
    return make_bundle(sources, NAMING, tmp_path_factory.mktemp("made") / "bundle", draws=20)


def test_each_patient_calibrates_by_the_fold_without_it(bundle, sources, folds, cohort):
    votes = bundle_votes(bundle, sources)
    assert sorted(votes.identifiers) == [one.identifier for one in cohort]
    absent = bundle.manifest.absent_roi_shapes
    for place, name in enumerate(votes.identifiers):
        (unseen,) = [one.fold for one in folds if name not in one.trained]
        (patient,) = [one for one in cohort if one.identifier == name]
        classifier = Classifier(bundle, Parameters(folds=(unseen,)))
        wanted = classifier.margins(boxed(patient, absent))
        assert votes.margins[:, place] == pytest.approx(wanted[0])
        assert votes.diagnoses[place] == patient.diagnosis
    wanted = fit_temperature(votes.margins, votes.diagnoses)
    assert bundle.manifest.calibration.temperature == pytest.approx(wanted, abs=1e-4)


def test_the_card_states_the_protocol(bundle):
    facts = bundle.manifest.training
    assert (facts.patients, facts.hc, facts.pd, facts.split, facts.measured) == (12, 6, 6, 3, 12)
    assert facts.merged
    card = bundle.card()
    for fragment in (
        "# tested 1.2.3",
        "Untrained, for tests.",
        "Research use only",
        "none (demonstration model)",
        "12 patients (6 HC, 6 PD), train and validation merged, dealt to 3 folds with seed 1",
        "12 phantoms, each by the fold that was not trained on it",
        "by the fold that was not trained on them",
        "Made by `the test`.",
    ):
        assert fragment in card
    assert open_bundle(bundle.folder).segmenter_folder("NM").is_dir()


def test_a_validation_set_calibrates_the_averaged_folds(sources, bundle, cohort):
    others = [make_patient(number, number % 2) for number in range(20, 32)]
    votes = bundle_votes(bundle, dataclasses.replace(sources, validation=others))
    classifier = Classifier(bundle, Parameters())
    absent = bundle.manifest.absent_roi_shapes
    wanted = np.stack([classifier.margins(boxed(one, absent))[:, 0] for one in others], axis=1)
    np.testing.assert_allclose(votes.margins, wanted)
    assert votes.margins.shape == (3, 12)


def test_the_card_of_one_calibrated_on_validation(sources, tmp_path):
    others = [make_patient(number, number % 2) for number in range(20, 32)]
    changed = dataclasses.replace(sources, validation=others, merged=False)
    made = make_bundle(changed, NAMING, tmp_path / "bundle", draws=20)
    facts = made.manifest.training
    assert (facts.source, facts.measured, facts.merged) == ("validation", 12, False)
    votes = bundle_votes(made, changed)
    wanted = fit_temperature(votes.margins, votes.diagnoses)
    assert made.manifest.calibration.temperature == pytest.approx(wanted, abs=1e-4)
    assert "fitted on 12 validation phantoms, all folds averaged" in made.card()
    assert "One fold's word" not in made.card()
    assert ", train and validation merged" not in made.card()


def test_a_patient_without_a_region_has_the_median_shape(bundle, cohort):
    rois = {name: one for name, one in cohort[0].rois.items() if name != "NM"}
    crops = boxed(dataclasses.replace(cohort[0], rois=rois), bundle.manifest.absent_roi_shapes)
    assert crops.shapes["NM"] == bundle.manifest.absent_roi_shapes["NM"]
    assert np.isfinite(Classifier(bundle, Parameters(folds=(0,))).margins(crops)).all()


def changed_model(fold, **values):
    return dataclasses.replace(fold, model={**fold.model, **values})


MISTAKES = {
    "other models": (
        lambda s: {"folds": [s.folds[0], changed_model(s.folds[1], sfa_blocks=2)]},
        r"another model than fold 0 \(sfa_blocks\)",
    ),
    "another system": (
        lambda s: {"folds": [changed_model(one, kind="seres10") for one in s.folds]},
        "of the system seres10; a bundle holds MRN",
    ),
    "crops missing": (
        lambda s: {"patients": s.patients[:-2]},
        "crops of 2 of the 12 patients behind the folds are missing, e.g. case_010",
    ),
    "other margins": (
        lambda s: {"validation": [dataclasses.replace(make_patient(30, 1), margin_mm=7.5)]},
        "boxes of case_030 have margins of 7.5 mm and 1 slices",
    ),
    "crops cut again": (
        lambda s: {"patients": [cut_again(s.patients[0]), *s.patients[1:]]},
        "crops of 1 patients are not those of this fold, e.g. case_000",
    ),
    "crops not noted": (
        lambda s: {"folds": [dataclasses.replace(one, crops={}) for one in s.folds]},
        "crops of 12 patients are not those of this fold, e.g. case_000",
    ),
    "validation trained on": (
        lambda s: {"validation": s.patients[:4]},
        "4 patients are among those that fold",
    ),
    "real patients": (
        lambda s: {"patients": [dataclasses.replace(one, phantom=False) for one in s.patients]},
        "12 of 12 patients are real ones",
    ),
    "no segmenter": (
        lambda s: {"segmenters": {**SEGMENTERS, "QSM": Path("nowhere")}},
        "no segmenter of the QSM volume: plans.json is missing",
    ),
    "segmenters swapped": (
        lambda s: {"segmenters": {"QSM": SEGMENTERS["NM"], "NM": SEGMENTERS["QSM"]}},
        "this segmenter has 2 labels",
    ),
    "no folds": (lambda s: {"folds": []}, "no folds were given"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_no_honest_bundle_is_refused(sources, mistake):
    change, said = MISTAKES[mistake]
    with pytest.raises(InputError, match=said) as caught:
        check_sources(dataclasses.replace(sources, **change(sources)))
    assert len(str(caught.value).splitlines()) <= 3


def test_a_refused_export_leaves_the_old_bundle(sources, bundle, tmp_path):
    there = Path(shutil.copytree(bundle.folder, tmp_path / "bundle"))
    before = {path: path.read_bytes() for path in there.rglob("*") if path.is_file()}
    alike = [dataclasses.replace(one, diagnosis=1) for one in sources.patients]
    crops = {one.identifier: one.fingerprint for one in alike}
    folds = [dataclasses.replace(one, crops=crops) for one in sources.folds]
    changed = dataclasses.replace(sources, patients=alike, folds=folds)
    with pytest.raises(InputError, match="no sample to calibrate on"):
        make_bundle(changed, NAMING, there, draws=20)
    assert {path: path.read_bytes() for path in there.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    (tmp_path / "thesis").mkdir()
    with pytest.raises(InputError, match="not a bundle"):
        make_bundle(sources, NAMING, tmp_path / "thesis", draws=20)
