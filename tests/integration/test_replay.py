"""A session whose settings cannot be given to its next server connection: the statement fails with what Postgres
said, nothing of it is done, and the session goes on. Directly connected it would not have failed."""

import pytest

import between
import servers
import wire


@pytest.fixture(scope="module")
def ground(postgres):
    postgres.query("drop table if exists ground; create table ground (a int)")
    yield postgres
    postgres.query("drop table ground")


@pytest.fixture
def proxy(make_proxy, ground):
    made = make_proxy(ground, default_pool_size=1, home_connections=0)
    made.wait_for_catalog()
    ground.query("truncate ground; drop role if exists passing; create role passing superuser")
    return made


@pytest.fixture
def lost(proxy, ground):
    """A client in a role that is no more, whose server connection somebody else uses. Gives it back, too."""
    client, other = proxy.connect(), proxy.connect()
    client.query("set role passing")
    other.query("select 1")
    ground.query("drop role passing")
    client.other = other
    client.make_role = lambda: ground.query("create role passing superuser")
    yield client
    client.close(), other.close()


def failed(messages):
    (error,) = (wire.fields_of(m.body) for m in messages if m.tag == b"E")
    assert error["S"] == "ERROR" and error["C"] == "22023" and "settings could not be restored" in error["M"], error
    return messages[-1].body.decode()


WRITE = "insert into ground values (1)"
UNITS = {
    "query": wire.query(WRITE),
    "several": wire.query(f"{WRITE}; {WRITE}"),
    "unnamed": wire.extended(WRITE),
    "pipeline": wire.parse(WRITE, "p") + b"".join(wire.bind((), "p") + wire.execute() for _ in range(3)) + wire.sync(),
    "hit or miss": wire.query("select * from ground"),
    "copy": wire.query("copy ground from stdin"),
    "own block": wire.query(f"begin; {WRITE}; commit"),
}


@pytest.mark.parametrize("unit", UNITS)
def test_the_statement_fails_and_the_session_goes_on(proxy, lost, ground, unit):
    for _ in range(2):
        assert failed(lost.ask(UNITS[unit])) == "I"
        assert lost.other.query("select current_user") == [["postgres"]]
    assert ground.query("select * from ground") == []
    lost.make_role()
    assert lost.query("select current_user") == [["passing"]]
    assert wire.errors_of(lost.ask(wire.parse("select 1", "p"), wire.bind((), "p"), wire.execute(), wire.sync())) == []


def test_a_pipeline_that_is_sent_in_pieces_is_skipped_to_its_sync(proxy, lost, ground):
    lost.send(wire.parse(WRITE), wire.bind(), wire.execute(), wire.flush())
    assert lost.read().tag == b"E"
    lost.send(wire.parse(WRITE, "p"), wire.bind((), "p"), wire.execute(), wire.query(WRITE), wire.copy_data(b"1\n"))
    assert lost.is_silent(0.2)
    assert [m.tag for m in lost.ask(wire.sync())] == [b"Z"]
    # Two units in one write: each has its own answer.
    got = lost.ask(wire.query(WRITE), wire.extended(WRITE), ready=2)
    assert wire.tags_of(got) == "EZEZ"
    lost.make_role()
    assert wire.errors_of(lost.ask(wire.bind((), "p"), wire.sync())) == ["26000"]
    assert ground.query("select * from ground") == []


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("way", ["rollback", "commit"])
def test_a_block_has_failed(proxy, lost, ground, way, extended):
    say = (lambda sql: lost.ask(wire.extended(sql))) if extended else (lambda sql: lost.ask(wire.query(sql)))
    lost.query("begin")
    assert failed(say(WRITE)) == "E"
    for _ in range(2):
        got = say(WRITE)
        assert wire.errors_of(got) == ["25P02"] and got[-1].body == b"E"
    assert lost.other.query("select 1") == [["1"]]
    lost.make_role()
    assert wire.errors_of(say(WRITE)) == ["25P02"]
    got = say(way)
    assert [m.body for m in got if m.tag == b"C"] == [b"ROLLBACK\0"] and got[-1].body == b"I"
    assert say(WRITE)[-1].body == b"I"
    assert ground.query("select * from ground") == [["1"]]


def test_a_block_that_fails_ends_where_nobody_asks_postgres(proxy, lost):
    lost.query("begin")
    assert failed(lost.ask(wire.query(WRITE))) == "E"
    got = lost.ask(wire.query("commit"))
    assert [m.body for m in got if m.tag == b"C"] == [b"ROLLBACK\0"] and got[-1].body == b"I"
    assert failed(lost.ask(wire.query(WRITE))) == "I"


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("way", ["reset role", "set role none", "discard all", "set role 'postgres'"])
def test_what_takes_the_setting_back_works(proxy, lost, ground, way, extended):
    lost.other.query("set work_mem to '7MB'"), lost.other.query("select 1")
    assert failed(lost.ask(wire.query("select 1"))) == "I"
    got = lost.ask(wire.extended(way) if extended else wire.query(way))
    assert wire.errors_of(got) == [] and got[-1].body == b"I", got
    assert lost.query("select current_user, current_setting('work_mem')") == [["postgres", "4MB"]]
    assert lost.other.query("show work_mem") == [["7MB"]]
    assert lost.query(WRITE) == [] and ground.query("select * from ground") == [["1"]]


