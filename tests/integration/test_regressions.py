"""Mistakes that were made once: each test failed before its fix."""

import shutil
import subprocess
import time

import pytest

import wire


def cancel(proxy, client):
    with wire.Wire(proxy.port, login=False) as canceller:
        canceller.send(wire.cancel_request(client.pid, client.key))
        canceller.read_to_end()


def named(sql, name):
    """What a driver sends to prepare a statement and execute it at once."""
    return wire.parse(sql, name=name) + run(name)


def run(name):
    return wire.bind(statement=name) + wire.describe_portal() + wire.execute() + wire.sync()


def make_tables(postgres, **tables):
    for name, value in tables.items():
        postgres.query(f"drop table if exists {name}; create table {name} (v int); insert into {name} values ({value})")


def test_who_was_cancelled_while_waiting_stores_nothing(make_proxy, postgres):
    """The next answer was stored under the key of the statement that had been cancelled."""
    make_tables(postgres, cancelled=1, other=2)
    proxy = make_proxy(postgres, default_pool_size=1, workers=1)
    proxy.wait_for_catalog()
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        waiter.send(wire.extended("select v from cancelled"))
        proxy.wait_for_waiting()
        cancel(proxy, waiter)
        assert wire.errors_of(waiter.read_until(b"Z")) == ["57014"]
        holder.query("commit")
        assert wire.rows_of(waiter.ask(named("select v from other", "n"))) == [["2"]]
        for _ in range(2):
            assert wire.rows_of(waiter.ask(wire.extended("select v from cancelled"))) == [["1"]]


@pytest.mark.parametrize("method", ["md5", "scram-sha-256", "plain"])
def test_an_empty_secret_lets_nobody_in(make_proxy, postgres, method):
    """A user of userlist.txt without a password could log in with an empty one."""
    proxy = make_proxy(postgres, auth_type=method, userlist={"postgres": "", "other": "secret"})
    with pytest.raises(wire.ServerError) as refused:
        proxy.connect(password="")
    assert refused.value.sqlstate == "28P01"


def copy_of(server, make):
    """Another server with the data of `server`, which is stopped meanwhile: the same system identifier."""
    copy = make()
    copy.stop()
    server.query("checkpoint")
    server.stop()
    shutil.rmtree(copy.data)
    subprocess.run(["cp", "-a", str(server.data), str(copy.data)], check=True)
    file = copy.data / "postgresql.conf"
    text = file.read_text().replace(f"port = {server.port}", f"port = {copy.port}")
    file.write_text(text.replace(str(server.directory), str(copy.directory)))
    server.start()
    copy.start()
    return copy


def test_a_copy_of_a_server_is_another_server(make_proxy, own_postgres):
    """A restored backup has the identity of the original: both answered with the rows of one."""
    first = own_postgres()
    make_tables(first, shared=1)
    second = copy_of(first, own_postgres)
    second.query("update shared set v = 2")
    second.query("create view seen as select v, clock_timestamp() as at from shared")
    first.query("create view seen as select v, 'constant' as at from shared")
    databases = {
        "first": f"host=127.0.0.1 port={first.port} dbname=postgres",
        "second": f"host=127.0.0.1 port={second.port} dbname=postgres",
    }
    proxy = make_proxy(first, databases=databases, workers=1)
    for name in databases:
        proxy.wait_for_catalog(name)
    with proxy.connect(database="first") as one, proxy.connect(database="second") as two:
        for _ in range(3):
            assert one.query("select v from shared") == [["1"]]
            assert two.query("select v from shared") == [["2"]]
        # Nor do they share what was proven.
        assert one.query("select at from seen") == one.query("select at from seen")
        assert two.query("select at from seen") != two.query("select at from seen")


def test_ddl_past_the_proxy_makes_old_proofs_worthless(make_proxy, postgres):
    """After it the catalog was loaded again under the same version, so verdicts of before lived on."""
    make_tables(postgres, watched=0, counted=0)
    proxy = make_proxy(postgres, catalog_refresh="1s")
    proxy.wait_for_catalog()
    with proxy.connect() as client:
        client.query("insert into watched values (1)")
        client.query("insert into watched values (2)")
        postgres.query(
            "create or replace function count_it() returns trigger language plpgsql as"
            " $$ begin update counted set v = v + 1; return new; end $$;"
            " create trigger count_it after insert on watched for each row execute function count_it()"
        )
        time.sleep(3)
        with proxy.connect() as reader:
            for _ in range(2):
                assert reader.query("select v from counted") == [["0"]]
            client.query("insert into watched values (3)")
            assert reader.query("select v from counted") == [["1"]]
    postgres.query("drop table watched, counted")


