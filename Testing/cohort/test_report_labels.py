"""The cohort's page with a table of diagnoses: for all cases, for some, for none, for sessions."""

from __future__ import annotations

import pytest
from cohort_page_helpers import page, plain, rows_of, some, write_run


def test_labels_for_some_and_for_strangers(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("id,diagnosis\nP0,HC\nP1,PD\nP2,HC\nX1,PD\n")
    told = []
    text = page(write_run(tmp_path / "out", some(9)), labels=labels, warn=told.append)
    seen = plain(text)
    assert all(line in seen for line in told)
    assert len(told) == 2
    assert "6 cases without a label" in seen
    assert "Not in this cohort: 1 case of the labels' table (X1)." in seen
    assert "2 controls and 1 patient with PD" in seen
    assert "Too few for a ROC curve and calibration" in seen
    assert "Groups are not tested against each other" in seen
    assert "Sensitivity" in seen


def test_one_class_only(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("id,diagnosis\n" + "".join(f"P{n},PD\n" for n in range(6)))
    text = page(write_run(tmp_path / "out", some(6)), labels=labels)
    assert "One class only" in plain(text)
    assert "Sensitivity at .5" in plain(text)
    assert text.count("data:image/png") == 3


@pytest.mark.parametrize(
    "table",
    [
        "subject,diagnosis\nsub-00,HC\nsub-01,PD\n",
        "participant_id\tage\tgroup\nsub-00\t61\tHC\nsub-01\t62\tPD\n",
    ],
)
def test_a_label_of_the_subject_holds_for_its_sessions(tmp_path, table):
    found = some(4)
    sessions = {f"sub-0{n // 2}_ses-{n % 2}": one for n, one in enumerate(found.values())}
    labels = tmp_path / "participants.tsv"
    labels.write_text(table)
    text = page(write_run(tmp_path / "out", sessions), labels=labels)
    assert [row[1] for row in rows_of(text)] == ["HC", "HC", "PD", "PD"]
    assert "2 subjects have more than one examination" in plain(text)
