"""How fast MRN trains, how much memory it takes, and how much of the machine it uses.

    python Testing/benchmarks/train_step.py --config Training/configs/phantom-tiny.yaml
    python Testing/benchmarks/train_step.py --device cuda --precision bf16 [--compile] [--json out]

Measures the trainer's step with all losses beside the plain one of reference_step.py, each in a
process of its own, on synthetic crops of the usual sizes; on a CPU with one and with two threads,
unless --threads names a number. "Peak" is what a large matrix product
reaches on the same device and in the same precision, measured in the same run; on a CPU both go by
processor time, which other programs do not take away.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from apart import CPU_THREADS, measured_apart, numbers_of_threads, write_results
from peak import matmul_peak
from reference_step import ReferenceStep
from torch.utils.flop_counter import FlopCounterMode

from MRNLib.anatomy import ROIS
from MRNLib.boxes import Box
from MRNLib.models.build import build_system
from MRNLib.models.mrn import Mrn
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES
from MRNLib.training.acceleration import resolved_precision
from MRNLib.training.config import TrainingConfig, load_config
from MRNLib.training.crops import SPARE_SLICES, SPARE_VOXELS, PatientCrops, RoiCrop
from MRNLib.training.dataset import CropDataset
from MRNLib.training.initialisation import start_from_scratch
from MRNLib.training.step import Stepper

PAPER = Path(__file__).parents[2] / "Training" / "configs" / "paper.yaml"
# Tight boxes in voxels of .67 mm, columns x rows x slices, before the margin.
TIGHT = {"NM": (38, 17, 6), "QSM1": (92, 82, 15), "QSM2": (43, 24, 7), "QSM3": (54, 28, 6)}
VOXEL_MM = 2 / 3
EPOCH_PATIENTS, EPOCHS = 240, 600
PATHS = ("trainer", "reference")


def patient(number: int) -> PatientCrops:
    """Noise in crops of the usual sizes, a tenth larger or smaller, with nuclei to segment."""
    random = np.random.default_rng(number)
    margin = 2 * MARGIN_MM / VOXEL_MM
    spare = np.array((SPARE_VOXELS, SPARE_VOXELS, SPARE_SLICES))
    rois = {}
    for definition in ROIS:
        tight = np.array(TIGHT[definition.name]) * random.uniform(0.9, 1.1, 3)
        size = np.round(tight + np.array((margin, margin, 2 * MARGIN_SLICES))).astype(int)
        shape = tuple((size + 2 * spare)[::-1].tolist())
        values = random.normal(1.0, 0.1, shape)
        image = values if definition.modality == "NM" else 100 * (values - 1)
        labels = random.integers(0, definition.classes, shape, dtype=np.uint8)
        box = Box(tuple(spare.tolist()), tuple((spare + size).tolist()))
        rois[definition.name] = RoiCrop(image.astype(np.float16), labels, box)
    return PatientCrops(f"patient_{number}", number % 2, rois, number, phantom=True)


def settings(options: argparse.Namespace) -> TrainingConfig:
    """The config with random weights and what the options say."""
    overrides = ["model.backbone.weights=none", f"train.precision={options.precision}"]
    if options.batch:
        overrides.append(f"train.batch_size={options.batch}")
    if options.checkpoint_activations:
        overrides.append("model.checkpoint_activations=true")
    if options.compile:
        overrides.append("train.compile=true")
    return load_config(options.config, overrides)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One path's figures, in this process."""
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    config, device = settings(options), torch.device(options.device)
    batch = config.train.batch_size
    patients = [patient(number) for number in range(4 * batch)]
    model = build_system(config.model)
    if not isinstance(model, Mrn):
        raise SystemExit("the benchmark is of MRN: give a config of kind mrn")
    if config.train.from_scratch:
        start_from_scratch(model)
    model.to(device).train()
    precision = "fp32"
    if options.only == "trainer":
        precision = resolved_precision(config.train.precision, device)
        regions, windows = model.regions, config.model.preprocess
        dataset = CropDataset(patients, windows, regions, config.augment, config.data, device)
        stepper = Stepper(config, model, dataset)

        def step(number: int) -> Any:
            return stepper.step(_chosen(number, batch), number, ramp=1.0, classify=True)
    else:
        reference = ReferenceStep(config, model, patients)

        def step(number: int) -> Any:
            return reference.step(_chosen(number, batch).tolist())

    for number in range(options.warm_up):
        step(number)
    flops = _flops(step, model)
    return {
        "path": options.only,
        "threads": options.threads,
        "precision": precision,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **_timed(step, options.steps, batch, device),
        "flops_per_patient": flops / batch,
        "peak_flops": matmul_peak(device, precision),
    }


