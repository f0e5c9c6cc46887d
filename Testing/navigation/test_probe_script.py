"""The script: probes, label efficiency, a whole MRN, the page; stopping, mistakes."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from probe_helpers import labelled_heads
from script_helpers import script as loaded
from training_helpers import make_patient, tiny_settings

from MRNLib.errors import InputError
from MRNLib.navigation.measuring import labelcells, proberows
from MRNLib.navigation.measuring.experimenttext import opening
from MRNLib.navigation.measuring.labelledpatients import refuse_met
from MRNLib.navigation.measuring.pretrainedarms import read_arm, read_arms
from MRNLib.navigation.measuring.proberows import probe_cells
from MRNLib.navigation.measuring.tokentraining import LabelSettings
from MRNLib.navigation.volumecache import save_volume
from MRNLib.training.data import save_crops
from MRNLib.training.sources import phantom_name
from MRNLib.training.trainer import Trainer

PROBES = ["--train=5:3", "--test=60:2", "--workers=1"]
SMALL = {"clips": 2, "nuclei_clips": 1, "linear_steps": 3, "dpt_steps": 3}
AMOUNT = [f"--amount={key}={value}" for key, value in SMALL.items()]
LABELS = ["--amount=sizes=[4, 6]", "--amount=seeds=[1, 2]", "--amount=steps=3", "--amount=views=2"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded("probe_navigation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Labelled volumes, crops and settings."""
    made = tmp_path_factory.mktemp("probing")
    for seed in (5, 6, 7, 60, 61):
        for volume in labelled_heads([seed]):
            own = dataclasses.replace(volume, name=phantom_name(seed))
            save_volume(own, made / "volumes" / f"{own.name}_{own.role}.safetensors")
    for name, numbers in (("crops", range(8)), ("test", range(20, 26))):
        (made / name).mkdir()
        for number in numbers:
            save_crops(make_patient(number, number % 2), made / name)
    (made / "tiny.yaml").write_text(yaml.safe_dump(tiny_settings()), encoding="utf-8")
    return made


def probing(folder: Path, arms: Path, out: Path, *names: str) -> list[str]:
    trained = [f"--trained={arms / name}" for name in names]
    return ["probe", *trained, f"--volumes={folder / 'volumes'}", f"--out={out}", *PROBES, *AMOUNT]


def labelling(folder: Path, arms: Path, out: Path, *names: str) -> list[str]:
    paths = {"config": "tiny.yaml", "data": "crops", "test": "test"}
    given = [f"--{key}={folder / value}" for key, value in paths.items()]
    trained = [f"--trained={arms / name}" for name in names]
    return ["labels", *trained, *given, f"--out={out}", *LABELS]


@pytest.fixture(scope="module")
def measured(script, folder, arms_folder, tmp_path_factory) -> Path:
    """Everything, measured once."""
    out = tmp_path_factory.mktemp("measured")
    names = ("aligned_1", "zeroed_1", "static_1", "aligned_2")
    assert script.main(probing(folder, arms_folder, out, *names)) == 0
    assert script.main(labelling(folder, arms_folder, out, *names)) == 0
    return out


def test_cells_of_arms_that_share_an_encoder(arms_folder):
    names = ("aligned_1", "zeroed_1", "static_1", "aligned_2")
    arms = read_arms([arms_folder / name for name in names])
    assert [cell.key for cell in probe_cells(arms)] == [
        "probes_tokenizer_chance",
        "probes_tokenizer_random_1",
        "probes_tokenizer_navigation_1",
        "probes_context_untrained_1",
        "probes_context_aligned_1",
        "probes_told_context_aligned_1",
        "probes_context_zeroed_1",
        "probes_tokenizer_static_1",
        "probes_tokenizer_random_2",
        "probes_tokenizer_navigation_2",
        "probes_context_untrained_2",
        "probes_context_aligned_2",
        "probes_told_context_aligned_2",
    ]
    everything = read_arms([arms_folder])
    assert {(one.arm, one.seed) for one in everything} == {(one.arm, one.seed) for one in arms}
    zeroed = arms[1]
    assert zeroed.arm == "zeroed"  # although its tokenizer says that it was trained for aligned
    assert zeroed.sha256 == arms[0].sha256 != arms[3].sha256
    with pytest.raises(InputError, match="both arm static with seed 1"):
        read_arms([arms_folder / "static_1"] * 2)


