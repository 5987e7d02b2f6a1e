"""Rules and hints: each action by each matcher, what hints may do, and what nothing may force."""

import subprocess

import psycopg
import pytest

import servers
import wire

READ = "select v from ruled where id = 7"
FORCEABLE = "select v, now()::text from ruled where id = 7"


@pytest.fixture(scope="module")
def tables(postgres):
    postgres.query(
        "drop table if exists ruled cascade; create table ruled (id int primary key, v int); "
        "insert into ruled select i, i from generate_series(1, 100) i; "
        "drop table if exists unruled cascade; create table unruled (id int primary key, v int); "
        "insert into unruled select i, i from generate_series(1, 100) i; "
        "create or replace view ruled_view as select id, v from ruled; "
        "drop role if exists ruled_role; create role ruled_role login superuser"
    )


@pytest.fixture
def ruled(make_proxy, postgres, tables):
    """Makes proxies with these rules, their catalog loaded."""

    def make(rules=None, **options):
        proxy = make_proxy(postgres, rules=rules, **options)
        proxy.query("select 1")
        assert servers.wait_until(lambda: proxy.console("SHOW CATALOG")[0]["cached"] == "yes")
        return proxy

    return make


def deltas(proxy, client, sql, times=3):
    """What SHOW CACHE counted while the client asked `times` times for one answer."""
    before = proxy.cache()
    for _ in range(times):
        client.ask(sql if isinstance(sql, bytes) else wire.query(sql))
    after = proxy.cache()
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


def is_cached(proxy, client, sql):
    return deltas(proxy, client, sql).get("hits_memory", 0) >= 2


def rules_of(proxy):
    return {row["name"]: row for row in proxy.console("SHOW RULES")}


def shape_of(proxy, sql):
    rows = proxy.console(f"EXPLAIN CACHE {sql}")
    return next(row["value"] for row in rows if row["name"] == "shape")


# ---- matchers ------------------------------------------------------------------------------


MATCHERS = {
    "database": ("database=postgres", {}, None),
    "role": ("role=ruled_role", {"user": "ruled_role"}, None),
    "table": ("table=public.ruled", {}, "select v from unruled where id = 7"),
    "table_in_any_schema": ("table=ruled", {}, "select v from unruled where id = 7"),
}


@pytest.mark.parametrize("matcher", MATCHERS)
@pytest.mark.parametrize("action", ["never", "observe", "window=1s", "namespace=apart", "force"])
@pytest.mark.parametrize("ask", [wire.query, wire.extended], ids=["simple", "extended"])
def test_every_action_works_by_every_matcher(ruled, matcher, action, ask):
    match, login, other = MATCHERS[matcher]
    does = action if "=" in action else f"action={action}"
    proxy = ruled({"one": f"{match} {does}"})
    with proxy.connect(**login) as client, proxy.connect(user="postgres") as stranger:
        counts = deltas(proxy, client, ask(READ), 5)
        if action == "never":
            assert counts.get("bypass_rule") == 5 and "hits_memory" not in counts
        elif action == "observe":
            assert counts["bypass_observe"] == 5 and "hits_memory" not in counts
            assert counts["hits_observed"] == 4 and counts["misses_observed"] == 1
        else:
            assert counts["hits_memory"] == 4
        if action == "force":
            counts = deltas(proxy, client, ask(FORCEABLE), 5)
            assert counts["hits_memory"] == 4 and counts["hits_forced"] == 4
        if action == "namespace=apart":
            proxy.console("FLUSH NAMESPACE other")
            assert deltas(proxy, client, ask(READ), 1).get("hits_memory") == 1
            proxy.console("FLUSH NAMESPACE apart")
            assert "hits_memory" not in deltas(proxy, client, ask(READ), 1)
        assert int(rules_of(proxy)["one"]["applied"]) >= 5
        assert (int(rules_of(proxy)["one"]["hits"]) > 0) == (action != "never")
        if other:
            assert is_cached(proxy, client, other) and "hits_forced" not in deltas(proxy, client, other)
        if login:
            assert is_cached(proxy, stranger, READ)


