"""currval and lastval in sessions that share server connections: a client is told what nextval has told it,
or that nothing has ("not yet defined in this session"), and never what somebody else was told.

All proxies here have fewer server connections than there are clients, and no client has a home.
"""

import contextlib
import random

import pytest

import seeds
import servers
import wire

UNDEFINED = "55000"
SEQUENCES = ["seq_a", "seq_b", "seq_c"]


@pytest.fixture(scope="module")
def numbered(postgres):
    postgres.query(
        "drop table if exists seq_child, seq_serial, seq_identity, seq_trigger, seq_domain;"
        "drop domain if exists seq_dom; drop function if exists seq_next, seq_told, seq_trigger();"
        + "".join(f"drop sequence if exists {name};" for name in SEQUENCES)
    )
    postgres.query(
        "".join(f"create sequence {name};" for name in SEQUENCES)
        + "create table seq_serial (id serial primary key, a int);"
        "create table seq_identity (id int generated always as identity, a int);"
        "create table seq_child (parent bigint default currval('seq_a'), a int);"
        "create domain seq_dom as bigint default nextval('seq_b');"
        "create table seq_domain (id seq_dom, a int);"
        "create table seq_trigger (id bigint, a int);"
        "create function seq_trigger() returns trigger language plpgsql as"
        " $$begin new.id := nextval('seq_c'); return new; end$$;"
        "create trigger t before insert on seq_trigger for each row execute function seq_trigger();"
        "create function seq_next() returns bigint language sql as $$select nextval('seq_b')$$;"
        "create function seq_told() returns bigint language plpgsql as $$begin return lastval(); end$$;"
    )
    return postgres


@pytest.fixture
def make_small(make_proxy, numbered):
    def make(**options):
        made = make_proxy(numbered, **{"home_connections": 0, "default_pool_size": 1, "query_wait_timeout": "20s", **options})
        made.wait_for_catalog()
        return made

    return make


def asked(client, sql, extended=False):
    """The first value, or the SQLSTATE of the error."""
    parts = [wire.parse(sql), wire.bind(), wire.execute(), wire.sync()] if extended else [wire.query(sql)]
    answer = client.ask(*parts)
    errors = wire.errors_of(answer)
    if errors:
        return errors[0]
    rows = wire.rows_of(answer)
    return rows[0][0] if rows else None


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize(
    "insert, sequence",
    [
        ("insert into seq_serial (a) values (1) returning id", "seq_serial_id_seq"),
        ("insert into seq_identity (a) values (1) returning id", "seq_identity_id_seq"),
        ("insert into seq_domain (a) values (1) returning id", "seq_b"),
        ("insert into seq_trigger (a) values (1) returning id", "seq_c"),
        ("select nextval('seq_a')", "seq_a"),
        ("select seq_next()", "seq_b"),
        ("select setval('seq_c', 700)", None),
    ],
    ids=["serial", "identity", "domain", "trigger", "nextval", "function", "setval"],
)
def test_the_value_of_the_statement_before_is_told(make_small, extended, insert, sequence):
    proxy = make_small()
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(proxy.connect()) for _ in range(2))
        for _ in range(3):
            for client in first, second:
                value = asked(client, insert, extended)
                if sequence is None:
                    assert asked(client, "select currval('seq_c')", extended) == value == "700"
                    continue
                assert asked(client, "select lastval()", extended) == value
                assert asked(client, f"select currval('{sequence}')", extended) in (value, UNDEFINED)


def test_who_has_taken_none_is_told_of_none(make_small):
    proxy = make_small()
    with contextlib.ExitStack() as stack:
        taker, other = (stack.enter_context(proxy.connect()) for _ in range(2))
        for ask in "select lastval()", "select currval('seq_a')", "select seq_told()":
            taker.query("select nextval('seq_a')")
            assert asked(other, ask) == UNDEFINED
            assert asked(other, ask, extended=True) == UNDEFINED
        taker.query("select nextval('seq_a')")
        assert asked(other, "insert into seq_child (a) values (1) returning parent") == UNDEFINED


