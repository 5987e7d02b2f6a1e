"""Prepared statements whose names come to mean something else: the search_path moves, with the role or
alone, for good or for a transaction. Types of parameters and columns of the result stay those of the Parse;
what Postgres refuses then is refused, and nobody else's statement of the same text is touched.

Each client is twice: through pgrecall, and directly connected. Both are told the same, byte for byte.
"""

import struct

import pytest

import servers
import wire

SCHEMAS = ("one", "two", "mover")
MAKE = "".join(f"drop schema if exists {name} cascade; create schema {name};" for name in SCHEMAS) + """
drop role if exists mover; create role mover superuser;
create table one.t (a int); insert into one.t values (1);
create table two.t (a int, b text); insert into two.t values (2, 'two');
create table mover.t (c text); insert into mover.t values ('mover');
create table one.u (a int); insert into one.u values (1);
create table two.u (a text); insert into two.u values ('1');
create table mover.u (a bigint); insert into mover.u values (1);
create table one.same (a int); insert into one.same values (1);
create table two.same (a int); insert into two.same values (2);
create table mover.same (a int); insert into mover.same values (3);
create table one.blank (s char(5)); insert into one.blank values ('x');
create table two.blank (s text primary key); insert into two.blank values ('x')"""


# A backend that may know one statement forgets each when it learns another.
KINDS = {"one": (1, 200), "one forgets": (1, 1), "two forget": (2, 1)}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def proxy(request, moved):
    size, known = request.param
    made = servers.Proxy(moved, default_pool_size=size, max_prepared_statements=known, home_connections=0)
    try:
        made.wait_for_catalog()
        yield made
        made.stop()
    finally:
        made.stop_by(9)
        made.remove()


@pytest.fixture(scope="module")
def moved(postgres):
    postgres.query(MAKE)
    yield postgres
    postgres.query("".join(f"drop schema {name} cascade;" for name in SCHEMAS) + "drop role mover")


def comparable(messages):
    """Errors without the lines of the server's own source; what is reported of settings, sorted."""
    made, reported = [], []
    for m in messages:
        if m.tag == b"S":
            reported.append(m.body)
            continue
        if m.tag == b"Z":
            made.extend((b"S", body) for body in sorted(reported))
            reported = []
        if m.tag in (b"E", b"N"):
            fields = wire.fields_of(m.body)
            made.append((m.tag, {k: v for k, v in fields.items() if k not in "FLRW"}))
        else:
            made.append((m.tag, m.body))
    return made


class Both:
    def __init__(self, proxy, postgres, first="set search_path to \"$user\", one"):
        self.through, self.direct = proxy.connect(), postgres.connect()
        self.proxy = proxy
        self.query(first)

    def ask(self, *parts):
        right, got = self.direct.ask(*parts), self.through.ask(*parts)
        assert comparable(got) == comparable(right), parts
        return right

    def query(self, sql):
        return self.ask(wire.query(sql))

    def parse(self, sql, name="s", types=()):
        return self.ask(wire.parse(sql, name, types), wire.sync())

    def run(self, *values, name="s", formats=()):
        return self.ask(wire.bind(values, name, formats=formats), wire.execute(), wire.sync())

    def describe(self, name="s"):
        return self.ask(wire.describe_statement(name), wire.sync())

    def back(self, move):
        if "set role" in move:
            self.query("reset role")
        elif "authorization" in move:
            self.query("reset session authorization")
        else:
            self.query("set search_path to \"$user\", one")

    def close(self):
        self.through.close()
        self.direct.close()


@pytest.fixture
def clients(proxy, moved):
    made = []

    def make(count=2, **options):
        made.extend(Both(proxy, moved, **options) for _ in range(count))
        return made[-count:]

    yield make
    for client in made:
        client.close()
    moved.query("delete from one.u; insert into one.u values (1); delete from two.u; insert into two.u values ('1');"
                "delete from one.same where a = 8; delete from two.same where a = 8; delete from mover.same where a = 8")


def elsewhere(*others):
    """Whoever shares the backend uses it, for a statement of its own and the unnamed one."""
    for n, other in enumerate(others):
        other.ask(wire.parse(f"select {n}, 'elsewhere'", "e"), wire.bind((), "e"), wire.execute(), wire.close_statement("e"), wire.sync())
        other.ask(wire.extended(f"select {n}"))


MOVES = ["set search_path to two", "set role mover", "set session authorization mover", "set search_path to nowhere"]
READS = {"t": "select * from t", "same": "select a from same", "into": "insert into u values (5) returning *",
         "none": "insert into same values (8)"}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("move", MOVES)
def test_who_has_moved_is_refused_alone(clients, move, read):
    """naive: the backend parses the text anew for who has moved, under the name that the other uses."""
    a, b = clients()
    for client in (a, b):
        client.parse(READS[read])
        client.run()
    a.query(move)
    for _ in range(2):
        elsewhere(b)
        a.run(), a.describe()
        b.run(), b.describe()
    a.back(move)
    a.run(), a.describe()


