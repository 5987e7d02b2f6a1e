"""Startup parameters of clients that share server connections: each client sees its own, RESET goes back to
them, byte for byte as on a direct connection, and a change of the client costs no login at Postgres."""

import random

import pytest

import servers
import test_http
import test_settings
import wire
from test_settings import PROBE, Twins, pins, run_transaction, touch_all

# What SET can give: a server connection that was logged in without any of it serves all of these.
PARAMETERS = [
    {"application_name": "billing"},
    {"application_name": "shop", "TimeZone": "Asia/Tokyo"},
    {"application_name": "", "DateStyle": "German"},
    {"DateStyle": "DMY", "extra_float_digits": "0", "client_encoding": "UTF8"},
    {"application_name": "pod-7", "options": "-c search_path=s1,s2 -cwork_mem=5MB --lock-timeout=61s"},
    {"options": "-c application_name=by\\ option -c statement_timeout=65000", "intervalstyle": "iso_8601"},
    {"TIMEZONE": "europe/berlin", "default_transaction_isolation": "repeatable read", "row_security": "off"},
    {"application_name": "o'neill \\ \"x\"", "search_path": '"$user", s2', "bytea_output": "escape"},
]
# What only a login can give, alone and beside the others.
AT_LOGIN = [
    {"application_name": "tenant", "options": "-c app.tenant=first -c work_mem=5MB"},
    {"role": "keeper", "application_name": "as keeper"},
    {"application_name": "caf\u00e9"},
    {"application_name": "x" * 70, "TimeZone": "UTC"},
    {"log_statement": "ddl", "DateStyle": "SQL, DMY"},
    {"statement_timeout": "900000us", "application_name": "short"},
]


@pytest.fixture(scope="module")
def shared(postgres):
    roles = ["keeper", "painter", "weaver"]
    postgres.query("".join(f"drop role if exists {role}; create role {role} login superuser;" for role in roles))
    postgres.query("create schema if not exists s1; create schema if not exists s2")
    return postgres


@pytest.fixture
def proxy(make_proxy, shared):
    made = make_proxy(shared, default_pool_size=1, query_wait_timeout="5s")
    made.wait_for_catalog()
    return made


@pytest.fixture
def make_twins(shared):
    made = []

    def make(proxy, parameters=None):
        made.append(Twins(proxy, shared, parameters=parameters))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


def greeting(client):
    return [(m.tag, m.body) for m in client.greeting if m.tag == b"S"]


def logins(proxy):
    """How many server connections of the role were ever opened."""
    found = test_http.metrics(proxy)
    return int(test_http.value(found, "pgrecall_server_logins_total", database="postgres", user="postgres"))


# ---- what is seen ----


@pytest.mark.parametrize("parameters", PARAMETERS + AT_LOGIN, ids=range(len(PARAMETERS + AT_LOGIN)))
def test_parameters_and_what_resets_them_are_those_of_a_direct_connection(make_twins, make_proxy, shared, parameters):
    # What only a login can give has a server connection of its own: else each change of the client is one.
    proxy = make_proxy(shared, default_pool_size=2 if parameters in AT_LOGIN else 1, query_wait_timeout="5s")
    proxy.wait_for_catalog()
    other = make_twins(proxy, {"application_name": "other", "TimeZone": "Asia/Kolkata", "DateStyle": "SQL, MDY"})
    pair = make_twins(proxy, parameters)
    touch_all(pair), touch_all(other)
    assert greeting(pair.through) == greeting(pair.direct)
    for extended in (False, True):
        ask = pair.extended if extended else pair.query
        for steps in RESETS:
            for step in steps:
                got = ask(step)
                if step not in ("begin", "savepoint a") and got[-1].body == b"I":
                    other.probe()
            pair.probe()
            ask("rollback")
            other.probe()
            pair.probe()


