"""Digital patients shared by the tests: made once, deep grey matter only, where that is enough."""

from __future__ import annotations

import pytest

from MRNLib.phantom import generate
from MRNLib.phantom.checks import Record, record, record_of

SEED = 9_500_000
PATIENTS = 30
PAIRS = 6


@pytest.fixture(scope="session")
def control():
    """A patient as a healthy control."""
    return generate(SEED, "HC", region="deep-grey")


@pytest.fixture(scope="session")
def affected():
    """The same patient with Parkinson's disease."""
    return generate(SEED, "PD", region="deep-grey")


@pytest.fixture(scope="session")
def whole():
    """The same patient with Parkinson's disease, the whole head."""
    return generate(SEED, "PD")


@pytest.fixture(scope="session")
def records() -> list[Record]:
    """What the checks take from some patients, both classes alike."""
    return [record(seed) for seed in range(SEED, SEED + PATIENTS)]


@pytest.fixture(scope="session")
def pairs() -> list[tuple[Record, Record]]:
    """Some patients as healthy controls, and the same ones with Parkinson's disease."""
    return [
        tuple(
            record_of(generate(seed, diagnosis, ("QSM", "NM"), "deep-grey"))
            for diagnosis in ("HC", "PD")
        )
        for seed in range(SEED, SEED + PAIRS)
    ]
