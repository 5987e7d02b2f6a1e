"""SET pgrecall.*: as Postgres would answer, in both protocols, in and out of blocks; Postgres never sees it."""

import psycopg
import pytest

import servers
import wire

READ = "select v from settled where id = 7"


@pytest.fixture
def settled(proxy, postgres):
    postgres.query("drop table if exists settled; create table settled (id int primary key, v int); insert into settled select i, i from generate_series(1, 100) i")
    proxy.query("create or replace view settled_view as select 1")  # the catalog is loaded anew
    proxy.wait_for_catalog()
    return proxy


def connect(proxy, **options):
    return psycopg.connect(host="127.0.0.1", port=proxy.port, user="postgres", dbname="postgres", **options)


def simple(client, sql):
    """Rows, or the SQLSTATE."""
    answer = client.ask(wire.query(sql))
    errors = wire.errors_of(answer)
    return errors[0] if errors else wire.rows_of(answer)


def extended(client, sql):
    answer = client.ask(wire.extended(sql))
    errors = wire.errors_of(answer)
    return errors[0] if errors else wire.rows_of(answer)


def named(client, sql):
    """Parse on its own, then Bind and Execute."""
    answer = client.ask(wire.parse(sql, "own"), wire.describe_statement("own"), wire.sync())
    if not wire.errors_of(answer):
        answer = client.ask(wire.bind(statement="own"), wire.describe_portal(), wire.execute(), wire.sync())
    errors = wire.errors_of(answer)
    result = errors[0] if errors else wire.rows_of(answer)
    client.ask(wire.close_statement("own"), wire.sync())
    return result


def shown(client, name="cache"):
    answer = client.ask(wire.query(f"show pgrecall.{name}"))
    assert wire.columns_of(answer[0].body) == [f"pgrecall.{name}"]
    return wire.rows_of(answer)[0][0]


def hits_of(proxy, client, sql=READ, times=3):
    before = servers.hits(proxy.cache())
    for _ in range(times):
        client.query(sql)
    return servers.hits(proxy.cache()) - before


WAYS = pytest.mark.parametrize("way", [simple, extended, named])


@WAYS
def test_what_is_set_is_shown_and_holds(settled, way):
    with settled.connect() as client, settled.connect() as other:
        assert hits_of(settled, client) >= 2
        way(client, "SET pgrecall.cache = off")
        assert shown(client) == "off" and hits_of(settled, client) == 0
        assert shown(other) == "on" and hits_of(settled, other) == 3
        way(client, "set session pgrecall.cache to 'observe'")
        before = settled.cache()
        assert shown(client) == "observe" and hits_of(settled, client) == 0
        assert settled.cache()["hits_observed"] - before["hits_observed"] == 3
        way(client, "SET pgrecall.Window /* longer than allowed */ = '5min'")
        assert shown(client, "window") == "5min"
        way(client, "SET pgrecall.namespace = mine")
        assert shown(client, "namespace") == "mine"
        way(client, "RESET pgrecall.cache")
        assert shown(client) == "on" and hits_of(settled, client) == 2
        way(client, "SET pgrecall.namespace TO DEFAULT")
        way(client, "SET pgrecall.window TO DEFAULT")
        assert hits_of(settled, client) == 3
        assert way(client, "show pgrecall.cache") == [["on"]]


WRONG = [
    ("SET pgrecall.cache = perhaps", "22023"),
    ("SET pgrecall.cache = on, off", "22023"),
    ("SET pgrecall.window = '1y'", "22023"),
    ("SET pgrecall.window = '1ms'", "22023"),
    ("SET pgrecall.namespace = 'a b'", "22023"),
    ("SET pgrecall.nothing = 1", "42704"),
    ("RESET pgrecall.nothing", "42704"),
    ("SHOW pgrecall.nothing", "42704"),
    ("SET pgrecall.cache", "42601"),
    ("SET pgrecall.cache =", "42601"),
    ("SET pgrecall.cache = off nonsense", "42601"),
    ("SET pgrecall.cache = off; select 1", "0A000"),
    ("select 1; SET pgrecall.cache = off", "0A000"),
]


