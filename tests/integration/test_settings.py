"""Settings of sessions that share server connections: each client sees its own, byte for byte what it
would see alone, and nobody is tied to a server connection for them.

Most tests here run with one server connection. A client that held on to it would leave the others
waiting, so that a test which ends at all has shown that nothing was pinned.
"""

import random

import pytest

import seeds
import servers
import wire

ROLES = ["keeper", "painter", "weaver"]

SHOWN = [
    "datestyle", "timezone", "intervalstyle", "search_path", "extra_float_digits", "bytea_output", "work_mem",
    "statement_timeout", "application_name", "client_min_messages", "client_encoding", "standard_conforming_strings",
    "default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable", "role",
    "session_authorization", "is_superuser", "lock_timeout", "temp_tablespaces", "default_text_search_config",
    "enable_seqscan", "row_security", "xmloption", "log_statement", "exit_on_error", "transaction_isolation",
    "transaction_read_only",
]
CUSTOM = ["app.tenant", "app.Owner", "my.long.name"]
PROBE = (
    "select " + ", ".join(f"current_setting('{name}', true)" for name in SHOWN + CUSTOM)
    + ", current_user, session_user"
)


@pytest.fixture(scope="module")
def shared(postgres):
    postgres.query("".join(f"drop role if exists {role}; create role {role} login superuser;" for role in ROLES))
    postgres.query("create schema if not exists s1; create schema if not exists s2")
    return postgres


@pytest.fixture
def proxy(make_proxy, shared):
    made = make_proxy(shared, default_pool_size=1, query_wait_timeout="5s")
    made.wait_for_catalog()
    return made


class Twins:
    """One client through pgrecall and one that is directly connected: both are told the same."""

    def __init__(self, proxy, postgres, **options):
        self.through = proxy.connect(**options)
        self.direct = postgres.connect(**options)

    def close(self):
        self.through.close()
        self.direct.close()

    def ask(self, *parts, ready=1):
        expected = self.direct.ask(*parts, ready=ready)
        got = self.through.ask(*parts, ready=ready)
        assert comparable(got) == comparable(expected), parts
        return got

    def query(self, sql):
        return self.ask(wire.query(sql))

    def extended(self, sql, values=()):
        return self.ask(wire.parse(sql), wire.bind(values), wire.execute(), wire.sync())

    def probe(self):
        return self.ask(wire.query(PROBE))


def comparable(messages):
    """Errors and notices without the lines of the server's own source; the order of the settings
    that are reported together says nothing."""
    made, reported = [], []
    for m in messages:
        if m.tag == b"S":
            reported.append(m.body)
            continue
        if m.tag == b"Z":
            made.extend((b"S", body) for body in sorted(reported))
            reported = []
        made.append((m.tag, m.body))
    return made


@pytest.fixture
def twins(proxy, shared):
    made = []

    def make(**options):
        made.append(Twins(proxy, shared, **options))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


def pins(proxy):
    return {row["pin"] for row in proxy.console("SHOW CLIENTS") if row.get("pin")}


FORMS = [
    "set datestyle to 'German'", "set datestyle = 'ISO, DMY'", "set datestyle to sql, ymd", "set datestyle to mdy",
    "set time zone 'Asia/Tokyo'", "set time zone -3", "set timezone to 'UTC'", "set time zone local",
    "set session timezone to 'Europe/Berlin'", "reset time zone", "set names 'UTF8'", "set client_encoding to utf8",
    "set search_path to s1, public", "set search_path = 's2'", "set schema 's1'", "set search_path to \"$user\", \"S 1\"",
    "select set_config('search_path', 's1,s2', false)", "select pg_catalog.set_config('SEARCH_PATH', '', false)",
    "set extra_float_digits = 0", "set extra_float_digits to default", "set work_mem = '5MB'", "set work_mem to 4097",
    "set enable_seqscan = off", "set enable_seqscan to true", "set statement_timeout to '61s'", "reset statement_timeout",
    "set session characteristics as transaction isolation level repeatable read",
    "set session characteristics as transaction read only, deferrable",
    "set session characteristics as transaction isolation level read committed, read write, not deferrable",
    "reset default_transaction_isolation", "set role keeper", "set role 'painter'", "set role none", "reset role",
    "set xml option document", "set standard_conforming_strings = on", "set client_min_messages to warning",
    "set client_min_messages = 'notice'", "set app.tenant = '5'", "set app.tenant to seven", "set app.owner = 'O''Neill \\ é'",
    "set my.long.name to 1.5", "reset app.tenant", "reset my.long.name",
    "select set_config('app.tenant', 'x', false), set_config('app.Owner', null, false)",
    "select set_config('app.tenant', 'local', true)", "select set_config('work_mem', '7MB', true)",
    "set local work_mem = '9MB'", "set local app.owner to 'here'", "set local search_path to s2", "set local role weaver",
    "reset all", "set log_statement to 'ddl'", "set application_name to 'named'", "reset application_name",
    "set default_text_search_config to 'pg_catalog.simple'", "set row_security = off", "reset row_security",
    "set intervalstyle to 'iso_8601'", "/* who */ set  intervalstyle  to default -- all",
]
# What a role may set is replayed as the login role: log_statement under a role is not.
PLAIN = [form for form in FORMS if "log_statement" not in form]
WRONG = ["set datestyle to 'never'", "set work_mem = 'much'", "set role nobody_at_all", "set no_such_setting = 1", "select 1/0"]


