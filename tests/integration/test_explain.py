"""EXPLAIN CACHE on the console, and as a comment on the client's port."""

import psycopg
import pytest

import servers
import wire

READ = "select v from explained where id = 7"


@pytest.fixture(scope="module")
def tables(postgres):
    postgres.query(
        "drop table if exists explained cascade; create table explained (id int primary key, v int); "
        "insert into explained select i, i from generate_series(1, 100) i; "
        "create or replace view explained_view as select id, v from explained; "
        "drop table if exists explained_parts cascade; create table explained_parts (id int) partition by list (id); "
        "create table explained_part partition of explained_parts for values in (1)"
    )


@pytest.fixture
def explained(make_proxy, postgres, tables):
    def make(rules=None, **options):
        proxy = make_proxy(postgres, rules=rules, **{"client_hints": "all", **options})
        proxy.query("select 1")
        assert servers.wait_until(lambda: proxy.console("SHOW CATALOG")[0]["cached"] == "yes")
        return proxy

    return make


def by_name(rows):
    return {name: [value for other, value in rows if other == name] for name, _ in rows}


def on_console(proxy, sql, options=""):
    return by_name([(row["name"], row["value"]) for row in proxy.console(f"EXPLAIN CACHE {options} {sql}")])


def simple(client, sql):
    return by_name(client.query(f"/* pgrecall: explain */ {sql}"))


def extended(client, sql):
    answer = client.ask(wire.extended(f"{sql} -- pgrecall: explain"))
    assert not wire.errors_of(answer)
    return by_name(wire.rows_of(answer))


def named(client, sql):
    client.ask(wire.parse(f"/* pgrecall: explain */ {sql}", "own"), wire.sync())
    answer = client.ask(wire.bind(statement="own"), wire.describe_portal(), wire.execute(), wire.close_statement("own"), wire.sync())
    assert wire.tags_of(answer)[:2] == "2T" and wire.tags_of(answer)[-3:] == "C3Z"
    return by_name(wire.rows_of(answer))


def console(client, sql):
    return on_console(client.proxy, sql)


WAYS = pytest.mark.parametrize("way", [console, simple, extended, named])


@pytest.fixture
def client(explained):
    proxy = explained()
    with proxy.connect() as made:
        made.proxy = proxy
        yield made


@WAYS
def test_a_cacheable_statement_says_what_it_stands_on(client, way):
    answer = way(client, READ)
    assert answer["verdict"] == ["cacheable"] and "reason" not in answer
    assert answer["reads"] == ["public.explained"] and answer["rule"] == ["none"]
    assert answer["window"] == ["3600000 ms"] and answer["stored"] == ["not in memory"]
    assert answer["role"] == ["postgres"] and answer["database"] == ["postgres"]


@WAYS
@pytest.mark.parametrize(
    "sql,object_",
    [
        ("select now(), v from explained", "now"),
        ("select xmin from explained", "xmin"),
        ("select relname from pg_class", "pg_class"),
        ("select pg_backend_pid() from explained", "pg_backend_pid"),
    ],
)
def test_what_is_not_cacheable_names_the_object(client, way, sql, object_):
    answer = way(client, sql)
    assert answer["verdict"] == ["not cacheable"] and object_ in answer["object"][0], answer


@WAYS
def test_keys_name_their_columns_and_where_their_values_stand(client, way):
    assert way(client, READ)["reads by key"] == ["public.explained.id = a constant"]
    assert way(client, "select v from explained where id = any ('{1,2}')")["reads by key"] == ["public.explained.id = any (a constant)"]
    assert way(client, "update explained set v = 1 where id = 3")["writes by key"] == ["public.explained.id = a constant"]
    assert "reads by key" not in way(client, "select sum(v) from explained")
    if way is console:
        answer = way(client, "select v from explained where id = $1")
        assert answer["reads by key"] == ["public.explained.id = $1"]
        assert answer["verdict"] == ["cacheable"] and answer["stored"][0].startswith("unknown")