@pytest.mark.parametrize("way", [simple, extended])
def test_what_is_wrong_has_postgres_sqlstate_and_changes_nothing(settled, way):
    with settled.connect() as client:
        for sql, sqlstate in WRONG:
            assert (sql, way(client, sql)) == (sql, sqlstate)
        assert shown(client) == "on"


@WAYS
def test_a_wrong_value_fails_its_block(settled, way):
    with settled.connect() as client:
        client.query("begin")
        client.query("select 1")
        assert way(client, "SET pgrecall.cache = perhaps") == "22023"
        assert way(client, "SET pgrecall.cache = off") == "25P02"
        assert way(client, "SHOW pgrecall.cache") == "25P02"
        assert simple(client, "select 1") == "25P02"
        client.query("rollback")
        assert shown(client) == "on"


@WAYS
def test_blocks_keep_and_undo_as_postgres_does(settled, way):
    with settled.connect() as client:
        client.query("begin")
        way(client, "SET pgrecall.cache = off")
        assert shown(client) == "off"
        client.query("rollback")
        assert shown(client) == "on"

        client.query("begin")
        way(client, "SET pgrecall.cache = off")
        client.query("commit")
        assert shown(client) == "off"

        client.query("begin")
        way(client, "SET LOCAL pgrecall.cache = observe")
        assert shown(client) == "observe"
        client.query("commit")
        assert shown(client) == "off"

        client.query("begin")
        way(client, "SET pgrecall.cache = on")
        assert simple(client, "select 1/0") == "22012"
        client.query("commit")
        assert shown(client) == "off"


@WAYS
def test_a_block_that_postgres_never_heard_of_keeps_and_undoes_too(settled, way):
    with settled.connect() as client:
        client.query("begin")
        way(client, "SET pgrecall.cache = off")
        client.query("rollback")
        assert shown(client) == "on"
        client.query("begin")
        way(client, "SET LOCAL pgrecall.cache = observe")
        way(client, "SET pgrecall.namespace = x")
        client.query("commit")
        assert shown(client) == "on" and shown(client, "namespace") == "x"
        client.query("begin")
        assert way(client, "SET pgrecall.cache = perhaps") == "22023"
        assert simple(client, "select 1") == "25P02"
        client.query("rollback")


def test_savepoints_undo_what_came_after_them(settled):
    with settled.connect() as client:
        client.query("begin")
        client.query("SET pgrecall.cache = observe")
        client.query("savepoint One")
        client.query("SET pgrecall.cache = off")
        assert simple(client, "select 1/0") == "22012"
        client.query("rollback to savepoint one")
        assert shown(client) == "observe"
        client.query("SET pgrecall.cache = off")
        client.query('rollback to "one"')
        client.query("commit")
        assert shown(client) == "observe"


def test_set_local_without_a_block_warns_and_does_nothing(settled):
    with settled.connect() as client:
        answer = client.ask(wire.query("SET LOCAL pgrecall.cache = off"))
        assert [message.tag for message in answer] == [b"N", b"C", b"Z"]
        assert wire.fields_of(answer[0].body)["C"] == "25P01"
        assert shown(client) == "on"


@pytest.mark.parametrize("reset", ["DISCARD ALL", "RESET ALL"])
def test_what_resets_everything_resets_this(settled, reset):
    with settled.connect() as client:
        client.query("SET pgrecall.cache = off")
        client.query(reset)
        assert shown(client) == "on"


def test_in_a_pipeline_it_is_one_answer_among_others(settled):
    with settled.connect() as client:
        answer = client.ask(
            wire.parse("select 1"), wire.bind(), wire.execute(),
            wire.parse("SET pgrecall.cache = off"), wire.bind(), wire.describe_portal(), wire.execute(),
            wire.parse("show pgrecall.cache"), wire.describe_statement(), wire.bind(), wire.execute(),
            wire.parse("select 2"), wire.bind(), wire.execute(),
            wire.sync(),
        )
        assert b"".join(message.tag for message in answer) == b"12DC" + b"12nC" + b"1tT2DC" + b"12DC" + b"Z"
        assert [row[0] for row in wire.rows_of(answer)] == ["1", "off", "2"]
        assert shown(client) == "off"


