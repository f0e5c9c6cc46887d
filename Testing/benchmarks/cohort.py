"""Cohorts: two workers against one, memory over many cases, and how fast cases are given out.

    python Testing/benchmarks/cohort.py speed --cases 8      # 2 one-thread workers against 1
    python Testing/benchmarks/cohort.py memory --cases 200   # one worker, case by case
    python Testing/benchmarks/cohort.py dry --cases 10000    # a diagnoser that does nothing

Speed and memory run phantom-tiny on digital patients, nuclei outlined and reports written (memory:
on a few patients again and again).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cohort"))

import psutil
from stub_diagnoser import Stub, write_cases

from MRNLib.cohort.board import CohortBoard
from MRNLib.cohort.order import Order
from MRNLib.cohort.records import read_cases
from MRNLib.cohort.run import run_cohort
from MRNLib.parameters import Parameters
from MRNLib.phantom import DEMO_SEEDS, write_cohort

BYTES_PER_MB = 1e6
PATIENTS = 5  # of the memory's cases
PARAMETERS = Parameters(device="cpu")


class Clock(CohortBoard):
    """Notes when each case ended; the start of workers is not counted."""

    def __init__(self) -> None:
        super().__init__(tell=lambda outcome: self.times.append(time.monotonic()))
        self.times: list[float] = []

    def rate(self, skipped: int) -> float:
        """Cases per second after the first ``skipped``, in which models are loaded."""
        return (len(self.times) - skipped) / (self.times[-1] - self.times[skipped - 1])


def speed(cases: int, folder: Path) -> None:
    """Two one-thread workers against one, from files to reports."""
    write_cohort(folder / "in", cases, DEMO_SEEDS[700])
    rates = []
    for workers in (1, 2):
        clock, started = Clock(), time.monotonic()
        run_cohort(order(folder, f"out{workers}", workers, given_masks=False), clock)
        rates.append(cases / (clock.times[-1] - started))
        seconds = [record.seconds for record in read_cases(folder / f"out{workers}")]
        print(
            f"{workers} worker(s): {3600 * rates[-1]:.0f} cases an hour with the start, "
            f"{3600 * clock.rate(workers):.0f} without, {sum(seconds) / cases:.1f} s a case"
        )
    print(f"2 workers are {rates[1] / rates[0]:.2f} times 1 (aim: 1.7)")


def memory(cases: int, folder: Path) -> None:
    """Resident memory of a worker while it works, and its slope."""
    write_cohort(folder / "made", PATIENTS, DEMO_SEEDS[700])
    patients = sorted(path for path in (folder / "made").iterdir() if path.is_dir())
    for number in range(cases):
        patient, case = patients[number % PATIENTS], folder / "in" / f"case_{number:04d}"
        shutil.copytree(patient, case, copy_function=os.link)
    peaks: list[tuple[int, float]] = []
    clock = Clock()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            sizes = [resident(child) for child in psutil.Process().children(recursive=True)]
            peaks.append((len(clock.times), max(sizes, default=0.0)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run_cohort(order(folder, "out", 1, given_masks=False), clock)
    finally:
        over.set()
        watcher.join()
    by_case: dict[int, float] = {}
    for number, size in peaks:
        by_case[number] = max(size, by_case.get(number, 0.0))
    fifth = max(cases // 5, 1)
    for start in range(0, cases, fifth):
        sizes = [size for number, size in by_case.items() if start <= number < start + fifth]
        print(f"cases {start} to {start + fifth - 1}: peak {max(sizes, default=0):.0f} MB")
    print(f"{cases} cases at {clock.rate(1):.2f} a second")


def resident(process: psutil.Process) -> float:
    """MB of a process; 0 if it has ended."""
    try:
        return process.memory_info().rss / BYTES_PER_MB
    except psutil.Error:
        return 0.0


def nothing(models, worker):
    """In the place of the models: a made-up result, at once."""
    from report_helpers import examination

    result = examination(masking=(), jitter=(), biomarkers=examination().biomarkers[:8])

    def diagnose(case, progress):
        return Stub(dataclasses.replace(result, identifier=case.identifier))

    return diagnose


def dry(cases: int, folder: Path, workers: int) -> None:
    """Cases a second through the scheduler, with hashes and records, without models."""
    write_cases(folder / "in", cases)
    main, sizes, clock = psutil.Process(), [], Clock()
    started = time.monotonic()
    what = order(folder, "out", workers, keep="none")
    run_cohort(dataclasses.replace(what, make=nothing), clock)
    sizes.append(resident(main))
    records = sum(record.state == "done" for record in read_cases(folder / "out"))
    print(
        f"{records} of {cases} records; {clock.rate(workers):.0f} cases a second (aim: 50), "
        f"{cases / (time.monotonic() - started):.0f} with start and tables; "
        f"{workers} workers; this process has {sizes[-1]:.0f} MB"
    )
    started = time.monotonic()
    again = Clock()
    run_cohort(dataclasses.replace(what, make=nothing), again)
    print(
        f"once more, nothing to do: {time.monotonic() - started:.0f} s, {again.before} found done"
    )


def order(folder: Path, out: str, workers: int, **changes) -> Order:
    """Cases of ``folder/in``, on the processor."""
    return Order(folder / "in", folder / out, parameters=PARAMETERS, workers=workers, **changes)


def main() -> None:
    """Runs one of the three."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["speed", "memory", "dry"])
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2, help="of the dry run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.what == "speed":
            speed(options.cases, Path(name))
        elif options.what == "memory":
            memory(options.cases, Path(name))
        else:
            dry(options.cases, Path(name), options.workers)


if __name__ == "__main__":
    main()
