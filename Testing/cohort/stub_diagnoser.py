"""A diagnoser without models, whose results follow from its files alone.

What a case's QSM file says is done: ``{"sleep": 1, "error": "...", "defect": "...", "die": true}``;
``"die_once": "PATH"`` ends the process unless there is a file PATH, and makes it first.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[1]))
from report_helpers import examination

from MRNLib.errors import BundleError, InputError

MASKS = ("QSM_mask.nii.gz", "NM_mask.nii.gz")


def write_cases(folder: Path, number: int, **orders: dict) -> Path:
    """Cases ``case_0000`` and up; ``case_0003={"sleep": 1}`` gives one its orders."""
    for index in range(number):
        name = f"case_{index:04d}"
        place = folder / name
        place.mkdir(parents=True)
        (place / "QSM.nii.gz").write_text(json.dumps(orders.get(name, {})))
        (place / "NM.nii.gz").write_text(f"volume of {name}")
    return folder


def stub(models, worker):
    """In the place of :func:`MRNLib.cohort.loading.make_diagnoser`."""
    template = examination()

    def diagnose(case, progress):
        order = json.loads(case.qsm.read_text(encoding="utf-8"))
        obey(order, progress)
        digest = hashlib.sha256(case.nm.read_bytes()).digest()
        result = dataclasses.replace(
            template, identifier=case.identifier, probability_pd=digest[0] / 255
        )
        return Stub(result)

    return diagnose


def obey(order, progress):
    once = order.get("die_once")
    if order.get("die") or (once and not Path(once).exists()):
        if once:
            Path(once).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    end = time.monotonic() + order.get("sleep", 0)
    while time.monotonic() < end:
        progress(0.5, "sleeping")
        time.sleep(0.02)
    time.sleep(order.get("deaf", 0))  # without asking whether to stop
    for name, kind in (("error", InputError), ("defect", RuntimeError), ("bundle", BundleError)):
        if name in order:
            raise kind(order[name])


class Stub:
    """What the stub makes of a case."""

    def __init__(self, result):
        self.examination = result
        self.outlines = SimpleNamespace(write=lambda out: self._write(out, MASKS))

    def write(self, out):
        return self._write(out, ("report.html", *MASKS))

    def _write(self, out, names):
        for name in names:
            (out / name).write_text(f"{name} of {self.examination.identifier}")
        return {name: out / name for name in names}


if __name__ == "__main__":
    # The command with this diagnoser: stub_diagnoser.py DIR OUT WORKERS|SCHEDULER [BUNDLE]
    from stub_diagnoser import stub as make  # under a name that workers can import

    from MRNLib.cli.cohort import run_order
    from MRNLib.cli.console import ProgressStyle, Talk
    from MRNLib.cli.run import exit_code
    from MRNLib.cohort.order import Order

    where = sys.argv[3]
    order = Order(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        workers=int(where) if where.isdecimal() else None,
        scheduler=None if where.isdecimal() else where,
        make=make,
    )
    sys.exit(exit_code(lambda: run_order(order, Talk(ProgressStyle.bar))))
