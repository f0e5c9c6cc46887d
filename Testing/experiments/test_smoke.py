"""All tables through the script, digital patients and all, at the scale that takes minutes."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from experiment_helpers import CONFIGS
from scipy.special import expit

from MRNLib.experiments.cells import CELLS, FULL, LATENT_ORACLE, ORACLES, RADIOMICS
from MRNLib.experiments.results import read_result
from MRNLib.experiments.tables import TABLES
from MRNLib.phantom import TRAINING_SEEDS, VALIDATION_SEEDS, latent_oracle, sample_truth
from MRNLib.radiomics_models import MODELS
from MRNLib.training.data import save_crops
from MRNLib.training.sources import phantom_crops

SCRIPT = CONFIGS.parent / "reproduce_tables.py"
# Nine of each class: in the radiomics models' folds within folds there must be five.
TRAINING, EVALUATION = 9, 5
RADIOMICS_INSTALLED = all(importlib.util.find_spec(name) for name in ("mirp", "xgboost"))


def balanced(seeds: range, each: int) -> list[int]:
    """The first seeds that make ``each`` patients of either class."""
    chosen: dict[str, list[int]] = {"HC": [], "PD": []}
    for seed in seeds:
        of_class = chosen[sample_truth(seed).diagnosis]
        if len(of_class) < each:
            of_class.append(seed)
        if all(len(one) == each for one in chosen.values()):
            break
    return sorted(chosen["HC"] + chosen["PD"])


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    groups = {"train": (TRAINING_SEEDS, TRAINING), "evaluation": (VALIDATION_SEEDS, EVALUATION)}
    for name, (seeds, each) in groups.items():
        (folder / name).mkdir()
        for seed in balanced(seeds, each):
            save_crops(phantom_crops(seed), folder / name)
    return folder


def test_all_tables_from_digital_patients(data, tmp_path):
    out = tmp_path / "out"
    run = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), "--tables", "all", "--scale", "smoke"),
            *("--data", str(data), "--out", str(out), "--workers", "1"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1]), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    # The extra `radiomics` is large and need not be there: then one cell says so, in one line.
    missing = set() if RADIOMICS_INSTALLED else {RADIOMICS}
    assert run.returncode == (1 if missing else 0), run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    for key in missing:
        assert f"{key}: failed: The radiomics models need packages" in run.stdout
    for key in set(CELLS) - missing:
        assert f"{key}: done after" in run.stdout
        result = read_result(out / "cells" / f"{key}.json")
        assert len(result.labels) == 2 * EVALUATION
        assert sum(result.labels) == EVALUATION
        assert all(np.isfinite(values).all() for values in result.margins.values())
    assert len(read_result(out / "cells" / f"{FULL}.json").margins) == 16
    if not missing:
        assert set(read_result(out / "cells" / f"{RADIOMICS}.json").margins) == set(MODELS)
    oracles = read_result(out / "cells" / f"{ORACLES}.json")
    seeds = [int(name.removeprefix("phantom_")) for name in oracles.identifiers]
    wanted = latent_oracle([sample_truth(seed) for seed in seeds])
    assert expit(oracles.scores(LATENT_ORACLE)) == pytest.approx(wanted, abs=1e-9)
    page = (out / "tables.md").read_text(encoding="utf-8")
    assert "measured on phantoms" in page
    assert "random weights" in page
    for word in ("not run", "not available", "nan"):
        assert word not in page
    assert page.count("failed") == len(MODELS) * len(missing)
    for number in TABLES:
        with (out / f"table_{number}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert {row["data"] for row in rows} == {"phantom"}
        assert all(row["auc"] or row["cells"] in missing for row in rows)
    for name in ("roc", "reliability", "decision", "masking", "components"):
        assert (out / f"{name}.png").stat().st_size > 10_000
    identity = json.loads((out / "trainings" / FULL / "cell.json").read_text(encoding="utf-8"))
    assert identity == read_result(out / "cells" / f"{FULL}.json").identity