@pytest.mark.parametrize("end", ["revoke passing from plain", "drop role passing"])
@pytest.mark.parametrize("way", ["reset role", "set session authorization default", "reset session authorization"])
def test_a_role_that_may_not_be_assumed_any_more(proxy, ground, way, end):
    ground.query("drop role if exists plain; create role plain login; grant passing to plain; alter role passing nosuperuser")
    user = "plain" if way == "reset role" else "postgres"
    with proxy.connect(user=user) as a, proxy.connect(user=user) as b:
        a.query("set role passing" if user == "plain" else "set session authorization passing")
        assert b.query("select current_user") == [[user]]
        ground.query(end)
        if "revoke" in end and user == "postgres":
            assert a.query("select current_user") == [["passing"]]  # a superuser may be whom it likes
        else:
            got = a.ask(wire.query("select 1"))
            assert wire.errors_of(got) == ["42501" if "revoke" in end else "22023"] and got[-1].body == b"I"
        assert wire.errors_of(a.ask(wire.query(way))) == []
        assert a.query("select current_user, session_user") == b.query("select current_user, session_user") == [[user, user]]
    ground.query("drop role plain")


def test_other_settings_are_kept_when_one_is_taken_back(proxy, lost):
    lost.make_role()
    lost.query("set work_mem to '9MB'"), lost.query("set datestyle to german"), lost.query("set app.mine to 'x'")
    lost.other.query("select 1")
    with proxy.connect() as admin:
        admin.query("drop role passing")
    assert failed(lost.ask(wire.query("select 1"))) == "I"
    assert wire.errors_of(lost.ask(wire.query("set role nobody_at_all"))) == ["22023"]
    assert failed(lost.ask(wire.query("show work_mem"))) == "I"
    assert lost.query("reset role") == []
    for _ in range(2):
        assert lost.query("select current_setting('work_mem'), current_setting('datestyle'), current_setting('app.mine')") == [
            ["9MB", "German, DMY", "x"]]
        assert lost.other.query("select current_setting('work_mem'), current_setting('app.mine', true) is null") == [["4MB", "t"]]


def test_a_cancel_that_hits_the_replay_is_a_cancel_of_the_statement(proxy, ground):
    """A statement_timeout of the session before does not end it, either."""
    with proxy.connect() as a, proxy.connect() as b:
        a.query("set statement_timeout to '1ms'"), b.query("set search_path to public")
        for n in range(30):
            assert b.query("show statement_timeout") == [["0"]]
            assert wire.errors_of(a.ask(wire.query("select 1"))) in ([], ["57014"])
        a.query("set statement_timeout to 0")
        assert a.query("select 1") == [["1"]]


def test_a_write_that_was_never_sent_leaves_its_table_open(proxy, lost, ground):
    read = "select * from ground"
    assert servers.wait_until(lambda: lost.other.query(read) == [])
    before = servers.hits(proxy.cache())
    lost.other.query(read), lost.other.query(read)
    assert failed(lost.ask(wire.query(WRITE))) == "I"
    assert lost.other.query(read) == [] and servers.hits(proxy.cache()) > before


class NoExit(between.Between):
    """Replays that do not end their server connection, as if a cancel had come before their first statement."""

    def request(self, data, near, far):
        far.sendall(data.replace(b"SET exit_on_error TO on", b"SET exit_on_error TO no"))


def test_an_error_that_does_not_end_the_server_connection_ends_the_session(make_proxy, ground):
    """What was sent behind the replay is done then: nobody is told that it was not, and its tables are bumped."""
    ground.query("truncate ground; drop role if exists passing; create role passing superuser")
    gate = NoExit(ground.port)
    proxy = make_proxy(ground, databases={"*": f"host=127.0.0.1 port={gate.port}"}, default_pool_size=1, home_connections=0)
    proxy.wait_for_catalog()
    read = "select * from ground"
    with proxy.connect() as other, proxy.connect() as client:
        client.query("set role passing")
        for _ in range(3):
            assert other.query(read) == []
        ground.query("drop role passing")
        client.send(wire.query(WRITE))
        assert [wire.fields_of(m.body)["S"] for m in client.read_to_end()] == ["FATAL"]
        assert servers.wait_until(lambda: ground.query(read) == [["1"]])
        assert servers.wait_until(lambda: other.query(read) == [["1"]])
    gate.close()
