"""What the scripts say of themselves: every option, what it is by default, the examples."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from test_scripts import TRAINING, script

NAMES = sorted(path.stem for path in TRAINING.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_help_tells_everything(name, capsys):
    module = script(name)
    options = typer.main.get_command(module.app).params
    assert [one.name for one in options if not one.help] == []
    assert module.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert said.count("[required]") == sum(one.required for one in options)
    shown = [one for one in options if one.default is not False and one.default not in (None, "")]
    assert said.count("[default: ") == len(shown)
    lines = [line.strip() for line in said.splitlines()]
    examples = [line for line in module.__doc__.splitlines() if line.startswith(" ")]
    assert examples
    for line in examples:
        assert line.strip() in lines


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
