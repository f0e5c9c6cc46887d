"""The fast bootstrap is the plain one, and its intervals are as wide as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from MRNLib.bootstrap import Bootstrap
from MRNLib.errors import InputError
from MRNLib.metrics import classification_metrics


def one_after_the_other(metric, labels, scores, draws, seed):
    """Value and interval with nothing clever: patients drawn within their class, one measure."""
    groups = [np.flatnonzero(labels == value) for value in (0, 1)]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        chosen = np.concatenate([rng.choice(group, len(group)) for group in groups])
        values.append(metric(labels[chosen], scores[chosen]))
    return metric(labels, scores), *np.percentile(values, [2.5, 97.5])


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
    wanted = one_after_the_other(classification_metrics()[name], labels, scores, 40, 3)
    found = Bootstrap(labels, draws=40, seed=3).figure(name, scores)
    assert found == pytest.approx(wanted, abs=1e-12)


def test_an_interval_covers_a_known_proportion_like_the_normal_approximation():
    # 86.0 % of 200 balanced patients: the interval's half width is close to 1.96 sqrt(p(1-p)/n).
    labels = np.repeat([0, 1], 100)
    right = np.tile(np.arange(100) < 86, 2)
    probabilities = np.where(right, labels, 1 - labels).astype(float)
    value, low, high = Bootstrap(labels, draws=2000).figure("accuracy", probabilities)
    assert value == pytest.approx(0.86)
    half = 1.96 * np.sqrt(0.86 * 0.14 / 200)
    assert high - low == pytest.approx(2 * half, rel=0.15)
    assert low < 0.86 < high


def test_one_class_is_refused():
    with pytest.raises(InputError, match="same diagnosis"):
        Bootstrap([1, 1, 1])


def test_figure_of_a_mean_over_classifiers():
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 60)
    rows = labels + random.normal(0, 1, (3, 60))
    bootstrap = Bootstrap(labels, draws=200, seed=1)
    single = [bootstrap.figure("auc", row) for row in rows]
    assert bootstrap.mean("auc", rows[:1]).figure == pytest.approx(single[0])
    mean = bootstrap.mean("auc", rows)
    value, low, high = mean.figure
    assert value == pytest.approx(np.mean([one[0] for one in single]))
    # Errors of three classifiers that are made apart even out a little.
    assert high - low < max(one[2] - one[1] for one in single)
    same = mean - bootstrap.mean("auc", rows[::-1])
    assert same.figure == pytest.approx((0.0, 0.0, 0.0))
    better = bootstrap.mean("auc", rows + 2 * labels) - mean
    assert better.figure[1] > 0
