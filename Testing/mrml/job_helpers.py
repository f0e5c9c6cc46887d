"""A job run to its end with all that it said, for the tests of jobs and of what starts them."""

from __future__ import annotations

import time
from pathlib import Path

from MRNDiagnosisLib.jobs import Job, Outcome, ProcessRunner

from MRNLib.casefiles import Case
from MRNLib.parameters import Parameters

CASE = Case("P1", Path("q.nii.gz"), Path("n.nii.gz"))


DEFAULTS = Parameters()


class Heard:
    """What the callbacks of a job were told, and the job run to its end."""

    def __init__(self, command="diagnose", case=CASE, parameters=DEFAULTS, out=None, **more):
        self.progress, self.log, self.warnings, self.outcomes = [], [], [], []
        self.job = Job(
            command,
            case,
            parameters,
            out,
            on_progress=lambda fraction, message: self.progress.append((fraction, message)),
            on_log=self.log.append,
            on_warning=self.warnings.append,
            on_done=self.done,
            **more,
        )

    def done(self, outcome):
        assert not self.job.running
        self.outcomes.append(outcome)

    def run(self, runner=None, timeout=120) -> Outcome:
        self.job.start(runner or ProcessRunner())
        return self.end(timeout)

    def end(self, timeout=120) -> Outcome:
        assert self.job.wait(timeout), self.log
        assert not self.job.folder.exists()
        (outcome,) = self.outcomes
        return outcome

    def until(self, condition, timeout=60):
        limit = time.monotonic() + timeout
        while not condition() and time.monotonic() < limit:
            time.sleep(0.02)
        assert condition(), self.log


def running(pid):
    """Whether a process is there and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


STUBBORN = """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    out = options["--out"]
    os.makedirs(os.path.join(out, ".partial-abcdefgh"))  # as MRNLib.writing stages its files
    print("pids", os.getpid(), child.pid)
    time.sleep(600)
"""
