"""The picture of the label-efficiency curve."""

from __future__ import annotations

import numpy as np
import pytest

from MRNLib.bootstrap import Bootstrap
from MRNLib.navigation.measuring.labelcurve import curve
from MRNLib.navigation.measuring.labelstatistics import LabelResults, LabelRow

LABELS = [number % 2 for number in range(20)]


@pytest.mark.parametrize("seeds", [1, 2])
def test_dots_are_explained_where_there_are_some(seeds):
    random = np.random.default_rng(0)
    bootstrap = Bootstrap(LABELS, draws=20, seed=1)
    rows = {
        ("random", size): LabelRow(
            {seed: random.normal(size=20) for seed in range(seeds)}, bootstrap
        )
        for size in (4, 6)
    }
    figure = curve({one: LabelResults(rows, 20, "phantom", {}) for one in ("MRN", "linear")})
    said = "\n".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert "means over seeds" in said
    assert ("dots" in said) == (seeds > 1)
