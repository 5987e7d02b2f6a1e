"""How many: server connections with and without the reserve, clients of a database and of a role."""

import contextlib

import pytest

import servers
import wire
from test_pool import pool_row, servers_of


def hold(stack, proxy, **options):
    client = stack.enter_context(proxy.connect(**options))
    client.query("begin; select clock_timestamp()")
    return client


def where(postgres, more=""):
    return {"*": f"host=127.0.0.1 port={postgres.port} {more}"}


def test_the_reserve_opens_for_who_has_waited(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1, reserve_pool_size=1, reserve_pool_timeout="1s", cache=0)
    with contextlib.ExitStack() as stack:
        hold(stack, proxy)
        early, late = stack.enter_context(proxy.connect()), stack.enter_context(proxy.connect())
        early.send(wire.query("begin; select clock_timestamp()"))
        assert early.is_silent(0.5)
        early.read_until(b"Z")
        late.send(wire.query("select clock_timestamp()"))
        assert late.is_silent(2.5), "the reserve is one connection"
        assert servers_of(pool_row(proxy)) == 2
        early.query("commit")
        late.read_until(b"Z")


@pytest.mark.parametrize("line, users", [("reserve_pool=1", ""), ("reserve_pool_size=1", ""), ("", "reserve_pool_size=1")])
def test_the_reserve_of_one_database_or_role(make_proxy, postgres, line, users):
    proxy = make_proxy(
        postgres, databases=where(postgres, line), users={"postgres": users} if users else None,
        default_pool_size=1, reserve_pool_timeout="0.2s", cache=0)
    with contextlib.ExitStack() as stack:
        hold(stack, proxy)
        hold(stack, proxy)
        assert servers_of(pool_row(proxy)) == 2


def test_without_a_timeout_the_reserve_is_not_used(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1, reserve_pool_size=1, reserve_pool_timeout=0, cache=0)
    with contextlib.ExitStack() as stack:
        hold(stack, proxy)
        waiter = stack.enter_context(proxy.connect())
        waiter.send(wire.query("select clock_timestamp()"))
        assert waiter.is_silent(1)


def test_the_reserve_respects_max_db_connections(make_proxy, postgres):
    proxy = make_proxy(
        postgres, default_pool_size=1, reserve_pool_size=5, reserve_pool_timeout="0.1s", max_db_connections=2, cache=0)
    with contextlib.ExitStack() as stack:
        hold(stack, proxy)
        hold(stack, proxy)
        waiter = stack.enter_context(proxy.connect())
        waiter.send(wire.query("select clock_timestamp()"))
        assert waiter.is_silent(1)
        assert servers_of(pool_row(proxy)) == 2


def refused(proxy, **options):
    with pytest.raises(wire.ServerError) as caught:
        proxy.connect(**options)
    assert caught.value.sqlstate == "53300", str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("how", ["option", "line"])
def test_max_db_client_connections(make_proxy, postgres, how):
    options = {"max_db_client_connections": 2} if how == "option" else {}
    line = "" if how == "option" else "max_db_client_connections=2"
    proxy = make_proxy(postgres, databases=where(postgres, line), **options)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(proxy.connect())
        stack.enter_context(proxy.connect())
        assert "max_db_client_connections" in refused(proxy)
        stack.enter_context(proxy.connect(database="template1"))
        first.close()
        assert servers.wait_until(lambda: int(databases_row(proxy)["current_client_connections"]) == 1)
        stack.enter_context(proxy.connect())
        assert databases_row(proxy)["max_client_connections"] == "2"


def databases_row(proxy, name="postgres"):
    return next(row for row in proxy.console("SHOW DATABASES") if row["name"] == name)


@pytest.mark.parametrize("how", ["option", "line"])
def test_max_user_client_connections_counts_over_databases(make_proxy, postgres, how):
    options = {"max_user_client_connections": 2} if how == "option" else {"max_user_client_connections": 50}
    users = {"postgres": "max_user_client_connections=2"} if how == "line" else {"postgres": "pool_size=9"}
    proxy = make_proxy(postgres, users=users, **options)
    with contextlib.ExitStack() as stack:
        stack.enter_context(proxy.connect())
        stack.enter_context(proxy.connect(database="template1"))
        assert "max_user_client_connections" in refused(proxy)
        row = next(row for row in proxy.console("SHOW USERS") if row["name"] == "postgres")
        assert (row["max_user_client_connections"], row["current_client_connections"]) == ("2", "2")


def test_who_was_refused_is_not_counted(make_proxy, postgres):
    proxy = make_proxy(postgres, max_user_client_connections=1)
    with proxy.connect():
        for _ in range(5):
            refused(proxy)
    assert servers.wait_until(lambda: int(databases_row(proxy)["current_client_connections"]) == 0)
    assert proxy.query("select 1") == [["1"]]
