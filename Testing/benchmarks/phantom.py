"""How long a digital patient takes, on one core.

OMP_NUM_THREADS=1 python Testing/benchmarks/phantom.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from MRNLib.phantom import DEMO_SEEDS, generate, write_case


def seconds(work: Callable[[int], object], repeats: int = 5) -> tuple[float, float]:
    """Best wall and processor time of one call."""
    walls, loads = [], []
    for seed in DEMO_SEEDS[500 : 500 + repeats]:
        wall, load = time.perf_counter(), time.process_time()
        work(seed)
        walls.append(time.perf_counter() - wall)
        loads.append(time.process_time() - load)
    return min(walls), min(loads)


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        tasks: dict[str, Callable[[int], object]] = {
            "generate, QSM + NM + T1": generate,
            "generate, QSM + NM": lambda seed: generate(seed, modalities=("QSM", "NM")),
            "generate, QSM + NM, deep grey only": lambda seed: generate(
                seed, modalities=("QSM", "NM"), region="deep-grey"
            ),
            "generate and write everything": lambda seed: write_case(
                generate(seed), Path(folder) / str(seed)
            ),
        }
        for name, work in tasks.items():
            wall, load = seconds(work)
            print(f"{name:40s} {wall:6.2f} s wall {load:6.2f} s processor")


if __name__ == "__main__":
    main()
