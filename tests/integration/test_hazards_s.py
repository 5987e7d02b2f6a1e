"""Hazards of class S: what the session is changes what a text means or how its answer reads.

Each case reads as A (the defaults), then as B with another setting. What a cache without that setting
in its key would say is A's answer; what is right is what B gets on a direct connection, byte by byte.
B sets it twice: with SET, and with the startup packet, where its reads may be cached apart from A's.

Not here:
  S27, S28, S33   of the catalogue's own numbering, never given
  S30-S32         skipped where the machine has no locale de_DE, which scripts/setup --test makes
"""

import pytest

import fixtures
import hazard
import servers
import wire

shared_lab, lab = hazard.laboratory()

TABLES = {
    "dates": "create table x (d date, t timestamptz, i interval, f float8, b bytea); insert into x values "
    "('2024-01-02', '2024-01-01 20:00+00', '-1 2:03', 0.1::float8 + 0.2::float8, '\\x0041');",
    "spans": "create table x (i interval); insert into x values ('-1 day +02:03'), ('-1 day -02:03');",
    "paths": "create schema s1; create schema s2; create table s1.x (a int); create table s2.x (a int);"
    "insert into s1.x values (1); insert into s2.x values (2); create table x (a int); insert into x values (0);",
    "names": "create table x (n text); insert into x values ('abc');",
    "arrays": "create table x (a text[]); insert into x values ('{NULL}');",
    "nulls": "create table x (a int); insert into x values (null), (1);",
    "words": "create table x (a text); insert into x values ('the cats');",
    "latin": "create table x (a text); insert into x values (U&'\\00e9');",
    "zones": "create table x (t timestamptz); insert into x values ('2024-01-01 10:00+05:30'), ('2024-01-01 10:00+02');",
    "bytes": "create table x (b bytea); insert into x values ('\\x0041');",
    "money": "create table x (m money, n numeric, d date); insert into x values (1234.56, 1234.5, '2024-03-01');",
    "plain": "create table x (a text); insert into x values ('a\\b');",
    "doc": "create table x (a text); insert into x values ('<a/><b/>');",
}

# id, tables, read, setting, value, whether B's answer may be cached when B has set it at startup
SETTINGS = [
    ("S01-2024-01-02-not-german", "dates", "select d from x", "datestyle", "German", True),
    ("S01-in-json", "dates", "select to_json(t) from x", "timezone", "Asia/Tokyo", True),
    ("S01-in-text", "dates", "select d::text || '!' from x", "datestyle", "SQL", True),
    ("S02-row-of-another-zone", "dates", "select 1 from x where t::date = '2024-01-01'", "timezone", "Asia/Tokyo", True),
    ("S02-literal-of-another-zone", "dates", "select 1 from x where t = '2024-01-01 20:00'", "timezone", "Asia/Tokyo", True),
    ("S02-order-of-day-and-month", "dates", "select 1 from x where d = '01/02/2024'", "datestyle", "ISO, DMY", True),
    ("S03-plus-0203-row", "spans", "select i = '-1 day +02:03' from x where i = '-1 2:03'", "intervalstyle", "sql_standard", True),
    ("S03-output", "spans", "select i from x order by i", "intervalstyle", "iso_8601", True),
    ("S04-0.30000000000000004-not-0.3", "dates", "select f from x", "extra_float_digits", "0", True),
    ("S04-in-json", "dates", "select to_json(f) from x", "extra_float_digits", "0", True),
    ("S05-hex-not-escape", "dates", "select b from x", "bytea_output", "escape", True),
    ("S05-in-record", "dates", "select row(b) from x", "bytea_output", "escape", True),
    ("S06-1-not-2", "paths", "select a from x", "search_path", "s2", True),
    ("S06-0-not-1", "paths", "select a from x", "search_path", "s1, s2", True),
    ("S10-abc-not-quoted", "names", "select quote_ident(n) from x", "quote_all_identifiers", "on", True),
    ("S10-format", "names", "select format('%I', n) from x", "quote_all_identifiers", "on", True),
    ("S11-1-not-0", "arrays", "select count(*) from x where a = '{NULL}'", "array_nulls", "off", True),
    ("S12-0-not-1", "nulls", "select count(*) from x where a = null", "transform_null_equals", "on", True),
    ("S13-row-not-none", "words", "select a from x where to_tsvector(a) @@ 'cat'::tsquery", "default_text_search_config", "pg_catalog.simple", True),
    ("S18-row-not-other-match", "plain", "select count(*) from x where a = 'a\\\\b'", "standard_conforming_strings", "off", False),
    ("S18-quote-hidden-in-a-literal", "plain", "select '\\'' || a || '--' from x where a <> ''' or 1=1 --'", "standard_conforming_strings", "off", False),
    ("S19-c3a9-not-e9", "latin", "select a from x", "client_encoding", "latin1", True),
    ("S20-none-not-row", "zones", "select t from x where t = '2024-01-01 10:00 IST'", "timezone_abbreviations", "India", True),
    ("S25-base64-not-hex", "bytes", "select xmlelement(name x, b) from x", "xmlbinary", "hex", True),
    ("S25-content-not-document", "doc", "select a::xml from x", "xmloption", "document", True),
    ("S30-dollars-not-euros", "money", "select m from x", "lc_monetary", "de_DE.UTF-8", True),
    ("S31-march-not-maerz", "money", "select to_char(d, 'TMMonth') from x", "lc_time", "de_DE.UTF-8", True),
    ("S32-point-not-comma", "money", "select to_char(n, '9G999D9') from x", "lc_numeric", "de_DE.UTF-8", True),
    ("S34-hash-of-other-digits", "dates", "select md5(f::text) from x", "extra_float_digits", "0", True),
]


