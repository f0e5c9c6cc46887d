"""Ctrl-C in the middle of a run, on the real command in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys


def test_ctrl_c_ends_cleanly_and_leaves_the_old_report(phantom_case, random_bundle, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("an earlier report")
    command = [
        *(sys.executable, "-m", "MRNLib", "diagnose", "--progress=json"),
        *(f"--qsm={phantom_case.qsm}", f"--nm={phantom_case.nm}"),
        *(f"--qsm-mask={phantom_case.qsm_mask}", f"--nm-mask={phantom_case.nm_mask}"),
        *(f"--bundle={random_bundle}", f"--out={out}"),
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line.removeprefix("@mrn "))["event"] == "progress":
            break
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Cancelled" in said
    assert "Traceback" not in said
    assert [path.name for path in out.iterdir()] == ["report.html"]
    assert (out / "report.html").read_text(encoding="utf-8") == "an earlier report"