RESETS = [
    ["reset all"],
    ["set timezone to 'UTC'", "reset timezone"],
    ["set datestyle to 'SQL, YMD'", "set datestyle to 'german'", "set datestyle to default"],
    ["set application_name to 'changed'", "set work_mem to '9MB'", "reset application_name", "reset work_mem"],
    ["set search_path to s2, public", "set search_path to default"],
    ["set time zone 'UTC'", "set time zone local", "set extra_float_digits = 1", "reset all"],
    ["begin", "set timezone to 'UTC'", "reset timezone", "reset application_name", "reset all", PROBE, "commit"],
    ["begin", "set timezone to 'UTC'", "set datestyle to 'SQL'", "commit", "begin", "reset all", PROBE, "rollback"],
    ["begin", "reset timezone", "savepoint a", "set timezone to 'UTC'", "rollback to a", PROBE, "commit"],
    ["set timezone to 'UTC'", "begin", "savepoint a", "reset timezone", "rollback to a", PROBE, "commit", "reset all"],
    ["begin", "set local timezone to default", "set local application_name to default", PROBE, "commit"],
    ["begin", "set local timezone to 'UTC'", "reset all", PROBE, "rollback"],
    ["begin", "set transaction isolation level serializable", "reset all", "select 1/0", "reset all", "commit"],
    ["set application_name to 'changed'", "set timezone to 'UTC'", "discard all"],
    ["set datestyle to 'SQL, DMY'", "discard all", "select date '2024-02-03', now() = now()"],
    ["begin", "discard all", "rollback"],
    ["reset no_such_setting", "set timezone to 'nowhere'", "reset timezone"],
    ["set work_mem to '9MB' -- why", "reset work_mem -- that is why", "/* so */ reset all /* there */"],
]
SEVERAL = [
    "set timezone to 'UTC'; reset timezone",
    "select 1; set application_name to 'changed'; set datestyle to 'SQL'; reset all",
    "reset timezone; select now() = now(), date '2024-02-03'",
    "begin; reset all; select date '2024-02-03'; commit",
    "begin; set timezone to 'UTC'; reset timezone; select current_setting('TimeZone'); rollback",
    "set timezone to 'UTC'; reset all; select 1/0",
    "reset all; set timezone to 'UTC'; reset application_name; select 1; reset work_mem; values (1), (2);",
    "select pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;",
    "reset all;; ; reset timezone;",
    "savepoint a; reset all",
    "reset all; nonsense",
    "reset timezone; reset all; select 1, no_such_column from pg_class; select 1",
    "reset timezone; /* caf\u00e9 */ select no_such_column",
]


@pytest.mark.parametrize("text", SEVERAL, ids=range(len(SEVERAL)))
def test_several_statements_among_them_a_reset_are_answered_as_directly(make_twins, proxy, text):
    other = make_twins(proxy, {"application_name": "other", "TimeZone": "Asia/Kolkata"})
    for parameters in PARAMETERS[1], PARAMETERS[4], PARAMETERS[6]:
        pair = make_twins(proxy, parameters)
        for before in ([], ["begin"], ["begin", "set timezone to 'Asia/Kathmandu'"]):
            for step in before:
                pair.query(step)
            pair.query(text)
            pair.query("rollback")
            other.probe()
            pair.probe()


def test_a_pipeline_with_resets_is_answered_as_directly(make_twins, proxy):
    other, pair = make_twins(proxy, {"application_name": "other"}), make_twins(proxy, PARAMETERS[4])
    one = lambda sql: (wire.parse(sql), wire.bind(), wire.execute())  # noqa: E731
    for steps in [
        ["set work_mem to '9MB'", "reset work_mem", "show work_mem", "reset all", PROBE],
        ["begin", "reset all", "set local search_path to default", PROBE, "commit", PROBE],
        ["discard all", PROBE, "set work_mem to '7MB'", PROBE],
        ["reset all", "select 1/0", "reset all"],
    ]:
        pair.ask(*[part for step in steps for part in one(step)], wire.sync())
        other.probe()
        pair.probe()