def run_setting(lab, tables, read, setting, value, how):
    """B's answers through pgrecall and directly, A's, and B's session."""
    a = lab.setup(TABLES[tables])
    first = hazard.plain(a.ask(wire.query(read)))
    a.ask(wire.query(read))
    if how == "startup":
        try:
            direct, b = lab.direct(**{setting: value}), lab.connect(**{setting: value})
        except wire.ServerError as error:
            fixtures.lacking(f"{setting} = {value}: {error}")
    else:
        direct, b = lab.direct(), lab.connect()
        for client in (direct, b):
            if b"E" in hazard.wire.tags_of(client.ask(wire.query(f"set {setting} = {quoted(setting, value)}"))).encode():
                fixtures.lacking(f"{setting} = {value}")
    right = hazard.plain(direct.ask(wire.query(read)))
    assert right != first, "the setting changes nothing here"
    for _ in range(3):
        assert hazard.plain(b.ask(wire.query(read))) == right
        assert hazard.plain(a.ask(wire.query(read))) == first
    return a, b


def quoted(setting, value):
    return value if setting == "search_path" else f"'{value}'"


@pytest.mark.parametrize("how", ["startup", "set"])
@pytest.mark.parametrize(("tables", "read", "setting", "value", "cacheable"), [c[1:] for c in SETTINGS], ids=[c[0] for c in SETTINGS])
def test_a_setting_is_part_of_the_answer(lab, tables, read, setting, value, cacheable, how):
    a, b = run_setting(lab, tables, read, setting, value, how)
    if how == "startup" and cacheable:
        lab.warm(b)
        if not wire.errors_of(b.ask(wire.query(read))):
            lab.cached_messages(b, wire.query(read), read)
    elif how == "startup":
        assert not lab.is_caching(b)


# The answers above under the defaults have to be hits, or the cases prove nothing.
DEFAULTS = list({(c[1], c[2]): c[:3] for c in reversed(SETTINGS)}.values())


@pytest.mark.parametrize(("tables", "read"), [c[1:] for c in DEFAULTS], ids=[c[0] for c in DEFAULTS])
def test_what_the_settings_change_is_cached(lab, tables, read):
    lab.cached(lab.setup(TABLES[tables]), read)


