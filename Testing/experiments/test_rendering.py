"""The page, the CSV files and the pictures, from results that nobody trained for."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from experiment_helpers import ALL, CONFIGS, FACTS, all_results

from MRNLib import __version__
from MRNLib.experiments import origin, plots
from MRNLib.experiments.cells import CELLS, FULL, ORACLES, SCALES
from MRNLib.experiments.layout import Row
from MRNLib.experiments.measuring import Measurer
from MRNLib.experiments.plots import write_plots
from MRNLib.experiments.recipes import departures
from MRNLib.experiments.rendering import page, with_oracles, write_csv
from MRNLib.experiments.tables import TABLES
from MRNLib.radiomics import FAMILIES


def section(text: str, title: str) -> list[list[str]]:
    """Cells of the rows below a heading."""
    part = text.split(f"## {title}")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_table_has_the_papers_figures_beside_ours(text, measurer):
    for table in ALL:
        title = f"Table {table.number}. {table.title}" if table.number.isdigit() else table.title
        rows = section(text, f"{title} (phantom)")
        head, body = rows[0], rows[1:]
        assert len(body) == len(with_oracles(table, measurer))
        for row, cells in zip(with_oracles(table, measurer), body, strict=True):
            assert len(cells) == len(head)
            if row.paper is not None and row.paper.auc is not None:
                paper = f"{row.paper.accuracy:.1f} · {row.paper.auc:.1f} · {row.paper.f1:.1f}"
                assert paper in cells
            value, low, high = (100 * one for one in measurer.figure(row, "auc"))
            assert f"{value:.1f} [{low:.1f}, {high:.1f}]" in cells
            assert "60" in cells


def test_everything_says_phantom(text):
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert [one for one in headings if "(phantom)" not in one] == ["What was measured"]
    assert text.startswith("# The paper's tables, measured on phantoms")
    assert "nothing about people" in text
    assert "![components (phantom)](components.png)" in text


def test_rows_without_published_weights_say_so_and_what_it_means(text):
    assert "What makes the paper's case stays untested" in text
    rows = section(text, "Table 9. ")
    marked = {cells[0]: cells[-1] for cells in rows[1:]}
    assert marked["MRN-ViT-Base (ours)"] == marked["M3D-CLIP-ViT-Base"] == "random weights"
    assert marked["SERes10 (trained from scratch)"] == ""


def test_with_published_weights_nothing_of_it_is_said():
    results = {
        key: dataclasses.replace(one, weights="published") for key, one in all_results().items()
    }
    text = page(ALL, Measurer(results, {}, draws=20), FACTS, {})
    assert "random weights" not in text


def test_both_oracles_stand_below_every_table_and_beside_every_masking(text, measurer):
    for number in ("2", "4", "9"):
        rows = section(text, f"Table {number}. ")
        assert [cells[0] for cells in rows[-2:]] == ["*Image oracle*", "*Latent oracle*"]
    rows = section(text, "Table 4. ")
    place = rows[0].index("latent oracle's AUC")
    wanted = measurer.figure(Row((), (ORACLES,), variant="latent oracle, NM masked"), "auc")[0]
    assert rows[2][place] == f"{100 * wanted:.1f}"


def test_people_have_no_oracle_and_are_no_phantoms():
    results = all_results()
    del results[ORACLES]
    facts = dataclasses.replace(FACTS, data="human")
    text = page(ALL, Measurer(results, {}, draws=20), facts, {})
    assert "oracle" not in text.lower()
    assert "phantom" not in text.lower()


def test_a_failed_cell_is_a_row_that_says_so():
    results = all_results()
    del results["mrn-global"]
    measurer = Measurer(results, {"mrn-global": "the loss became nan"}, draws=20)
    rows = section(page([TABLES["8"]], measurer, FACTS, {}), "Table 8. ")
    assert rows[2][0] == "MRN-DPT-Global"
    assert rows[2][-1] == "failed: the loss became nan"
    assert len(rows[2]) == len(rows[0])


def test_notes_are_on_the_page(measurer):
    facts = dataclasses.replace(FACTS, notes="Two other learning rates were tried.")
    assert "Two other learning rates were tried." in page(ALL, measurer, facts, {})


def test_what_each_system_sees_is_told(text):
    rows = section(text, "All systems")
    sees = {cells[0].strip("*"): cells[rows[0].index("Sees")] for cells in rows[1:]}
    assert sees["MRN"] == sees["M3D-CLIP, fine-tuned"] == "four boxes"
    assert "true masks" in sees["SERes10"]
    assert sees["SERes10"] == sees["SERes10-mSupMoCo"]
    assert "true masks" in sees["Radiomics, LR"]
    assert "midbrain" in sees["Midbrain 3-D CNN, fold 0 alone"]
    assert all(sees.values())
    assert "the boxes of all systems come from the true masks" in text


def test_the_image_oracle_learns_from_others_than_the_networks(text):
    assert "it learns from the evaluation patients" in text
    assert "pooled scores of the five fits" in text


def test_what_radiomics_measure_is_told(text):
    assert FAMILIES == ("statistics", "glcm", "glrlm")
    assert "first-order statistics and grey-level co-occurrence and run-length" in text
    assert "Shape and volume are left out" in text


def test_one_fold_of_the_midbrain_cnn_stands_beside_the_vote(text, measurer):
    rows = {cells[0]: cells for cells in section(text, "All systems")}
    value, low, high = measurer.figure(Row((), ("midbrain-cnn-fold0",)), "auc")
    wanted = f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    assert wanted in rows["Midbrain 3-D CNN, fold 0 alone"]
    assert wanted not in rows["Midbrain 3-D CNN, vote of 5 folds"]
    vote, alone = (row for row in TABLES["systems"].rows if "midbrain-cnn-fold0" in row.cells)
    assert plots._style(vote) != plots._style(alone)


def test_settings_that_are_not_the_papers_are_on_the_page(measurer):
    found = departures(CELLS.values(), SCALES["tiny"], CONFIGS, "phantom", ["mrn:train.seed=7"])
    text = page(ALL, measurer, dataclasses.replace(FACTS, departures=found), {})
    rows = section("## " + text.split("<summary>")[1], f"All {len(found)} that differ")
    by_setting = {}
    for setting, here, paper, systems in rows[1:]:
        by_setting.setdefault(setting.strip("`"), []).append((here, paper, systems))
    mrn = "mrn, mrn-small"
    assert by_setting["loss.segmentation"] == [("3.0", "1.0", mrn)]
    assert by_setting["loss.contrastive"][0][:2] == ("0.02", "0.1")
    assert ("1", "400") in [one[:2] for one in by_setting["train.phase1_epochs"]]
    assert by_setting["train.seed"] == [("7", "1", mrn)]
    assert by_setting["augment.noise"] == [("0.0", "0.03", "all")]
    assert ("32", "null", "mrn-small") in by_setting["model.backbone.embed_dim"]
    assert "trained_on" not in by_setting


def test_at_the_papers_scale_nothing_differs(measurer, text):
    assert departures(CELLS.values(), SCALES["paper"], CONFIGS, "human") == ()
    assert "<details>" not in text


def test_the_page_says_what_computed_it():
    results = all_results()
    for number, (key, one) in enumerate(results.items()):
        versions = {"mrn": "0.1", "torch": f"2.{15 + number % 2}"}
        results[key] = dataclasses.replace(
            one, versions=versions, seconds=360.0, device="cpu (x86_64)"
        )
    text = page(ALL, Measurer(results, {}, draws=20), FACTS, {}).split("## What computed")[1]
    assert f"{len(CELLS)} cells, {len(CELLS) / 10:.2f} hours of computing" in text
    assert "MRN 0.1, PyTorch 2.15 and 2.16" in text
    assert "Networks on cpu (x86_64), fp32." in text
    assert f"This page: MRN {__version__}" in text
    assert re.search(r"\d+ processors", text)


def test_a_commit_is_told_of_this_checkout_alone(monkeypatch):
    asked = origin.source_commit.__wrapped__
    monkeypatch.setattr(origin, "_git", lambda _, what, *__: {"describe": "abc"}.get(what))
    assert asked() == ""  # not a file of the repository around it
    monkeypatch.setattr(origin, "_git", lambda *_: "abc")
    assert asked() == "abc"
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    assert asked() == ""  # no git


def test_the_csv_holds_shares_and_is_marked(measurer, tmp_path):
    for table in ALL:
        write_csv(table, measurer, FACTS, tmp_path / "table.csv")
        with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert {row["data"] for row in rows} == {"phantom"}
        for row, wanted in zip(rows, with_oracles(table, measurer), strict=True):
            assert float(row["auc"]) == pytest.approx(measurer.figure(wanted, "auc")[0], abs=1e-5)
            assert float(row["auc_low"]) <= float(row["auc"]) <= float(row["auc_high"])
            assert row["patients"] == "60"
            if wanted.paper is not None:
                assert float(row["paper_accuracy"]) == wanted.paper.accuracy / 100
            if wanted.cells != (FULL,):
                assert 0 <= float(row["delong_p"]) <= 1


def picture(path: Path) -> np.ndarray:
    return matplotlib.image.imread(path)


def test_the_pictures(measurer, tmp_path):
    written = write_plots(TABLES, measurer, "phantom", tmp_path)
    assert written == {
        "systems": ["roc.png", "reliability.png", "decision.png"],
        "4": ["masking.png"],
        "2": ["components.png"],
    }
    for name in (one for names in written.values() for one in names):
        image = picture(tmp_path / name)
        assert min(image.shape[:2]) > 500
        assert image.std() > 0.03  # something is drawn
    # The red line at the lower edge says that these are phantoms, and people have none.
    write_plots({"4": TABLES["4"]}, measurer, "human", tmp_path / "..")
    with_label, without = (
        picture(tmp_path / "masking.png"),
        picture(tmp_path.parent / "masking.png"),
    )
    assert np.abs(with_label - without)[-60:, :400].max() > 0.5


def test_pictures_of_what_is_there(tmp_path):
    results = {key: one for key, one in all_results().items() if key in (FULL, "seres10")}
    measurer = Measurer(results, {}, draws=20)
    assert set(write_plots(TABLES, measurer, "phantom", tmp_path)) == {"systems", "2", "4"}
    assert write_plots(TABLES, Measurer({}, {}), "phantom", tmp_path) == {}
