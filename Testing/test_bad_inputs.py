from __future__ import annotations

import pytest
from bad_inputs import ROWS, Row
from bad_inputs.patient import rois_of, sound

from MRNLib.cases import Case, load_case
from MRNLib.errors import InputError
from MRNLib.quality import check_rois

BY_NAME = {row.name: row for row in ROWS}


def warnings_of(paths, load) -> tuple[str, ...]:
    """What the library says about a patient on the way from the files to the ROIs."""
    images = load_case(Case("P", **paths), **load)
    return (*images.warnings, *check_rois(images, rois_of(images)))


def test_a_sound_patient_causes_no_word(tmp_path):
    assert warnings_of(sound().write(tmp_path), {}) == ()


def test_every_row_has_its_own_name():
    assert len(BY_NAME) == len(ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "error"], ids=lambda r: r.name)
def test_refused_with_what_where_and_what_to_do(row: Row, tmp_path):
    paths = row.build(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(InputError) as caught:
        warnings_of(paths, row.load)
    said = str(caught.value)
    assert 1 <= len(said.splitlines()) <= 3, said
    for fragment in (*row.expected, *(str(paths[role]) for role in row.names)):
        assert fragment in said
    assert caught.value.remedy
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "used"], ids=lambda r: r.name)
def test_used_without_a_word(row: Row, tmp_path):
    assert warnings_of(row.build(tmp_path), row.load) == ()


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.kind == "warning"], ids=lambda r: r.name
)
def test_used_with_a_warning(row: Row, tmp_path):
    paths = row.build(tmp_path)
    said = "\n".join(warnings_of(paths, row.load))
    for fragment in (*row.expected, *(str(paths[role]) for role in row.names)):
        assert fragment in said
