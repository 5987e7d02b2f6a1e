"""What lies in the temporary schema belongs to one backend, whether or not its text says TEMPORARY: its
maker finds it again, nobody else ever does, and no answer that stands on it is anybody else's.

One server connection, so that the next session would get the one that the maker has left behind.
"""

import pytest

import servers
import wire

SETUP = ("drop schema if exists temps cascade; create schema temps; create table temps.x (a int); insert into temps.x values (1);"
         "create type temps.en as enum ('x'); create function temps.f() returns int language sql as 'select 1'")

# id, what the maker does, what the maker then reads and gets, what another reads (and must get as before)
CASES = [
    ("table-by-path", ["set search_path = pg_temp, temps", "create table x (a int)", "insert into x values (99)"], "select a from x", "99"),
    ("table-by-quoted-path", ['set search_path = "pg_temp", temps', "create table x as select 99 a"], "select a from x", "99"),
    ("table-where-the-first-schema-is-missing", ["set search_path = nowhere, pg_temp, temps", "create table x as select 99 a"], "select a from x", "99"),
    ("select-into", ["set search_path = pg_temp, temps", "select 99 as a into x"], "select a from x", "99"),
    ("view-by-path", ["set search_path = pg_temp, temps", "create view x as select 99 a"], "select a from x", "99"),
    ("view-by-name", ["create view pg_temp.x as select 99 a"], "select a from x", "99"),
    ("table-in-a-block", ["begin", "set local search_path = pg_temp", "create table x as select 99 a", "commit"], "select a from x", "99"),
    ("table-by-set-config", ["select set_config('search_path', 'pg_temp, temps', false)", "create table x as select 99 a"], "select a from x", "99"),
    ("type-by-name", ["create type pg_temp.en as enum ('q')"], "select 'q'::en", "q"),
    ("type-by-escaped-name", ['create type U&"pg\\005ftemp".en as enum (\'q\')'], "select 'q'::en", "q"),
    ("type-by-upper-case", ["create type PG_TEMP.en as enum ('q')"], "select 'q'::en", "q"),
    ("domain", ["create domain pg_temp.en as int"], "select 5::en", "5"),
    ("function", ["create function pg_temp.f() returns int language sql as 'select 99'"], "select pg_temp.f()", "99"),
    ("several-statements", ["create domain pg_temp.other as int; create type pg_temp.en as enum ('q')"], "select 'q'::en", "q"),
]
OTHERS = [("select a from x", [["1"]]), ("select 'x'::en", [["x"]]), ("select f()", [["1"]])]


PATH = {"options": "-c search_path=temps"}


@pytest.fixture(scope="module")
def crowded(postgres):
    proxy = servers.Proxy(postgres, default_pool_size=1, home_connections=0, query_wait_timeout="0.5s")
    yield proxy
    proxy.stop()
    proxy.remove()


@pytest.mark.parametrize(("steps", "read", "want"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_is_made_in_the_temporary_schema_is_its_makers_alone(crowded, steps, read, want):
    with crowded.connect() as admin:
        admin.query(SETUP)
    crowded.wait_for_catalog()
    with crowded.connect(parameters=PATH) as maker:
        for step in steps:
            maker.query(step)
        with crowded.connect(parameters=PATH) as other:
            with pytest.raises(wire.Closed):  # the one server connection is the maker's: it waits in vain
                other.query("select a from x")
        for _ in range(2):
            assert maker.query(read) == [[want]]
    with crowded.connect(parameters=PATH) as other:
        for sql, rows in OTHERS:
            for _ in range(2):
                assert other.query(sql) == rows, sql
        with pytest.raises(wire.ServerError, match="3F000|42883"):  # no schema, or nothing in it
            other.query("select pg_temp.f()")
