"""Several trainings by a few worker processes, which save and end when the command does.

The workers are in sessions of their own, so that Ctrl-C in a terminal reaches the command alone; it
then closes their standard input, upon which they save (:mod:`MRNLib.training.fold_worker`).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from MRNLib.errors import InputError, MrnError
from MRNLib.progress import Progress, silent
from MRNLib.training.fold_worker import ANSWER, Setup, Task, as_line
from MRNLib.training.interruption import terminated_like_interrupted
from MRNLib.training.lock import LOCK, locked

_POLL_SECONDS = 0.5


class WorkerFailed(MrnError):
    """A worker process ended before its training did."""


@dataclass
class _Member:
    number: int
    process: subprocess.Popen[str]
    task: Task | None = None


@dataclass
class Workforce:
    """Up to ``jobs`` workers on one setup.

    Attributes:
        setup: What the trainings share.
        jobs: Workers at most; each is started when there is a training for it.
        folder: The output folder; locked while the block runs, so that two commands cannot write
            to the same trainings.
    """

    setup: Setup
    jobs: int
    folder: Path
    _members: list[_Member] = field(default_factory=list)
    _events: queue.Queue[tuple[_Member, dict[str, Any] | None]] = field(default_factory=queue.Queue)
    _lock: int | None = None

    def __enter__(self) -> Workforce:
        self._lock = locked(self.folder / LOCK, "another train_folds.py")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for member in self._members:
                _close(member)
            for member in self._members:
                member.process.wait()
        except BaseException:  # a second Ctrl-C: what was saved so far has to do
            for member in self._members:
                member.process.kill()
            raise
        finally:
            self._members.clear()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def run(
        self, tasks: Sequence[Task], progress: Progress = silent, *, tolerant: bool = False
    ) -> dict[str, str]:
        """Runs all tasks.

        Args:
            tasks: Trainings with different names.
            progress: Of all of them together; the message is of the one that spoke last.
            tolerant: Let the others go on when a training fails on its own account.

        Returns:
            Why trainings failed, by name; empty unless ``tolerant``.

        Raises:
            InputError: A training cannot be done as asked.
            WorkerFailed: A worker died.
        """
        waiting, failures = list(tasks), {}
        fractions = dict.fromkeys((one.name for one in tasks), 0.0)
        with terminated_like_interrupted():
            while waiting or any(member.task for member in self._members):
                self._assign(waiting)
                try:
                    member, event = self._events.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
                if event is None:
                    raise _died(member)
                task = member.task
                if task is None or event["event"] == "progress":
                    if task is not None:
                        fractions[task.name] = event["fraction"]
                        _report(progress, fractions, _named(task, event["message"]))
                    continue
                if event["event"] == "failed":
                    if event["fatal"] or not tolerant:
                        raise InputError(_named(task, event["text"]))
                    failures[task.name] = event["text"]
                member.task, fractions[task.name] = None, 1.0
                _report(progress, fractions, _named(task, event["event"]))
        return failures

    def _assign(self, waiting: list[Task]) -> None:
        while waiting:
            free = next((one for one in self._members if one.task is None), None)
            if free is None and len(self._members) >= self.jobs:
                return
            member = free or self._hire()
            member.task = waiting.pop(0)
            _send(member, as_line(member.task))

    def _hire(self) -> _Member:
        number = len(self._members)
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.setup.threads)}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "MRNLib.training.fold_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=_with_library(environment),
            pass_fds=() if self._lock is None else (self._lock,),
            **_apart(),
        )
        member = _Member(number, process)
        self._members.append(member)
        threading.Thread(target=self._listen, args=(member,), daemon=True).start()
        _send(member, as_line(replace(self.setup, number=number)))
        return member

    def _listen(self, member: _Member) -> None:
        assert member.process.stdout is not None
        for line in member.process.stdout:
            if line.startswith(ANSWER):
                self._events.put((member, json.loads(line.removeprefix(ANSWER))))
        self._events.put((member, None))


def _apart() -> dict[str, Any]:
    """How a worker is started so that Ctrl-C in the terminal does not reach it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _with_library(environment: dict[str, str]) -> dict[str, str]:
    """The environment in which a worker finds this very MRNLib, installed or not."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [environment.get("PYTHONPATH")])]
    return {**environment, "PYTHONPATH": os.pathsep.join(paths)}


def _send(member: _Member, line: str) -> None:
    assert member.process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # its death is told by its standard output
        member.process.stdin.write(line)
        member.process.stdin.flush()


def _close(member: _Member) -> None:
    assert member.process.stdin is not None
    with contextlib.suppress(OSError):
        member.process.stdin.close()


def _report(progress: Progress, fractions: dict[str, float], message: str) -> None:
    progress(sum(fractions.values()) / max(len(fractions), 1), message)


def _named(task: Task, text: str) -> str:
    return text if text.startswith(task.name) else f"{task.name}: {text}"


def _died(member: _Member) -> MrnError:
    code = member.process.wait()
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    reason = " (out of memory?)" if code == -9 else ""
    name = member.task.name if member.task else "its start"
    return WorkerFailed(
        f"{name}: the process that trains it ended with {how}{reason}.\n"
        "What to do: give the same command again; it goes on from the last checkpoint. With "
        "--jobs 1 less memory is needed."
    )