def test_blocks_that_are_deferred_fail_or_are_ended_in_one_text_tell_no_other_value(make_small):
    proxy = make_small()
    with contextlib.ExitStack() as stack:
        taker, other = (stack.enter_context(proxy.connect()) for _ in range(2))
        taker.query("select nextval('seq_a')")
        assert wire.errors_of(other.ask(wire.query("begin"))) == []
        assert asked(other, "select lastval()") == UNDEFINED
        other.query("rollback")
        taker.query("select nextval('seq_a')")
        other.query("begin")
        assert asked(other, "select 1/0") == "22012"
        assert asked(other, "rollback; select lastval()") == UNDEFINED
        taker.query("select nextval('seq_a')")
        answer = other.ask(
            wire.parse("select 1"), wire.bind(), wire.execute(),
            wire.parse("select lastval()"), wire.bind(), wire.execute(), wire.sync(),
        )
        assert wire.errors_of(answer) == [UNDEFINED]
        taker.query("select nextval('seq_a')")
        other.query("begin; insert into seq_serial (id, a) values (-1, 1)")
        assert asked(other, "select lastval()") == UNDEFINED
        other.query("rollback")


def test_a_value_taken_in_a_block_is_told_in_it_and_after_it(make_small):
    proxy = make_small()
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(proxy.connect()) for _ in range(2))
        for _ in range(3):
            for client in first, second:
                client.query("begin")
                value = asked(client, "select nextval('seq_a')")
                assert asked(client, "select currval('seq_a')") == value
                client.query("commit")
                assert asked(client, "select currval('seq_a')") == value


def test_values_are_gone_after_discard(make_small):
    proxy = make_small(default_pool_size=2)
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(proxy.connect()) for _ in range(2))
        for discard in "discard sequences", "discard all":
            for client in first, second:
                value = asked(client, "select nextval('seq_a')")
                assert asked(client, "select lastval()") == value
                client.query(discard)
                assert asked(client, "select lastval()") == UNDEFINED
                value = asked(client, "select nextval('seq_b')")
                assert asked(client, "select lastval()") == value
                assert asked(client, "select currval('seq_a')") == UNDEFINED


def test_a_client_that_asks_keeps_its_backend_no_longer_than_a_moment(make_small):
    proxy = make_small()
    with contextlib.ExitStack() as stack:
        taker, other = (stack.enter_context(proxy.connect()) for _ in range(2))
        taker.query("select nextval('seq_a')")
        row = next(row for row in proxy.console("SHOW CLIENTS") if row["pin"])
        assert row["pin"] == "currval or lastval may follow"
        assert other.query("select 1") == [["1"]]
        assert servers.wait_until(lambda: not any(row["pin"] for row in proxy.console("SHOW CLIENTS")))


def test_inserts_that_nobody_asks_about_soon_keep_nothing(make_small):
    proxy = make_small()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(proxy.connect())
        for _ in range(40):
            client.query("insert into seq_serial (a) values (2)")
        assert not any(row["pin"] for row in proxy.console("SHOW CLIENTS"))


