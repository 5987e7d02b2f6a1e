"""While the catalog is out of date nobody can say what a function does to the session: who would be tied
to a backend for that waits for the catalog, also when it went out of date while the statement waited for its
backend."""

import contextlib
import os
import signal

import pytest

import servers
import wire


@contextlib.contextmanager
def control_stands_still(postgres):
    """No snapshot of the catalog comes while this lasts."""
    rows = postgres.query("select pid from pg_stat_activity where application_name = 'pgrecall' and backend_type = 'client backend'")
    pids = [int(row[0]) for row in rows]
    assert pids, postgres.query("select pid, application_name, query from pg_stat_activity")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def row_of(proxy, client):
    (row,) = [row for row in proxy.console("SHOW CLIENTS") if row["port"] == str(client.socket.getsockname()[1])]
    return row


STATEMENTS = {
    "simple": wire.query("select current_setting('work_mem')"),
    "extended": wire.extended("select current_setting($1)", ["work_mem"]),
    "several": wire.query("select current_setting('work_mem'); select current_setting('work_mem')"),
    "pipeline": wire.parse("select current_setting('work_mem')") + (wire.bind() + wire.execute()) * 2 + wire.sync(),
}


@pytest.fixture
def narrow(make_proxy, own_postgres):
    """One backend for each role, and a role besides that has one of its own."""
    postgres = own_postgres()
    postgres.query("create role builder superuser login")
    proxy = make_proxy(postgres, default_pool_size=1)
    proxy.wait_for_catalog()
    return proxy


def outdate(proxy, holder):
    """Somebody else's DDL, with another backend."""
    with proxy.connect(user="builder") as builder:
        builder.query("create table another (n int)")


def wait_behind(proxy, holder, client, request):
    """`client` waits for the backend that `holder` has."""
    holder.query("begin")
    holder.query("select pg_current_xact_id()")
    client.send(request)
    assert servers.wait_until(lambda: row_of(proxy, client)["state"] == "waiting")


@pytest.mark.parametrize("name", STATEMENTS)
def test_who_waited_for_a_backend_waits_for_the_catalog_too(narrow, name):
    with narrow.connect() as holder, narrow.connect() as client:
        wait_behind(narrow, holder, client, STATEMENTS[name])
        with control_stands_still(narrow.postgres):
            outdate(narrow, holder)
            holder.query("commit")
            assert servers.wait_until(lambda: row_of(narrow, client)["link"])
        answer = client.read_until(b"Z")
        assert [row[0] for row in wire.rows_of(answer)] == ["4MB"] * (1 if name in ("simple", "extended") else 2)
        assert row_of(narrow, client)["pin"] == ""
        assert row_of(narrow, client)["link"] == ""


def test_what_ties_nobody_does_not_wait(narrow):
    with narrow.connect() as holder, narrow.connect(timeout=5) as client:
        wait_behind(narrow, holder, client, wire.query("copy another to stdout"))
        with control_stands_still(narrow.postgres):
            outdate(narrow, holder)
            holder.query("commit")
            client.read_until(b"Z")


def test_who_waits_for_the_catalog_with_a_backend_can_be_cancelled(narrow):
    with narrow.connect() as holder, narrow.connect() as client:
        wait_behind(narrow, holder, client, STATEMENTS["simple"])
        with control_stands_still(narrow.postgres):
            outdate(narrow, holder)
            holder.query("commit")
            assert servers.wait_until(lambda: row_of(narrow, client)["link"])
            with wire.Wire(narrow.port, login=False) as canceller:
                canceller.send(wire.cancel_request(client.pid, client.key))
                canceller.read_to_end()
            assert wire.errors_of(client.read_until(b"Z")) == ["57014"]
            assert row_of(narrow, client)["link"] == ""
            holder.query("begin")
            assert holder.query("select 1 from pg_class limit 1") == [["1"]]
            holder.query("commit")


@pytest.mark.parametrize("how", ["terminate", "abort"])
def test_who_leaves_meanwhile_gives_the_backend_back(narrow, how):
    with narrow.connect() as holder:
        client = narrow.connect()
        wait_behind(narrow, holder, client, STATEMENTS["simple"])
        with control_stands_still(narrow.postgres):
            outdate(narrow, holder)
            holder.query("commit")
            assert servers.wait_until(lambda: row_of(narrow, client)["link"])
            (backend,) = [row["ptr"] for row in narrow.console("SHOW SERVERS") if row["user"] == "postgres"]
            if how == "abort":
                client.abort()
            else:
                client.socket.close()
            assert servers.wait_until(lambda: all(row["link"] == "" for row in narrow.console("SHOW SERVERS")))
            assert [row["ptr"] for row in narrow.console("SHOW SERVERS") if row["user"] == "postgres"] == [backend]


def test_its_backend_is_lost_meanwhile(narrow):
    with narrow.connect() as holder, narrow.connect() as client:
        wait_behind(narrow, holder, client, STATEMENTS["simple"])
        with control_stands_still(narrow.postgres):
            outdate(narrow, holder)
            holder.query("commit")
            assert servers.wait_until(lambda: row_of(narrow, client)["link"])
            narrow.postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres' "
                                  "and application_name <> 'pgrecall' and pid <> pg_backend_pid() and backend_type = 'client backend'")
            with contextlib.suppress(wire.Closed, ConnectionResetError):
                client.read_to_end()
    assert narrow.query("select 7 + 1") == [["8"]]


SLOW = {
    "any code": "do $$ begin execute 'select pg_sleep(120)'; end $$",
    "DDL": "create table slowly as select pg_sleep(120)::text",
}


@pytest.mark.parametrize("slow", SLOW)
def test_a_long_statement_that_may_change_the_catalog_holds_nobody_up(make_proxy, own_postgres, slow):
    """What is to change it has not changed it yet: the others go on with what is there."""
    postgres = own_postgres()
    postgres.query("create table plain (a int)")
    proxy = make_proxy(postgres)
    proxy.wait_for_catalog()
    with proxy.connect() as long, proxy.connect() as client:
        long.send(wire.query(SLOW[slow]))
        sleeping = "select pid from pg_stat_activity where wait_event = 'PgSleep'"
        assert servers.wait_until(lambda: postgres.query(sleeping), 20)
        for _ in range(3):
            with proxy.connect() as late:
                for who in client, late:
                    who.query("insert into plain values (1)")
                    assert who.query("select current_setting('work_mem')") == [["4MB"]]
                    assert row_of(proxy, who)["pin"] == ""
        (pid,) = postgres.query(sleeping)[0]
        postgres.query(f"select pg_terminate_backend({pid})")
