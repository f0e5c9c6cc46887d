"""What the cohort's page computes: medians' intervals, Holm, robust z, odd cases, same reasons."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from cohort_page_helpers import diagnosis

from MRNLib.anatomy import MASKINGS
from MRNLib.cohort.records import CaseRecord
from MRNLib.cohort.report_accuracy import accuracy, roc_band
from MRNLib.cohort.report_gathering import gather
from MRNLib.cohort.report_groups import SHOWN, column, compare, drawn_medians, holm, published
from MRNLib.cohort.report_oddities import oddities, robust_z, shifts
from MRNLib.cohort.report_reasons import grouped, without_folders


def record(name, found=None, error=None):
    state = "failed" if found is None else "done"
    return CaseRecord(
        identifier=name, subject=name, state=state, error=error, seconds=1.0, diagnosis=found
    )


def biomarker(found, nucleus, side, name):
    (item,) = (
        one
        for one in found["biomarkers"]
        if (one["nucleus"], one["side"], one["name"]) == (nucleus, side, name)
    )
    return item


@pytest.fixture
def drawn():
    """Forty diagnoses, every second one of a patient with PD."""
    rng = np.random.default_rng(11)
    return {f"P{n:02d}": diagnosis(rng, f"P{n:02d}", bool(n % 2)) for n in range(40)}


def cohort_of(drawn, labels=None):
    return gather((record(name, found) for name, found in drawn.items()), labels or {})


def halves(drawn):
    return {name: "PD" if int(name[1:]) % 2 else "HC" for name in drawn}


@pytest.mark.parametrize("n", [1, 2, 5, 8, 31])
def test_drawn_medians_are_those_of_bootstrap_samples(n):
    rng = np.random.default_rng(n)
    values = rng.normal(size=n)
    said = drawn_medians(values, draws=40_000)
    samples = np.median(rng.choice(values, (40_000, n)), axis=1)
    assert set(np.round(said, 9)) <= set(np.round(samples, 9)) or n == 31
    assert said.mean() == pytest.approx(samples.mean(), abs=0.02)
    assert said.std() == pytest.approx(samples.std(), abs=0.02)


def test_holm_steps_down_and_never_passes_one():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_robust_z_is_not_moved_by_what_it_finds():
    values = np.r_[np.arange(-10.0, 11.0), 1000.0]
    z = robust_z(values)
    assert z is not None
    assert abs(z[10]) < 0.1
    assert z[-1] > 100
    assert robust_z(np.arange(5.0)) is None  # too few
    assert robust_z(np.r_[np.ones(20), 2.0]) is None  # nothing to measure a distance by


def test_values_of_a_case_without_a_nucleus_are_missing_not_shifted(drawn):
    drawn["P03"]["biomarkers"] = [
        item for item in drawn["P03"]["biomarkers"] if item["nucleus"] != "DN"
    ]
    cohort = cohort_of(drawn)
    values = cohort.values["DN", "R", "volume"]
    assert np.flatnonzero(np.isnan(values)).tolist() == [3]
    assert values[4] == biomarker(drawn["P04"], "DN", "R", "volume")["value"]
    (shown,) = (one for one in SHOWN if one.nucleus == "DN" and one.name == "volume")
    assert np.isnan(column(cohort, shown)[3])
    assert published(cohort, shown) == 655


def test_maskings_are_kept_in_the_papers_order(drawn):
    drawn["P00"]["masking"] = drawn["P00"]["masking"][::-1]
    case = cohort_of(drawn).cases[0]
    by_name = {tuple(row["masked"]): row["flips"] for row in drawn["P00"]["masking"]}
    assert case.flips == tuple(by_name[masked] for masked in MASKINGS)
    alone = [flips for masked, flips in by_name.items() if len(masked) == 1]
    assert case.single_flips == sum(alone)


def test_groups_are_compared_where_they_differ(drawn):
    found = {
        one.shown.chapter + one.shown.title: one for one in compare(cohort_of(drawn, halves(drawn)))
    }
    contrast, volume = found["NeuromelaninNM-SN contrast"], found["VolumePUT"]
    assert contrast.counts == (20, 20)
    assert contrast.corrected < 0.01
    assert contrast.area < 0.3
    assert contrast.difference[2] < 0
    assert volume.corrected == 1
    value, low, high = volume.medians[0]
    assert low <= value <= high


def test_no_comparison_without_both_groups(drawn):
    assert compare(cohort_of(drawn)) == []
    assert compare(cohort_of(drawn, dict.fromkeys(drawn, "PD"))) == []
    assert compare(cohort_of(drawn, {"P00": "HC", "P01": "PD"})) == []


def test_odd_cases_are_found_and_what_is_missing_comes_first(drawn):
    far = biomarker(drawn["P05"], "SN", "L", "susceptibility_mean")
    far["value"], far["z"] = 420.0, 10.6
    gone = biomarker(drawn["P06"], "STN", "R", "volume")
    gone["value"], gone["flags"] = None, ["STN right: not in the mask"]
    drawn["P08"]["provenance"]["inputs"]["QSM"]["spacing"] = [1.0, 1.0, 3.0]
    odd = oddities(cohort_of(drawn))
    assert list(odd) == ["P06", "P05", "P08"]
    texts = " / ".join(one.text for one in odd["P05"])
    assert "SN left susceptibility 420.0 ppb" in texts
    assert "published z +10.6" in texts
    assert "robust z +" in texts
    assert odd["P08"][0].text.startswith("unlike the others: QSM: 300 × 300 × 70 voxels of 1.00")


def test_a_shift_of_the_whole_cohort_is_said_once(drawn):
    for found in drawn.values():
        item = biomarker(found, "GP", "L", "susceptibility_mean")
        item["value"], item["z"] = item["value"] + 90, item["z"] + 3.8
    cohort = cohort_of(drawn)
    assert [one.name for one in shifts(cohort)] == ["GP left susceptibility"]
    assert oddities(cohort) == {}


def test_a_small_cohort_is_held_against_published_norms_only(drawn):
    few = {name: drawn[name] for name in list(drawn)[:3]}
    item = biomarker(few["P01"], "RN", "R", "susceptibility_mean")
    item["value"], item["z"] = 200.0, 4.2
    assert [one.text for one in oddities(cohort_of(few))["P01"]] == [
        "RN right susceptibility 200.0 ppb: published z +4.2"
    ]


def test_same_reasons_are_one_and_folders_are_not_told():
    said = [
        ("A", "/data/ward 7/A/QSM.nii.gz: 3 voxels are NaN\nWhat to do: export it again"),
        ("B", "/data/ward 7/B/QSM.nii.gz: 12 voxels are NaN\nWhat to do: export it again"),
        ("C", "no NM file, looked in /home/mr.x/scans/C/NM.nii.gz"),
    ]
    many, one = grouped(said)
    assert many.text == "QSM.nii.gz: # voxels are NaN\nWhat to do: export it again"
    assert many.example.startswith("QSM.nii.gz: 3 voxels")
    assert many.cases == ("A", "B")
    assert one.text == "no NM file, looked in NM.nii.gz"
    assert one.example == ""
    assert without_folders(r"C:\Users\x\QSM.nii: damaged") == "QSM.nii: damaged"
    assert without_folders("PD and/or HC") == "PD and/or HC"


def test_many_cases_of_one_reason_are_not_all_named():
    (reason,) = grouped((f"P{n}", "damaged") for n in range(40))
    assert reason.shown.endswith("P11 and 28 more")


def test_measures_with_both_classes_one_class_and_none(drawn):
    both = accuracy(cohort_of(drawn, halves(drawn)))
    assert both is not None
    assert set(both.figures) >= {"auc", "accuracy", "f1", "sensitivity", "brier", "ece"}
    assert all(low <= value <= high for value, low, high in both.figures.values() if value)
    one = accuracy(cohort_of(drawn, dict.fromkeys(["P01", "P03"], "PD")))
    assert one is not None
    assert one.figures == {}
    assert one.right is not None
    assert one.right[0] == "PD"
    assert accuracy(cohort_of(drawn)) is None


def test_roc_band_encloses_the_curve_and_ends_in_the_corners():
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1], 200)
    probabilities = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1)
    grid, low, high = roc_band(truth, probabilities)
    for share in (0.1, 0.3, 0.6):
        threshold = np.quantile(probabilities[truth == 0], 1 - share)
        right = (probabilities[truth == 1] > threshold).mean()
        at = np.searchsorted(grid, share)
        assert low[at] <= right <= high[at]
    assert (low[-1], high[-1]) == (1.0, 1.0)


def test_what_cases_were_made_with_is_counted(drawn):
    drawn["P00"]["provenance"]["precision"] = "bf16"
    assert cohort_of(drawn).facts["precision"] == Counter({"fp32": 39, "bf16": 1})