@pytest.mark.parametrize("insert", ["insert into seq_serial (a) values (1) returning id", "select seq_next()", "insert into seq_trigger (a) values (1) returning id"])
def test_pinned_sessions_may_ask_whenever_they_like(make_small, insert):
    proxy = make_small(sequences="pinned", default_pool_size=2)
    with contextlib.ExitStack() as stack:
        taker, other, third = (stack.enter_context(proxy.connect()) for _ in range(3))
        for i in range(20):  # of other shapes: nothing is learned of the one that counts
            other.query(f"select nextval('seq_a') as c{i}")
            other.query("discard all")
        value = asked(taker, insert)
        row = next(row for row in proxy.console("SHOW CLIENTS") if row["pin"])
        assert row["pin"] == "currval or lastval may follow" and row["pin_since"]
        pid = asked(taker, "select pg_backend_pid()")
        for client in other, third:
            assert asked(client, "select lastval()") == UNDEFINED
            assert asked(client, insert) != value
            client.query("discard all")
        assert servers.wait_until(lambda: len([row for row in proxy.console("SHOW CLIENTS") if row["pin"]]) == 1)
        assert asked(taker, "select lastval()") == value
        assert asked(taker, "select lastval()", extended=True) == value
        assert asked(taker, "select pg_backend_pid()") == pid
        taker.query("discard all")
        assert asked(taker, "select lastval()") == UNDEFINED
        assert not any(row["pin"] for row in proxy.console("SHOW CLIENTS"))


class Model:
    """What Postgres would remember for one client."""

    def __init__(self):
        self.values = {}
        self.last = None

    def take(self, sequence, value):
        self.values[sequence] = value
        self.last = sequence

    def last_value(self):
        return self.values[self.last] if self.last else UNDEFINED


def step(rng, client, model):
    """One thing that a client does; returns what it was told and what may be told."""
    extended = rng.random() < 0.5
    sequence = rng.choice(SEQUENCES)
    kind = rng.random()
    if kind < 0.35:
        model.take(sequence, asked(client, f"select nextval('{sequence}')", extended))
    elif kind < 0.45:
        model.take("seq_serial_id_seq", asked(client, "insert into seq_serial (a) values (3) returning id", extended))
    elif kind < 0.6:
        return asked(client, "select lastval()", extended), model.last_value()
    elif kind < 0.75:
        return asked(client, f"select currval('{sequence}')", extended), model.values.get(sequence, UNDEFINED)
    elif kind < 0.8:
        assert asked(client, "select 1", extended) == "1"
    elif kind < 0.85:
        client.query("begin")
        model.take(sequence, asked(client, f"select nextval('{sequence}')", extended))
        told = asked(client, "select lastval()", extended)
        client.query(rng.choice(["commit", "rollback"]))
        assert told == model.last_value()
    elif kind < 0.9:
        both = asked(client, f"select nextval('{sequence}') + 0 * lastval()", extended)
        model.take(sequence, both)
    elif kind < 0.93:
        client.query(rng.choice(["discard all", "discard sequences"]))
        model.__init__()
    elif kind < 0.97:
        return asked(client, "select seq_told()", extended), model.last_value()
    else:
        client.query("select pg_advisory_lock(1)")
        client.query("select pg_advisory_unlock_all()")
        client.query("discard all")
        model.__init__()
    return None, None


@seeds.each(3)
@pytest.mark.parametrize("size", [1, 2])
def test_random_clients_are_never_told_what_another_was(make_small, size, seed):
    rng = random.Random(seed)
    proxy = make_small(default_pool_size=size)
    with contextlib.ExitStack() as stack:
        clients = [(stack.enter_context(proxy.connect()), Model()) for _ in range(4)]
        right = 0
        for _ in range(50 * size):
            client, model = rng.choice(clients)
            told, expected = step(rng, client, model)
            if told is None:
                continue
            assert told in (expected, UNDEFINED)
            right += told == expected != UNDEFINED
        assert right > 0


@seeds.each(3)
def test_a_question_right_behind_its_insert_is_always_answered(make_small, seed):
    rng = random.Random(seed)
    proxy = make_small(default_pool_size=2)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.connect()) for _ in range(6)]
        for _ in range(30):
            client = rng.choice(clients)
            value = asked(client, "insert into seq_serial (a) values (4) returning id", rng.random() < 0.5)
            if rng.random() < 0.3:
                asked(client, "select 1")
            if rng.random() < 0.7:
                assert asked(client, "select lastval()", rng.random() < 0.5) == value
