"""Fixtures for every test against real servers; conftest.py of each folder imports them."""

import contextlib
import os

import pytest

import servers


# They take longest. Files run side by side (scripts/test), and these are not to be left over at the end.
FIRST = ("test_settings", "test_sequences", "test_half_closed", "test_hazards_w", "test_transactions", "test_writes")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem not in FIRST)


def lacking(what):
    """Ends a test for want of something on this machine: as skipped, or as failed under scripts/test,
    which has installed and built everything."""
    end = pytest.fail if "PGRECALL_TEST_EVERYTHING" in os.environ else pytest.skip
    end(f"this machine has no {what}")


@pytest.fixture(scope="session")
def postgres():
    """One Postgres for all tests: pgbench tables at scale 1, pg_stat_statements."""
    server = servers.Postgres()
    try:
        server.query("create extension pg_stat_statements")
        server.pgbench_init(1)
        yield server
    finally:
        server.stop()
        server.remove()


@pytest.fixture
def own_postgres():
    """Makes Postgres servers that a test may crash; they end with the test."""
    with contextlib.ExitStack() as stack:

        def make(**options):
            server = servers.Postgres(**options)
            stack.callback(server.remove)
            stack.callback(server.stop)
            return server

        yield make


@pytest.fixture(scope="session")
def redis():
    server = servers.Redis()
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def own_redis():
    """A Redis that a test may crash."""
    server = servers.Redis()
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def make_proxy(request):
    """Makes proxies; each is stopped at the end, and its end is checked."""
    proxies = []

    def make(postgres, **options):
        proxy = servers.Proxy(postgres, **options)
        proxies.append(proxy)
        return proxy

    yield make
    try:
        for proxy in proxies:
            if proxy.process is not None:
                proxy.stop()
    finally:
        for proxy in proxies:
            proxy.stop_by(9)
            proxy.remove()


@pytest.fixture
def proxy(make_proxy, postgres):
    """A proxy with memory alone in front of the shared Postgres, its catalog loaded."""
    made = make_proxy(postgres)
    made.wait_for_catalog()
    return made


@pytest.fixture
def proxy_redis(make_proxy, postgres, redis):
    made = make_proxy(postgres, redis_url=redis.url())
    made.wait_for_catalog()
    return made
