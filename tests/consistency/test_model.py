"""The protocol of writes and answers, in every order of its steps: see model.py."""
import pytest

from model import RULES, explore, scenarios


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_no_order_of_steps_gives_a_stale_answer(scenario):
    found = explore(scenario)
    assert found.flaw is None, "\n".join((found.flaw or "",) + found.trace)
    assert found.states > 50


# Where the want of a rule shows; of all others, in the first one. To look everywhere would take a minute.
SHOWN_BY = {
    "bump_all": "one writer of two tables", "stay_closed": "a lost answer", "bump_lost": "a lost answer",
    "join_equal": "coalesced readers", "widen": "DDL overtakes a write", "old_catalog": "DDL overtakes a write",
    "pinned_scan": "reads by key, by the same key, and of all", "pinned_column": "reads by another key column",
}


@pytest.mark.parametrize("rule", RULES)
def test_the_model_finds_what_goes_wrong_without(rule):
    off = frozenset((rule,))
    first, *others = scenarios(off)
    shown_by = next((scenario for scenario in others if scenario.name == SHOWN_BY.get(rule)), first)
    assert explore(shown_by, off).flaw, RULES[rule]