def test_a_long_answer_does_not_cost_its_server_connection(make_proxy, postgres):
    """Where the last chunk began within a message, the connection was closed instead of reused."""
    proxy = make_proxy(postgres, default_pool_size=1, workers=1)
    with proxy.connect() as client:
        pids = set()
        for i in range(60):
            rows = client.query(f"select pg_backend_pid(), repeat('x', {100 + i}) from generate_series(1, 5000)")
            assert len(rows) == 5000
            pids.add(rows[0][0])
        assert len(pids) == 1


def test_a_statement_that_was_dropped_by_sql_is_parsed_again(make_proxy, postgres):
    """A client could say DEALLOCATE to a shared statement, whose other users then failed for good."""
    proxy = make_proxy(postgres, default_pool_size=1, workers=1)
    with proxy.connect() as user, proxy.connect() as vandal:
        user.ask(wire.parse("select 41 + 1", name="s"), wire.sync())
        assert wire.errors_of(vandal.ask(wire.query("deallocate pgrecall_1"))) == ["26000"]
        ((name,),) = vandal.query("select name from pg_prepared_statement() where statement = 'select 41 + 1'")
        vandal.query(f'deallocate "{name}"')
        user.ask(run("s"))
        assert wire.rows_of(user.ask(run("s"))) == [["42"]]


DATES = "select d from dates where d = '01/02/2003'"


@pytest.fixture
def dates(postgres):
    postgres.query("drop table if exists dates; create table dates (d date)")
    postgres.query("insert into dates values ('2003-01-02'), ('2003-02-01')")


def take_the_one_with_statements(one, two):
    """Of two server connections: returns who holds the one that has a statement; the other is free."""
    statements = "select count(*) from pg_prepared_statement()"
    for client in one, two:
        client.query("begin; select clock_timestamp()")
    taken, free = (one, two) if one.query(statements) == [["1"]] else (two, one)
    assert (taken.query(statements), free.query(statements)) == ([["1"]], [["0"]])
    free.query("commit")
    return taken


def run_dates(client):
    return wire.rows_of(client.ask(run("dates")))


def test_constants_keep_the_settings_of_their_parse_after_set_local(make_proxy, postgres, dates):
    """A statement that was parsed in the block was run with the settings of the login behind it."""
    proxy = make_proxy(postgres)
    proxy.wait_for_catalog()
    with proxy.connect() as other:
        for _ in range(3):
            assert wire.rows_of(other.ask(wire.extended(DATES))) == [["2003-01-02"]]
        with proxy.connect() as client:
            client.query("begin")
            client.query("set local datestyle = 'ISO, DMY'")
            client.ask(wire.parse(DATES, name="dates"), wire.sync())
            client.query("commit")
            for _ in range(3):
                assert run_dates(client) == [["2003-02-01"]]


@pytest.mark.parametrize("setting", ["set datestyle = 'ISO, DMY'", "begin; set local datestyle = 'ISO, DMY'"])
@pytest.mark.parametrize("extended", [False, True])
def test_constants_keep_the_settings_of_their_parse_on_another_server_connection(
    make_proxy, postgres, dates, setting, extended
):
    """Prepared before the setting, it was parsed again behind it when the client got another one."""
    proxy = make_proxy(postgres, default_pool_size=2, workers=1)
    proxy.wait_for_catalog()
    with proxy.connect() as client, proxy.connect() as one, proxy.connect() as two:
        client.ask(wire.parse(DATES, name="dates"), wire.sync())
        taken = take_the_one_with_statements(one, two)
        if extended:
            for part in setting.split("; "):
                assert wire.errors_of(client.ask(wire.extended(part))) == []
        else:
            client.query(setting)
        assert run_dates(client) == [["2003-01-02"]]
        client.query("commit")
        assert run_dates(client) == [["2003-01-02"]]
        taken.query("commit")
    with proxy.connect() as one, proxy.connect() as two:
        for client in one, two:
            client.ask(wire.parse(DATES, name="dates"), wire.sync())
            client.query("begin; select clock_timestamp()")
        for client in one, two:
            assert run_dates(client) == [["2003-01-02"]]