def test_named_statements_and_portals_reset_as_directly(make_twins, proxy):
    other, pair = make_twins(proxy, {"application_name": "other"}), make_twins(proxy, PARAMETERS[1])
    pair.ask(wire.parse("reset all", "r"), wire.parse("select current_setting($1)", "s"), wire.sync())
    pair.query("set timezone to 'UTC'")
    other.probe()
    for portal in ("", "p"):
        pair.ask(wire.bind(statement="r", portal=portal), wire.execute(portal=portal), wire.sync())
        pair.ask(wire.bind(["timezone"], statement="s"), wire.execute(), wire.sync())
        if not portal:  # what executes a named portal sets is not followed: that ties the session
            other.probe()
        pair.query("begin")
        pair.query("set timezone to 'UTC'")
        pair.ask(wire.bind(["timezone"], statement="s", portal="kept"), wire.sync())
        pair.ask(wire.bind(statement="r", portal=portal), wire.execute(portal=portal), wire.sync())
        pair.ask(wire.execute(portal="kept"), wire.sync())
        pair.ask(wire.bind(["application_name"], statement="s"), wire.execute(), wire.sync())
        pair.query("commit")
        pair.query("reset all")


def test_constants_are_read_under_each_clients_own_parameters(make_twins, proxy):
    """naive: what one client has prepared is what its backend gives to the next."""
    pairs = [make_twins(proxy, parameters) for parameters in PARAMETERS]
    for round_ in range(2):
        for pair in pairs:
            if not round_:
                pair.ask(wire.parse("select '01.02.2024'::date, '2024-01-01 00:00'::timestamptz, 0.1::float8", "s"), wire.sync())
            pair.ask(wire.bind(statement="s"), wire.execute(), wire.sync())
            pair.extended("select '03/04/2024'::date::text, timestamptz '2024-07-01 12:00+00'")


@pytest.mark.parametrize("seed", range(4))
def test_random_transactions_of_clients_with_different_parameters(make_twins, proxy, seed):
    rng = random.Random(seed)
    pairs = [make_twins(proxy, parameters) for parameters in PARAMETERS]
    for pair in pairs:
        touch_all(pair)
    for _ in range(60):
        pair = rng.choice(pairs)
        run_transaction(rng, pair)
        if rng.random() < 0.3:
            pair.query(rng.choice(["discard all", *[step for steps in RESETS[:6] for step in steps]]))
        assert not pins(proxy)
        rng.choice(pairs).probe()
    for pair in pairs:
        pair.probe()


@pytest.mark.parametrize("options", [{"server_reset_query_always": 1}, {}], ids=["always", "after a pin"])
def test_no_reset_query_leaves_parameters_to_the_next_client(make_proxy, make_twins, shared, options):
    """naive: what a reset query leaves alone is believed to be gone."""
    proxy = make_proxy(shared, default_pool_size=1, query_wait_timeout="5s", server_reset_query="select 4713 as reset", **options)
    proxy.wait_for_catalog()
    plain = make_twins(proxy)
    for parameters in PARAMETERS[1], PARAMETERS[4], PARAMETERS[6]:
        pair = make_twins(proxy, parameters)
        plain.probe(), pair.probe(), plain.probe(), pair.probe()
        pair.query("set datestyle to 'SQL'")
        pair.query("set role keeper")
        if not options:
            pair.query("listen startup_replay")
            assert pins(proxy)
            pair.through.close()
        plain.probe()


@pytest.mark.parametrize("parameters", [PARAMETERS[1], PARAMETERS[6]], ids=["name", "zone"])
def test_a_local_default_outside_a_block_only_warns(make_twins, proxy, parameters):
    pair, other = make_twins(proxy, parameters), make_twins(proxy, {"application_name": "other"})
    for sql in ("set local timezone to default", "set local timezone to default;", "set local application_name to default"):
        other.probe()
        pair.query(sql)
        pair.query("begin; " + sql + "; select current_setting('timezone'), current_setting('application_name'); commit")
        pair.query("begin")
        pair.query(sql)
        pair.probe()
        pair.query("rollback")
        pair.probe()


# ---- what it costs, and what it does not ----


@pytest.fixture
def counted(make_proxy, shared):
    made = make_proxy(shared, default_pool_size=2, query_wait_timeout="10s", http_port=servers.free_port())
    made.wait_for_catalog()
    return made


def test_names_alone_cost_no_login(counted):
    """Server connections and logins are as many as without names, and pg_stat_activity tells who works."""
    clients = [counted.connect(parameters={"application_name": f"pod {n}"}) for n in range(20)]
    for n, client in enumerate(clients):
        assert client.parameters["application_name"] == f"pod {n}"
    who = "select application_name, current_setting('application_name') from pg_stat_activity where pid = pg_backend_pid()"
    for _ in range(3):
        for n, client in enumerate(clients):
            assert client.query(who) == [[f"pod {n}", f"pod {n}"]]
    assert logins(counted) <= 2
    for client in clients:
        client.close()