LOCAL = ["set local search_path to two", "select set_config('search_path', 'two', true)", "set local role mover",
         "set local search_path to default"]


@pytest.mark.parametrize("end", ["commit", "rollback to x; select 1; commit"])
@pytest.mark.parametrize("move", LOCAL)
def test_who_moves_for_one_transaction(clients, move, end):
    a, b = clients()
    for client in (a, b):
        client.parse(READS["t"])
    elsewhere(b)
    for text in (READS["t"], READS["same"], "select b from t"):
        a.query("begin; savepoint x")
        a.query(move)
        a.run()
        a.query("rollback to x")
        a.query(move)
        a.parse(text, "new")
        a.run(name="new"), a.describe("new")
        for part in end.split("; "):
            a.query(part)
        a.run(), a.run(name="new"), a.describe("new")
        b.parse(text, "new")
        b.run(), b.run(name="new"), b.describe("new")
        for client in (a, b):
            client.ask(wire.close_statement("new"), wire.sync())


@pytest.mark.parametrize("move", ["set search_path to two", "set role mover", "begin; set local search_path to two"])
def test_types_of_parameters_stay_those_of_the_parse(clients, move):
    """naive: 'x' goes into a table of texts, where Postgres refuses it as no number."""
    binary = struct.pack("!i", 1)
    a, b = clients()
    texts = ["select a from u where a = $1 limit 1", "insert into u values ($1)", "select $1 || a::text from u limit 1"]
    for text in texts:
        for client in (a, b):
            client.parse(text)
        a.query(move)
        # A statement that is refused for its value and for its result is refused for its value by Postgres.
        wrong = (("x", ()),) if "insert" in text else ()
        for value, formats in (("1", ()), (binary, (1,)), (None, ()), *wrong):
            if "begin" in move:  # it has the backend
                a.query("savepoint x"), a.run(value, formats=formats), a.query("rollback to x")
                continue
            for client in (a, b):
                elsewhere(b)
                client.query("begin"), client.run(value, formats=formats), client.query("rollback")
            a.describe()
        a.query("rollback")
        a.back(move)
        for client in (a, b):
            client.run("1")
            client.ask(wire.close_statement("s"), wire.sync())


@pytest.mark.parametrize("described", [False, True])
@pytest.mark.parametrize("text", ["select * from t", "select a from same", "insert into u values ($1)"])
def test_the_unnamed_statement_moves_along(clients, text, described):
    values = ["1"] if "$1" in text else []
    a, b = clients()
    for client in (a, b):
        client.parse("set search_path to two", "two"), client.parse("set search_path to \"$user\", one", "back")
        client.parse(text, "")
        if described:
            client.describe("")
    a.run(name="two")
    for _ in range(2):
        elsewhere(b)
        a.run(*values, name="")
        a.describe("")
    b.parse(text, "")
    b.run(*values, name="")
    elsewhere(b)
    a.run(name="back"), a.run(*values, name="")


def test_what_is_moved_within_a_pipeline(clients):
    a, b = clients()
    for client in (a, b):
        client.parse(READS["t"])
        client.parse("set search_path to two", "two"), client.parse("set local search_path to two", "local")
        client.parse("set search_path to one", "one"), client.parse("rollback", "rollback")
    go = lambda name: wire.bind((), name) + wire.execute()
    a.ask(go("s"), go("two"), wire.parse("select * from t", "n"), go("n"), wire.sync())
    b.parse("select * from t", "n"), b.run(name="n"), elsewhere(b)
    a.run(name="n"), a.run(), a.run(name="one"), a.run(name="n"), a.run()
    for client in (a, b):
        client.ask(wire.close_statement("n"), wire.sync())
    a.query("begin")
    a.ask(go("local"), wire.parse("select * from t", "n"), go("n"), go("rollback"), wire.sync())
    b.parse("select * from t", "n"), b.run(name="n"), elsewhere(b), a.run(name="n"), b.run(name="n")
    a.ask(wire.query("begin"))
    a.ask(go("local"), go("s"), wire.sync())
    a.query("rollback")
    a.run(), b.run()


def test_a_temporary_table_in_front_is_its_owners_alone(clients):
    a, b = clients()
    for client in (a, b):
        client.query("set search_path to one")
        client.parse(READS["t"])
    elsewhere(b)
    a.query("create temp table t (z text)")
    a.run(), a.describe()
    a.parse(READS["t"], "temp"), a.run(name="temp")
    a.query("drop table t")
    a.run(), a.run(name="temp")


def test_a_hit_is_judged_where_it_is_asked(clients):
    """naive: what was taken under SET LOCAL counts for the path behind it, and a kept answer is shown."""
    (a, b) = clients()
    a.parse(READS["t"])
    a.run()
    a.query("set search_path to two"), b.query("set search_path to two")
    b.parse(READS["t"])
    for _ in range(3):
        b.run()
    a.query("begin"), a.query("set local search_path to one")
    a.run()
    a.query("commit")
    for _ in range(2):
        a.run()
        b.run()
    a.query("set search_path to one")
    a.run()