def test_what_cannot_be_parsed_before_a_setting_changes_does_not_stop_it(make_proxy, postgres):
    make_tables(postgres, going=1)
    proxy = make_proxy(postgres, default_pool_size=2, workers=1, catalog_refresh="1h")
    proxy.wait_for_catalog()
    with proxy.connect() as client, proxy.connect() as one, proxy.connect() as two:
        client.ask(wire.parse("select 'x' from going", name="gone"), wire.sync())
        take_the_one_with_statements(one, two).query("select 1")
        postgres.query("drop table going")
        assert wire.errors_of(client.ask(wire.query("set datestyle = 'German'"))) == []
        assert client.query("show datestyle") == [["German, DMY"]]
        assert wire.errors_of(client.ask(run("gone"))) == ["42P01"]
        assert client.query("select 1") == [["1"]]


def test_ddl_counts_with_the_cache_off(make_proxy, postgres):
    """An INSERT was taken for harmless after its table had got a trigger that sets a setting."""
    postgres.query("drop table if exists styled; create table styled (a int)")
    postgres.query(
        "create or replace function restyle() returns trigger language plpgsql as"
        " $$ begin perform set_config('datestyle', 'German', false); return new; end $$"
    )
    proxy = make_proxy(postgres, cache=0, workers=1, default_pool_size=5)
    with proxy.connect() as client, proxy.connect() as other:
        for _ in range(40):
            client.query("insert into styled values (1)")
            time.sleep(0.05)
        other.query("create trigger restyle after insert on styled for each row execute function restyle()")
        client.query("insert into styled values (1)")
        with proxy.connect() as third:
            for _ in range(3):
                assert third.query("show datestyle") == [["ISO, MDY"]]
        assert client.query("show datestyle") == [["German, DMY"]]
    postgres.query("drop table styled")


def test_pool_mode_session_reads_what_its_own_server_connection_would_say(make_proxy, postgres):
    """After ALTER ROLE the cache answered in the style of newer connections."""
    postgres.query("drop table if exists days; create table days (d date); insert into days values ('2024-01-02')")
    postgres.query("drop role if exists styled; create role styled login; grant select on days to styled")
    proxy = make_proxy(postgres, pool_mode="session", workers=1)
    proxy.wait_for_catalog()
    try:
        with proxy.connect(user="styled") as old:
            old.query("select clock_timestamp()")  # from here on it has a server connection
            for _ in range(2):
                assert old.query("select d from days") == [["2024-01-02"]]
            proxy.query("alter role styled set datestyle = 'German'")
            for _ in range(3):
                time.sleep(0.3)
                with proxy.connect(user="styled") as new:
                    for _ in range(3):
                        assert new.query("select d from days") == [["02.01.2024"]]
                assert old.query("select d from days") == [["2024-01-02"]]
    finally:
        postgres.query("drop owned by styled; drop role styled")


def test_deallocate_in_the_extended_protocol(proxy, postgres):
    """psycopg deallocates like that within a pipeline: the name was unknown to the backend."""

    def dialogue(port):
        heard = []
        with wire.Wire(port) as client:
            for name in ("s", "Q t"):
                drop = f'deallocate "{name}"' if " " in name else f"DEALLOCATE {name}"
                select = wire.extended("select 1")[:-5]
                client.ask(wire.parse("select 7", name=name), wire.sync())
                for unit in (
                    wire.extended("select 1/0")[:-5] + wire.extended(drop),  # skipped
                    run(name),
                    select + wire.extended(drop)[:-5] + select + wire.sync(),
                    run(name),
                    wire.extended(drop),
                    named("select 8", name),
                    wire.query("begin") + wire.extended(drop) + wire.query("rollback"),
                    named("select 9", name),
                ):
                    messages = client.ask(unit, ready=3 if unit[:1] == b"Q" else 1)
                    heard.append((wire.tags_of(messages), wire.rows_of(messages), wire.errors_of(messages)))
        return heard

    assert dialogue(proxy.port) == dialogue(postgres.port)


def test_vacuum_after_ddl_is_not_held_up_by_the_catalog_load(proxy, postgres):
    """What VACUUM can mark as visible to all depends on the oldest snapshot in the database."""
    proxy.wait_for_catalog()
    with proxy.connect() as client:
        client.query("listen pinned")
        for turn in range(15):
            name = f"vacuumed_{turn}"
            client.query(f"drop table if exists {name}")
            client.query(f"create table {name} (n int)")
            client.query(f"insert into {name} select generate_series(1, 1000 * {turn + 1})")
            client.query(f"vacuum {name}")
            pages = postgres.query(f"select relpages, relallvisible from pg_class where relname = '{name}'")[0]
            assert pages[0] == pages[1] != "0", turn