def test_S04_S05_all_defaults_spelled_in_the_startup_packet_share_one_entry(lab):
    a = lab.setup(TABLES["dates"])
    read = "select d, f, b from x"
    rows = lab.cached(a, read)
    b = lab.connect(extra_float_digits="1", bytea_output="hex", datestyle="ISO, MDY")
    lab.warm(b)
    assert lab.reaches(read, lambda: b.query(read)) == (rows, 0)


# ---- roles ---------------------------------------------------------------------------------


def test_S07_alice_not_bob_by_the_path_of_the_user(lab):
    lab.setup("create schema alice; create schema bob; create table alice.x (a text); create table bob.x (a text);"
              "insert into alice.x values ('alice'); insert into bob.x values ('bob');"
              "grant usage on schema alice, bob to public; grant select on alice.x, bob.x to public")
    u, v = lab.connect("alice"), lab.connect("bob")
    lab.warm(u, v)
    read = "select a from x"
    for _ in range(3):
        assert u.query(read) == lab.direct("alice").query(read) == [["alice"]]
        assert v.query(read) == lab.direct("bob").query(read) == [["bob"]]
    assert lab.cached(u, read) == [["alice"]]
    assert lab.cached(v, read) == [["bob"]]


OWNED = ("create table x (o text, a int); insert into x values ('alice', 1), ('bob', 2); grant select on x to public;"
         "alter table x enable row level security; create policy p on x using (o = current_user)")


@pytest.mark.parametrize("change", ["set role bob", "set session authorization bob"])
def test_S08_alice_not_bob_under_row_security_on_the_same_connection(lab, change):
    lab.setup(OWNED)
    a = lab.connect()
    b = lab.connect()
    a.query("set role alice")
    for _ in range(3):
        assert a.query("select o from x") == [["alice"]]
    b.query(change)
    assert b.query("select o from x") == [["bob"]]
    a.query("set role bob")
    assert a.query("select o from x") == [["bob"]]
    a.query("reset role")
    assert a.query("select o from x order by 1") == [["alice"], ["bob"]]


def test_S08_alice_not_bob_under_row_security_of_two_logins(lab):
    lab.setup(OWNED)
    alice, bob, superuser = lab.connect("alice"), lab.connect("bob"), lab.connect()
    read = "select o, a from x"
    assert lab.cached(alice, read) == [["alice", "1"]]
    assert lab.cached(bob, read) == [["bob", "2"]]
    assert len(lab.cached(superuser, read)) == 2
    superuser.query("update x set o = 'alice'")
    assert len(lab.cached(alice, read)) == 2
    assert lab.cached(bob, read) == []


@pytest.mark.parametrize("how", ["set", "startup", "set_config", "in function"])
def test_S09_1_not_2_under_row_security_by_a_custom_setting(lab, how):
    lab.setup("create table x (t int); insert into x values (1), (2); grant select on x to public;"
              "alter table x enable row level security; create policy p on x using (t = current_setting('app.tenant')::int);"
              "create function tenant(n text) returns void language sql as $$ select set_config('app.tenant', n, false) $$")
    one = lab.connect("alice", **{"app.tenant": "1"})
    lab.warm(one)
    assert lab.never_cached(one, "select t from x") == [[["1"]]] * 3
    two = lab.connect("alice", **({"app.tenant": "2"} if how == "startup" else {}))
    if how == "set":
        two.query("set app.tenant = 2")
    elif how == "set_config":
        two.query("select set_config('app.tenant', '2', false)")
    elif how == "in function":
        two.query("select tenant('2')")
    for _ in range(3):
        assert two.query("select t from x") == [["2"]]
        assert one.query("select t from x") == [["1"]]
    # The next to come gets nothing of it.
    three = lab.connect("alice")
    for _ in range(3):
        assert hazard.outcome(three, "select t from x") == hazard.outcome(lab.direct("alice"), "select t from x") == "42704"


