"""What is given out: tasks, how each ended, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from MRNLib.progress import Progress

# Why a task has an error: its own fault; its worker processes died; the scheduler lost it, or could
# not run it at all; a fault that every other task would have too.
Cause = Literal["task", "deaths", "scheduler", "all"]


class Task(Protocol):
    """Something to run; it is pickled to a worker."""

    @property
    def key(self) -> str:
        """Its name, unlike every other's."""


SomeTask = TypeVar("SomeTask", bound=Task)


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        key: The task.
        error: Why it failed, or empty.
        stopped: Somebody asked to stop; what was done is saved.
        cause: Whose fault an error is.
        value: What else the work has to say.
    """

    key: str
    error: str = ""
    stopped: bool = False
    cause: Cause = "task"
    value: Any = None


class Watcher(Protocol):
    """Who is told how far all tasks are."""

    def begin(self, keys: list[str]) -> None:
        """Before the first task."""

    def progress(self, key: str, fraction: float, message: str) -> None:
        """One task has come this far; may be called by another thread."""

    def pulse(self) -> None:
        """Now and then, in the main thread; may raise ``Cancelled``."""

    def ended(self, outcome: Outcome, seconds: float) -> None:
        """One task is over."""

    def say(self, text: str) -> None:
        """A line about the workers."""


# Runs a task, given its progress (which may raise ``Cancelled``) and the worker's number.
Work = Callable[[Any, Progress, int], Outcome]
