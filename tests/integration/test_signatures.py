"""The signature of a session: sessions with equal ones share entries, whatever way they came by their settings in
that way's order; sessions with different ones never do. On random settings, and through transactions."""

import random

import pytest

import seeds
import servers

# By name: values that differ from each other in what they make of an answer, or may.
SETTINGS = {
    "datestyle": ["'german, dmy'", "'sql, mdy'"],
    "intervalstyle": ["sql_standard", "iso_8601"],
    "timezone": ["'Asia/Tokyo'", "'America/New_York'"],
    "extra_float_digits": ["0", "-5"],
    "bytea_output": ["escape", "hex"],
    "array_nulls": ["off", "on"],
    "xmlbinary": ["hex", "base64"],
    "quote_all_identifiers": ["on", "off"],
    "default_text_search_config": ["'pg_catalog.simple'", "'pg_catalog.english'"],
    "row_security": ["off", "on"],
    "search_path": ["signed, public", "public, signed"],
    "client_min_messages": ["error", "warning"],
    "lc_monetary": ["'C'", "'POSIX'"],
    "role": ["signed_a", "signed_b"],
}
READ = ("select d, i, t, f, b, quote_ident(n), x.n as \"{tag}\" from signed_rows x order by n")


@pytest.fixture(scope="module")
def rows(postgres):
    postgres.query(
        "drop schema if exists signed cascade; create schema signed; drop table if exists signed_rows;"
        "drop role if exists signed_a; drop role if exists signed_b; create role signed_a; create role signed_b;"
        "grant usage on schema signed to public")
    for schema, first in (("public", "of public"), ("signed", "of signed")):
        postgres.query(
            f"create table {schema}.signed_rows (d date, i interval, t timestamptz, f float8, b bytea, n text, o name);"
            f"alter table {schema}.signed_rows enable row level security;"
            f"create policy p on {schema}.signed_rows using (o = current_user);"
            f"grant select on {schema}.signed_rows to public;"
            f"insert into {schema}.signed_rows values ('2024-01-02', '1 day 02:03', '2024-01-02 03:04+00', 0.1::float8 + 0.2, '\\x0041', '{first}', 'signed_a'),"
            f" ('2024-05-06', '-1 day', '2024-05-06 03:04+00', 1.0 / 3, '\\xff', 'b {first}', 'signed_b')")
    yield
    postgres.query("drop schema signed cascade; drop table signed_rows; drop role signed_a; drop role signed_b")


@pytest.fixture
def proxy(make_proxy, postgres, rows):
    made = make_proxy(postgres)
    made.wait_for_catalog()
    return made


def draw(rng, least=0):
    """Names and values; the role last, because what it may set is another matter."""
    names = rng.sample(sorted(SETTINGS), rng.randint(least, 4))
    return {name: rng.choice(SETTINGS[name]) for name in names}


def apply(client, settings, rng):
    names = list(settings)
    rng.shuffle(names)
    names.sort(key=lambda name: name == "role")
    for name in names:
        value = settings[name]
        if rng.random() < 0.2 and name not in ("role", "search_path"):
            client.query(f"select set_config('{name}', {value if value.startswith(chr(39)) else repr(value)}, false)")
        else:
            client.query(f"set {rng.choice(['', 'session '])}{name} {rng.choice(['=', 'to'])} {value}")


def wander(client, rng):
    """Sets what a transaction takes back: the signature is what it was."""
    way = rng.randrange(5)
    if way == 0:
        client.query("begin")
        apply(client, draw(rng, 1), rng)
        client.query("rollback")
    elif way == 1:
        client.query("begin")
        client.query("set local datestyle = 'sql'")
        client.query("commit")
    elif way == 2:
        client.query("begin")
        client.query("savepoint s")
        apply(client, draw(rng, 1), rng)
        client.query("rollback to s")
        client.query("commit")


def hits(proxy, action):
    before = servers.hits(proxy.cache())
    result = action()
    return servers.hits(proxy.cache()) - before, result


def answer(client, sql):
    """The bytes of all rows, or the error."""
    messages = client.ask(servers.wire.query(sql))
    return [(m.tag, m.body) for m in messages if m.tag in (b"T", b"D", b"C", b"E")]


@seeds.each(6)
def test_equal_signatures_share_and_different_ones_never_do(proxy, postgres, seed):
    rng = random.Random(seed)
    shared = apart = 0
    for round_ in range(12):
        sql = READ.format(tag=f"{seed} {round_}")
        ours = draw(rng)
        theirs = dict(ours)
        if rng.random() < 0.5:
            name = rng.choice(sorted(SETTINGS))
            others = [value for value in SETTINGS[name] if value != theirs.get(name)]
            if name in theirs and rng.random() < 0.5:
                del theirs[name]
            else:
                theirs[name] = rng.choice(others)
        with proxy.connect() as first, proxy.connect() as second, postgres.connect() as direct:
            apply(first, ours, rng)
            wander(first, rng)
            apply(second, theirs, rng)
            wander(second, rng)
            apply(direct, theirs, rng)
            for _ in range(2):
                filled, _ = hits(proxy, lambda: answer(first, sql))
            count, got = hits(proxy, lambda: answer(second, sql))
            what = f"{ours}\n{theirs}\n{got}"
            assert got == answer(direct, sql), what
            if ours == theirs:
                assert count == filled, what
                shared += count
            else:
                assert count == 0, what
                apart += filled
    assert shared > 0 and apart > 0, (shared, apart)


@pytest.mark.parametrize("taint,clean", [
    ("select pg_advisory_lock(8675309)", True),
    ("create temp table signed_temp (a int)", True),
    ("listen signed", True),
    ("declare signed_cursor cursor with hold for select 1", True),
    ("select signed_taint()", False),  # nobody knows what it set: DISCARD ALL need not undo it
])
def test_a_tainted_session_is_not_served_until_discard_all_makes_it_a_fresh_one(proxy, taint, clean):
    proxy.query("create or replace function signed_taint() returns void language plpgsql as "
                "$$ begin execute 'set ' || 'datestyle = german'; end $$")
    sql = READ.format(tag="discarded")
    with proxy.connect() as fresh, proxy.connect() as tainted:
        assert servers.wait_until(lambda: hits(proxy, lambda: answer(fresh, sql))[0] == 1, 20)
        assert hits(proxy, lambda: answer(tainted, sql))[0] == 1
        tainted.query(taint)
        for _ in range(2):
            assert hits(proxy, lambda: answer(tainted, sql))[0] == 0
        tainted.query("discard all")
        count, got = hits(proxy, lambda: answer(tainted, sql))
        assert got == answer(fresh, sql) and count == (1 if clean else 0)
    proxy.query("drop function signed_taint()")
