"""Folds in training are stopped and killed, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from fold_helpers import same_weights, task, write_settings
from script_helpers import TRAINING

from MRNLib.errors import Cancelled, InputError
from MRNLib.training.fold_worker import Setup, load_patients, train
from MRNLib.training.folds import weights_file
from MRNLib.training.interruption import terminated_like_interrupted
from MRNLib.training.workforce import Workforce


def test_a_killed_worker_is_told_and_the_training_goes_on(cohort):
    write_settings(cohort, phase2_epochs=3, checkpoint_minutes=1e-9)
    setup = Setup((str(cohort / "train"),), None)
    undisturbed = train(task(cohort, "whole"), load_patients(setup), "cpu")
    with Workforce(setup, 1, cohort / "out") as workforce:

        def kill(fraction: float, message: str) -> None:
            if fraction > 0.5:
                workforce._members[0].process.kill()

        with pytest.raises(Exception, match=r"fold 0: the process .* signal 9") as caught:
            workforce.run([task(cohort, "out")], kill)
        assert "the same command again" in str(caught.value)
    assert not weights_file(cohort / "out", 0).exists()
    with Workforce(setup, 1, cohort / "out") as workforce:
        workforce.run([task(cohort, "out")])
    assert same_weights(undisturbed.weights, weights_file(cohort / "out", 0))


def test_two_commands_do_not_share_a_folder(cohort):
    setup = Setup((str(cohort / "train"),), None)
    with (
        Workforce(setup, 1, cohort / "out"),
        pytest.raises(InputError, match="another train_folds"),
        Workforce(setup, 1, cohort / "out"),
    ):
        pass
    with Workforce(setup, 1, cohort / "out"):
        pass


def test_a_cluster_that_ends_the_command_is_like_ctrl_c():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize(("how", "jobs"), [(signal.SIGINT, 2), (signal.SIGKILL, 1)])
def test_a_stopped_command_saves_and_goes_on(cohort, how, jobs):
    write_settings(cohort, phase2_epochs=150)
    command = [
        *(sys.executable, str(TRAINING / "train_folds.py"), "--folds=2", f"--jobs={jobs}"),
        *(f"--data={cohort / 'train'}", f"--config={cohort / 'quick.yaml'}"),
        *(f"--out={cohort / 'out'}", "--draws=20"),
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    metrics = [cohort / "out" / f"fold_{n}" / "metrics.jsonl" for n in range(jobs)]
    for _ in range(2400):
        if all(path.exists() and path.stat().st_size > 300 for path in metrics):
            break
        time.sleep(0.05)
    if how == signal.SIGINT:
        os.killpg(running.pid, how)  # as a terminal does
    else:
        os.kill(running.pid, how)
    _, said = running.communicate(timeout=60)
    checkpoints = [path.with_name("checkpoint.safetensors") for path in metrics]
    if how == signal.SIGKILL:  # the workers find out by themselves
        for _ in range(600):
            if all(path.exists() for path in checkpoints):
                break
            time.sleep(0.1)
    else:
        assert running.returncode == 130
        assert said.strip() == "Stopped; the same command goes on."
    assert all(path.exists() for path in checkpoints)
    assert not any(weights_file(cohort / "out", fold).exists() for fold in (0, 1))
    # What was saved is in the middle, and a worker goes on with it.
    setup = Setup((str(cohort / "train"),), None)

    def stop(fraction: float, message: str) -> None:
        assert fraction > 1 / 150
        raise Cancelled("seen")

    with pytest.raises(Cancelled):
        train(task(cohort, "out"), load_patients(setup), "cpu", stop)
