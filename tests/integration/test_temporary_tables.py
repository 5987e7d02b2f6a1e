"""Temporary tables as applications use them: the session is free again, and other sessions' answers stay."""
import pytest

import servers


@pytest.fixture
def shop(proxy, postgres):
    postgres.query("create table if not exists shop (id int primary key, v int)")
    postgres.query("insert into shop values (1, 10) on conflict do nothing")
    proxy.wait_for_catalog()
    return proxy


def pins(proxy):
    return {row["pin"] for row in proxy.console("SHOW CLIENTS") if row["database"] == "postgres"} - {""}


def is_free(proxy):
    return servers.wait_until(lambda: not pins(proxy), 20)


READ = "select v from shop where id = 1"


def is_a_hit(client, proxy):
    before = servers.hits(proxy.cache())
    assert client.query(READ) == [["10"]]
    return servers.hits(proxy.cache()) == before + 1


USES = {
    "simple": ["create temp table mine (a int primary key, b text default 'x', c serial)",
               "insert into mine (a) values (1), (2)", "update mine set b = 'y' where a = 1",
               "create index on mine (b)", "analyze mine", "select * from mine", "delete from mine", "truncate mine"],
    "as": ["create temp table mine as select id, v from shop", "select sum(v) from mine",
           "create temp table other as select * from mine", "insert into other select id, v from shop"],
    "into": ["select id into temp mine from shop", "select count(*) from mine join shop using (id)"],
    "qualified": ["create temp table mine (a int)", "insert into pg_temp.mine values (1)", "select a from pg_temp.mine"],
    "block": ["begin", "create temp table mine (a int) on commit drop", "insert into mine values (1)",
              "select * from mine", "commit"],
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("end", ["discard all", "discard temp", "drop table if exists mine, other"])
def test_who_has_used_one_is_free_in_the_end(shop, use, end):
    with shop.connect() as client:
        for sql in USES[use]:
            client.query(sql)
        client.query(end)
        assert is_free(shop), pins(shop)
        assert servers.wait_until(lambda: is_a_hit(client, shop), 20)


@pytest.mark.parametrize("use", USES)
def test_answers_of_others_stay(shop, use):
    with shop.connect() as reader, shop.connect() as client:
        assert servers.wait_until(lambda: is_a_hit(reader, shop), 20)  # a catalog may still be on its way
        for sql in USES[use]:
            if sql.startswith("create index"):
                continue  # DDL
            client.query(sql)
            assert is_a_hit(reader, shop), sql


def test_what_is_written_from_one_is_seen(shop):
    with shop.connect() as reader, shop.connect() as client:
        client.query("create temp table mine as select id, v + 1 as v from shop")
        for step in range(3):
            value = reader.query("select v from shop where id = 1")
            assert reader.query("select v from shop where id = 1") == value
            client.query("update shop set v = mine.v from mine where mine.id = shop.id")
            assert reader.query("select v from shop where id = 1") == client.query("select v from mine")
            client.query("update mine set v = v + 1")
        client.query("update shop set v = 10 where id = 1")


# Each makes something temporary of the name that writes shop or leaves a setting, unseen by the name alone.
CODE = "begin update shop set v = v + 1 where id = 1; return {}; end"
DISGUISES = {
    "view": ["create temp view mine as select touch()"],
    "view_later": ["create temp table mine (a int)", "drop table mine", "create temp view mine as select touch()"],
    "default": ["create temp table mine (a int default touch())"],
    "trigger": ["create temp table mine (a int)",
                "create trigger t before insert on mine for each row execute function touch_row()"],
    "check": ["create temp table mine (a int check (touch() > a))"],
    "generated_by_alter": ["create temp table mine (a int)", "alter table mine add b int default touch()"],
    "rule": ["create temp table mine (a int)",
             "create rule r as on insert to mine do also update shop set v = v + 1 where id = 1"],
    "shadowing_view": ["create temp view decoy as select touch()"],
    "shadowing_table": ["create temp table decoy (a int, b int default touch())"],
    "view_in_a_body": ["create temp view mine as select touch()"],
    "table_in_a_body": ["create temp table mine (a int default touch())"],
    "index": ["create temp table mine (a int)", "create index on mine (still(a))"],
}
# How it is used, where not by its name. decoy is a permanent table, too.
USED_BY = {
    "shadowing_view": "select * from decoy",
    "shadowing_table": "insert into decoy values (0)",
    "view_in_a_body": "select reads_mine()",
    "table_in_a_body": "select writes_mine()",
}
ROWS = {"default": "default values", "generated_by_alter": "default values"}


@pytest.mark.parametrize("name", ["mine", "pg_temp.mine"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_what_only_looks_like_one_writes_unseen(shop, disguise, name):
    with shop.connect() as client, shop.connect() as reader:
        client.query(f"create or replace function touch() returns int language plpgsql as $$ {CODE.format(1)} $$")
        client.query("create or replace function touch_row() returns trigger language plpgsql as "
                     f"$$ {CODE.format('new')} $$")
        client.query("create or replace function still(int) returns int immutable language plpgsql as "
                     "$$ begin perform touch(); return $1; end $$")
        client.query("create table if not exists decoy (a int)")
        client.query("create or replace function reads_mine() returns int language plpgsql as "
                     "$$ declare found int; begin select count(*) into found from mine; return found; end $$")
        client.query("create or replace function writes_mine() returns int language plpgsql as "
                     "$$ begin insert into pg_temp.mine default values; return 1; end $$")
        shop.wait_for_catalog()
        for sql in DISGUISES[disguise]:
            client.query(sql)
        statement = f"insert into {name} {ROWS.get(disguise, 'values (0)')}"
        if disguise.startswith("view"):
            statement = f"select * from {name}"
        if disguise in USED_BY:
            statement = USED_BY[disguise]
        for _ in range(2):
            before = reader.query("select v from shop where id = 1")
            assert reader.query("select v from shop where id = 1") == before
            client.query(statement)
            after = reader.query("select v from shop where id = 1")
            assert after == [[str(int(before[0][0]) + 1)]]
        client.query("discard all")
        client.query("update shop set v = 10 where id = 1")
        client.query("drop function touch() cascade; drop function touch_row() cascade; drop function still(int) cascade")
