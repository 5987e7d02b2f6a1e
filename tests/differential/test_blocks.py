"""Transaction blocks at random, in two sessions that take turns: every byte through pgrecall is that of
Postgres alone, whatever was answered here, from the cache, or by a backend that came late.

Tame scripts say what can be served from the cache, the others anything. Which chance they have says seeds.py.
"""

import random

import pytest

import compare
import seeds
import servers
import wire

STEPS = 600

SETUP = """
create table x (id int primary key, a int not null); insert into x select i, i * 10 from generate_series(1, 5) i;
create table y (id int primary key, x_id int references x on delete cascade deferrable initially deferred, b text);
insert into y select i, 1 + i % 5, 'b' || i from generate_series(1, 8) i;
create view w as select id, a from x where a >= 20;
create table log (n int);
create table z (id int primary key, n int); insert into z select i, 0 from generate_series(1, 3) i;
create function logged() returns trigger language plpgsql as $$ begin insert into log values (1); return new; end $$;
create trigger t after update on x for each row execute function logged();
create function writes(int) returns int language plpgsql as $$ begin execute 'update x set a = a + 1 where id = ' || $1; return 1; end $$;
create function reads(int) returns bigint language plpgsql as $$ begin return (select a from x where id = $1); end $$;
create procedure commits(int) language plpgsql as $$ begin update x set a = a + 100 where id = $1; commit; perform 1 / 0; end $$;
"""

READS = ["select id, a from x order by id", "select a from x where id = {i}", "select count(*), sum(a) from x", "select * from w order by id",
         "select x.a, y.b from x join y on y.x_id = x.id order by y.id", "select id from y where x_id = {i} order by id",
         "select count(*) from log", "values (1, 'two')", "table x order by 1",
         "select n from z where id = {i}", "select sum(n) from z", "select x.a, z.n from x join z using (id) order by 1, 2"]
WRITES = ["update x set a = a + 1 where id = {i}", "update x set a = {n}", "insert into y values ({n} + 100, {i}, 'new')",
          "delete from y where id = {i}", "delete from x where id = {i}", "insert into x values ({i}, 10) on conflict (id) do update set a = 11",
          "insert into x values ({i}, 5)", "truncate log", "select writes({i})", "insert into y values ({n} + 200, 999, 'orphan')",
          "update x set a = a where id = {i} returning a", "call commits({i})", "copy log from stdin"]
OTHERS = ["update z set n = n + 1 where id = {i}", "update z set n = {n}", "begin; update z set n = {n}; rollback", "begin; update z set n = {n}; commit"]
BEGINS = ["begin", "begin work", "start transaction", "begin read only", "begin isolation level read committed", "BEGIN /* said */ ;",
          "begin isolation level repeatable read", "begin isolation level serializable, read write", "begin isolation level read committed, not deferrable",
          "begin isolation level nonsense", "begin read only read only", "start work"]
ENDS = ["commit", "end", "rollback", "abort", "commit and chain", "rollback and chain", "commit and no chain", "end work", "COMMIT;"]
ODD = ["savepoint s", "rollback to s", "release s", "rollback to savepoint s; commit", "set transaction isolation level repeatable read",
       "set transaction read only", "set local enable_seqscan = off", "set constraints all immediate", "show transaction_isolation",
       "show transaction_read_only", "select reads({i})", "select 1 / 0", "select nonsense", "selec", "", ";", "select 1; select 2", "begin; select 1; commit",
       "begin; update x set a = 3 where id = {i}", "update x set a = 4 where id = {i}; commit", "lock table x in share mode nowait", "select a from x where id = {i} for update",
       "declare c cursor for select id from x order by id", "fetch 2 from c", "close c", "explain (costs off) select 1",
       "select now() = statement_timestamp() or true", "select txid_current_if_assigned() is null", "discard all", "set default_transaction_isolation = 'repeatable read'",
       "reset default_transaction_isolation", "set session characteristics as transaction read only", "set session characteristics as transaction read write"]


# What ties a session to its backend, gives it settings of its own, or may be anything: little is served
# from then on.
TYING = ("writes(", "reads(", "call ", "session ", "default_transaction", "discard", "nonsense", "start work", "only read", "selec", "truncate")


def one_of(chance, tame):
    pool = chance.choices([READS, BEGINS, ENDS, WRITES, ODD], [12, 4, 4, 2 if tame else 3, 1 if tame else 3])[0]
    if tame:
        pool = [sql for sql in pool if not any(word in sql.replace("select", "") for word in TYING)]
    return chance.choice(pool).format(i=chance.randint(1, 5), n=chance.randint(1, 90))