def test_probes_leave_whole_cells(measured):
    names = {path.stem for path in (measured / "cells").glob("probes_*.json")}
    assert len(names) == 13
    for name in names:
        record = json.loads((measured / "cells" / f"{name}.json").read_text("utf-8"))
        assert set(record["result"]["patients"]["linear_dice"]) == {
            "phantom_0000060",
            "phantom_0000061",
        }
        assert set(record["result"]["nuclei"]["dpt"]) >= {"CN", "NM-SN"}
        learned = "probes_context" in name and "untrained" not in name
        assert (record["identity"]["gap"] is not None) == learned
        # Only outlines are looked for where actions are told.
        assert ("absolute_ridge_mm" in record["result"]["patients"]) == ("told" not in name)
        assert 0 <= record["result"]["pooled"]["linear_training_dice"] <= 1
    labels = {path.stem for path in (measured / "cells").glob("labels_*.json")}
    assert len(labels) == (2 + 2 + 1) * 2
    first, second = (
        json.loads((measured / "cells" / f"labels_navigation_4_{seed}.json").read_text("utf-8"))
        for seed in (1, 2)
    )
    # Two pre-trainings: each seed takes its own, and a seed without one has no cell.
    assert first["identity"]["weights"] != second["identity"]["weights"]
    assert "labels_static_4_2" not in labels
    assert 0 <= first["result"]["training_auc"] <= 1


def test_what_is_measured_is_not_measured_again(
    script, folder, arms_folder, measured, monkeypatch, capsys
):
    def never(*_args, **_more):
        raise AssertionError("measured again")

    monkeypatch.setattr(proberows, "probed", never)
    monkeypatch.setattr(labelcells, "train_on_tokens", never)
    assert script.main(probing(folder, arms_folder, measured, "aligned_1")) == 0
    assert script.main(labelling(folder, arms_folder, measured, "aligned_1", "aligned_2")) == 0
    # Other settings, other cells.
    other = [*probing(folder, arms_folder, measured, "aligned_1"), "--amount=dpt_steps=4"]
    assert script.main(other) == 2
    said = capsys.readouterr().err
    assert "settings.dpt_steps: 3 there, 4 here" in said


def test_the_same_again_is_the_same(script, folder, arms_folder, measured, tmp_path):
    assert script.main(probing(folder, arms_folder, tmp_path, "zeroed_1")) == 0
    for name in ("probes_context_zeroed_1", "probes_tokenizer_random_1"):
        one, other = (
            json.loads((place / "cells" / f"{name}.json").read_text("utf-8"))["result"]
            for place in (measured, tmp_path)
        )
        assert one == other


def test_the_page(script, folder, measured, tmp_path):
    (tmp_path / "notes.md").write_text("A note of ours.", encoding="utf-8")
    command = ["report", f"--measured={measured}", f"--out={tmp_path}"]
    assert script.main([*command, f"--notes={tmp_path / 'notes.md'}"]) == 0
    page = (tmp_path / "navigation.md").read_text(encoding="utf-8")
    for said in (
        "**Phantom.**",
        "## What was compared",
        "| aligned | 4 | 3 | 112 | 64 | 2 | ",
        "| static | 7 | none | 112 | 112 | 2 | ",
        "Probed with MRN ",
        "Research use only. Not for clinical use.",
        "A note of ours.",
        "| tokenizer | slice navigation |",
        "| context | dynamics, aligned actions |",
        "| told context | dynamics, aligned actions, told |",
        "dynamics, aligned actions − dynamics, untrained",
        "have one encoder between them",
        "| aligned | 1 | 1 |",
        "| zeroed | 1 |",
        "| aligned | all |",
        "| aligned arm − zeroed arm | all | 1 |",
        "| aligned arm − same slice again | all | 1, 2 |",
        "on its training patients",
        "rotation (°), network",
        "slice navigation − random start",
        "slice navigation − static volumes",
        "![AUC over",
        "Training/probe_navigation.py report",
    ):
        assert said in page
    assert page.index("one encoder between them") < page.index("## Probes")
    assert "nan" not in page
    assert (tmp_path / "label_efficiency.png").stat().st_size > 10_000
    rows = list(csv.DictReader((tmp_path / "labels.csv").open(encoding="utf-8")))
    static = [row for row in rows if row["encoder"] == "static"]
    assert [(row["read_out"], row["labels"]) for row in static] == [
        (one, size) for one in ("mrn", "linear") for size in ("4", "6")
    ]
    assert {row["data"] for row in rows} == {"phantom"}
    probes = list(csv.DictReader((tmp_path / "probes.csv").open(encoding="utf-8")))
    assert {"linear_dice NM-SN", "relative_network_mm", "relative_ridge_mm_r2"} <= {
        row["measure"] for row in probes
    }
    assert {row["seeds"] for row in probes if row["arm"] == "aligned"} == {"2", "1"}
    gaps = list(csv.DictReader((tmp_path / "gaps.csv").open(encoding="utf-8")))
    assert {(row["arm"], row["seeds"]) for row in gaps} >= {("aligned", "2"), ("zeroed", "1")}
    errors = list(csv.DictReader((tmp_path / "gap_errors.csv").open(encoding="utf-8")))
    assert {row["patient"] for row in errors} <= {f"pretrained_{number}" for number in (90, 91, 92)}


