"""Which result a cell of the probes is, of which volumes, and what made it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from probe_helpers import labelled_heads
from script_helpers import script
from training_helpers import make_patient

from MRNLib.errors import InputError
from MRNLib.experiments.origin import versions
from MRNLib.navigation.measuring import finetunedcells, probecells, proberows
from MRNLib.navigation.measuring.measuredcells import cell_file, read_cell
from MRNLib.navigation.measuring.pretrainedarms import read_arms
from MRNLib.navigation.measuring.probecells import measure_probes
from MRNLib.navigation.measuring.probing import ProbeSettings
from MRNLib.training import data, distributed, folds


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


def test_people_are_not_probed(cells):
    train, (first, other) = labelled_heads([5]), labelled_heads([60])
    with pytest.raises(InputError, match=r"patient_60 \(NM\) is no digital patient's"):
        cells(train, [first, dataclasses.replace(other, phantom=False)])


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


# The same device by another name, so that it can be told from a default.
ELSEWHERE = torch.device("cpu:0")


def test_a_row_is_measured_where_it_is_told(arms_folder, tmp_path, monkeypatch):
    asked, load_world = [], proberows.load_world

    def loaded(folder, device):
        asked.append(device)
        return load_world(folder, device)

    def probed(features_of, *_given):
        asked.append(_given[-2])
        assert features_of(torch.zeros(1, 4, 28, 28)).tokens.device.type == "cpu"
        return {}

    monkeypatch.setattr(proberows, "load_world", loaded)
    monkeypatch.setattr(proberows, "probed", probed)
    monkeypatch.setattr(probecells, "_cut", lambda *_: [None, None])
    arms = read_arms([arms_folder / "zeroed_1"])
    sides = labelled_heads([5]), labelled_heads([60])
    measure_probes(arms, *sides, tmp_path, ProbeSettings(), device=ELSEWHERE)
    assert asked == [ELSEWHERE] * 6  # five rows, one of which has trained dynamics


def test_the_script_passes_the_device_on(arms_folder, tmp_path, monkeypatch):
    given = []

    def measured(*those, **_):
        given.append(those[-1])
        return []

    def finetuned(*those):
        given.append(those[-1])
        return {"identity": {"encoder": "random", "size": 4, "seed": 1}}

    monkeypatch.setattr(distributed, "own_device", lambda _: ELSEWHERE)
    monkeypatch.setattr(probecells, "measure_probes", measured)
    monkeypatch.setattr(finetunedcells, "measure_finetuned", finetuned)
    monkeypatch.setattr(data, "load_folder", lambda _: [make_patient(1, 1)])
    monkeypatch.setattr(folds, "read_fold", lambda _: None)
    (tmp_path / "fold_0.safetensors").touch()
    run = script("probe_navigation")
    monkeypatch.setattr(run, "_labelled", lambda *_: [])
    trained = [f"--trained={arms_folder}", f"--volumes={tmp_path}"]
    assert run.main(["probe", *trained, f"--out={tmp_path}"]) == 0
    told = [f"--fold={tmp_path}", f"--test={tmp_path}", f"--out={tmp_path}"]
    assert run.main(["finetuned", *told]) == 0
    assert given == [ELSEWHERE, str(ELSEWHERE)]
