"""How fast slice navigation trains, and how much of the machine it uses.

    python Testing/benchmarks/navigation_step.py --config Training/configs/navigation/tiny.yaml
    python Testing/benchmarks/navigation_step.py --device cuda --batch 32 [--compile] [--json out]

Takes steps of both stages on two digital patients' volumes, and tells slices a second, the time in
which slices are cut, and the share of the measured rate of a large matrix product that the
networks' own operations reach in the rest. On a CPU all of it goes by processor time, which other
programs do not take away.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from apart import write_results
from peak import matmul_peak
from torch.utils.flop_counter import FlopCounterMode

from MRNLib.navigation.batches import Batches
from MRNLib.navigation.config import load_config
from MRNLib.navigation.learners import Learner, TokenizerLearner, WorldLearner
from MRNLib.navigation.volumesources import phantom_volumes
from MRNLib.training.distributed import ALONE

PAPER = Path(__file__).parents[2] / "Training" / "configs" / "navigation" / "paper.yaml"
PATIENTS = 2


def busy_seconds(work: Callable[[int], Any], steps: int, device: torch.device) -> float:
    """Time of one call that the device was busy, after one call to warm up."""
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    work(0)
    if on_gpu:
        torch.cuda.synchronize()
    start = clock()
    for number in range(1, steps + 1):
        work(number)
    if on_gpu:
        torch.cuda.synchronize()
    return (clock() - start) / steps


def measure(name: str, learner: Learner, steps: int) -> dict[str, Any]:
    """One stage's figures."""
    batches = learner.batches
    device, clips = batches.device, batches.config.clips
    slices = batches.config.train.batch_size * clips.length
    whole = busy_seconds(lambda number: learner.step(number, 1.0), steps, device)
    cutting = busy_seconds(batches.clips, steps, device)
    with FlopCounterMode(display=False) as counter, torch._dynamo.config.patch(disable=True):
        learner.step(0, 1.0)
    rate = counter.get_total_flops() / (whole - cutting)
    return {
        "stage": name,
        "precision": learner.precision,
        "slices_per_second": slices / whole,
        "seconds_per_step": whole,
        "seconds_of_cutting": cutting,
        "share_of_peak": rate / matmul_peak(device, learner.precision),
    }


def main() -> None:
    """Measures both stages and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=PAPER)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, help="clips in a batch, instead of the config's")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    overrides = [f"train.batch_size={options.batch}"] if options.batch else []
    overrides += ["train.compile=true"] if options.compile else []
    config = load_config(options.config, overrides)
    volumes = list(phantom_volumes(range(PATIENTS)))
    batches = Batches(volumes, config, ALONE, torch.device(options.device))
    first = TokenizerLearner(config, batches)
    results = [measure("tokenizer", first, options.steps)]
    second = WorldLearner(config, batches, first.module.tokenizer)
    results.append(measure("dynamics", second, options.steps))
    for one in results:
        step, slices = 1000 * one["seconds_per_step"], one["slices_per_second"]
        cutting, peak = 1000 * one["seconds_of_cutting"], 100 * one["share_of_peak"]
        print(
            f"{one['stage']:<10} {one['precision']} {step:8.1f} ms a step {slices:8.1f} slices/s, "
            f"{cutting:.1f} ms of it cutting; the rest at {peak:.0f} % of the matrix product's rate"
        )
    write_results(options.json, results)


if __name__ == "__main__":
    main()
