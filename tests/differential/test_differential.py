"""One script of some hundred statements, sent to Postgres and through pgrecall: every byte that comes
back must be the same, with a cold cache and with a warm one, with memory alone and with Redis."""

import pytest

import compare
import script
import servers

RUNS = 3  # cold, then warm twice


@pytest.fixture(scope="module")
def template(postgres):
    """A database `template_diff` with the tables of the script, and the first OID after it."""
    postgres.query("create database template_diff")
    postgres.query(script.SETUP, database="template_diff")
    return int(postgres.query("select max(oid)::bigint + 1 from (select oid from pg_class union select oid from pg_type) o",
                              database="template_diff")[0][0])


def fresh_database(postgres, name):
    postgres.query(f"drop database if exists {name}")
    postgres.query(f"create database {name} template template_diff")


@pytest.fixture(scope="module")
def expected(postgres, template):
    fresh_database(postgres, "direct")
    return [
        compare.say(script.SESSIONS, lambda p: postgres.connect(database="direct", parameters=p), template)
        for _ in range(RUNS)
    ]


def test_the_script_is_deterministic(postgres, template, expected):
    fresh_database(postgres, "direct_again")
    for run in range(RUNS):
        again = compare.say(script.SESSIONS, lambda p: postgres.connect(database="direct_again", parameters=p), template)
        assert not compare.differences(expected[run], again)


def compare_through(proxy, postgres, template, expected, name):
    fresh_database(postgres, name)
    proxy.wait_for_catalog(name)
    before = proxy.cache()
    for run in range(RUNS):
        got = compare.say(script.SESSIONS, lambda p: proxy.connect(database=name, parameters=p), template)
        found = compare.differences(expected[run], got)
        assert not found, f"run {run + 1}: {len(found)} or more answers differ\n" + "\n".join(found)
    # A proxy that caches nothing would pass too.
    assert servers.hits(proxy.cache()) - servers.hits(before) > 100


def test_every_byte_is_the_same_with_memory(make_proxy, postgres, template, expected):
    compare_through(make_proxy(postgres), postgres, template, expected, "memory")


def test_every_byte_is_the_same_with_redis(make_proxy, postgres, redis, template, expected):
    # So little memory that most hits come from Redis.
    proxy = make_proxy(postgres, redis_url=redis.url(), memory_limit="1MB")
    compare_through(proxy, postgres, template, expected, "redis")


def test_every_byte_is_the_same_without_the_cache(make_proxy, postgres, template, expected):
    fresh_database(postgres, "off")
    proxy = make_proxy(postgres, cache=0)
    got = compare.say(script.SESSIONS, lambda p: proxy.connect(database="off", parameters=p), template)
    assert not compare.differences(expected[0], got)
