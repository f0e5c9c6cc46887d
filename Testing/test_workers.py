"""Work in processes of its own: done as it comes, and a worker's death is said in words."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time

import pytest

from MRNLib.errors import InputError
from MRNLib.workers import in_processes


def test_what_workers_make_of_their_jobs():
    assert sorted(in_processes(math.sqrt, [1.0, 4.0, 9.0], 2)) == [1.0, 2.0, 3.0]


def test_a_workers_error_is_raised_here():
    with pytest.raises(ValueError, match=r"domain|nonnegative"):
        list(in_processes(math.sqrt, [-1.0], 1))


def test_a_dead_worker_is_said():
    with pytest.raises(InputError, match="ended from outside") as caught:
        list(in_processes(os._exit, [1], 1))
    assert "--workers" in str(caught.value)


def test_left_early_nothing_new_is_begun():
    naps = [0.05] * 400  # twenty seconds of them
    with contextlib.closing(in_processes(time.sleep, naps, 1)) as done:
        next(done)
        left = time.monotonic()
    assert time.monotonic() - left < 10


def test_outside_the_main_thread_too():
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.extend(in_processes(math.sqrt, [4.0], 1)))
    thread.start()
    thread.join()
    assert found == [2.0]
