"""What the scripts say of themselves: every option, what it is by default, the examples."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from script_helpers import TRAINING, script

NAMES = sorted(path.stem for path in TRAINING.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_the_examples(name, capsys):
    module = script(name)
    assert module.main(["--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    examples = [line for line in module.__doc__.splitlines() if line.startswith(" ")]
    assert examples
    for line in examples:
        assert line.strip() in lines


@pytest.mark.parametrize("name", NAMES)
def test_help_tells_everything(name, capsys):
    module = script(name)
    command = typer.main.get_command(module.app)
    # A script with several commands has a help text for each.
    for words, one in getattr(command, "commands", {"": command}).items():
        options = one.params
        assert [option.name for option in options if not option.help] == []
        assert module.main([*filter(None, [words]), "--help"]) == 0
        said = capsys.readouterr().out
        assert said.count("[required]") == sum(option.required for option in options)
        shown = [
            option
            for option in options
            if option.default is not False and option.default not in (None, "")
        ]
        assert said.count("[default: ") == len(shown)


def test_no_script_waits_for_torch_before_it_has_read_its_options():
    code = f"import sys; sys.path.insert(0, {str(TRAINING)!r}); import {', '.join(NAMES)}; "
    code += "print(*sys.modules)"
    path = os.pathsep.join([str(TRAINING.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    imported = set(done.stdout.split())
    assert set(NAMES) < imported
    assert not imported & {"torch", "timm", "monai", "nnunetv2"}