def _chosen(number: int, batch: int) -> np.ndarray:
    return np.arange(batch) + number % 4 * batch


def _flops(step: Any, model: Mrn) -> float:
    """Multiplications and additions of one step, without those done twice to save memory."""
    recompute = model.config.checkpoint_activations
    _set_recompute(model, False)
    with FlopCounterMode(display=False) as counter, torch._dynamo.config.patch(disable=True):
        step(0)
    _set_recompute(model, recompute)
    return float(counter.get_total_flops())


def _set_recompute(model: Mrn, wanted: bool) -> None:
    model.res.backbone.vit.set_grad_checkpointing(wanted)
    model.res.ffa.recompute = wanted


def _timed(step: Any, steps: int, batch: int, device: torch.device) -> dict[str, float]:
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start, used = time.perf_counter(), time.process_time()
    for number in range(steps):
        step(number)
    if on_gpu:
        torch.cuda.synchronize()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    busy = seconds if on_gpu else used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # kilobytes on Linux
    return {
        "patients_per_second": steps * batch / seconds,
        "busy_seconds_per_patient": busy / (steps * batch),
        "seconds_per_epoch": EPOCH_PATIENTS * seconds / (steps * batch),
        "peak_memory_gb": (torch.cuda.max_memory_allocated() if on_gpu else peak) / 1e9,
    }


def table(results: list[dict[str, Any]]) -> str:
    """What was found, one line a figure."""
    threads = results[0]["threads"]
    title = f"{threads} thread{'s' if threads > 1 else ''} of the processor"
    lines = [title.ljust(34) + "".join(f"{one['path']:>14}" for one in results)]
    for name, unit in (
        ("patients_per_second", ""),
        ("seconds_per_epoch", f"of {EPOCH_PATIENTS} patients"),
        ("busy_seconds_per_patient", ""),
        ("peak_memory_gb", ""),
    ):
        row = "".join(f"{one[name]:14.4g}" for one in results)
        lines.append(f"{name.replace('_', ' ')} {unit}".ljust(34) + row)
    shares = "".join(f"{100 * share(one):13.1f}%" for one in results)
    lines.append("share of the matrix product's rate".ljust(34) + shares)
    rates = [one["patients_per_second"] for one in results]
    lines.append(f"{EPOCHS} epochs: {EPOCHS * EPOCH_PATIENTS / rates[0] / 60:.3g} minutes")
    if len(results) > 1:
        used = [one["busy_seconds_per_patient"] for one in results]
        lines.append(
            f"{rates[0] / rates[1]:.2f} times the reference by the clock, "
            f"{used[1] / used[0]:.2f} times by the time the device was busy"
        )
    return "\n".join(lines)


def share(one: dict[str, Any]) -> float:
    """Share of the measured peak that the step's own operations reach."""
    return one["flops_per_patient"] / one["busy_seconds_per_patient"] / one["peak_flops"]


def main() -> None:
    """Measures both paths and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=PAPER)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--batch", type=int, help="patients in a batch, instead of the config's")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--threads", type=int, help="of the processor; default: 1 and, on it, 2")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpoint-activations", action="store_true")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--only", choices=PATHS, help="measure one path in this process")
    options = parser.parse_args()
    if options.only:
        options.threads = options.threads or CPU_THREADS[0]
        print(json.dumps(measure(options)))
        return
    results = []
    for threads in numbers_of_threads(options):
        pair = [measured_apart(path, threads) for path in PATHS]
        print(table(pair), flush=True)
        results += pair
    write_results(options.json, results)


if __name__ == "__main__":
    main()