def touch_all(pair):
    for name in CUSTOM:
        pair.query(f"set {name} to ''")
        pair.query(f"reset {name}")


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_a_form_of_set_is_restored_on_a_shared_backend(twins, form, extended):
    pair, other = twins(), twins()
    touch_all(pair), touch_all(other)
    (pair.extended if extended else pair.query)(form)
    other.probe()
    pair.probe()
    other.query("set datestyle to 'SQL, DMY'")
    pair.probe()
    other.probe()
    pair.query("reset all")
    other.probe()
    pair.probe()


SEVERAL = [
    "SET DateStyle = 'ISO';SET extra_float_digits = 2;show transaction_isolation",
    "set datestyle to german; set datestyle to mdy; set app.tenant to 'x'",
    "set work_mem = '5MB'; commit; set work_mem = '6MB'; select 1/0",
    "set work_mem = '5MB'; rollback; set lock_timeout = '6s'",
    "set work_mem = '5MB'; select 1/0; set lock_timeout = '6s'",
    "set app.tenant to 'seen'; set datestyle to never",
    "begin; set work_mem = '5MB'; savepoint a; set work_mem = '7MB'; rollback to a; commit; set time zone 'UTC'",
    "begin; set work_mem = '5MB'; rollback; begin; set lock_timeout = '9s'; end",
    "begin; set local work_mem = '5MB'; select current_setting('work_mem'); commit; show work_mem",
    "set local work_mem = '5MB'; show work_mem",
    "set search_path to s1, public; select set_config('work_mem', '8MB', false), set_config('app.owner', 'o', true)",
    "set role keeper; select current_user; set work_mem = '5MB'",
    "set application_name to 'one'; select 1; reset application_name; values (1), (2);",
    "savepoint nowhere; set work_mem = '5MB'",
    "set work_mem = '5MB'; savepoint nowhere",
    "set work_mem = '5MB'; begin; set lock_timeout = '3s'; select 1/0",
    "select pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;",
    "set work_mem = '5MB';; ; reset all; set lock_timeout = '3s';",
    "create temp table settings_several (a int) on commit drop; set work_mem = '5MB'; drop table settings_several",
]


@pytest.mark.parametrize("text", SEVERAL, ids=range(len(SEVERAL)))
def test_several_settings_in_one_query_are_followed_one_by_one(twins, proxy, text):
    pair, other = twins(), twins()
    touch_all(pair), touch_all(other)
    for before in ["select 1", "set datestyle to 'SQL, DMY'; set work_mem to '4MB'"]:
        pair.query(before)
        pair.query(text)
        pair.query("rollback")
        if "temp table" not in text:
            assert not pins(proxy)
            other.probe()
        pair.probe()


NOT_FOLLOWED = [
    "set standard_conforming_strings = off", "set client_encoding to 'latin1'", "set work_mem from current",
    "select set_config('work_mem', (1 + 4096)::text, false)", f"select set_config('app.{'x' * 64}', '5', false)",
    "set work_mem = '5MB'; set client_encoding to 'latin1'; set lock_timeout = '3s'",
]


