from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest

from MRNLib.phantom import (
    DEMO_SEEDS,
    HELD_OUT_SEEDS,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    Truth,
    sample_truth,
)
from MRNLib.phantom.truth import (
    FEATURES,
    SIGN_EFFECTS,
    class_effects,
    correlation_matrix,
    diagnosis_of,
    latent_matrix,
    random_stream,
)


@pytest.fixture(scope="module")
def truths() -> list[Truth]:
    return [sample_truth(seed) for seed in range(1500)]


def test_no_seed_belongs_to_two_sets():
    sets = [TRAINING_SEEDS, VALIDATION_SEEDS, DEMO_SEEDS, HELD_OUT_SEEDS]
    ends = sorted((part.start, part.stop) for part in sets)
    assert all(first[1] <= second[0] for first, second in pairwise(ends))


def test_the_same_seed_is_the_same_person():
    assert sample_truth(17) == sample_truth(17)
    assert sample_truth(17) != sample_truth(18)


def test_the_diagnosis_only_shifts_the_latent_state():
    control, affected = sample_truth(4, "HC"), sample_truth(4, "PD")
    assert control.age == affected.age
    assert control.more_affected_side == affected.more_affected_side
    assert control.side_difference == affected.side_difference
    shift = [affected.latent[name] - control.latent[name] for name in FEATURES]
    assert shift == pytest.approx(class_effects(), abs=1e-5)


def test_each_pair_of_seeds_holds_both_diagnoses():
    drawn = [diagnosis_of(seed) for seed in range(400)]
    assert all({a, b} == {"HC", "PD"} for a, b in zip(drawn[::2], drawn[1::2], strict=True))
    # The order within a pair is random: parity tells nothing (200 coins, SD 7).
    assert 70 < sum(name == "PD" for name in drawn[::2]) < 130


def test_correlations_are_possible_and_within_what_was_asked_for():
    matrix = correlation_matrix()
    assert np.linalg.eigvalsh(matrix).min() > 0.05
    index = [FEATURES.index(name) for name in SIGN_EFFECTS]
    block = matrix[np.ix_(index, index)][np.triu_indices(4, 1)]
    assert block.min() >= 0.1
    assert block.max() <= 0.55


def test_drawn_states_have_the_effects_and_correlations_asked_for(truths):
    states = latent_matrix(truths)
    affected = np.array([truth.diagnosis == "PD" for truth in truths])
    effect = states[affected].mean(axis=0) - states[~affected].mean(axis=0)
    # Standard error of a difference of two means of 750 unit draws: .05.
    assert effect == pytest.approx(class_effects(), abs=0.2)
    within = np.concatenate(
        [states[group] - states[group].mean(0) for group in (affected, ~affected)]
    )
    assert within.std(axis=0) == pytest.approx(np.ones(len(FEATURES)), abs=0.08)
    found = np.corrcoef(within.T)
    assert found == pytest.approx(correlation_matrix()[:-1, :-1], abs=0.12)


def test_ages_and_sides_are_matched_between_the_classes(truths):
    groups = [[t for t in truths if t.diagnosis == name] for name in ("HC", "PD")]
    ages = [np.mean([truth.age for truth in group]) for group in groups]
    assert ages[0] == pytest.approx(ages[1], abs=1.5)
    assert np.mean(ages) == pytest.approx(63.4, abs=1.0)
    for group in groups:
        assert 0.4 < np.mean([truth.more_affected_side == "R" for truth in group]) < 0.6


def test_truth_turns_into_json_and_back():
    truth = sample_truth(3)
    assert Truth(**json.loads(json.dumps(asdict(truth)))) == truth


def test_streams_are_independent_of_each_other():
    first, second = random_stream(1, "geometry"), random_stream(1, "head")
    assert abs(np.corrcoef(first.random(2000), second.random(2000))[0, 1]) < 0.1


@pytest.mark.parametrize("diagnosis", ["pd", "", "MSA"])
def test_an_unknown_diagnosis_is_refused(diagnosis):
    with pytest.raises(ValueError, match="diagnosis"):
        sample_truth(0, diagnosis)
