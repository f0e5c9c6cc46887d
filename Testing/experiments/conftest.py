"""One page of made-up results, for the tests of what stands on it."""

from __future__ import annotations

import pytest
from experiment_helpers import ALL, FACTS, all_results

from MRNLib.experiments.measuring import Measurer
from MRNLib.experiments.rendering import page


@pytest.fixture(scope="module")
def measurer() -> Measurer:
    return Measurer(all_results(mrn=4.0, seres10=0.5), {}, draws=30)


@pytest.fixture(scope="module")
def text(measurer) -> str:
    return page(ALL, measurer, FACTS, {"2": ["components.png"]})
