"""How many oblique slices a second are cut from a volume, beside SciPy's map_coordinates.

    python Testing/benchmarks/rendering.py [--json out]
    python Testing/benchmarks/rendering.py --device cuda

Random oblique slices of a volume of the challenge's size, whole slices inside it, interpolated
linearly by both. Each figure comes from a process of its own; SciPy has one thread whatever it is
given. "float16" is a volume as the cache keeps it, which has to be converted; SciPy takes float32
only.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from apart import CPU_THREADS, measured_apart, numbers_of_threads, write_results
from scipy import ndimage
from scipy.spatial.transform import Rotation

from MRNLib.navigation.poses import Poses
from MRNLib.navigation.rendering import render
from MRNLib.navigation.volumes import Volume

SHAPE, SPACING = (70, 300, 300), (2 / 3, 2 / 3, 2.0)
# The widest square that stays inside the volume however it is turned about its middle.
FIELD_MM = 96.0
SIZES = (112, 224)
PATHS = ("scipy", "float32", "float16")
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


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One path's slices a second at each size, and how far their values are from SciPy's."""
    torch.set_num_threads(options.threads)
    volume, poses = scene(options.slices)
    result: dict[str, Any] = {"path": options.only, "threads": options.threads}
    for size in SIZES:
        pixel_mm = FIELD_MM / size
        expected = by_scipy(volume, poses, size, pixel_mm)
        work: Callable[[], Any]
        if options.only == "scipy":
            work, apart = (lambda pixel=pixel_mm, n=size: by_scipy(volume, poses, n, pixel)), 0.0
        else:
            values = volume.values.to(getattr(torch, options.only))
            stored = Volume(values, volume.spacing, volume.origin, "noise", "QSM")
            stored = stored.to(options.device)
            work = lambda one=stored, pixel=pixel_mm, n=size: render(one, poses, n, pixel)  # noqa: E731
            apart = float(np.abs(work().cpu().numpy() - expected).max())
        seconds = _seconds(work, options)
        result[str(size)] = {"slices_per_second": options.slices / seconds, "apart": apart}
    return result


def _seconds(work: Callable[[], Any], options: argparse.Namespace) -> float:
    """The usual time of one call, the first few left out.

    With one thread on a processor it is the least processor time: other programs take none of it
    away, but they do take the caches that both ways of cutting live on.
    """
    alone = options.device == "cpu" and options.threads == 1
    clock = time.process_time if alone else time.perf_counter
    times = []
    for _ in range(options.repeats + 2):
        start = clock()
        work()
        if options.device == "cuda":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times[2:]) if alone else float(np.median(times[2:]))


def table(results: list[dict[str, Any]]) -> str:
    """Slices a second, how many times SciPy's, and the largest difference of a value in [0, 1]."""
    threads = results[0]["threads"]
    lines = [
        f"{threads} thread{'s' if threads > 1 else ''}".ljust(12)
        + "".join(f"{size}²: slices/s  x SciPy   apart  ".rjust(36) for size in SIZES)
    ]
    slowest = results[0]
    for one in results:
        cells = []
        for size in map(str, SIZES):
            rate = one[size]["slices_per_second"]
            times = rate / slowest[size]["slices_per_second"]
            mark = " " if one is slowest else ("+" if times >= ENOUGH else "-")
            cells.append(f"{rate:17.0f} {times:7.2f}{mark} {one[size]['apart']:8.1e} ")
        lines.append(one["path"].ljust(12) + "".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Measures each path and prints a table for each number of threads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--slices", type=int, default=16, help="rendered in one call")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, help="of the processor; default: 1 and, on it, 2")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--only", choices=PATHS, help="measure one path in this process")
    options = parser.parse_args()
    if options.only:
        options.threads = options.threads or CPU_THREADS[0]
        print(json.dumps(measure(options)))
        return
    results = []
    for threads in numbers_of_threads(options):
        found = [measured_apart(path, threads) for path in PATHS]
        print(table(found), flush=True)
        results += found
    write_results(options.json, results)


if __name__ == "__main__":
    main()