def group(sql, chance, name):
    parse = wire.parse(sql, name)
    describe = chance.choice([b"", wire.describe_portal()])
    return parse + wire.bind(statement=name) + describe + wire.execute(chance.choice([0, 0, 0, 1]))


def copied(sql):
    """What follows a COPY; harmless where none is on."""
    return wire.copy_data(b"7\n") + wire.copy_done() if "copy log" in sql else b""


class Speaker:
    """One session's side of the script: the bytes of its next request."""

    def __init__(self, chance, tame):
        self.chance = chance
        self.tame = tame
        self.names = {}

    def next(self):
        chance = self.chance
        kind = chance.choices(["simple", "extended", "named", "again", "pipeline", "parse"], [8, 6, 2, 3, 1 if self.tame else 3, 1])[0]
        if kind == "again" and self.names:
            name = chance.choice(sorted(self.names))
            return f"again {self.names[name]}", wire.bind(statement=name) + wire.execute() + copied(self.names[name]) + wire.sync()
        if kind == "pipeline":
            texts = [one_of(chance, self.tame) for _ in range(chance.randint(2, 5))]
            texts = [t for t in texts if "copy log" not in t]
            return f"pipeline {texts}", b"".join(group(t, chance, "") for t in texts) + wire.sync()
        sql = one_of(chance, self.tame)
        if kind in ("named", "parse"):
            name = f"s{len(self.names)}"
            self.names[name] = sql
            if kind == "parse":
                return f"parse {sql}", wire.parse(sql, name) + wire.describe_statement(name) + wire.sync()
            return f"named {sql}", group(sql, chance, name) + copied(sql) + wire.sync()
        if kind == "extended":
            return f"extended {sql}", group(sql, chance, "") + copied(sql) + wire.sync()
        return f"simple {sql}", wire.query(sql) + copied(sql)


def script_of(seed, tame):
    """Who says what: a list of (session, name, bytes). Sessions take turns at random. The second one
    writes a table of its own, which the first reads, and never asks for what the first may have locked."""
    chance = random.Random(seed)
    first, steps = Speaker(chance, tame), []
    for _ in range(STEPS):
        if chance.random() < 0.75:
            steps.append((0, *first.next()))
        else:
            pool = OTHERS if chance.random() < 0.2 else [r for r in READS if "log" not in r]
            sql = chance.choice(pool).format(i=chance.randint(1, 3), n=chance.randint(1, 90))
            steps.append((1, f"simple {sql}", wire.query(sql)))
    return steps


def without_place(message):
    """25P02 without the line of source: whether Parse or Bind finds a block failed depends on whether
    this backend has the statement."""
    if message.tag == b"E" and b"\0C25P02\0" in message.body:
        return compare.without_source([message])[0]
    return message


def play(steps, connect, first_new_oid):
    clients = [connect(), connect()]
    names, notes = compare.Names(first_new_oid), []
    for who, name, data in steps:
        try:
            answer = [without_place(compare.rename_oids(m, names)) for m in clients[who].ask(data)]
        except (OSError, wire.Silence) as error:
            raise AssertionError(f"no answer to {name}; before: {[n[1] for n in notes[-8:]]}") from error
        notes.append((f"session {who}", name, answer))
    for client in clients:
        client.close()
    return notes


@pytest.fixture(scope="module")
def template(postgres):
    postgres.query("create database template_blocks")
    postgres.query(SETUP, database="template_blocks")
    return int(postgres.query("select max(oid)::bigint + 1 from (select oid from pg_class union select oid from pg_type) o",
                              database="template_blocks")[0][0])


def fresh(postgres, name):
    postgres.query(f"drop database if exists {name} with (force)")
    postgres.query(f"create database {name} template template_blocks")


@seeds.each(4)
@pytest.mark.parametrize("tame", [True, False], ids=["tame", "wild"])
def test_blocks_at_random(make_proxy, postgres, template, tame, seed):
    steps = script_of(seed, tame)
    fresh(postgres, "blocks_direct")
    fresh(postgres, "blocks_through")
    proxy = make_proxy(postgres, default_pool_size=2)
    proxy.wait_for_catalog("blocks_through")
    want = play(steps, lambda: postgres.connect(database="blocks_direct"), template)
    have = play(steps, lambda: proxy.connect(database="blocks_through"), template)
    found = compare.differences(want, have, limit=3)
    assert not found, f"PGRECALL_SEED={seed}\n" + "\n".join(found)
    assert servers.hits(proxy.cache()) > (20 if tame else 0)