@pytest.mark.parametrize("text", NOT_FOLLOWED, ids=range(len(NOT_FOLLOWED)))
def test_what_cannot_be_followed_ties_the_session_to_its_backend(twins, proxy, text):
    pair = twins()
    pair.query(text)
    assert pins(proxy) == {"a setting was changed"}
    pair.probe()


OF_ONE_BLOCK = [
    "begin; set local lock_timeout = '1s'", "begin; set local search_path to s1, public; select 1", "begin; set local role painter; commit",
    "begin; set local datestyle to german; select 1", "begin; select set_config('app.tenant', '1', true); select 1; rollback",
    "begin; savepoint a; set local app.tenant to 2; rollback to a", "begin; set constraints all deferred; set transaction read only",
    "begin isolation level repeatable read; set local work_mem = '5MB'; commit", "set local work_mem = '5MB'",
]


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_what_is_set_for_one_block_ties_nobody_to_a_backend(twins, proxy, extended):
    pair, other = twins(), twins()
    for text in OF_ONE_BLOCK:
        for part in text.split("; ") if extended else [text]:
            pair.extended(part) if extended else pair.query(part)
        pair.query("rollback")
        other.probe()
        assert not pins(proxy), text
        pair.probe()
    # Where names are looked for is known, so a table is known not to be a temporary one.
    for text in ("begin", "set local lock_timeout = '1s'", "create table s1.of_a_block (a int)", "rollback"):
        pair.through.query(text)
    assert not pins(proxy)


def test_several_settings_in_one_query_follow_a_failed_block(twins, proxy):
    pair, other = twins(), twins()
    pair.query("begin; set work_mem = '5MB'; select 1/0")
    pair.query("set lock_timeout = '4s'; select 2")
    pair.query("commit; set lock_timeout = '5s'")
    assert not pins(proxy)
    other.probe()
    pair.probe()


def transaction(rng):
    """A random run of statements, from outside a block to outside a block."""
    some = lambda: rng.choice(PLAIN if rng.random() < 0.9 else WRONG)  # noqa: E731
    if rng.random() < 0.4:
        return [some()]
    steps, depth = ["begin"], 0
    for _ in range(rng.randrange(1, 7)):
        kind = rng.random()
        if kind < 0.55:
            steps.append(some())
        elif kind < 0.7:
            steps.append(f"savepoint a{rng.randrange(3)}")
        elif kind < 0.85:
            steps.append(f"rollback to {rng.choice(['', 'savepoint '])}a{rng.randrange(3)}")
        elif kind < 0.92:
            steps.append(f"release a{rng.randrange(3)}")
        else:
            steps.append(rng.choice(["commit and chain", "rollback and chain", PROBE]))
    return steps + [rng.choice(["commit", "rollback", "end", "abort", "commit"])]


def run_transaction(rng, pair):
    steps = transaction(rng)
    style = rng.random()
    if style < 0.5:
        for step in steps:
            pair.query(step)
    elif style < 0.8:
        for step in steps:
            pair.extended(step)
    elif style < 0.9:  # several in one Query, cut anywhere
        while steps:
            some = rng.randrange(1, len(steps) + 1)
            pair.query(rng.choice(["; ", ";\n-- next\n", ";;"]).join(steps[:some]))
            steps = steps[some:]
        pair.query("rollback")
    else:  # all in one pipeline; what fails leaves the block to the last
        parts = [part for step in steps for part in (wire.parse(step), wire.bind(), wire.execute())]
        pair.ask(*parts, wire.sync())
        pair.query("rollback")


@seeds.each(16)
def test_random_transactions_of_many_clients_over_one_backend(twins, proxy, seed):
    rng = random.Random(seed)
    pairs = [twins() for _ in range(8)]
    for pair in pairs:
        touch_all(pair)
    for _ in range(60):
        pair = rng.choice(pairs)
        run_transaction(rng, pair)
        assert not pins(proxy)
        rng.choice(pairs).probe()
    for pair in pairs:
        pair.probe()
    assert not pins(proxy)


