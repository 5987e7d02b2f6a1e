"""The judge itself: see history.py."""
from history import ROLLED_BACK, Operation, violations

A = ("reg", 1)
B = ("reg", 2)
SUM = ("sum", "reg")


def op(invoked, returned, *seen):
    return Operation(invoked, returned, "test", seen)


def test_accepts_what_overlaps():
    assert not violations([op(0, 10, (A, 1)), op(1, 5, (A, 0)), op(2, 6, (A, 1)), op(7, 8, (A, 1))])


def test_finds_a_read_older_than_an_acknowledged_write():
    assert len(violations([op(0, 10, (A, 1)), op(11, 12, (A, 0))])) == 1


def test_finds_new_and_then_old():
    assert len(violations([op(0, 100, (A, 1)), op(1, 5, (A, 1)), op(6, 9, (A, 0))])) == 1


def test_accepts_an_instant_that_both_share():
    assert not violations([op(0, 10, (A, 1)), op(10, 12, (A, 0))])


def test_finds_what_was_rolled_back():
    assert len(violations([op(0, 1, (A, ROLLED_BACK + 3))])) == 1


def test_finds_a_sum_below_its_parts():
    assert len(violations([op(0, 1, (A, 2)), op(0, 1, (B, 3)), op(2, 3, (SUM, 4))])) == 1
    assert not violations([op(0, 1, (A, 2)), op(0, 1, (B, 3)), op(2, 3, (SUM, 5))])