def test_names_mean_what_they_mean_to_the_session(client):
    client.query("drop schema if exists explained_home cascade; create schema explained_home; create table explained_home.explained (id int, v int);"
                 "drop role if exists explained_role; create role explained_role login; alter role explained_role set search_path = explained_home;"
                 "grant usage on schema explained_home to explained_role")
    try:
        with client.proxy.connect(user="explained_role") as other:
            other.query("select 1")
            assert servers.wait_until(lambda: simple(other, READ).get("reads") == ["explained_home.explained"])
            assert on_console(client.proxy, READ, "AS explained_role")["reads"] == ["explained_home.explained"]
        # ALTER ROLE may have moved anybody's path: sure of it is whoever has logged in since.
        client.proxy.console("RECONNECT")
        with client.proxy.connect() as fresh:
            assert servers.wait_until(lambda: fresh.query("select 1") and simple(fresh, READ)["reads"] == ["public.explained"])
    finally:
        client.query("drop schema explained_home cascade; drop role explained_role")


@WAYS
def test_nothing_is_executed(client, way):
    before = client.query("select count(*) from explained")
    way(client, "delete from explained")
    assert client.query("select count(*) from explained") == before


@WAYS
def test_views_and_partitions_name_what_they_stand_for(client, way):
    answer = way(client, "select v.v from explained_view v, explained_part p")
    assert sorted(answer["reads"][0].split(", ")) == ["public.explained", "public.explained_parts"]
    assert answer["reads public.explained_view through"] == ["public.explained"]
    assert answer["reads public.explained_part through"] == ["public.explained_parts"]


@WAYS
def test_what_is_stored_shows_its_tier_age_and_size(client, way):
    client.query(READ)
    answer = way(client, READ)
    assert answer["stored"] == ["memory (simple)"] or way in (extended, named)
    client.ask(wire.extended(READ))
    answer = way(client, READ)
    assert "memory (extended)" in answer["stored"]
    assert int(answer["age"][0].split()[0]) < 60000 and int(answer["size"][0].split()[0]) > 20
    assert 0 < int(answer["expires in"][0].split()[0]) <= 3600000
    assert len(answer["key"][0].split()[0]) == 32
    client.query("update explained set v = v where id = 7")
    assert way(client, READ)["stored"] == ["not in memory"]


@WAYS
def test_rules_show_what_they_do(client, way):
    client.proxy.console("RULE ADD one table=public.explained action=force window=5s namespace=x")
    answer = way(client, READ)
    assert answer["verdict"] == ["cacheable"] and answer["rule"] == ["one: table=public.explained action=force window=5s namespace=x"]
    assert answer["window"] == ["5000 ms"] and answer["namespace"] == ["x"]
    sql = "select v, now() from explained where id = 7"
    answer = way(client, sql)
    assert answer["verdict"] == ["forced"] and answer["object"] == ["now"]
    client.query(sql)
    client.ask(wire.extended(sql))
    assert "memory (extended)" in way(client, sql)["stored"]
    client.proxy.console("RULE DROP one")
    client.proxy.console("RULE ADD one table=public.explained action=never")
    answer = way(client, READ)
    assert answer["verdict"] == ["not cacheable"] and answer["reason"] == ["a rule says never"]


@pytest.mark.parametrize("allowed,sqlstate", [("safe", "42501"), ("all", None), ("off", None)])
def test_clients_see_it_only_when_they_may(explained, allowed, sqlstate):
    proxy = explained(client_hints=allowed)
    with proxy.connect() as client:
        for ask in (wire.query, wire.extended):
            answer = client.ask(ask(f"/* pgrecall: explain */ {READ}"))
            assert wire.errors_of(answer) == ([sqlstate] if sqlstate else [])
            if allowed == "off":
                assert wire.rows_of(answer) == [["7"]]
        assert on_console(proxy, READ)["verdict"] == ["cacheable"]