@pytest.mark.parametrize("name", ["s", ""])
def test_who_has_moved_with_other_types_has_answers_of_its_own(clients, name):
    """naive: the text, the path and the value are the same, so the answer of who prepared it there is shown."""
    a, b = clients()
    a.parse("set search_path to two", "two")
    a.parse("select count(*) from blank where s = $1", name), a.run("x ", name=name)
    a.run(name="two")
    b.query("set search_path to two")
    b.parse("select count(*) from blank where s = $1", name)
    for _ in range(3):
        a.run("x ", name=name), b.run("x ", name=name)
    for _ in range(2):
        b.run("x ", name=name), a.run("x ", name=name)


def test_types_of_parameters_stay_through_ddl(clients, moved):
    binary = struct.pack("!i", 1)
    a, b = clients()
    for client in (a, b):
        client.query("set search_path to one")
    for new in ("bigint", "text"):
        for client in (a, b):
            client.parse("select count(*) from u where a = $1")
            client.run(binary, formats=[1])
        a.proxy.query(f"alter table one.u alter a type {new} using a::{new}")
        for client in (a, b):
            elsewhere(b)
            client.run(binary, formats=[1]), client.run("1"), client.describe()
            client.ask(wire.close_statement("s"), wire.sync())
        a.proxy.query("alter table one.u alter a type int using a::int")


def test_describe_says_the_parameters_before_it_refuses(clients, moved):
    a, b = clients()
    for client in (a, b):
        client.query("set search_path to one")
        client.parse("select * from t where a = $1"), client.parse("insert into t values ($1)", "i")
        client.parse("select * from t where a = $1", "")
    a.proxy.query("alter table one.t add b text")
    try:
        for name in ("s", "i", ""):
            for client in (a, b):
                elsewhere(b)
                client.describe(name)
                client.query("begin"), client.describe(name), client.describe(name), client.query("rollback")
        a.proxy.query("alter table one.t rename to away")
        for name in ("s", "i"):
            for client in (a, b):
                elsewhere(b)
                client.describe(name), client.run("1", name=name)
                client.query("begin"), client.describe(name), client.query("selec"), client.describe("i"), client.query("rollback")
        a.proxy.query("alter table one.away rename to t")
    finally:
        moved.query("alter table if exists one.away rename to t; alter table one.t drop column if exists b")
    for client in (a, b):
        elsewhere(b)
        client.describe(), client.run("1")


@pytest.mark.parametrize("alone", [False, True])
def test_ddl_that_nobody_here_knows_of(make_proxy, moved, alone):
    """naive: another backend takes the text as new, and rows of other columns come for those described."""
    proxy = make_proxy(moved, default_pool_size=2, home_connections=0, max_prepared_statements=1 if alone else 200,
                       catalog_refresh="1h", cache=0)
    a = Both(proxy, moved, "set search_path to one")
    a.parse("select * from t"), a.parse("insert into t values (1) returning *", "i")
    moved.query("alter table one.t add b text")
    try:
        with proxy.connect() as holder:
            holder.query("begin; select 1")  # and with it the backend that was used last
            for _ in range(2):
                a.run(), a.run(name="i"), a.describe()
            holder.query("rollback")
        # Who prepares it now may be told so once, by a backend that knows the old columns.
        b = Both(proxy, moved, "set search_path to one")
        run = wire.bind(statement="s") + wire.execute() + wire.sync()
        for _ in range(3):
            for client in (b.through, b.direct):
                client.ask(wire.parse("select * from t", "s"), wire.sync())
            right, got = b.direct.ask(run), b.through.ask(run)
            for client in (b.through, b.direct):
                client.ask(wire.close_statement("s"), wire.sync())
            if comparable(got) == comparable(right):
                break
            assert wire.errors_of(got) == ["0A000"]
        assert comparable(got) == comparable(right)
        b.close()
    finally:
        moved.query("alter table one.t drop column b; truncate one.t; insert into one.t values (1)")
    a.run()
    a.close()


def test_a_close_that_was_skipped_leaves_what_was_told(clients):
    a, b = clients()
    a.parse(READS["t"])
    a.ask(wire.parse("selec", "x"), wire.close_statement("s"), wire.sync())
    a.query("set search_path to two")
    elsewhere(b)
    a.run(), a.describe()
    a.back("set search_path to two")
    a.run(), a.describe()


def test_the_unnamed_statement_is_asked_for_before_names_move_and_not_again(clients):
    """Two moves in one pipeline: by the second one it is too late to ask."""
    (client,) = clients(1)
    client.parse("set local search_path to two", "mover")
    client.ask(wire.parse("select * from u"), wire.bind(), wire.execute(),
               wire.bind((), "mover"), wire.execute(), wire.bind((), "mover"), wire.execute(), wire.sync())
    client.ask(wire.bind(), wire.execute(), wire.sync())
