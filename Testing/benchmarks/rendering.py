"""How many oblique slices a second are cut from a volume, beside SciPy's map_coordinates.

    python Testing/benchmarks/rendering.py [--json out]
    python Testing/benchmarks/rendering.py --device cuda

Random oblique slices of a volume of the challenge's size, whole slices inside it, interpolated
linearly by both. In each round every way has its turn, so that a machine that grows slower changes
the ratios little: a ratio is the median over the rounds, with the quarter and three quarters of
them. A turn is ten calls: the first finds the volume outside the processor's caches ("fresh", as a
training does, which cuts from another volume each time), the fastest of the others in it ("again").
SciPy has one thread whatever it is given. "float16" is a volume as the cache keeps it, which has to
be converted; SciPy takes float32 only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

from MRNLib.navigation.poses import Poses
from MRNLib.navigation.rendering import render
from MRNLib.navigation.volumes import Volume

SHAPE, SPACING = (70, 300, 300), (2 / 3, 2 / 3, 2.0)
# The widest square that stays inside the volume however it is turned about its middle.
FIELD_MM = 96.0
SIZES = (112, 224)
STORED = ("float32", "float16")
CPU_THREADS = (1, 2)
FIRST_ROUNDS = 2
# Calls in a turn, and what of them counts: the first, and the least of the others.
CALLS = 10
TIMES = ("fresh", "again")
ENOUGH = 5.0


def scene(slices: int) -> tuple[Volume, Poses]:
    """A volume of smoothed noise and random slices about its middle."""
    random = np.random.default_rng(0)
    values = ndimage.gaussian_filter(random.random(SHAPE, dtype=np.float32), 1.0)
    values = (values - values.min()) / np.ptp(values)
    volume = Volume(torch.from_numpy(values), SPACING, (0.0, 0.0, 0.0), "noise", "QSM")
    middle = (np.array(SHAPE[::-1]) - 1) / 2 * SPACING
    centres = middle + random.uniform(-0.5, 0.5, (slices, 3))
    rotations = Rotation.random(slices, rng=random).as_matrix()
    parts = (centres, rotations, np.zeros(slices))
    return volume, Poses(*(torch.from_numpy(part) for part in parts))


def by_scipy(volume: Volume, poses: Poses, size: int, pixel_mm: float) -> np.ndarray:
    """The slices by map_coordinates, slice after slice, as it stays in the processor's cache."""
    line = (np.arange(size) - (size - 1) / 2) * pixel_mm
    array, spacing = volume.values.numpy(), np.array(volume.spacing)
    slices = np.empty((len(poses), size, size), np.float32)
    for n, (centre, rotation) in enumerate(zip(poses.centre, poses.rotation, strict=True)):
        middle, right, down = (
            (one.numpy() / spacing)[::-1, None, None]
            for one in (centre, rotation[:, 0], rotation[:, 1])
        )
        places = middle + down * line[:, None] + right * line
        ndimage.map_coordinates(array, places, output=slices[n], order=1)
    return slices


def measure(size: int, threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Each way's slices a second, its ratio to SciPy's, and how far its values are from those."""
    torch.set_num_threads(threads)
    volume, poses = scene(options.slices)
    pixel_mm = FIELD_MM / size
    ways: dict[str, Callable[[], Any]] = {"scipy": lambda: by_scipy(volume, poses, size, pixel_mm)}
    for name in STORED:
        values = volume.values.to(getattr(torch, name))
        stored = Volume(values, volume.spacing, volume.origin, "noise", "QSM").to(options.device)
        ways[name] = lambda one=stored: render(one, poses, size, pixel_mm)
    expected = torch.from_numpy(ways["scipy"]())
    apart = {
        way: float((torch.as_tensor(work()).cpu() - expected).abs().max())
        for way, work in ways.items()
    }
    rounds = [
        [_turn(work, options.device) for work in ways.values()]
        for _ in range(FIRST_ROUNDS + options.rounds)
    ]
    seconds = np.array(rounds[FIRST_ROUNDS:])
    rates, ratios = options.slices / seconds, seconds[:, :1] / seconds
    return [
        {"way": way, "size": size, "threads": threads, "apart": apart[way]}
        | {
            time: {
                "slices_per_second": float(np.median(rates[:, n, t])),
                "ratio": np.quantile(ratios[:, n, t], [0.25, 0.5, 0.75]).tolist(),
            }
            for t, time in enumerate(TIMES)
        }
        for n, way in enumerate(ways)
    ]


def _turn(work: Callable[[], Any], device: str) -> tuple[float, float]:
    """How long the first call takes, and the fastest of those that follow at once."""
    first, *others = (_seconds(work, device) for _ in range(CALLS))
    return first, min(others)


def _seconds(work: Callable[[], Any], device: str) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def line(one: dict[str, Any]) -> str:
    """One way's figures."""
    cells = [
        f"{one['threads']} thread{'s' if one['threads'] > 1 else ' '}  {one['size']}²  "
        f"{one['way']:7}  apart {one['apart']:.1e}"
    ]
    for name in TIMES:
        low, usual, high = one[name]["ratio"]
        times = ""
        if one["way"] != "scipy":
            times = f"x {usual:.2f} [{low:.2f}, {high:.2f}] {'+' if usual >= ENOUGH else '-'}"
        cells.append(f"{name} {one[name]['slices_per_second']:6.0f} slices/s {times:22}")
    return "   ".join(cells).rstrip()


def main() -> None:
    """Measures each way with each number of threads at each size, and prints a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--slices", type=int, default=16, help="rendered in one call")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, help="of the processor; default: 1 and, on it, 2")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    usual_threads = CPU_THREADS if options.device == "cpu" else CPU_THREADS[:1]
    results = []
    for threads in (options.threads,) if options.threads else usual_threads:
        for size in SIZES:
            found = measure(size, threads, options)
            print(*map(line, found), sep="\n", flush=True)
            results += found
    if options.json is not None:
        text = json.dumps({"command": sys.argv, "results": results}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