def test_a_statement_with_parameters_is_explained_with_and_without_values(explained):
    proxy = explained()
    sql = "select v from explained where id = $1"
    with psycopg.connect(host="127.0.0.1", port=proxy.port, user="postgres", dbname="postgres", autocommit=True) as client:
        client.execute(sql.replace("$1", "%s"), (7,))
        rows = by_name(client.execute("/* pgrecall: explain */ " + sql.replace("$1", "%s"), (7,)).fetchall())
        assert rows["verdict"] == ["cacheable"] and rows["stored"][0].startswith("memory"), rows
        rows = by_name(client.execute("/* pgrecall: explain */ " + sql.replace("$1", "%s"), (8,)).fetchall())
        assert rows["stored"] == ["not in memory"]
        with client.cursor(binary=True) as cursor:
            assert by_name(cursor.execute("/* pgrecall: explain */ " + READ).fetchall())["verdict"] == ["cacheable"]
    assert on_console(proxy, sql)["verdict"] == ["cacheable"]
    assert "parameters" in on_console(proxy, sql)["stored"][0]


def test_describe_says_which_parameters_it_has(explained):
    proxy = explained()
    with proxy.connect() as client:
        answer = client.ask(wire.parse("/* pgrecall: explain */ select $2::int, $1::int", "p", types=[23]), wire.describe_statement("p"), wire.sync())
        assert wire.tags_of(answer) == "1tTZ"
        assert answer[1].body == b"\0\2" + (23).to_bytes(4, "big") + (25).to_bytes(4, "big")
        assert wire.columns_of(answer[2].body) == ["name", "value"]


def test_a_failed_block_gets_no_explanation(explained):
    proxy = explained()
    with proxy.connect() as client:
        client.query("begin")
        assert wire.errors_of(client.ask(wire.query("select 1/0"))) == ["22012"]
        assert wire.errors_of(client.ask(wire.query(f"/* pgrecall: explain */ {READ}"))) == ["25P02"]
        client.query("rollback")


def test_the_console_explains_as_any_role(explained, postgres):
    proxy = explained({"one": "role=explained_role action=never"})
    postgres.query("drop role if exists explained_role; create role explained_role login superuser")
    assert on_console(proxy, READ, "AS explained_role")["stored" if False else "reason"] == ["a rule says never"]
    assert on_console(proxy, READ, "IN postgres AS postgres")["rule"] == ["none"]
    assert on_console(proxy, "select 1", "AS nobody_yet")["stored"] == ["unknown: nobody has logged in as this role"]


def test_the_console_judges_as_a_role_that_has_never_logged_in(explained):
    """Under the path that ALTER ROLE gives it, and without row security where it has none."""
    proxy = explained()
    proxy.query("drop schema if exists explained_new cascade; drop role if exists explained_new; create schema explained_new;"
                "create table explained_new.explained (id int, v int); alter table explained_new.explained enable row level security;"
                "create policy p on explained_new.explained using (v = current_setting('app.v')::int);"
                "create role explained_new; alter role explained_new set search_path = explained_new, public")
    try:
        read = lambda: on_console(proxy, "select v from explained_new.explained", "AS explained_new")
        assert servers.wait_until(lambda: read().get("reason") == ["row security"] or "row security" in str(read().get("reason")), 20), read()
        assert read()["role begins with"] == ["search_path = explained_new, public"] and "role is" not in read()
        assert on_console(proxy, READ, "AS explained_new").get("reads") is None
        proxy.query("alter role explained_new bypassrls")
        assert servers.wait_until(lambda: read()["verdict"] == ["cacheable"], 20), read()
        assert read()["role is"] == ["without row security (BYPASSRLS)"]
        names = on_console(proxy, READ, "AS explained_new")["reads"][0].split(", ")
        assert sorted(names) == ["explained_new.explained", "public.explained"], names
        assert on_console(proxy, READ, "AS nobody_at_all")["role is"] == ["not in the catalog"]
    finally:
        proxy.query("drop schema explained_new cascade; drop role explained_new")


def test_session_settings_show(explained):
    proxy = explained()
    with proxy.connect() as client:
        client.query("SET pgrecall.cache = off")
        answer = simple(client, READ)
        assert answer["reason"] == ["pgrecall.cache is off in this session"]
        client.query("SET pgrecall.cache = observe")
        assert "observed" in simple(client, READ)
        client.query("begin")
        client.query("update explained set v = v where id = 1")
        assert simple(client, READ)["not served now"] == ["inside a transaction block"]
        client.query("rollback")