def test_S26_1_not_42501_for_a_role_without_the_privilege(lab):
    a = lab.setup("create table x (a int); insert into x values (1)")
    assert lab.cached(a, "select a from x") == [["1"]]
    b = lab.connect()
    b.query("set role alice")
    assert hazard.outcome(b, "select a from x") == "42501"
    c = lab.connect("alice")
    lab.warm(c)
    for _ in range(3):
        assert hazard.outcome(c, "select a from x") == "42501"
        assert a.query("select a from x") == [["1"]]


def test_S23_row_not_42501_with_row_security_off(lab):
    lab.setup("create table x (a int); insert into x values (1); grant select on x to public;"
              "alter table x enable row level security; create policy p on x using (a = 1)")
    for how in ("set", "startup"):
        u = lab.connect("alice")
        assert lab.cached(u, "select a from x") == [["1"]]
        v = lab.connect("alice", **({"row_security": "off"} if how == "startup" else {}))
        if how == "set":
            v.query("set row_security = off")
        for _ in range(3):
            assert hazard.outcome(v, "select a from x") == "42501"
            assert u.query("select a from x") == [["1"]]


# ---- settings that change out of sight -----------------------------------------------------

DATES = "create table x (d date); insert into x values ('2024-01-02');"
ISO, GERMAN = [["2024-01-02"]], [["02.01.2024"]]


@pytest.mark.parametrize("step", [
    "select f()",
    "do $$ begin perform set_config('datestyle', 'German', false); end $$",
    "select set_config('datestyle', 'German', false)",
    "call p()",
    "select count(*) from x where g(d)",
    "prepare s as select f(); execute s",
    "select 1; set datestyle = 'German'; select 2",
    "set session datestyle to german",
    "begin; set datestyle = 'German'; commit",
], ids=["function", "do", "set_config", "call", "where", "execute", "multi", "set", "block"])
def test_S14_iso_not_german_after_a_setting_within(lab, step):
    a = lab.setup(DATES + "create function f() returns void language plpgsql as $$ begin set datestyle = 'German'; end $$;"
                  "create procedure p() language plpgsql as $$ begin set datestyle = 'German'; end $$;"
                  "create function g(date) returns bool language plpgsql as $$ begin perform set_config('datestyle', 'German', false); return true; end $$")
    assert lab.cached(a, "select d from x") == ISO
    b = lab.connect()
    b.query(step)
    for _ in range(3):
        assert b.query("select d from x") == GERMAN
        assert a.query("select d from x") == ISO
    b.close()
    lab.clients.remove(b)
    c = lab.connect()
    for _ in range(3):
        assert c.query("select d from x") == ISO


def test_S15_1_not_2_after_a_function_set_the_path(lab):
    a = lab.setup(TABLES["paths"] + "create function f() returns void language plpgsql as $$ begin set search_path = s2; end $$")
    assert lab.cached(a, "select a from x") == [["0"]]
    a.query("select f()")
    assert [a.query("select a from x") for _ in range(3)] == [[["2"]]] * 3
    assert lab.connect().query("select a from x") == [["0"]]


@pytest.mark.parametrize("end", ["rollback", "rollback to s; commit"])
def test_S16_german_not_iso_after_a_rollback(lab, end):
    a = lab.setup(DATES)
    assert lab.cached(a, "select d from x") == ISO
    a.query("begin")
    a.query("savepoint s")
    a.query("set datestyle = 'German'")
    assert a.query("select d from x") == GERMAN
    a.query(end)
    for client in (a, lab.connect()):
        assert [client.query("select d from x") for _ in range(3)] == [ISO] * 3


def test_S17_03_not_030000000000000004_after_set_local(lab):
    a = lab.setup(TABLES["dates"])
    long = lab.cached(a, "select f from x")
    assert long == [["0.30000000000000004"]]
    a.query("begin")
    a.query("set local extra_float_digits = 0")
    assert a.query("select f from x") == [["0.3"]]
    a.query("commit")
    assert [a.query("select f from x") for _ in range(3)] == [long] * 3
    for step in ("set local extra_float_digits = 0; select f from x", "begin; set local extra_float_digits = 0; select f from x; commit"):
        assert a.query(step) == [["0.3"]]
        assert [c.query("select f from x") for c in (a, lab.connect())] == [long] * 2


