"""Runs one cell to its JSON file, in this process.

A network is trained by the :class:`~MRNLib.training.trainer.Trainer`, which goes on from its own
checkpoint after a kill; then it predicts the evaluation patients. Nothing is raised for what a cell
can do wrong on its own account: the outcome says it, so that other cells go on.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import MASKINGS
from MRNLib.cluster.tasks import Outcome
from MRNLib.errors import Cancelled, MrnError, in_one_line
from MRNLib.experiments.cells import FOLDS, masking_name
from MRNLib.experiments.cohorts import EVALUATION, TRAIN, patients_of
from MRNLib.experiments.origin import device_name, versions
from MRNLib.experiments.results import (
    CellResult,
    Job,
    Weights,
    begin,
    state,
    tidy,
    write_result,
)
from MRNLib.progress import Progress, silent

# Share of a network's progress that is its training; the rest is prediction.
TRAINING_SHARE = 0.95


def run_cell(job: Job, progress: Progress = silent, worker: int = 0) -> Outcome:
    """Runs a cell, or takes its result if it is there.

    Args:
        job: The cell and its patients.
        progress: Called with the fraction done and a line; may raise ``Cancelled``.
        worker: Number of this process among those of the machine: says which of its GPUs is used.
    """
    try:
        progress(0.0, "starting")
        if state(job)[0] != "finished":
            begin(job)
            _KINDS[job.cell.kind](replace(job, device=_used_device(job, worker)), progress)
        tidy(job)
        job.error_file.unlink(missing_ok=True)
    except (Cancelled, KeyboardInterrupt):
        return Outcome(job.cell.key, stopped=True)
    except MrnError as error:
        return Outcome(job.cell.key, error=in_one_line(str(error)))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Outcome(job.cell.key, error=f"{where}{error.strerror or error}")
    except Exception as error:
        return Outcome(job.cell.key, error=_unexpected(job, error))
    return Outcome(job.cell.key)


def _used_device(job: Job, worker: int) -> str:
    """Where this process computes the cell; only networks use a GPU."""
    from MRNLib.training.distributed import dealt_device

    return str(dealt_device(job.device, worker)) if job.cell.kind == "network" else "cpu"


def _unexpected(job: Job, error: Exception) -> str:
    """Writes the whole error down and gives a line of it."""
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        job.error_file.parent.mkdir(parents=True, exist_ok=True)
        job.error_file.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return line
    return f"{line} (all of it in {job.error_file})"


def _run_network(job: Job, progress: Progress) -> None:
    import torch

    from MRNLib.training.config import parse_config
    from MRNLib.training.export import load_exported
    from MRNLib.training.trainer import Trainer

    torch.set_num_threads(job.threads)
    config = parse_config(job.settings)
    trainer = Trainer(
        config,
        patients_of(job.data, TRAIN),
        job.folder,
        fold=job.cell.fold,
        folds=FOLDS,
        device=job.device,
        progress=lambda done, message: progress(TRAINING_SHARE * done, message),
    )
    exported = trainer.run()
    seconds = trainer.position.seconds
    del trainer
    started = time.monotonic()
    model = load_exported(exported).to(torch.device(job.device))
    margins = _predictions(job, model, config, progress)
    seconds += time.monotonic() - started
    _finish(job, margins, _weights(job.settings), seconds)


def _predictions(
    job: Job, model: Any, config: Any, progress: Progress
) -> dict[str, NDArray[np.float64]]:
    """Margins on the evaluation patients, by masking."""
    from MRNLib.training.dataset import CropDataset
    from MRNLib.training.evaluation import margins

    patients = patients_of(job.data, EVALUATION)
    dataset = CropDataset(patients, config.model.preprocess, model.regions, device=job.device)
    found = {}
    maskings = MASKINGS if job.cell.masked else ((),)
    for number, masked in enumerate(maskings):
        done = TRAINING_SHARE + (1 - TRAINING_SHARE) * number / len(maskings)
        progress(done, f"predicting {len(patients)} patients")
        found[masking_name(masked)] = margins(model, dataset, range(len(patients)), masked=masked)
    return found


def _run_radiomics(job: Job, progress: Progress) -> None:
    from MRNLib.experiments.radiomics import radiomics_margins

    started = time.monotonic()
    margins = radiomics_margins(job, progress)
    _finish(job, margins, "none", time.monotonic() - started)


def _run_oracles(job: Job, progress: Progress) -> None:
    from MRNLib.experiments.oracles import oracle_margins

    started = time.monotonic()
    margins = oracle_margins(patients_of(job.data, EVALUATION), progress)
    _finish(job, margins, "none", time.monotonic() - started)


_KINDS = {"network": _run_network, "radiomics": _run_radiomics, "oracles": _run_oracles}


def _weights(settings: Mapping[str, Any]) -> Weights:
    """Whether a network started from published weights, of those that the paper starts so."""
    model = settings["model"]
    if model["kind"] == "mrn":
        source = model["backbone"]["weights"]
    elif model["kind"] == "m3d_clip":
        source = model["weights"]
    else:
        return "none"
    return "random" if source == "none" else "published"


def _finish(
    job: Job, margins: Mapping[str, NDArray[np.float64]], weights: Weights, seconds: float
) -> None:
    group = job.data.evaluation
    result = CellResult(
        identity=job.identity,
        identifiers=list(group.identifiers),
        labels=list(group.diagnoses),
        margins={name: [float(value) for value in values] for name, values in margins.items()},
        weights=weights,
        seconds=round(seconds, 1),
        device=device_name(job.device),
        versions=versions(),
    )
    write_result(job, result)
