"""The protocol of writes and answers, in every order of its steps: see model.py."""
import pytest

from model import RULES, explore, scenarios


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_no_order_of_steps_gives_a_stale_answer(scenario):
    found = explore(scenario)
    assert found.flaw is None, "\n".join((found.flaw or "",) + found.trace)
    assert found.states > 50


@pytest.mark.parametrize("rule", RULES)
def test_the_model_finds_what_goes_wrong_without(rule):
    off = frozenset((rule,))
    assert any(explore(scenario, off).flaw for scenario in scenarios(off)), RULES[rule]