def test_a_whole_mrn_is_tested_beside_them(script, folder, arms_folder, measured, tmp_path, capsys):
    from MRNLib.training.config import parse_config

    settings = tiny_settings()
    settings["model"]["backbone"]["weights"] = f"navigation:{arms_folder / 'aligned_1'}"
    settings["train"].update(phase1_epochs=0, phase2_epochs=1, tensorboard=False)
    patients = [make_patient(number, number % 2) for number in range(8)]
    Trainer(parse_config(settings), patients, tmp_path / "fold_0", folds=2).run()
    command = ["finetuned", f"--fold={tmp_path / 'fold_0'}", f"--out={tmp_path}"]
    assert script.main([*command, f"--test={folder / 'test'}"]) == 0
    assert "navigation, 4 labels, seed 1" in capsys.readouterr().out
    assert script.main(["report", f"--measured={tmp_path}", f"--out={tmp_path}"]) == 0
    page = (tmp_path / "navigation.md").read_text(encoding="utf-8")
    assert "| slice navigation, first stage | 4 | 1 |" in page
    assert "this is an illustration" in page
    cell = json.loads((tmp_path / "cells" / "finetuned_navigation_4_1.json").read_text("utf-8"))
    assert cell["identity"]["training"]["train"]["phase2_epochs"] == 1
    assert "weights" not in cell["identity"]["training"]["model"]["backbone"]
    # Patients that it was trained on.
    assert script.main([*command, f"--test={folder / 'crops'}"]) == 2
    assert script.main(["finetuned", f"--fold={folder}", *command[2:], f"--test={folder}"]) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--test=6:2"], "both to learn probes from and to test them on"),
        (["--train=5"], "FIRST:COUNT"),
        (["--amount=clip=3"], "did you mean clips?"),
        (["--trained=nowhere"], "No such weights file"),
    ],
)
def test_mistakes_in_probes_are_told(script, folder, arms_folder, tmp_path, capsys, more, said):
    assert script.main([*probing(folder, arms_folder, tmp_path, "aligned_1"), *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--amount=sizes=[400]"], "400 labelled patients are wanted and there are 8"),
        (["--data=nowhere"], "no crops found"),
        (["--set", "model.backbone.embed_dim=32"], "embed_dim 16"),
        (["--set", "trained_on=human"], "digital ones"),
    ],
)
def test_mistakes_in_labels_are_told(script, folder, arms_folder, tmp_path, capsys, more, said):
    assert script.main([*labelling(folder, arms_folder, tmp_path, "aligned_1"), *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_nothing_to_report(script, tmp_path, capsys):
    assert script.main(["report", f"--measured={tmp_path}", f"--out={tmp_path}"]) == 2
    assert "holds no measured cells" in capsys.readouterr().err


def test_patients_of_the_pretraining_are_refused(arms_folder):
    for name in ("aligned_1", "static_1"):
        known = read_arm(arms_folder / name).patients
        assert known == {"pretrained_90", "pretrained_91", "pretrained_92"}
    arm = dataclasses.replace(read_arm(arms_folder / "aligned_1"), patients={"case_003"})
    with pytest.raises(InputError, match=r"were in this pre-training, e\.g\. case_003"):
        refuse_met([make_patient(3, 1)], [arm])


def test_the_page_says_of_what_it_is():
    said = "\n".join(opening("phantom", {"human"}, "made"))
    assert "learned from human volumes, and was measured on phantom ones" in said
    assert "Mixed" not in "\n".join(opening("phantom", {"phantom"}, "made"))


def test_a_seed_without_a_training_is_told(arms_folder):
    arms = read_arms([arms_folder])
    with pytest.raises(InputError, match="was pre-trained with seed 2"):
        labelcells.label_cells(arms, LabelSettings(seeds=(1, 3)))
    cells = labelcells.label_cells(arms, LabelSettings(sizes=(4,), seeds=(1, 2, 3)))
    assert [cell.key for cell in cells] == [
        "labels_navigation_4_1",
        "labels_navigation_4_2",
        "labels_random_4_1",
        "labels_random_4_2",
        "labels_static_4_1",
    ]
    assert all(cell.arm.seed == cell.seed for cell in cells)
    assert not any(cell.learned for cell in cells if cell.encoder == "random")
