"""The script: from files to volumes to a pre-training, what it says, and two processes at once."""

from __future__ import annotations

import json
import subprocess
import sys
import typing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml
from pretraining_helpers import patients, tiny_config, tiny_settings
from script_helpers import script as loaded
from torch import Tensor

from MRNLib.navigation.config import ARMS, load_config
from MRNLib.navigation.training import Pretraining
from MRNLib.navigation.volumecache import load_volumes, save_volume
from MRNLib.training.checkpoint import read_checkpoint
from MRNLib.training.folder import CHECKPOINT

SCRIPT = Path(__file__).parents[2] / "Training" / "pretrain_navigation.py"
SLOWEST = 180.0


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded("pretrain_navigation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Volumes and settings of a pre-training that works."""
    made = tmp_path_factory.mktemp("pretraining")
    for number, volume in enumerate(patients()):
        save_volume(volume, made / "volumes" / f"{number}.safetensors")
    settings = tiny_settings(encoder={"drop_path": 0.0})
    (made / "tiny.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return made


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    paths = [f"--config={folder / 'tiny.yaml'}", f"--volumes={folder / 'volumes'}", f"--out={out}"]
    return ["train", *paths, "--device=cpu", *more]


def test_it_knows_the_arms(script):
    hint = typing.get_type_hints(script.train, include_extras=True)["arm"]
    names = typing.get_args(typing.get_args(typing.get_args(hint)[0])[0])
    assert names == ARMS


def test_its_help_names_settings_of_its_own(script):
    hint = typing.get_type_hints(script.train, include_extras=True)["config"]
    named = next(word for word in hint.__metadata__[0].help.split() if ".yaml" in word)
    load_config(SCRIPT.parents[1] / named.rstrip("."))


def test_an_arm_and_its_baseline(script, folder, tmp_path, capsys):
    assert script.main(arguments(folder, tmp_path / "a", "--set", "train.seed=3")) == 0
    said = capsys.readouterr().out
    assert "looking at patient_0" in said
    assert "5 volumes of 4 patients, 1 held out" in said
    gap = json.loads((tmp_path / "a" / "dynamics.json").read_text("utf-8"))["held_out"]
    assert f"patients held out: 1 (phantom): aligned {gap['errors']['aligned']:.4f}" in said
    assert f"aligned minus shuffled {gap['aligned_minus_shuffled']:.4f}" in said
    assert said.count("written: ") == 2
    shown = ["show", f"--trained={tmp_path / 'a'}", f"--volumes={folder / 'volumes'}"]
    assert script.main([*shown, f"--out={tmp_path / 's'}", "--length=3", "--known=1"]) == 0
    assert (tmp_path / "s" / "path.gif").is_file()
    assert script.main([*shown, f"--out={tmp_path / 's'}", "--length=3", "--known=3"]) == 2
    assert "leaves nothing of --length 3" in capsys.readouterr().err
    more = ["--set", "train.seed=3", "--arm=zeroed", f"--tokenizer={tmp_path / 'a'}"]
    assert script.main(arguments(folder, tmp_path / "z", *more)) == 0
    record = json.loads((tmp_path / "z" / "dynamics.json").read_text("utf-8"))
    assert record["arm"] == record["settings"]["arm"] == "zeroed"
    assert script.main(arguments(folder, tmp_path / "t", "--arm=tokenizer")) == 0
    assert "held out" not in capsys.readouterr().out.split("written")[-1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--set", "train.learning_rat=1"], "did you mean train.learning_rate?"),
        (["--config=nowhere.yaml"], "does not exist"),
        (["--volumes=nowhere"], "pretrain_navigation.py volumes"),
        (["--set", "trained_on=human"], "a digital patient's, and trained_on says human"),
        (["--tokenizer=nowhere"], "No such weights file"),
        (["--arm=alined"], "aligned"),
    ],
)
def test_mistakes_are_told(script, folder, tmp_path, capsys, more, said):
    assert script.main(arguments(folder, tmp_path, *more)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_where_nobody_is_held_out_a_line_says_so(script, folder, tmp_path, capsys):
    nobody = arguments(folder, tmp_path, "--arm=tokenizer", "--set", "held_out.share=0")
    assert script.main(nobody) == 0
    said = capsys.readouterr().out
    assert "0 held out\nnobody is held out, so no gap is measured" in said


def test_volumes_of_another_origin_are_refused_before_all_are_looked_at(
    script, folder, tmp_path, capsys
):
    assert script.main(arguments(folder, tmp_path, "--set", "trained_on=human")) == 2
    said = capsys.readouterr()
    assert "What to do: --set trained_on=phantom" in said.err
    assert "looking at" not in said.out + said.err


def test_files_become_volumes_and_bad_ones_a_line(script, tmp_path, capsys):
    values = np.random.default_rng(1).normal(600, 80, (12, 16, 18)).astype(np.float32)
    files = {"sub-1_T1w": values, "sub-2_T1w": values + 1, "sub-3_T1w": values[4:5]}
    (tmp_path / "data").mkdir()
    for name, array in files.items():
        sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "data" / f"{name}.nii.gz"))
    command = ["volumes", f"--data={tmp_path / 'data'}", f"--out={tmp_path / 'volumes'}"]
    assert script.main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    skipped = next(line for line in lines if line.startswith("skipped: "))
    assert "sub-3_T1w.nii.gz: " in skipped
    assert f"2 volumes of 2 patients in {tmp_path / 'volumes'}, 1 files skipped" == lines[-1]
    there = load_volumes(tmp_path / "volumes")
    assert [(one.name, one.role, one.phantom) for one in there] == [
        ("sub-1", "T1", False),
        ("sub-2", "T1", False),
    ]
    (tmp_path / "data" / "sub-1_T1w.nii.gz").unlink()
    assert script.main(command) == 0
    said = capsys.readouterr().out
    assert "1 volumes of 1 patients" in said
    assert f"holds 1 more volumes, not of {tmp_path / 'data'}: sub-1_T1_" in said
    assert "remove them: train takes all that is there" in said
    # The one bad file by itself is an error.
    bad = tmp_path / "data" / "sub-3_T1w.nii.gz"
    assert script.main(["volumes", f"--data={bad}", f"--out={tmp_path / 'other'}"]) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--phantoms=5"], "FIRST:COUNT"),
        (["--data=nowhere"], "nowhere"),
        (["--data=nowhere", "--phantoms=0:2"], "--data and --phantoms exclude each other"),
        (["--data=nowhere", "--labels"], "--data and --labels exclude each other"),
    ],
)
def test_mistakes_in_volumes_are_told(script, tmp_path, capsys, more, said):
    assert script.main(["volumes", f"--out={tmp_path / 'volumes'}", *more]) == 2
    assert said in capsys.readouterr().err


def parts(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without the biases of attention's keys, which softmax cannot see: their gradient is rounding,
    and AdamW lifts it to steps of the full rate."""
    return {
        name: one.unflatten(0, (3, -1))[::2] if "qkv.bias" in name and one.ndim else one
        for name, one in tensors.items()
    }


def test_two_processes_give_what_one_gives(folder, tmp_path):
    torch.set_num_threads(1)
    config = tiny_config(encoder={"drop_path": 0.0}, arm="shuffled")
    Pretraining(config, load_volumes(folder / "volumes"), tmp_path / "one").run()
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
        *(str(SCRIPT), *arguments(folder, tmp_path / "two", "--arm=shuffled")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SLOWEST, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written:") == 2
    for stage in ("tokenizer", "dynamics"):
        wanted, state = read_checkpoint(tmp_path / "one" / stage / CHECKPOINT)
        found, here = read_checkpoint(tmp_path / "two" / stage / CHECKPOINT)
        assert here["position"]["updates"] == state["position"]["updates"]
        found, wanted = parts(found), parts(wanted)
        for name, one in wanted.items():
            # A hundredth of a step or so: AdamW lifts rounding where gradients are small.
            assert torch.allclose(found[name], one, atol=3e-5), name
