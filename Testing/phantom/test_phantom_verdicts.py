from __future__ import annotations

import pytest

from MRNLib.phantom.verdicts import Verdicts, table


@pytest.mark.parametrize(
    ("found", "wanted", "settings", "said"),
    [
        (1.0014, 1.0, {"digits": 3, "error": 0.0005}, "met"),
        (1.0016, 1.0, {"digits": 3, "error": 0.0005}, "missed, +0.002"),
        (0.9984, 1.0, {"digits": 3, "error": 0.0005}, "missed, -0.002"),
        (0.37, 0.49, {"digits": 2}, "missed, -0.12"),
        (0.494, 0.49, {"digits": 2}, "met"),
        (85.0, 80.0, {"digits": 0, "margin": 5.0}, "met"),
        (0.91, (0.85, 0.91), {"digits": 2}, "met"),
        (0.913, (0.85, 0.91), {"digits": 3, "error": 0.02}, "missed, +0.003"),
        (0.8, (0.85, 0.91), {"digits": 2}, "missed, -0.05"),
    ],
)
def test_a_figure_is_met_or_missed_by_so_much(found, wanted, settings, said):
    verdicts = Verdicts()
    assert verdicts.judge("it", found, wanted, **settings) == said
    assert verdicts.judged == 1
    assert len(verdicts.misses) == (said != "met")


def test_misses_are_listed_with_their_numbers_and_cause():
    verdicts = Verdicts()
    verdicts.judge("Dice", 0.37, 0.49, digits=2, why="It stands elsewhere.")
    verdicts.judge("mean", 2.0, 2.0, digits=1)
    text = "\n".join(verdicts.section())
    assert "1 of the 2 figures" in text
    assert "- **Dice**: 0.37 against 0.49, -0.12. It stands elsewhere." in text
    assert "mean**" not in text


def test_nothing_missed_is_said_too():
    assert "None." in Verdicts().section()


def test_a_table_is_markdown():
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
