"""Which result a cell of the probes is, of which volumes, and what made it."""

from __future__ import annotations

import dataclasses

import pytest
from probe_helpers import labelled_heads

from MRNLib.errors import InputError
from MRNLib.experiments.origin import versions
from MRNLib.navigation.measuring import probecells, proberows
from MRNLib.navigation.measuring.measuredcells import cell_file, read_cell
from MRNLib.navigation.measuring.pretrainedarms import read_arms
from MRNLib.navigation.measuring.probecells import measure_probes
from MRNLib.navigation.measuring.probing import ProbeSettings


@pytest.fixture
def cells(arms_folder, tmp_path, monkeypatch):
    """Measures cells of one arm with probes that read nothing; gives how many there are."""
    monkeypatch.setattr(probecells, "_cut", lambda *_: [None, None])
    monkeypatch.setattr(proberows, "probed", lambda *_: {"read": 0})
    arms = read_arms([arms_folder / "static_1"])

    def measure(train, test) -> int:
        return len(measure_probes(arms, train, test, tmp_path, ProbeSettings()))

    return measure


@pytest.mark.parametrize("side", ["train", "test"])
@pytest.mark.parametrize("what", ["values", "labels"])
def test_a_changed_volume_is_of_another_cell(cells, side, what):
    """A changed generator gives other volumes of patients of the same names."""
    sides = {"train": labelled_heads([5]), "test": labelled_heads([60])}
    assert cells(**sides) == cells(**sides) == 3
    first, *others = sides[side]
    changed = getattr(first, what).clone()
    changed[len(changed) // 2, 3, 3] = 1
    sides[side] = [dataclasses.replace(first, **{what: changed}), *others]
    with pytest.raises(InputError, match=r"measured with other settings.*volumes"):
        cells(**sides)


def test_the_order_of_volumes_does_not_matter(cells):
    train, test = labelled_heads([5, 6]), labelled_heads([60])
    cells(train, test)
    assert cells(train[::-1], test) == 3


def test_a_cell_says_what_made_it(cells, arms_folder, tmp_path):
    cells(labelled_heads([5]), labelled_heads([60]))
    static, random = (
        read_cell(cell_file(tmp_path, f"probes_tokenizer_{name}_1"))["result"]["provenance"]
        for name in ("static", "random")
    )
    assert random["arm"] is None
    assert static["versions"] == versions()
    settings = read_arms([arms_folder / "static_1"])[0].config
    steps = settings.train.tokenizer_steps + settings.train.dynamics_steps
    facts = static["arm"]
    assert facts["steps"] == [steps, 0]  # the first stage goes on in the place of a second
    assert facts["frames"] == steps * settings.train.batch_size * settings.clips.length
    assert facts["patients"] == 2  # of three one is held out
    assert facts["shape"]["embed_dim"] == 16
    assert facts["shape"]["parameters"] > 1000
