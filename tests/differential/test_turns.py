"""Three sessions that take turns, over one server connection, two, or one each: every byte is that of Postgres alone.
What they say is in turns.py. Which chance they have says seeds.py.
"""

import pytest

import compare
import seeds
import servers
import turns

STEPS = 250


@pytest.fixture(scope="module")
def template(postgres):
    """The first OID that a database of this template does not have."""
    postgres.query("create role turner login; grant turner to postgres")
    postgres.query("create database template_turns")
    postgres.query(turns.SETUP, database="template_turns")
    for number in range(turns.SESSIONS):
        postgres.query(turns.OWN_SETUP.replace("{k}", str(number)), database="template_turns")
    return int(postgres.query("select max(oid)::bigint + 1 from (select oid from pg_class union select oid from pg_type) o",
                              database="template_turns")[0][0])


def fresh(postgres, name):
    postgres.query(f"drop database if exists {name} with (force)")
    postgres.query(f"create database {name} template template_turns")


@seeds.each(2)
@pytest.mark.parametrize("size, pins", [(1, False), (2, False), (turns.SESSIONS, True)], ids=["one", "two", "one-each"])
def test_sessions_in_turns_at_random(make_proxy, postgres, template, size, pins, seed):
    said = turns.Turns(seed, STEPS, size, pins)
    fresh(postgres, "turns_direct")
    fresh(postgres, "turns_through")
    proxy = make_proxy(postgres, default_pool_size=size)
    proxy.wait_for_catalog("turns_through")
    before = servers.hits(proxy.cache())
    steps, want = turns.make(said, lambda s: postgres.connect(user=s.user, database="turns_direct", parameters=s.parameters), template)
    have = turns.play(said, steps, lambda s: proxy.connect(user=s.user, database="turns_through", parameters=s.parameters), template)
    found = compare.differences(want, have, limit=3)
    assert not found, f"PGRECALL_SEED={seed}\n" + "\n".join(found)
    assert pins or servers.hits(proxy.cache()) > before
