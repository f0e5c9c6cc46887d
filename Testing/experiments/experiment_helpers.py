"""Synthetic patients on disk, cells on them, and results that nobody trained for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from MRNLib.anatomy import MASKINGS, ROIS
from MRNLib.boxes import Box
from MRNLib.experiments.cells import (
    CELLS,
    IMAGE_ORACLE,
    SCALES,
    Cell,
    cell_config,
    latent_variant,
    masking_name,
)
from MRNLib.experiments.cohorts import open_data
from MRNLib.experiments.preface import Facts
from MRNLib.experiments.results import CellResult, Job
from MRNLib.experiments.tables import TABLES
from MRNLib.radiomics_models import MODELS
from MRNLib.training.crops import PatientCrops, RoiCrop
from MRNLib.training.data import save_crops

CONFIGS = Path(__file__).parents[2] / "Training" / "configs"
SHAPE = (4, 22, 30)
ALL = list(TABLES.values())
FACTS = Facts("phantom", "python Training/reproduce_tables.py --scale tiny", "tiny", 2000, 60)


def make_patient(number: int, *, phantom: bool = True, seed: int | None = None) -> PatientCrops:
    """Odd numbers have PD: brighter nuclei in all ROIs."""
    random = np.random.default_rng(number)
    diagnosis = number % 2
    rois = {}
    for definition in ROIS:
        labels = np.zeros(SHAPE, np.uint8)
        for nucleus in range(1, definition.classes):
            labels[1:-1, 1 + 4 * nucleus : 5 + 4 * nucleus, 8:22] = nucleus
        values = random.normal(0, 0.1, SHAPE) + (labels > 0) * (0.3 + diagnosis)
        image = 1.0 + 0.2 * values if definition.modality == "NM" else 150.0 * values
        box = Box((3, 2, 1), (SHAPE[2] - 3, SHAPE[1] - 2, SHAPE[0] - 1))
        rois[definition.name] = RoiCrop(image.astype(np.float16), labels, box)
    name = f"case_{number:03d}"
    return PatientCrops(name, diagnosis, rois, number if seed is None else seed, phantom)


def write_patients(folder: Path, train: int = 10, evaluation: int = 10, **kind) -> Path:
    """``train`` and ``evaluation`` folders of patients, half of them with PD."""
    for name, numbers in (("train", range(train)), ("evaluation", range(100, 100 + evaluation))):
        (folder / name).mkdir(parents=True)
        for number in numbers:
            save_crops(make_patient(number, **kind), folder / name)
    return folder


def make_job(cell: Cell | str, data: Path, out: Path, *extra: str) -> Job:
    """A cell at the smallest scale."""
    chosen = CELLS[cell] if isinstance(cell, str) else cell
    config = cell_config(chosen, SCALES["smoke"], CONFIGS, "phantom", extra)
    return Job(chosen, config.as_json(), config.identity(), open_data(data), out)


def drawn_result(key: str, strength: float, patients: int = 60) -> CellResult:
    """Predictions with an AUC that grows with ``strength``; the same patients for all cells."""
    labels = np.arange(patients) % 2
    rng = np.random.default_rng(list(CELLS).index(key))

    def margins(share: float = 1.0) -> list[float]:
        return (rng.normal(0, 1, patients) + share * strength * (labels - 0.5)).tolist()

    cell = CELLS[key]
    names = {"network": ("",), "radiomics": MODELS, "oracles": (IMAGE_ORACLE,)}[cell.kind]
    found = {name: margins() for name in names}
    if cell.masked:
        found |= {masking_name(one): margins(1 / (1 + len(one))) for one in MASKINGS}
    if cell.kind == "oracles":
        found |= {latent_variant(masking_name(one)): margins() for one in MASKINGS}
    weights = "random" if cell.system in ("mrn", "m3d-clip") else "none"
    identifiers = [f"case_{number:03d}" for number in range(patients)]
    identity = {"cell": key, "settings": drawn_settings(key)}
    return CellResult(identity, identifiers, labels.tolist(), found, weights, 1.0, "cpu", {})


@lru_cache
def drawn_settings(key: str) -> dict[str, Any]:
    """What a network's result says that it was trained with."""
    cell = CELLS[key]
    if cell.kind != "network":
        return {}
    return cell_config(cell, SCALES["tiny"], CONFIGS, "phantom").identity()


def all_results(**strengths: float) -> dict[str, CellResult]:
    """A result of every cell, of strength 1.5 if not said."""
    names = {key: strengths.get(key.replace("-", "_").replace(".", "_"), 1.5) for key in CELLS}
    return {key: drawn_result(key, strength) for key, strength in names.items()}