def test_an_error_in_a_pipeline_undoes_it_up_to_sync(settled):
    with settled.connect() as client:
        answer = client.ask(
            wire.parse("SET pgrecall.cache = off"), wire.bind(), wire.execute(),
            wire.parse("select 1/0"), wire.bind(), wire.execute(),
            wire.sync(),
        )
        assert wire.errors_of(answer) == ["22012"]
        assert shown(client) == "on"
        answer = client.ask(
            wire.parse("select 1"), wire.bind(), wire.execute(),
            wire.parse("SET pgrecall.cache = perhaps"), wire.bind(), wire.execute(),
            wire.parse("select 2"), wire.bind(), wire.execute(),
            wire.sync(),
        )
        assert wire.errors_of(answer) == ["22023"] and [row[0] for row in wire.rows_of(answer)] == ["1"]


def test_postgres_never_sees_it(settled, postgres):
    """Only in a failed block, which refuses whatever is said, Postgres may be the one that refuses."""
    before = len(postgres.log())
    with settled.connect() as client:
        postgres.query("alter system set log_statement = 'all'")
        postgres.query("select pg_reload_conf()")
        try:
            assert servers.wait_until(lambda: simple(client, "select 'logged', random()") and "logged" in postgres.log())
            for way in (simple, extended, named):
                way(client, "SET pgrecall.cache = off")
                way(client, "SET pgrecall.cache = nonsense")
                way(client, "SHOW pgrecall.cache")
            client.query("begin")
            simple(client, "SET pgrecall.cache = nonsense")
            client.query("rollback")
            extended(client, "select 'the last one'")
        finally:
            postgres.query("alter system reset log_statement")
            postgres.query("select pg_reload_conf()")
        seen = postgres.log()[before:]
        assert "the last one" in seen and "pgrecall.cache" not in seen
        assert postgres.query("select count(*) from pg_settings where name like 'pgrecall.%'")[0][0] == "0"


@pytest.mark.parametrize(
    "parameters,shows",
    [
        ({"options": "-c pgrecall.cache=off"}, "off"),
        ({"options": "-cpgrecall.cache=off -c work_mem=5MB"}, "off"),
        ({"options": "--pgrecall.cache=observe"}, "observe"),
        ({"pgrecall.cache": "off"}, "off"),
    ],
)
def test_a_startup_parameter_is_where_reset_goes_back_to(settled, parameters, shows):
    with settled.connect(parameters=parameters) as client:
        assert shown(client) == shows
        client.query("SET pgrecall.cache = on")
        client.query("RESET pgrecall.cache")
        assert shown(client) == shows
        if "work_mem" in str(parameters):
            assert client.query("show work_mem")[0][0] == "5MB"


@pytest.mark.parametrize("parameters", [{"options": "-c pgrecall.cache=perhaps"}, {"pgrecall.window": "x"}, {"pgrecall.no": "1"}])
def test_a_wrong_startup_parameter_is_refused(settled, parameters):
    with pytest.raises(wire.ServerError) as error:
        settled.connect(parameters=parameters)
    assert error.value.sqlstate == "22023"


@pytest.mark.parametrize("prepare", [True, False])
def test_psycopg_sets_it_in_every_way(settled, prepare):
    with connect(settled) as client:
        for value in ("off", "observe", "on") * 3:
            client.execute(f"SET pgrecall.cache = {value}", prepare=prepare)
            assert client.execute("SHOW pgrecall.cache", prepare=prepare).fetchone() == (value,)
            client.commit()
        client.execute("SET pgrecall.cache = off", prepare=prepare)
        client.rollback()
        assert client.execute("SHOW pgrecall.cache").fetchone() == ("on",)
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            client.execute("SET pgrecall.cache = perhaps", prepare=prepare)
        client.rollback()
        with client.transaction():
            client.execute("SET pgrecall.cache = off")
            with pytest.raises(ZeroDivisionError), client.transaction():
                client.execute("SET pgrecall.cache = observe")
                raise ZeroDivisionError
            assert client.execute("SHOW pgrecall.cache").fetchone() == ("off",)


def test_a_session_that_set_it_still_shares_its_backend(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1)
    with proxy.connect() as one, proxy.connect() as other:
        one.query("SET pgrecall.cache = off")
        assert one.query("select 1") == other.query("select 1")
        assert all(not row["pin"] for row in proxy.console("SHOW CLIENTS"))