@pytest.mark.parametrize("scope", ["role alice", "database postgres", "role alice in database postgres", "role all"])
@pytest.mark.parametrize("through", [True, False], ids=["through pgrecall", "behind its back"])
def test_S22_iso_not_german_after_alter_role_for_who_reconnects(lab, scope, through):
    lab.setup(DATES + "grant select on x to public")
    u = lab.connect("alice")
    lab.warm(u)
    assert lab.cached(u, "select d from x") == ISO
    u.close()
    lab.clients.remove(u)
    change = lab.connect().query if through else lab.behind
    change(f"alter {scope} set datestyle = 'German'")
    try:
        assert lab.direct("alice").query("select d from x") == GERMAN
        if through:
            # The control connection looks at once, but nobody waits for it: see the next test.
            assert servers.wait_until(lambda: reconnected(lab) == GERMAN, 20)
            for _ in range(3):
                assert reconnected(lab) == GERMAN
        else:
            # Bounded by catalog_refresh; what is answered is one or the other, whole.
            assert lab.connect("alice").query("select d from x") in (ISO, GERMAN)
    finally:
        change(f"alter {scope} reset datestyle")
    if through:
        assert servers.wait_until(lambda: reconnected(lab) == ISO, 20)
        for _ in range(3):
            assert reconnected(lab) == ISO


def reconnected(lab):
    with lab.proxy.connect(user="alice") as client:
        return client.query("select d from x")


def test_S22_iso_not_german_at_once(lab):
    lab.setup(DATES + "grant select on x to public")
    lab.cached(lab.connect("alice"), "select d from x")
    admin = lab.connect()
    try:
        admin.query("alter role alice set datestyle = 'German'")
        assert reconnected(lab) == GERMAN
    finally:
        admin.query("alter role alice reset datestyle")
        servers.wait_until(lambda: reconnected(lab) == ISO, 20)


@pytest.mark.parametrize("through", [True, False], ids=["through pgrecall", "behind its back"])
def test_S35_german_rows_under_the_iso_key_after_alter_system(lab, through):
    """A session keeps the style that it was told, or gets the new one: never rows of one under the
    other's key. New sessions get the new one, at once through pgrecall, else within catalog_refresh."""
    a = lab.setup(DATES)
    assert lab.cached(a, "select d from x") == ISO
    change = lab.connect().query if through else lab.behind
    change("alter system set datestyle = 'German'")
    change("select pg_reload_conf()")
    try:
        assert servers.wait_until(lambda: lab.direct().query("select d from x") == GERMAN)
        b = lab.connect()
        if through:
            assert servers.wait_until(lambda: lab.connect().query("select d from x") == GERMAN)
            b = lab.connect()
            b.query("select d, 1 from x")
            assert [b.query("select d from x") for _ in range(3)] == [GERMAN] * 3
    finally:
        change("alter system reset datestyle")
        change("select pg_reload_conf()")
        assert servers.wait_until(lambda: lab.direct().query("select d from x") == ISO)
    # Nothing German is left in the cache for those who are told ISO.
    assert servers.wait_until(lambda: lab.connect().query("select d from x") == ISO)
    assert servers.wait_until(lambda: lab.connect().parameters["DateStyle"].startswith("ISO"), 20)
    lab.warm()
    lab.behind("select pg_reload_conf()")


def test_S35_rows_agree_with_the_style_that_a_new_session_is_told(lab):
    lab.setup(DATES)
    lab.behind("alter system set datestyle = 'German'")
    lab.behind("select pg_reload_conf()")
    try:
        for _ in range(30):
            client = lab.connect()
            style = client.parameters["DateStyle"]
            messages = client.ask(wire.query("select d from x"))
            for m in messages:
                if m.tag == b"S":
                    name, value = m.body[:-1].decode().split("\0")
                    style = value if name == "DateStyle" else style
            assert (wire.rows_of(messages) == GERMAN) == style.startswith("German")
            hazard.sleep(0.01)
    finally:
        lab.behind("alter system reset datestyle")
        lab.behind("select pg_reload_conf()")