def test_random_transactions_of_twenty_clients_over_two_backends(make_proxy, shared):
    proxy, rng = make_proxy(shared, default_pool_size=2, query_wait_timeout="10s"), random.Random(20)
    proxy.wait_for_catalog()
    options = [{}, {"DateStyle": "German"}, {"options": "-c work_mem=5MB -c app.tenant=first"}]
    pairs = [Twins(proxy, shared, parameters=rng.choice(options)) for _ in range(20)]
    long = f"set app.owner to '{'long ' * 800}'"
    for pair in pairs:
        touch_all(pair)
    for _ in range(200):
        if rng.random() < 0.1:
            rng.choice(pairs).query(long)
        run_transaction(rng, rng.choice(pairs))
        rng.choice(pairs).probe()
    assert not pins(proxy)
    for pair in pairs:
        pair.probe()
        pair.close()


# ---- the cache ----


def reads(proxy, client, sql):
    """The answer, and whether it was a hit."""
    before = servers.hits(proxy.cache())
    rows = client.query(sql)
    return rows, servers.hits(proxy.cache()) > before


@pytest.fixture
def dates(proxy):
    proxy.query("drop table if exists settings_dates; create table settings_dates (d date); "
                 "insert into settings_dates values ('2024-02-01')")
    with proxy.connect() as client:
        assert servers.wait_until(lambda: reads(proxy, client, "select d as warm from settings_dates")[1])


def test_equal_settings_share_entries_and_different_ones_never(proxy, shared, dates):
    sql = "select d from settings_dates"
    first, second, third, plain = (proxy.connect() for _ in range(4))
    proxy.query("select 1")
    first.query("set datestyle to german")
    second.query("select set_config('DateStyle', 'German, DMY', false)")
    third.query("set datestyle to sql")
    servers.wait_until(lambda: reads(proxy, first, sql)[1])
    assert reads(proxy, first, sql) == ([["01.02.2024"]], True)
    assert reads(proxy, second, sql) == ([["01.02.2024"]], True)
    assert reads(proxy, third, sql) == ([["02/01/2024"]], False)
    assert reads(proxy, plain, sql) == ([["2024-02-01"]], False)
    assert reads(proxy, plain, sql) == ([["2024-02-01"]], True)
    first.query("reset datestyle")
    assert reads(proxy, first, sql) == ([["2024-02-01"]], True)
    second.query("discard all")
    assert reads(proxy, second, sql) == ([["2024-02-01"]], True)
    third.query("begin"), third.query("set datestyle to german"), third.query("rollback")
    assert reads(proxy, third, sql) == ([["02/01/2024"]], True)
    for client in (first, second, third, plain):
        client.close()


def test_settings_of_the_planner_and_of_time_do_not_part_entries(proxy, dates):
    sql = "select d, 1 from settings_dates"
    with proxy.connect() as a, proxy.connect() as b:
        a.query("set statement_timeout = '60s'"), a.query("set work_mem to '6MB'"), a.query("set enable_seqscan to off")
        servers.wait_until(lambda: reads(proxy, a, sql)[1])
        assert reads(proxy, b, sql) == ([["2024-02-01", "1"]], True)


def test_custom_settings_part_entries(proxy, dates):
    sql = "select d, 2 from settings_dates"
    with proxy.connect() as a, proxy.connect() as b:
        a.query("set app.tenant = '1'"), b.query("set app.tenant = '2'")
        servers.wait_until(lambda: reads(proxy, a, sql)[1])
        assert not reads(proxy, b, sql)[1]
        b.query("set app.tenant = '1'")
        assert reads(proxy, b, sql)[1]


def test_search_path_and_role_part_entries(proxy, shared):
    proxy.query("drop table if exists s1.which, s2.which; create table s1.which as select 1 as n; create table s2.which as select 2 as n")
    shared.query("drop role if exists nosy; create role nosy")
    with proxy.connect() as client:
        assert servers.wait_until(lambda: reads(proxy, client, "select n from s1.which")[1])
    sql = "select n from which"
    with proxy.connect() as a, proxy.connect() as b:
        a.query("set search_path to s1"), b.query("set search_path to s2")
        servers.wait_until(lambda: reads(proxy, a, sql)[1])
        assert reads(proxy, a, sql) == ([["1"]], True)
        assert reads(proxy, b, sql) == ([["2"]], False)
        b.query("set search_path to s1"), b.query("set role nosy")
        with pytest.raises(wire.ServerError) as refused:
            b.query(sql)
        assert refused.value.sqlstate in ("42501", "42P01")
        b.query("reset role")
        assert reads(proxy, b, sql) == ([["1"]], True)


