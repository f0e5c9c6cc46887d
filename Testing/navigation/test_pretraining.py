"""Both stages of every arm: they learn, go on after any stop, and leave what they trained."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pretraining_helpers import (
    DYNAMICS_STEPS,
    TOKENIZER_STEPS,
    patients,
    records,
    tiny_config,
)
from safetensors.torch import load_file

from MRNLib.errors import Cancelled, InputError
from MRNLib.navigation.config import ARMS
from MRNLib.navigation.exported import load_tokenizer, load_world
from MRNLib.navigation.learners import Learner
from MRNLib.navigation.training import Pretrained, Pretraining
from MRNLib.training.checkpoint import read_checkpoint
from MRNLib.training.folder import CHECKPOINT

STEPS = TOKENIZER_STEPS + DYNAMICS_STEPS
STAGES = ("tokenizer", "dynamics")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def volumes():
    return patients()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, volumes) -> Pretrained:
    torch.set_num_threads(1)
    return Pretraining(tiny_config(), volumes, tmp_path_factory.mktemp("finished")).run()


def assert_same_training(out: Path, finished: Pretrained) -> None:
    wanted = finished.tokenizer.parent
    for stage in STAGES:
        assert records(out / stage) == records(wanted / stage)
        found, state = read_checkpoint(out / stage / CHECKPOINT)
        tensors, expected = read_checkpoint(wanted / stage / CHECKPOINT)
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[name], one) for name, one in tensors.items())
        assert state["position"]["updates"] == expected["position"]["updates"]
        assert not list((out / stage).glob(".*"))
    for name in ("tokenizer", "dynamics"):
        file = f"{name}.safetensors"
        assert (out / file).read_bytes() == (wanted / file).read_bytes()


def stop_after(steps: int, error: BaseException) -> Callable[[float, str], None]:
    left = [steps]

    def progress(fraction: float, message: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise error

    return progress


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
def test_stopped_at_any_step_it_ends_as_if_it_had_not_been(finished, volumes, tmp_path, steps):
    progress = stop_after(steps, Cancelled("enough"))
    torch.manual_seed(77)  # whatever happened before must not matter
    with pytest.raises(Cancelled):
        Pretraining(tiny_config(), volumes, tmp_path, progress=progress).run()
    stage = STAGES[steps > TOKENIZER_STEPS]
    _, state = read_checkpoint(tmp_path / stage / CHECKPOINT)
    assert state["position"]["updates"] + TOKENIZER_STEPS * (stage == "dynamics") == steps
    torch.rand(3)
    Pretraining(tiny_config(), volumes, tmp_path).run()
    assert_same_training(tmp_path, finished)


class Killed(BaseException):
    """As SIGKILL: nothing is saved on the way out."""


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
def test_killed_between_checkpoints_it_takes_steps_again(finished, volumes, tmp_path, steps):
    # A checkpoint after every second step or so: the metrics may be ahead of it.
    config = tiny_config(train={"checkpoint_minutes": 1e-9 if steps % 2 else 60})
    with pytest.raises(Killed):
        Pretraining(config, volumes, tmp_path, progress=stop_after(steps, Killed())).run()
    Pretraining(tiny_config(), volumes, tmp_path).run()
    assert_same_training(tmp_path, finished)


def test_metrics_have_a_line_every_few_steps(finished):
    lines = records(finished.tokenizer.parent / "tokenizer")
    assert [(one["epoch"], one["updates"]) for one in lines] == [(1, 2), (2, 4)]
    assert lines[0]["losses"].keys() == {"total", "hidden", "visible", "gradient_norm"}
    lines = records(finished.tokenizer.parent / "dynamics")
    assert [one["updates"] for one in lines] == [2, 3]
    names = {"total", "teacher_forcing", "rollout", "picture", "gradient_norm"}
    assert lines[1]["losses"].keys() == names
    assert lines[1]["learning_rate"] == pytest.approx(3e-3 * 0.5)


def test_what_it_leaves_is_what_it_trained(finished):
    out = finished.tokenizer.parent
    stored = read_checkpoint(out / "tokenizer" / CHECKPOINT)[0]
    encoder = load_file(finished.tokenizer)
    start = "module.tokenizer.encoder.vit."
    assert encoder.keys() == {name.removeprefix(start) for name in stored if start in name}
    assert all(torch.equal(one, stored[start + name]) for name, one in encoder.items())
    trained = load_world(out)
    tokenizer, world = trained.tokenizer, trained.world
    assert trained.config == tiny_config()
    assert not any(one.requires_grad for one in [*tokenizer.parameters(), *world.parameters()])
    assert not world.training
    taps, _ = load_tokenizer(out / "tokenizer.safetensors", taps=2)
    frames = torch.rand(2, 28, 28)
    assert len(taps.encode(frames).patch_maps) == 2
    assert torch.equal(taps.latents(frames), tokenizer.latents(frames))
    shown = world.picture.frames(
        world.dynamics(tokenizer.latents(frames[None]), torch.zeros(1, 2, 7))
    )
    assert shown.shape == (1, 2, 28, 28)


def test_the_tokenizer_does_not_change_in_the_second_stage(finished, volumes, tmp_path):
    """Nor do its latents depend on drop path."""
    longer = tiny_config(train={"dynamics_steps": 6})
    again = Pretraining(longer, volumes, tmp_path).run()
    assert again.tokenizer.read_bytes() == finished.tokenizer.read_bytes()


def test_a_finished_one_is_not_trained_again(finished, volumes, monkeypatch):
    def step(*arguments: object) -> None:
        raise AssertionError("a step")

    monkeypatch.setattr(Learner, "step", step)
    before = {path: path.read_bytes() for path in finished.tokenizer.parent.rglob("*.*")}
    found = Pretraining(tiny_config(), volumes, finished.tokenizer.parent).run()
    assert found == finished
    assert {path: path.read_bytes() for path in finished.tokenizer.parent.rglob("*.*")} == before


def test_losses_fall(volumes, tmp_path):
    train = {"tokenizer_steps": 24, "dynamics_steps": 24, "record_steps": 8}
    config = tiny_config(train=train, encoder={"drop_path": 0.0})
    out = Pretraining(config, volumes, tmp_path).run().tokenizer.parent
    first, *_, last = (one["losses"] for one in records(out / "tokenizer"))
    assert last["total"] < 0.98 * first["total"]
    first, *_, last = (one["losses"] for one in records(out / "dynamics"))
    for name in ("teacher_forcing", "rollout", "picture"):
        assert last[name] < 0.98 * first[name], name


@pytest.fixture(scope="module")
def seen(tmp_path_factory, volumes):
    """What each arm is shown and told at its steps."""
    torch.set_num_threads(1)
    found = {}
    for arm in ARMS:
        shown = found[arm] = []

        def step(self, number, factor, shown=shown, whole=Learner.step):
            shown.append((number, self.inputs(number)))
            return whole(self, number, factor)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Learner, "step", step)
            Pretraining(tiny_config(arm=arm), volumes, tmp_path_factory.mktemp(arm)).run()
    return found


def test_all_arms_take_equal_steps_on_equally_many_frames(seen):
    for arm in ARMS:
        assert [number for number, _ in seen[arm]] == list(range(STEPS))
        for _, (frames, *_) in seen[arm]:
            assert frames.reshape(-1, 28, 28).shape == (16, 28, 28)


def test_all_arms_but_static_see_the_same_frames(seen):
    for arm in ARMS:
        for one, other in zip(seen[arm], seen["aligned"], strict=True):
            same = torch.equal(one[1][0].reshape(-1, 28, 28), other[1][0].reshape(-1, 28, 28))
            assert same == (arm != "static")


def test_arms_differ_in_what_they_are_told(seen):
    for step in range(TOKENIZER_STEPS, STEPS):
        told = {arm: seen[arm][step][1][2] for arm in ("aligned", "shuffled", "zeroed")}
        assert not told["zeroed"].any()
        rows = [tuple(one.flatten().tolist()) for one in told["aligned"]]
        other = [tuple(one.flatten().tolist()) for one in told["shuffled"]]
        assert sorted(rows) == sorted(other)
        assert len(set(rows)) == 4
        assert all(one != partner for one, partner in zip(rows, other, strict=True))


def test_arms_without_dynamics_have_one_stage_of_all_steps(volumes, tmp_path):
    found = Pretraining(tiny_config(arm="tokenizer"), volumes, tmp_path).run()
    assert found == Pretrained(tmp_path / "tokenizer.safetensors")
    assert records(tmp_path / "tokenizer")[-1]["updates"] == STEPS
    assert not (tmp_path / "dynamics").exists()
    with pytest.raises(InputError, match="No such weights file"):
        load_world(tmp_path)


def test_arms_with_dynamics_share_a_tokenizer(finished, volumes, tmp_path):
    config = tiny_config(arm="zeroed", dynamics={"depth": 1}, train={"dynamics_steps": 2})
    found = Pretraining(config, volumes, tmp_path, tokenizer=finished.tokenizer.parent).run()
    assert found.tokenizer.read_bytes() == finished.tokenizer.read_bytes()
    assert not (tmp_path / "tokenizer").exists()
    assert load_world(tmp_path).config.arm == "zeroed"
    # The same command again, and without the option, goes on from what is there.
    assert Pretraining(config, volumes, tmp_path).run() == found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train": {"seed": 2}}, "train.seed: 1 there, 2 here"),
        ({"tokenizer": {"mask_share": 0.5}}, "mask_share: 0.6 there, 0.5 here"),
        ({"train": {"tokenizer_steps": 9}}, "steps: 4 there, 9 here"),
    ],
)
def test_a_tokenizer_of_other_settings_is_refused(finished, volumes, tmp_path, changed, said):
    config = tiny_config(**changed)
    with pytest.raises(InputError, match=said) as caught:
        Pretraining(config, volumes, tmp_path, tokenizer=finished.tokenizer).run()
    assert "--tokenizer" in str(caught.value)
    with pytest.raises(InputError, match=said):
        Pretraining(config, volumes, finished.tokenizer.parent).run()


def test_a_tokenizer_of_other_volumes_is_refused(finished, volumes, tmp_path):
    with pytest.raises(InputError, match="volumes"):
        Pretraining(tiny_config(), volumes[1:], tmp_path, tokenizer=finished.tokenizer).run()
    with pytest.raises(InputError, match="first stage of its own"):
        Pretraining(tiny_config(arm="static"), volumes, tmp_path, tokenizer=finished.tokenizer)


def test_another_second_stage_is_refused(finished, volumes):
    config = tiny_config(dynamics={"depth": 1})
    with pytest.raises(InputError, match=r"dynamics\.depth: 2 there, 1 here"):
        Pretraining(config, volumes, finished.tokenizer.parent).run()


def test_phantoms_and_people_do_not_mix(volumes, tmp_path):
    with pytest.raises(InputError, match="a digital patient's, and trained_on says human"):
        Pretraining(tiny_config(trained_on="human"), volumes, tmp_path)
    person = dataclasses.replace(volumes[0], phantom=False)
    for some, remedy in (
        ([person], "--set trained_on=human"),
        ([*volumes, person], "of their own"),
    ):
        with pytest.raises(InputError) as error:
            Pretraining(tiny_config(), some, tmp_path)
        assert remedy in error.value.remedy
    with pytest.raises(InputError, match="no volumes"):
        Pretraining(tiny_config(), [], tmp_path)


def test_a_loss_that_is_no_number_ends_with_one_error(volumes, tmp_path, monkeypatch):
    def step(self, number: int, factor: float) -> dict[str, torch.Tensor]:
        return {"total": torch.tensor(np.nan), "gradient_norm": torch.tensor(1.0)}

    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(InputError, match=r"became nan.*\n.*train\.learning_rate"):
        Pretraining(tiny_config(), volumes, tmp_path).run()


def test_the_gap_is_of_patients_that_no_step_saw(finished, volumes):
    training = Pretraining(tiny_config(), volumes, finished.tokenizer.parent)
    names = [{one.name for one in part} for part in (training.learned_from, training.held_out)]
    assert load_world(finished.tokenizer.parent).held_out == tuple(names[1])
    assert not names[0] & names[1]
    assert len(names[1]) == 1
    assert len(training.learned_from) + len(training.held_out) == len(volumes)
    description = json.loads((finished.tokenizer.parent / "dynamics.json").read_text("utf-8"))
    gap = description["held_out"]
    assert gap == json.loads(json.dumps(finished.gap))
    assert gap["trained_on"] == "phantom"
    assert gap["patients"] == 1
    assert gap["clips"] == 3 * len(training.held_out)
    difference = gap["errors"]["aligned"] - gap["errors"]["shuffled"]
    assert gap["aligned_minus_shuffled"] == pytest.approx(difference)
    assert gap["interval"] is None