def test_S36_one_entry_for_a_literal_folded_at_parse(lab):
    a = lab.setup("create table x (d date); insert into x values ('2003-01-02'), ('2003-02-01')")
    read = "select '01/02/2003'::date"
    mdy, dmy = [["2003-01-02"]], [["2003-02-01"]]
    assert lab.cached(a, read) == mdy
    for client in (lab.direct(), lab.connect()):
        client.ask(wire.parse(read, "s"), wire.sync())
        run = wire.bind(statement="s") + wire.execute() + wire.sync()
        assert wire.rows_of(client.ask(run)) == mdy
        client.query("set datestyle = 'ISO, DMY'")
        assert client.query(read) == dmy
        assert wire.rows_of(client.ask(run)) == mdy
        assert wire.rows_of(client.ask(wire.extended(read))) == dmy
    assert a.query(read) == mdy


def test_S37_true_not_false_after_discard_all(lab):
    """What DISCARD ALL leaves behind ('' instead of NULL) must reach no one else."""
    a = lab.setup()
    read = "select current_setting('app.z', true) is null"
    assert a.query(read) == [["t"]]
    for client in (lab.direct(), lab.connect()):
        client.query("set app.z = 1")
        assert client.query(read) == [["f"]]
        client.query("discard all")
        assert client.query(read) == [["f"]]
    for _ in range(5):
        assert lab.connect().query(read) == [["t"]]
    assert a.query(read) == [["t"]]


def test_S21_row_not_none_with_another_similarity_threshold(lab):
    lab.setup("create extension pg_trgm; create table x (a text); insert into x values ('abcd')")
    read = "select a from x where a % 'abc'"
    a, b = lab.connect(), lab.connect()
    assert a.query(read) == [["abcd"]]
    b.query("set pg_trgm.similarity_threshold = 0.99")
    for _ in range(2):
        assert b.query(read) == []
        assert a.query(read) == [["abcd"]]
    c = lab.connect(**{"pg_trgm.similarity_threshold": "0.99"})
    for _ in range(3):
        assert c.query(read) == []


def test_S24_5000_not_26_with_a_fuzzy_limit(lab):
    a = lab.setup("create table x (a int[]); insert into x select array[1] from generate_series(1, 5000);"
                  "create index on x using gin (a); set enable_seqscan = off; analyze x")
    read = "select count(*) from x where a @> array[1]"
    assert lab.cached(a, read) == [["5000"]]
    for b in (lab.connect(), lab.connect(gin_fuzzy_search_limit="20", enable_seqscan="off")):
        b.query("set enable_seqscan = off; set gin_fuzzy_search_limit = 20")
        assert int(b.query(read)[0][0]) < 2000
    c = lab.connect(gin_fuzzy_search_limit="20", enable_seqscan="off")
    assert int(c.query(read)[0][0]) < 2000
    assert not lab.is_caching(c)
    assert a.query(read) == [["5000"]]


@pytest.mark.parametrize("how", ["set", "startup"])
def test_S29_no_notice_not_the_notice_of_a_long_name(lab, how):
    lab.setup("create table x (a int); insert into x values (1)")
    read = f"select a as {'n' * 70} from x"
    quiet = lab.connect(**({"client_min_messages": "error"} if how == "startup" else {}))
    if how == "set":
        quiet.query("set client_min_messages = error")
    for _ in range(3):
        assert "N" not in wire.tags_of(quiet.ask(wire.query(read)))
    loud = lab.connect()
    lab.warm(loud)
    right = hazard.plain(lab.direct().ask(wire.query(read)))
    assert "N" in wire.tags_of(right)
    for _ in range(3):
        assert hazard.plain(loud.ask(wire.query(read))) == right