def test_a_rule_for_a_shape_means_that_shape_with_any_constants(ruled):
    proxy = ruled({"one": "shape=" + "0" * 32 + " action=never"})
    shape = shape_of(proxy, READ)
    proxy.console(f"RULE ADD by_shape shape={shape} action=never")
    with proxy.connect() as client:
        assert not is_cached(proxy, client, "select v from ruled where id = 8")
        assert not is_cached(proxy, client, wire.extended("select v from ruled where id = 9"))
        assert is_cached(proxy, client, "select v from ruled where id < 8")


def test_a_table_rule_holds_through_views_and_not_for_others(ruled):
    proxy = ruled({"one": "table=public.ruled action=never", "two": "table=nowhere.ruled action=never"})
    with proxy.connect() as client:
        assert not is_cached(proxy, client, "select v from ruled_view where id = 7")
        assert not is_cached(proxy, client, "select u.v from unruled u join ruled r using (id) where id = 7")
        assert is_cached(proxy, client, "select v from unruled where id = 7")


def test_the_first_rule_that_matches_decides_alone(ruled):
    proxy = ruled({"but": "table=public.ruled action=cache", "all": "database=postgres action=never"})
    with proxy.connect() as client:
        assert is_cached(proxy, client, READ)
        assert not is_cached(proxy, client, "select v from unruled where id = 7")


# ---- at run time ---------------------------------------------------------------------------


def test_a_rule_added_later_holds_for_what_is_stored_already(ruled):
    proxy = ruled({"late": "role=nobody action=never"})
    with proxy.connect() as client:
        assert is_cached(proxy, client, READ)
        proxy.console("RULE ADD calm table=public.ruled action=never")
        assert [row["name"] for row in proxy.console("SHOW RULES")] == ["calm", "late"]
        assert rules_of(proxy)["calm"]["source"] == "console"
        assert not is_cached(proxy, client, READ)
        proxy.console("RULE DROP calm")
        assert is_cached(proxy, client, READ)
        proxy.console("RULE ADD calm = table=public.ruled namespace='x'")
        assert rules_of(proxy)["calm"]["rule"] == "table=public.ruled action=cache namespace=x"
        assert "hits_memory" not in deltas(proxy, client, READ, 1)
        proxy.console("RELOAD")
        assert servers.wait_until(lambda: list(rules_of(proxy)) == ["late"])


def test_a_reload_changes_rules_and_drops_nobody(ruled):
    proxy = ruled()
    with proxy.connect() as client:
        assert is_cached(proxy, client, READ)
        proxy.rules = {"one": "database=postgres action=never"}
        proxy.write_config()
        proxy.console("RELOAD")
        assert servers.wait_until(lambda: "one" in rules_of(proxy))
        assert not is_cached(proxy, client, READ)


WRONG = [
    ("RULE ADD a table=x", "22023"),
    ("RULE ADD a action=perhaps", "22023"),
    ("RULE ADD a window=1y", "22023"),
    ("RULE ADD a window=25h", "22023"),
    ("RULE ADD a shape=12 action=never", "22023"),
    ("RULE ADD a colour=red action=never", "22023"),
    ("RULE ADD a namespace='a b'", "22023"),
    ("RULE ADD a action=never window=1s", "22023"),
    ("RULE ADD a nonsense", "22023"),
    ("RULE ADD twice action=never", "42710"),
    ("RULE ADD", "42601"),
    ("RULE ADD a", "42601"),
    ("RULE DROP a", "42704"),
    ("FLUSH NAMESPACE 'a b'", "42602"),
]


def test_a_wrong_rule_is_refused_with_its_reason(ruled):
    proxy = ruled({"twice": "role=x action=never"})
    with proxy.connect_console() as console:
        for command, sqlstate in WRONG:
            assert (command, wire.errors_of(console.ask(wire.query(command)))) == (command, [sqlstate])
    assert list(rules_of(proxy)) == ["twice"]


def test_no_more_rules_than_there_can_be(ruled):
    proxy = ruled({f"r{i}": "role=x action=never" for i in range(64)})
    with proxy.connect_console() as console:
        assert wire.errors_of(console.ask(wire.query("RULE ADD more action=never"))) == ["54000"]
        assert not wire.errors_of(console.ask(wire.query("RULE DROP r63")))
        assert not wire.errors_of(console.ask(wire.query("RULE ADD more action=never")))


