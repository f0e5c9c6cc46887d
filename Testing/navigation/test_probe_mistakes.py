"""Mistakes with the measuring commands are told before anything takes minutes."""

from __future__ import annotations

import pytest
from script_helpers import script
from training_helpers import make_patient, tiny_settings

from MRNLib.errors import InputError
from MRNLib.navigation.measuring import labelcells
from MRNLib.navigation.measuring.pretrainedarms import read_arms
from MRNLib.navigation.measuring.tokentraining import LabelSettings
from MRNLib.training.config import parse_config


def test_shared_patients_are_told_before_volumes_are_made(arms_folder, tmp_path, capsys):
    places = [f"--volumes={tmp_path / 'volumes'}", f"--out={tmp_path / 'out'}"]
    command = ["probe", f"--trained={arms_folder / 'aligned_1'}", *places]
    assert script("probe_navigation").main([*command, "--train=5:3", "--test=7:2"]) == 2
    assert "phantom_0000007 is both to learn probes from" in capsys.readouterr().err
    assert not (tmp_path / "volumes").exists()


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((4, 9), "9 labelled patients are wanted and there are 8"),
        ((3, 8), "3 labelled patients hold fewer than two of a class"),
    ],
)
def test_sizes_that_cannot_be_are_told_before_the_first_cell(
    arms_folder, tmp_path, monkeypatch, sizes, said
):
    monkeypatch.setattr(labelcells, "kept", lambda *_: pytest.fail("a cell is begun"))
    arms = read_arms([arms_folder / "aligned_1"])
    train, test = ([make_patient(one, one % 2) for one in range(at, at + 8)] for at in (0, 20))
    settings = LabelSettings(sizes=sizes, seeds=(1,))
    with pytest.raises(InputError, match=said):
        labelcells.measure_labels(
            arms, train, test, parse_config(tiny_settings()), tmp_path, settings
        )
