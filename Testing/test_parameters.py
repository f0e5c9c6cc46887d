"""Settings and command line agree: every setting goes through the program's own parsing."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from MRNLib.boxes import Box
from MRNLib.cli import diagnose as commands
from MRNLib.cli.app import run
from MRNLib.errors import InputError
from MRNLib.parameters import SETTINGS, Parameters, parse_folds

BOXES = {"NM": Box((1, 2, 3), (40, 50, 6)), "QSM3": Box((0, 0, 0), (9, 9, 9))}
# A value other than the default for every setting; a new setting without one fails below.
OTHERS = {
    "bundle": ["-odd name=[x]", "C:\\bundles\\own"],
    "folds": [(0,), (2, 0)],
    "margin_mm": [0.0, 3.3333333333333335, 1e-7],
    "device": ["cpu", "cuda"],
    "precision": ["bf16"],
    "tta": [True],
    "exact_segmentation": [True],
    "jitter": [False],
    "boxes": [BOXES],
    "masked": [("NM", "QSM1")],
    "cache": [Path("a folder/ü")],
    "swap_modalities": [True],
    "swap_sides": [True],
    "split_merged": [True],
}
CASES = [(name, value) for name, values in OTHERS.items() for value in values]


class Caught(Exception):
    pass


@pytest.fixture
def parsed(monkeypatch, tmp_path):
    """The parameters that a command line becomes, by the program's own parsing."""

    def catch(parameters):
        raise Caught(parameters)

    monkeypatch.setattr("MRNLib.diagnosis.Diagnoser", catch)

    def parse(command, arguments):
        files = ["--qsm=q.nii", "--nm=n.nii", f"--out={tmp_path}", "--progress=none"]
        with pytest.raises(Caught) as caught:
            run([command, *files, *arguments])
        return caught.value.args[0]

    return parse


def test_every_setting_is_tried():
    assert OTHERS.keys() == {field.name for field in dataclasses.fields(Parameters)}


@pytest.mark.parametrize(("name", "value"), CASES, ids=str)
def test_each_setting_comes_back_from_the_command_line(name, value, parsed):
    parameters = Parameters(**{name: value})
    assert parameters != Parameters()
    assert parsed("diagnose", parameters.to_arguments()) == parameters


def test_all_settings_together_come_back(parsed):
    parameters = Parameters(**{name: values[0] for name, values in OTHERS.items()})
    assert parsed("diagnose", parameters.to_arguments()) == parameters


def test_the_defaults_of_both_are_the_same(parsed):
    assert Parameters().to_arguments() == []
    assert parsed("diagnose", []) == Parameters()
    assert parsed("segment", []) == Parameters()


def test_segment_takes_what_it_knows_and_no_more(parsed):
    parameters = Parameters(**{name: values[0] for name, values in OTHERS.items()})
    taken = {name: getattr(parameters, name) for name in SETTINGS["segment"]}
    assert parsed("segment", parameters.to_arguments("segment")) == Parameters(**taken)


@pytest.mark.parametrize("command", SETTINGS)
def test_no_setting_of_a_command_is_forgotten(command):
    """Every option of a command that is a setting of a diagnosis is in its list."""
    options = set(inspect.signature(_command(command)).parameters)
    names = {"exact": "exact_segmentation"}
    settings = {names.get(option, option) for option in options} & OTHERS.keys()
    assert settings == set(SETTINGS[command])


@pytest.mark.parametrize(
    ("text", "folds"), [("", ()), ("0", (0,)), ("0,2", (0, 2)), (" 2, 0,", (2, 0))]
)
def test_a_list_of_folds_as_a_user_types_it(text, folds):
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["a", "0;2", "0.5", "first, 2"])
def test_what_is_no_list_of_folds_is_refused(text):
    with pytest.raises(InputError, match="not a list of folds"):
        parse_folds(text)


def _command(name):
    from MRNLib.cli import check

    return check.check if name == "check" else getattr(commands, name)
