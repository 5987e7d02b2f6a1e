"""The console as psql and drivers see it."""

import psycopg
import pytest

import servers
import wire

SHOWS = ["HELP", "VERSION", "CONFIG", "DATABASES", "POOLS", "CLIENTS", "SERVERS", "STATS", "LISTS", "MEM", "CACHE"]

# Of PgBouncer 1.18; ours may have more.
COLUMNS = {
    "CONFIG": ["key", "value", "default", "changeable"],
    "DATABASES": ["name", "host", "port", "database", "force_user", "pool_size"],
    "POOLS": ["database", "user", "cl_active", "cl_waiting", "sv_active", "sv_idle", "maxwait", "pool_mode"],
    "CLIENTS": ["type", "user", "database", "state", "addr", "port"],
    "SERVERS": ["type", "user", "database", "state", "addr", "port"],
    "STATS": ["database", "total_xact_count", "total_query_count", "total_received", "total_sent"],
    "LISTS": ["list", "items"],
    "CACHE": ["name", "value"],
}


@pytest.mark.parametrize("what", SHOWS)
def test_show(proxy, what):
    with proxy.connect() as client:
        client.query("select 1")
        for ask in (wire.query, wire.extended):
            for spelling in (f"SHOW {what}", f"show {what.lower()};"):
                with proxy.connect_console() as console:
                    answer = console.ask(ask(spelling))
                    assert wire.errors_of(answer) == []
                    if what != "HELP":
                        names = next(wire.columns_of(m.body) for m in answer if m.tag == b"T")
                        assert set(COLUMNS.get(what, [])) <= set(names)


@pytest.mark.parametrize("database", ["pgrecall", "pgbouncer"])
def test_the_console_is_a_database_on_the_client_port(proxy, database):
    with proxy.connect(database=database) as console:
        assert console.query("SHOW VERSION")


def test_psql_on_the_console(proxy):
    done = servers.run_psql(proxy.console_port, "-c", "SHOW POOLS", "-c", "SHOW CACHE", database="pgrecall")
    assert done.returncode == 0, done.stderr
    assert "hits_memory" in done.stdout


def test_psycopg_on_the_console(proxy):
    with psycopg.connect(host="127.0.0.1", port=proxy.console_port, user="postgres", dbname="pgrecall", autocommit=True) as connection:
        names = {row[0] for row in connection.execute("SHOW CACHE").fetchall()}
    assert {"entries", "bytes", "hits_memory", "hits_redis", "misses", "bypasses", "stores", "evictions", "invalidations"} <= names


def test_mistakes_are_answered(proxy):
    with proxy.connect_console() as console:
        for command in ("SHOW NOTHING", "SELECT 2", "nonsense", "FLUSH TABLE", "SET no_such = 1", "EXPLAIN CACHE", "EXPLAIN CACHE selekt"):
            answer = console.ask(wire.query(command))
            assert answer[-1] == wire.Message(b"Z", b"I")
            if not command.startswith("EXPLAIN CACHE s"):
                assert len(wire.errors_of(answer)) == 1, command
        assert console.table("SHOW VERSION")


def test_only_admins_may_command(make_proxy, postgres):
    proxy = make_proxy(postgres, admin_users="boss", stats_users="watcher")
    with proxy.connect_console(user="boss") as console:
        console.query("FLUSH")
    with proxy.connect_console(user="watcher") as console:
        assert console.table("SHOW POOLS") is not None
        for command in ("FLUSH", "PAUSE", "SHUTDOWN", "RELOAD"):
            with pytest.raises(wire.ServerError):
                console.query(command)
    with pytest.raises((wire.ServerError, wire.Closed)):
        with proxy.connect_console(user="nobody") as console:
            console.query("SHOW POOLS")
    assert proxy.query("select 1") == [["1"]]


def test_clients_and_servers_are_listed(proxy):
    with proxy.connect(parameters={"application_name": "listed"}) as one, proxy.connect() as two:
        one.query("begin; select clock_timestamp()")
        two.query("select clock_timestamp()")
        clients = [row for row in proxy.console("SHOW CLIENTS") if row["database"] == "postgres"]
        assert len(clients) >= 2
        assert any(row["state"] == "active" for row in proxy.console("SHOW SERVERS"))
        one.query("commit")


def test_statistics_count(proxy):
    def count():
        (row,) = [row for row in proxy.console("SHOW STATS") if row["database"] == "postgres"]
        return int(row["total_query_count"]), int(row["total_sent"])

    proxy.query("select 1")
    queries, sent = count()
    for _ in range(10):
        proxy.query("select clock_timestamp()")
    assert servers.wait_until(lambda: count()[0] - queries >= 10, 20)
    assert count()[1] > sent


def test_set_changes_an_option(proxy):
    proxy.console("SET default_pool_size = 9")
    values = {row["key"]: row["value"] for row in proxy.console("SHOW CONFIG")}
    assert values["default_pool_size"] == "9"
