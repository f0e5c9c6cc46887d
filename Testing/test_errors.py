"""What a user can cause, in one to three lines or in one."""

from __future__ import annotations

import pytest

from MRNLib.errors import InputError, in_one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            str(InputError("no NM file", file="P1", expected="one", remedy="add it")),
            "P1: no NM file. Expected: one. What to do: add it",
        ),
        ("no midbrain,\nor so", "no midbrain, or so"),
        ("It ended.\n\n  What   to do: again", "It ended. What to do: again"),
        ("a kernel\ndid not like it", "a kernel did not like it"),
        ("one line", "one line"),
        ("", ""),
    ],
)
def test_sentences_stay_apart_in_one_line(text, line):
    assert in_one_line(text) == line