def test_other_parameters_cost_one_login_for_each_set_of_them(counted):
    clients = []
    for n in range(24):
        zone = ["Asia/Tokyo", "Europe/Berlin", "UTC"][n % 3]
        clients.append((zone, f"pod {n}", counted.connect(parameters={"TimeZone": zone, "application_name": f"pod {n}"})))
    for _ in range(5):
        for zone, name, client in clients:
            assert client.query("select current_setting('timezone'), current_setting('application_name')") == [[zone, name]]
    assert logins(counted) <= 2 + 3 + 2
    for _, _, client in clients:
        client.close()
    for n in range(12):  # and who comes later finds it known
        zone = ["Asia/Tokyo", "Europe/Berlin", "UTC"][n % 3]
        with counted.connect(parameters={"TimeZone": zone, "application_name": f"late {n}"}) as client:
            assert client.query("show timezone") == [[zone]]
    assert logins(counted) <= 2 + 3 + 2


def test_names_share_entries_and_other_parameters_do_not(counted, shared):
    counted.query("drop table if exists startup_times; create table startup_times (t timestamptz);"
                  "insert into startup_times values ('2024-07-01 12:00+00')")
    sql = "select t from startup_times"
    a, b, c = (counted.connect(parameters=p) for p in (
        {"application_name": "a"}, {"application_name": "b"}, {"application_name": "a", "TimeZone": "Asia/Tokyo"}))
    assert servers.wait_until(lambda: test_settings.reads(counted, a, sql)[1])
    assert test_settings.reads(counted, b, sql)[1]
    rows, hit = test_settings.reads(counted, c, sql)
    assert not hit and rows == [["2024-07-01 21:00:00+09"]]
    assert servers.wait_until(lambda: test_settings.reads(counted, c, sql)[1])
    assert test_settings.reads(counted, a, sql)[0] == [["2024-07-01 12:00:00+00"]]
    for client in (a, b, c):
        client.close()


WRONG = [
    ({"TimeZone": "nowhere"}, "22023"), ({"options": "-c work_mem=much"}, "22023"), ({"no_such_setting": "1"}, "42704"),
    ({"options": "-c"}, "42601"), ({"DateStyle": "never", "application_name": "x"}, "22023"),
    ({"shared_buffers": "5MB"}, "55P02"), ({"options": "-c application_name"}, "42601"),
]


@pytest.mark.parametrize("parameters, sqlstate", WRONG, ids=range(len(WRONG)))
def test_what_postgres_refuses_is_refused_in_its_words(proxy, shared, parameters, sqlstate):
    said = []
    for server in (shared, proxy):
        with pytest.raises(wire.ServerError) as refused:
            server.connect(parameters=parameters)
        said.append((refused.value.fields["S"], refused.value.sqlstate, refused.value.fields["M"]))
    assert said[0] == said[1] and said[0][1] == sqlstate
    assert proxy.query("select 1") == [["1"]]


# ---- statements that only a backend of the client's own can answer ----

NATIVE = [
    "select name, setting, source, reset_val from pg_settings where source in ('client', 'session') order by 1",
    "select set_config('timezone', null, false)",
    "do $$ begin set timezone to 'UTC'; reset timezone; end $$",
    "do $$ begin reset all; end $$",
]


@pytest.mark.parametrize("sql", NATIVE, ids=range(len(NATIVE)))
@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_who_asks_where_values_come_from_has_a_backend_of_its_own(make_twins, proxy, sql, extended):
    pair, other = make_twins(proxy, PARAMETERS[1]), make_twins(proxy, {"application_name": "other"})
    pair.query("set work_mem to '9MB'")
    (pair.extended if extended else pair.query)(sql)
    pair.query("discard all") if sql.startswith("do") else None
    if not pins(proxy):
        other.probe()
    pair.probe()
    (pair.extended if extended else pair.query)(NATIVE[0])