def test_serializable_by_default_is_not_cached(proxy, dates):
    sql = "select d, 3 from settings_dates"
    with proxy.connect() as a:
        servers.wait_until(lambda: reads(proxy, a, sql)[1])
        a.query("set session characteristics as transaction isolation level serializable")
        assert not reads(proxy, a, sql)[1] and not reads(proxy, a, sql)[1]
        a.query("reset default_transaction_isolation")
        assert reads(proxy, a, sql)[1]


# ---- what a backend keeps ----


def test_a_custom_setting_of_one_client_is_null_to_another(proxy):
    """naive: a backend that has heard of it says '' to everybody."""
    unknown = "select current_setting('app.secret', true) is null"
    with proxy.connect() as a, proxy.connect() as b:
        a.query("set app.secret = 'x'")
        assert b.query(unknown) == [["t"]]
        a.query("reset app.secret")
        assert a.query("select current_setting('app.secret', true)") == [[""]]
        assert b.query(unknown) == [["t"]]
        a.query("begin"), a.query("set local app.other = 'x'"), a.query("rollback")
        assert a.query("select current_setting('app.other', true)") == [[""]]
        assert b.query("select current_setting('app.other', true) is null") == [["t"]]
        a.query("discard all")
        assert a.query("select current_setting('app.secret', true)") == [[""]]
        assert not pins(proxy)


def test_replay_is_pipelined_with_an_extended_statement_that_was_prepared_before(proxy):
    with proxy.connect() as a, proxy.connect() as b:
        a.ask(wire.parse("select current_setting('work_mem'), $1::text", "s"), wire.sync())
        a.query("set work_mem to '5MB'")
        for turn in range(3):
            assert b.query("show work_mem") != [["5MB"]]
            got = a.ask(wire.bind(["x"], "s"), wire.execute(), wire.sync())
            assert wire.rows_of(got) == [["5MB", "x"]]
        a.ask(wire.parse("select current_setting('work_mem')"), wire.sync())
        b.query("select 1")
        assert wire.rows_of(a.ask(wire.bind(), wire.execute(), wire.sync())) == [["5MB"]]


def test_constants_of_a_prepared_statement_keep_the_settings_of_their_parse(proxy):
    """naive: parsed again on another backend, under what was set later."""
    with proxy.connect() as a:
        a.ask(wire.parse("select '01/02/2003'::date - '2003-01-01'::date", "s"), wire.sync())
        a.query("set datestyle to 'ISO, DMY'")
        assert pins(proxy) == {"a setting was changed"}
        assert wire.rows_of(a.ask(wire.bind((), "s"), wire.execute(), wire.sync())) == [["1"]]
    with proxy.connect() as a, proxy.connect() as b:
        a.query("set datestyle to 'ISO, DMY'")
        for client in (a, b):
            client.ask(wire.parse("select '01/02/2003'::date - '2003-01-01'::date", "s"), wire.sync())
        assert wire.rows_of(a.ask(wire.bind((), "s"), wire.execute(), wire.sync())) == [["31"]]
        assert wire.rows_of(b.ask(wire.bind((), "s"), wire.execute(), wire.sync())) == [["1"]]


def test_set_config_with_parameters_is_followed(twins, proxy):
    pair, other = twins(), twins()
    for n in range(4):
        pair.extended("select set_config('search_path', $1, false), set_config($2, $3, $4)", ["s1", "work_mem", f"{n + 5}MB", "f"])
        other.probe()
        pair.probe()
    pair.ask(wire.parse("select set_config('work_mem', $1, false)", "", [25]), wire.bind(["9MB"]), wire.execute(1), wire.sync())
    other.probe()
    pair.probe()
    assert not pins(proxy)


def test_a_function_that_may_set_something_still_pins(proxy, shared):
    shared.query("create or replace function sets_something() returns int language plpgsql as "
                 "$$ begin perform set_config('work_mem', '5MB', false); return 1; end $$")
    with proxy.connect() as a:
        a.query("set work_mem to '7MB'")
        a.query("select sets_something()")
        assert pins(proxy)
        assert a.query("show work_mem") == [["5MB"]]


def test_more_settings_than_are_kept_pin(proxy):
    with proxy.connect() as a:
        for n in range(65):
            a.query(f"set many.x{n} to '{n}'")
        assert pins(proxy) == {"a setting was changed"}
        assert a.query("select current_setting('many.x64'), current_setting('many.x0')") == [["64", "0"]]
    with proxy.connect() as a:
        a.query("select set_config('many.long', repeat('x', 20000), false)")
        assert a.query("select length(current_setting('many.long'))") == [["20000"]]


