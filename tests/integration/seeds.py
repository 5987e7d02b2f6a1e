"""Which chance a test at random has. By itself it has the same in every run: what fails today would have
failed yesterday, and nothing fails by bad luck. To hunt for what these seeds do not find:

    PGRECALL_SEEDS=20        twenty new seeds for each test at random, in place of its own
    PGRECALL_SEED=1234       this one, which a failure has named
"""

import os
import random

import pytest

# Told to the processes that pytest starts, so that all of them speak of the same tests.
FIRST = "PGRECALL_SEEDS_FROM"

if "PGRECALL_SEEDS" in os.environ:
    os.environ.setdefault(FIRST, str(random.SystemRandom().randrange(1 << 30)))


def some(count):
    """`count` seeds: the first numbers, unless the environment wants others."""
    if "PGRECALL_SEED" in os.environ:
        return [int(os.environ["PGRECALL_SEED"])]
    if "PGRECALL_SEEDS" in os.environ:
        first = int(os.environ[FIRST])
        return list(range(first, first + int(os.environ["PGRECALL_SEEDS"])))
    return list(range(count))


def each(count):
    """Marks a test that takes a `seed`: it runs with each of them."""
    return pytest.mark.parametrize("seed", some(count))
