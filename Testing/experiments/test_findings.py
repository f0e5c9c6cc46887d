"""The sentences that follow from the figures by rule."""

from __future__ import annotations

import itertools
import re

import pytest
from experiment_helpers import ALL, all_results

from MRNLib.anatomy import ROI_NAMES
from MRNLib.experiments.cells import FULL
from MRNLib.experiments.findings import findings, p_text
from MRNLib.experiments.layout import Row
from MRNLib.experiments.measuring import Measurer
from MRNLib.experiments.tables import TABLES


def test_the_text_follows_the_figures(measurer):
    lines = findings(ALL, measurer)
    above = next(line for line in lines if "that of SERes10 (" in line and "of MRN" in line)
    assert re.fullmatch(
        r"- The AUC of MRN is [\d.]+ points above that of SERes10 \(p .*\)\.", above
    )
    equal = Measurer(all_results(mrn=0.01, seres10=0.01), {}, draws=20)
    lines = findings(ALL, equal)
    line = next(line for line in lines if "that of SERes10 (" in line and "of MRN" in line)
    assert "not told apart" in line
    worse = Measurer(all_results(mrn=0.1, mrn_d_ffa_sfa_dpt=5.0), {}, draws=20)
    lines = findings(ALL, worse)
    line = next(line for line in lines if "Table 2: mSupMoCo (in the full model)" in line)
    assert ": this training scored lower with it (−" in line


def test_one_seed_and_many_comparisons_are_told_once_before_the_list(measurer, text):
    lines = findings(ALL, measurer)
    compared = sum(line.count("(p ") + line.count(", p ") for line in lines[2:])
    assert compared >= 20
    assert "One seed stands behind each row" in lines[0]
    assert f"not corrected for the {compared} comparisons below" in lines[0]
    assert text.count("One seed stands behind each row") == 1
    for word in ("helps", "harms", "makes no difference"):
        assert word not in text


def test_trainings_of_one_recipe_show_what_a_p_is_worth():
    cells = {f"midbrain_cnn_fold{fold}": 0.3 * fold for fold in range(5)}
    results = all_results(**cells)
    found = Measurer(results, {}, draws=20)
    rows = [Row((), (key.replace("_", "-"),)) for key in cells]
    told = sum(found.compare(*pair).p < 0.05 for pair in itertools.combinations(rows, 2))
    assert 0 < told < 10
    values = sorted(found.figure(row, "auc")[0] for row in rows)
    said = findings(ALL, found)[0]
    assert f"AUCs from {100 * values[0]:.1f} to {100 * values[-1]:.1f} on these patients" in said
    assert f"below .05 for {told} of their 10 pairs" in said
    del results["midbrain-cnn-fold3"]
    assert "one recipe" not in findings(ALL, Measurer(results, {}, draws=20))[0]


def test_maskings_are_told_by_accuracy_too(measurer):
    line = next(line for line in findings(ALL, measurer) if "costs most accuracy" in line)
    accuracy = {
        name: measurer.figure(Row((), (FULL,), variant=name), "accuracy")[0]
        for name in ("", *ROI_NAMES)
    }
    lost = min(ROI_NAMES, key=accuracy.__getitem__)
    change = f"from {100 * accuracy['']:.1f} to {100 * accuracy[lost]:.1f}"
    assert f"masking {lost} costs most accuracy, {change}" in line


def test_a_difference_in_epochs_is_part_of_what_was_seen(measurer):
    found = [line for line in findings([TABLES["2"]], measurer) if "Table 2: " in line]
    said = "; phase 1 is part of the difference: 6 epochs against 5)"
    assert [line.split()[3] for line in found if said in line] == ["DPT"]
    pair = [line for line in findings([TABLES["6"]], measurer) if "SERes10-mSupMoCo" in line]
    assert said in pair[0]


def test_without_the_full_model_nothing_is_claimed():
    results = all_results()
    del results[FULL]
    lines = findings(ALL, Measurer(results, {FULL: "no space left"}, draws=20))
    assert lines == [
        "- The full model is not there (failed: no space left), so nothing is compared with it."
    ]


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.5, ".500"), (0.0123, ".012"), (0.0001, "<.001"), (1.0, "1"), (float("nan"), "–")],
)
def test_p_values(p, text):
    assert p_text(p) == text
