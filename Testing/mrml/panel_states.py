"""The panel's states by name, for the tests of its texts, of its widgets and of its translation."""

from __future__ import annotations

import pytest
from states_of_inputs import INPUTS
from states_of_results import RESULTS
from states_of_runs import BATCHES, RUNS

STATES = [*INPUTS, *RUNS, *RESULTS, *BATCHES]


def each_state(values: str):
    """Runs a test once for each state, under its name.

    Args:
        values: What the test takes of a row, such as ``"facts enabled"``.
    """
    columns = ("facts", "enabled", "tip", "label", "text")
    places = [1 + columns.index(name) for name in values.split()]
    rows = [pytest.param(*(row[n] for n in places), id=row[0]) for row in STATES]
    return pytest.mark.parametrize(values.split(), rows)
