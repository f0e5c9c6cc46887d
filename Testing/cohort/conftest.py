"""A run that nothing disturbed, for others to be compared with."""

from __future__ import annotations

import pytest
from cohort_run_helpers import (
    go,
    order,
    results,
)
from stub_diagnoser import write_cases


@pytest.fixture(scope="session")
def calm(tmp_path_factory):
    """Results of an undisturbed run over ten cases, by identifier."""
    folder = tmp_path_factory.mktemp("calm")
    go(order(write_cases(folder / "in", 10), folder / "out"))
    return {name: found[3] for name, found in results(folder / "out").items()}
