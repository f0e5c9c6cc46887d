"""The commands of the READMEs, of docs/navigation.md and of the scripts' own help."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
import typer
from script_helpers import TRAINING, script

from MRNLib.training.config import load_config
from MRNLib.training.search import grid

SCRIPTS = sorted(path.stem for path in TRAINING.glob("*.py"))
README = "\n".join(
    (TRAINING.parent / name).read_text(encoding="utf-8")
    for name in ("Training/README.md", "docs/navigation.md")
)


def commands(text: str, name: str) -> list[list[str]]:
    """Arguments of all calls of a script in a text, shell loops and comments left out."""
    text = text.replace("\\\n", " ").replace("$step", "train")
    lines = [line.strip() for line in text.splitlines()]
    return [
        shlex.split(re.sub(r"\$fold|\$\(\(.*?\)\)", "1", line), comments=True)[2:]
        for line in lines
        if line.startswith(f"python Training/{name}.py ")
    ]


def understood(module: ModuleType, arguments: list[str]) -> dict[str, object]:
    """What a script, or one of its commands, makes of its arguments before it does anything."""
    command = typer.main.get_command(module.app)
    if commands_of_it := getattr(command, "commands", None):
        command, arguments = commands_of_it[arguments[0]], arguments[1:]
    return command.make_context("script", arguments).params


@pytest.mark.parametrize("name", SCRIPTS)
def test_commands_are_understood(name):
    module = script(name)
    assert module.__doc__ is not None
    calls = commands(README, name) + commands(module.__doc__, name)
    assert calls
    for arguments in calls:
        assert understood(module, arguments)


def test_the_three_commands_fit_together():
    """Each takes what the one before it writes, and the settings that are tried exist."""
    module = script("train_folds")
    shipped, tune, merge = (understood(module, one) for one in commands(README, "train_folds"))
    last = commands(README, "export_bundle")[-1]
    final = understood(script("export_bundle"), last)
    crops = {str(understood(script("prepare_crops"), one)["out"]) for one in _crops()}
    for options in (shipped, tune, merge):
        assert {str(options["data"]), str(options["validation"])} <= crops
    assert merge["config"] == Path(str(tune["out"])) / "settings.yaml"
    assert merge["merge"]
    assert final["trained"] == merge["out"]
    for config in (tune["config"], Path("Training/configs/phantom-tiny.yaml")):
        for point in grid(tune["tries"]):
            load_config(TRAINING.parent / str(config), point)


def _crops() -> list[list[str]]:
    return commands(README, "prepare_crops")
