"""Finished pre-trainings as arms of one comparison: what makes them one, and what does not."""

from __future__ import annotations

import json
import shutil

import pytest

from MRNLib.errors import InputError
from MRNLib.navigation.measuring.pretrainedarms import read_arm, read_arms


def test_arms_of_other_settings_are_no_comparison(arms_folder, tmp_path):
    """The experiment's page says that its arms saw equally many frames."""
    other = tmp_path / "static_2"
    shutil.copytree(arms_folder / "static_1", other)
    path = other / "tokenizer.json"
    record = json.loads(path.read_text("utf-8"))
    record["settings"]["train"]["seed"] = 2
    path.write_text(json.dumps(record), "utf-8")
    assert len(read_arms([arms_folder / "aligned_1", other])) == 2
    record["settings"]["train"]["tokenizer_steps"] += 1
    path.write_text(json.dumps(record), "utf-8")
    with pytest.raises(InputError, match=r"other settings than .*train.tokenizer_steps"):
        read_arms([arms_folder / "aligned_1", other])


def test_arms_of_other_volumes_are_no_comparison(arms_folder, tmp_path):
    """An arm of 20 patients beside one of 200 would have seen equally many frames."""
    assert len({one.volumes for one in read_arms([arms_folder])}) == 1  # whatever the seed
    other = tmp_path / "static_1"
    shutil.copytree(arms_folder / "static_1", other)
    path = other / "tokenizer.json"
    record = json.loads(path.read_text("utf-8"))
    record["identity"]["volumes"] = "of others"
    path.write_text(json.dumps(record), "utf-8")
    with pytest.raises(InputError, match=r"other volumes than .*aligned_1"):
        read_arms([arms_folder / "aligned_1", other])


def test_an_unfinished_arm_is_told_by_its_own_name(arms_folder, tmp_path):
    """Its tokenizer, taken over from the aligned arm, says that one."""
    out = tmp_path / "zeroed_1"
    shutil.copytree(arms_folder / "zeroed_1", out)
    (out / "dynamics.safetensors").unlink()
    with pytest.raises(InputError, match="zeroed_1: arm zeroed has a tokenizer and no dynamics"):
        read_arm(out)
    shutil.rmtree(out / "dynamics")  # stopped before its first checkpoint
    with pytest.raises(InputError, match=r"zeroed_1: has a tokenizer .* not finished"):
        read_arm(out)
