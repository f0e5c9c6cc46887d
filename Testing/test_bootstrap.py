"""The fast bootstrap is the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from MRNLib.bootstrap import Bootstrap
from MRNLib.errors import InputError
from MRNLib.metrics import classification_metrics, with_interval


@pytest.mark.parametrize("name", list(classification_metrics()))
@pytest.mark.parametrize("kind", ["spread", "ties", "always PD"])
def test_the_same_figures_as_one_draw_after_the_other(name, kind):
    rng = np.random.default_rng(1)
    labels = np.append([0, 1], rng.integers(0, 2, 48))
    scores = {
        "spread": rng.random(50),
        "ties": np.round(rng.random(50), 1),
        "always PD": np.full(50, 0.7),
    }[kind]
    wanted = with_interval(classification_metrics()[name], labels, scores, draws=40, seed=3)
    found = Bootstrap(labels, draws=40, seed=3).figure(name, scores)
    assert found == pytest.approx(wanted, abs=1e-12)


def test_one_class_is_refused():
    with pytest.raises(InputError, match="same diagnosis"):
        Bootstrap([1, 1, 1])
