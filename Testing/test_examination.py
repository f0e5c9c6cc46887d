"""The examination turns into JSON and back without loss, and its schema is the committed one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
from report_helpers import examination

from MRNLib.anatomy import NOTICE
from MRNLib.examination import (
    DEMONSTRATION,
    SCHEMA_FILE,
    from_json,
    schema,
    to_json,
    to_jsonable,
    write_schema,
)


def test_json_brings_everything_back() -> None:
    before = examination()
    after = from_json(to_json(before))
    assert after == before
    assert isinstance(after.rois[0].nuclei, tuple)


def test_the_file_has_what_readers_rely_on() -> None:
    data = to_jsonable(examination())
    for key in (
        "probability_pd",
        "decision",
        "folds",
        "calibration",
        "jitter",
        "biomarkers",
        "warnings",
        "provenance",
    ):
        assert key in data
    assert data["notice"] == NOTICE
    assert len(data["masking"]) == 16
    assert all({"masked", "probability_pd"} <= row.keys() for row in data["masking"])
    assert all({"box", "slices", "size_mm", "present"} <= row.keys() for row in data["rois"])


def test_the_committed_schema_is_the_generated_one(tmp_path: Path) -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == schema()
    write_schema(tmp_path / "schema.json")
    assert (tmp_path / "schema.json").read_bytes() == SCHEMA_FILE.read_bytes()


def test_the_schema_accepts_a_result_and_refuses_others() -> None:
    check = jsonschema.Draft202012Validator(schema())
    check.check_schema(schema())
    good = to_jsonable(examination())
    check.validate(good)
    for change in ({"decision": "sick"}, {"probability_pd": "high"}, {"extra": 1}):
        assert not check.is_valid({**good, **change})
    assert not check.is_valid({key: value for key, value in good.items() if key != "notice"})


def test_not_a_number_is_refused() -> None:
    broken = dataclasses.replace(examination(), probability_pd=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(broken)


def test_a_wrong_file_is_refused() -> None:
    text = to_json(examination()).replace('"PD"', '"ill"', 1)
    with pytest.raises(ValueError, match="decision"):
        from_json(text)


def test_demonstration_follows_the_decision() -> None:
    assert not examination().demonstration
    assert examination(decision=DEMONSTRATION).demonstration
