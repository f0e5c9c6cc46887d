"""Time, memory and size of ``mrn cohort report`` over made-up records.

    OMP_NUM_THREADS=1 python Testing/benchmarks/cohort_report.py --cases 10000

The records are written to a temporary folder first, which takes longer than the report.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE), str(HERE / "cohort")]

from cohort_page_helpers import made_up  # noqa: E402

from MRNLib.cohort.report import write  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--failed", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="folder for the cohort, kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.keep or Path(folder) / "cohort"
        began = time.perf_counter()
        _, labels = made_up(out, arguments.cases, arguments.failed)
        print(f"{arguments.cases:,} records written in {time.perf_counter() - began:.0f} s")
        for given in (labels, None):
            began = time.perf_counter()
            page = write(out, given)
            took = time.perf_counter() - began
            size = page.stat().st_size / 1e6
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            what = "with labels" if given else "without labels"
            print(f"{what}: {took:.1f} s, {size:.2f} MB, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