def test_check_names_wrong_rules_with_file_and_line(tmp_path):
    config = tmp_path / "wrong.ini"
    config.write_text("[rules]\na = table=x action=sometimes\nb = action=never window=5s\nc = role=r\n")
    done = subprocess.run([servers.BINARY, "--check", config], capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    for line in (2, 3, 4):
        assert f"{config}:{line}: " in said, said


# ---- what nothing forces -------------------------------------------------------------------


NEVER_FORCED = {
    "write": "insert into unruled select 1000 + count(*)::int, 1 from unruled returning v",
    "write_in_cte": "with w as (update unruled set v = v where id = 1 returning v) select now(), v from w",
    "row_lock": "select now(), v from ruled where id = 7 for update",
    "row_lock_only": "select v from ruled where id = 7 for share",
    "sequence": "select nextval('ruled_seq'), v from ruled where id = 7",
    "lock": "select pg_advisory_xact_lock(1), v from ruled where id = 7",
    "setting": "select set_config('work_mem', '4MB', true), v from ruled where id = 7",
    "several": "select now(); select v from ruled where id = 7",
    "user_function_that_writes": "select ruled_writes(), v from ruled where id = 7",
    "into": "select now() as n into ruled_into from ruled limit 0; drop table ruled_into",
    "row_security": "select now(), v from ruled_hidden",
    "temporary": "select now(), count(*) from pg_temp.ruled_temp",
}


@pytest.mark.parametrize("case", NEVER_FORCED)
def test_force_never_forces(ruled, postgres, case):
    postgres.query("create sequence if not exists ruled_seq")
    postgres.query("create or replace function ruled_writes() returns int language sql as 'update unruled set v = v where id = 2; select 1'")
    postgres.query("create table if not exists ruled_hidden (v int)")
    postgres.query("alter table ruled_hidden enable row level security")
    postgres.query("drop policy if exists tenant on ruled_hidden")
    postgres.query("create policy tenant on ruled_hidden using (v > current_setting('app.least', true)::int)")
    if not postgres.query("select from pg_roles where rolname = 'ruled_reader'"):
        postgres.query("create role ruled_reader login")
    postgres.query("grant select on ruled_hidden to ruled_reader")
    proxy = ruled({"all": "database=postgres action=force"})
    # A superuser is exempt from policies.
    with proxy.connect(user="ruled_reader" if case == "row_security" else "postgres") as client:
        if case == "temporary":
            client.query("create temp table ruled_temp (v int)")
        assert not deltas(proxy, client, NEVER_FORCED[case], 4).get("hits_forced")
    with proxy.connect() as client:
        client.query("begin")
        assert not deltas(proxy, client, FORCEABLE, 4).get("hits_forced")
        client.query("commit")


def test_a_forced_answer_is_dropped_by_a_write_to_its_table(ruled, postgres):
    proxy = ruled({"all": "table=public.ruled action=force"})
    with proxy.connect() as client:
        first = client.query(FORCEABLE)
        assert client.query(FORCEABLE) == first
        client.query("update ruled set v = v where id = 99")
        assert client.query(FORCEABLE) != first


def test_what_was_forced_is_not_served_to_whom_nothing_is_forced(ruled):
    proxy = ruled({"one": "role=ruled_role action=force"})
    with proxy.connect(user="ruled_role") as client, proxy.connect() as other:
        forced = client.query(FORCEABLE)
        assert client.query(FORCEABLE) == forced
        assert other.query(FORCEABLE) != forced
        proxy.console("RULE DROP one")
        assert client.query(FORCEABLE) != forced


def test_a_forced_parameter_that_means_now_is_apart_from_others(ruled):
    proxy = ruled({"one": "table=public.ruled action=force"}, client_hints="all")
    sql = "select v from ruled where $1::text = 'now' and id = 7"
    with proxy.connect() as client:
        assert deltas(proxy, client, wire.extended(sql, ["now"]), 3).get("hits_forced") == 2
        proxy.console("RULE DROP one")
        assert "hits_memory" not in deltas(proxy, client, wire.extended(sql, ["now"]), 3)


# ---- hints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [wire.query, wire.extended], ids=["simple", "extended"])
@pytest.mark.parametrize("comment", ["/* pgrecall: {} */ {}", "{1} /*pgrecall:{0}*/", "-- pgrecall: {}\n{}"])
def test_hints_reach_their_statement_alone(ruled, ask, comment):
    proxy = ruled()
    with proxy.connect() as client:
        assert is_cached(proxy, client, ask(READ))
        counts = deltas(proxy, client, ask(comment.format("nocache", READ)))
        assert counts["bypass_hint"] == 3 and "hits_memory" not in counts
        assert is_cached(proxy, client, ask(READ))


@pytest.mark.parametrize("allowed", ["off", "safe", "all"])
def test_what_each_value_of_client_hints_allows(ruled, allowed):
    proxy = ruled(client_hints=allowed, cache_window="10min")
    listens, loosens = allowed != "off", allowed == "all"
    with proxy.connect() as client:
        assert is_cached(proxy, client, READ)
        assert ("bypass_hint" in deltas(proxy, client, f"/* pgrecall: nocache */ {READ}")) == listens
        # Another window or namespace is another key: the first look is no hit.
        first = deltas(proxy, client, f"/* pgrecall: window=5m */ {READ}", 1)
        assert ("hits_memory" in first) == (not listens)
        first = deltas(proxy, client, f"/* pgrecall: namespace=mine */ {READ}", 1)
        assert ("hits_memory" in first) == (not listens)
        first = deltas(proxy, client, f"/* pgrecall: window=1h */ {READ}", 1)
        assert ("hits_memory" in first) == (not loosens)
        forced = deltas(proxy, client, f"/* pgrecall: force */ {FORCEABLE}")
        assert ("hits_forced" in forced) == loosens


def test_a_client_cannot_leave_what_a_rule_says(ruled):
    proxy = ruled({"one": "table=public.ruled window=1min namespace=house"}, client_hints="all")
    with proxy.connect() as client:
        assert is_cached(proxy, client, READ)
        assert is_cached(proxy, client, f"/* pgrecall: window=1h, namespace=mine */ {READ}")
        assert "hits_memory" in deltas(proxy, client, f"/* pgrecall: window=1h, namespace=mine */ {READ}", 1)
        assert "hits_memory" not in deltas(proxy, client, f"/* pgrecall: window=1s */ {READ}", 1)
        proxy.console("FLUSH NAMESPACE house")
        assert "hits_memory" not in deltas(proxy, client, READ, 1)


@pytest.mark.parametrize("words", ["nocach", "window=", "window=forever", "namespace=a/b", "window=5m nonsense"])
def test_a_hint_that_cannot_be_read_asks_the_server(ruled, words):
    proxy = ruled(client_hints="all")
    with proxy.connect() as client:
        assert is_cached(proxy, client, READ)
        assert deltas(proxy, client, f"/* pgrecall: {words} */ {READ}")["bypass_hint"] == 3


def test_what_one_client_stores_by_hints_another_does_not_get(ruled):
    proxy = ruled(client_hints="all")
    with proxy.connect() as one, proxy.connect() as other:
        forced = one.query(f"/* pgrecall: force */ {FORCEABLE}")
        assert one.query(f"/* pgrecall: force */ {FORCEABLE}") == forced
        assert other.query(FORCEABLE) != forced
        one.query(f"/* pgrecall: window=1d namespace=one */ {READ}")
        assert "hits_memory" not in deltas(proxy, other, READ, 1)


def test_a_prepared_statement_keeps_its_hint(ruled):
    proxy = ruled()
    with proxy.connect() as client:
        client.ask(wire.parse(f"/* pgrecall: nocache */ {READ}", "hinted"), wire.parse(READ, "plain"), wire.sync())
        run = [wire.bind(statement="hinted"), wire.execute(), wire.sync()]
        counts = deltas(proxy, client, b"".join(run))
        assert counts["bypass_hint"] == 3
        run[0] = wire.bind(statement="plain")
        assert is_cached(proxy, client, b"".join(run))


# ---- metrics -------------------------------------------------------------------------------


def test_psycopg_sees_rules_as_rows(ruled):
    proxy = ruled({"one": "table='we ird' action=never"})
    with psycopg.connect(host="127.0.0.1", port=proxy.console_port, user="postgres", dbname="pgrecall", autocommit=True) as console:
        row = console.execute("SHOW RULES").fetchone()
        assert row[1:4] == ("one", "table='we ird' action=never", "file")
