"""Whole MRNs from several starts: trained on whom, and how far apart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from training_helpers import make_patient

from MRNLib.errors import InputError
from MRNLib.navigation.measuring import finetunedcells
from MRNLib.navigation.measuring.experimentlabels import tuned_section
from MRNLib.navigation.measuring.finetunedcells import FINETUNED, measure_finetuned
from MRNLib.navigation.measuring.labelstatistics import label_results
from MRNLib.training.folds import TrainedFold


def tuned_cell(encoder: str, margins, seed: int = 1, size: int = 200, trained: str = "whom"):
    identity = {"kind": FINETUNED, "encoder": encoder, "size": size, "seed": seed}
    shared = {"data": "phantom", "training": {}, "trained": trained}
    labels = [number % 2 for number in range(len(margins))]
    result = {"identifiers": [*map(str, range(len(labels)))], "labels": labels}
    return {"identity": {**identity, **shared}, "result": {**result, "margins": [*margins]}}


def test_the_difference_stands_below_with_its_interval():
    noise = np.random.default_rng(0).normal(size=80)
    better = noise + 5 * (np.arange(80) % 2)
    cells = {"r": tuned_cell("random", noise), "n": tuned_cell("navigation", better)}
    lines = tuned_section(label_results(cells, FINETUNED), "phantom")
    assert lines[-1].startswith("| slice navigation, first stage − random start | 200 | 1 | +")
    assert "[+" in lines[-1]
    assert not lines[-1].endswith(" better |")  # one seed agrees with itself
    again = {
        "r2": tuned_cell("random", noise, seed=2),
        "n2": tuned_cell("navigation", better, seed=2),
    }
    lines = tuned_section(label_results({**cells, **again}, FINETUNED), "phantom")
    assert "| 200 | 2 |" in lines[-1]
    assert lines[-1].endswith(" better |")
    del cells["r"]
    assert "−" not in "".join(tuned_section(label_results(cells, FINETUNED), "phantom"))


def test_a_pair_has_learned_from_the_same_patients():
    noise = np.random.default_rng(0).normal(size=80)
    cells = {"r": tuned_cell("random", noise), "n": tuned_cell("navigation", noise)}
    # Another seed splits otherwise, and another number is of other patients.
    cells["s"] = tuned_cell("random", noise, seed=2, trained="others")
    cells["h"] = tuned_cell("random", noise, size=100, trained="half")
    assert label_results(cells, FINETUNED).sizes == [100, 200]
    cells["t"] = tuned_cell("static", noise, trained="others")
    with pytest.raises(InputError, match="different settings or patients"):
        label_results(cells, FINETUNED)


@pytest.mark.parametrize(
    "other",
    [
        {"trained": frozenset({"a", "c"}), "crops": {"a": "1", "c": "2"}},
        {"crops": {"a": "1", "b": "3"}},
    ],
)
def test_a_cell_says_whom_it_was_trained_on(tmp_path, monkeypatch, other):
    monkeypatch.setattr(finetunedcells, "predict", lambda _, test, device: np.zeros((1, len(test))))
    weights = tmp_path / "fold_0.safetensors"
    weights.touch()
    settings = {"model": {"backbone": {"weights": "none"}}, "train": {"seed": 1}}
    crops = {"a": "1", "b": "2"}
    fold = TrainedFold(weights, 0, 5, "phantom", {}, settings, frozenset(crops), frozenset(), crops)
    test = [make_patient(30, 1)]
    record = measure_finetuned(fold, test, tmp_path)
    assert measure_finetuned(fold, test, tmp_path) == record
    with pytest.raises(InputError, match=r"measured with other settings.*trained"):
        measure_finetuned(dataclasses.replace(fold, **other), test, tmp_path)
