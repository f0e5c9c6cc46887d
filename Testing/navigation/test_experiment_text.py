"""What the experiment's page says depends on what was measured."""

from __future__ import annotations

import pytest

from MRNLib.navigation.measuring.experimenttext import opening, outlining
from MRNLib.navigation.measuring.probing import ProbeSettings


@pytest.mark.parametrize(("amount", "chosen"), [({}, True), ({"dpt_steps": 3}, False)])
def test_only_the_usual_steps_were_chosen_on_patients(amount, chosen):
    settings = ProbeSettings(**amount).model_dump()
    said = outlining(settings)
    assert f"They take 1000 and {settings['dpt_steps']} steps in all rows" in said
    assert ("were chosen on" in said) == chosen


def test_the_opening_names_where_the_measuring_commands_are():
    said = opening("phantom", {"phantom"}, "the report command")
    assert "the report command" in said
    assert said[-1] == "The measuring commands are in docs/navigation.md."