def test_a_client_is_told_of_a_reload_that_comes_with_a_replay(proxy, shared):
    """naive: the report is taken for an echo of the replay, and answers are kept under the old settings."""
    with proxy.connect() as a, proxy.connect() as b:
        a.query("set intervalstyle to 'iso_8601'"), b.query("select 1")
        shared.query("alter system set datestyle to 'SQL, DMY'"), shared.query("select pg_reload_conf()")
        try:
            assert servers.wait_until(lambda: b"SQL, DMY" in b"".join(m.body for m in a.ask(wire.query("select 1"))) or
                                      a.query("show datestyle") == [["SQL, DMY"]])
            assert a.query("show intervalstyle") == [["iso_8601"]]
        finally:
            shared.query("alter system reset datestyle"), shared.query("select pg_reload_conf()")


def test_discard_all_ends_settings(twins, proxy):
    pair, other = twins(), twins()
    for form in ("set datestyle to german", "set role keeper", "set app.tenant to 1", "set search_path to s1"):
        pair.query(form)
    pair.query("discard all")
    other.query("select 1")
    pair.query(PROBE)
    assert not pins(proxy)


# ---- prepared statements ----


@pytest.mark.parametrize("setting", ["set search_path to s2", "set role painter"])
def test_a_text_whose_names_mean_something_else_is_another_prepared_statement(twins, proxy, setting):
    proxy.query(
        "drop table if exists s1.meant; create table s1.meant as select 1 as a; drop table if exists s2.meant;"
        "create table s2.meant as select 1 as a, 'x'::text as b; drop schema if exists painter cascade;"
        "create schema painter; create table painter.meant as select 'y'::text as b"
    )
    proxy.wait_for_catalog()
    one, other = twins(), twins()
    for pair in (one, other):
        pair.query("set search_path to \"$user\", s1")
    other.query(setting)
    run = wire.bind(statement="s") + wire.execute() + wire.sync()
    for pair in (one, other):
        pair.ask(wire.parse("select * from meant", "s"), wire.sync())
    for pair in (one, other, one, other):
        pair.ask(run)
    one.query(setting)
    one.ask(run)  # refused: its result has changed
    one.query("set search_path to \"$user\", s1; reset role")
    one.ask(run)


CHANGES = [
    "alter table shape add column b int default 7", "alter table shape alter a type bigint", "alter table shape rename a to b",
    "drop table shape; create table shape (a int); insert into shape values (2)", "create index on shape (a)",
]


@pytest.mark.parametrize("described", [False, True])
@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_result_that_ddl_has_changed_is_refused_at_a_backend_that_never_had_the_statement(
    make_proxy, shared, change, block, described
):
    proxy = make_proxy(shared, default_pool_size=2)
    proxy.query("drop table if exists shape; create table shape (a int); insert into shape values (1)")
    proxy.wait_for_catalog()
    pair, holder = Twins(proxy, shared), proxy.connect()
    pair.ask(wire.parse("select * from shape", "s"), wire.sync())
    run = wire.bind(statement="s") + wire.execute() + wire.sync()
    pair.ask(run)
    had = shared.query("select pid from pg_stat_activity where query = 'select * from shape'")
    # Somebody keeps the backend that has it.
    holders = [proxy.connect() for _ in range(2)]
    pids = [client.query("begin; select pg_backend_pid()")[-1][0] for client in holders]
    holders[1 - pids.index(had[0][0]) if had[0][0] in pids else 0].query("rollback")
    proxy.query(change)
    if block:
        pair.query("begin")
    asks = [wire.describe_statement("s") + wire.sync(), run] if described else [run]
    for ask in asks + [wire.query("rollback")] * block + [run, wire.query("select 1")]:
        right, got = pair.direct.ask(ask), pair.through.ask(ask)
        # The error is ours: it has the words and no line of the server's source.
        assert (wire.errors_of(got), wire.rows_of(got)) == (wire.errors_of(right), wire.rows_of(right)), ask
        assert got[-1].body == right[-1].body
    for client in [*holders, holder]:
        client.close()
    pair.close()
