"""What sessions say in turns, at random: blocks with hits around savepoints and settings, prepared statements of both kinds,
cursors, row-limited portals, pipelines that fail in the middle, Flush without Sync, COPY, temporary objects, roles, DDL.

A script is made while it is played against Postgres: what is said next depends on who is in a block. So nobody waits for
a lock of another, and no more sessions hold a server connection than the pool has. What was said is then said again,
through pgrecall.

Each session writes tables of its own (t0, c0 ... by the number of the session); all read those of all.
"""

import random
import struct

import compare
import wire

SESSIONS = 3
ROLES = ["postgres", "postgres", "turner"]

SETUP = """
create schema s1; create schema s2;
create table s1.same (id int primary key, v int); insert into s1.same select i, i from generate_series(1, 3) i;
create table s2.same (id int primary key, v text); insert into s2.same select i, 'two ' || i from generate_series(1, 3) i;
create function s1.named() returns int language sql stable as 'select 1';
create function s2.named() returns text language sql stable as $$select 'two'$$;
create table guarded (id int primary key, who name, n int); insert into guarded values (1, 'turner', 1), (2, 'postgres', 2), (3, 'other', 3);
create policy own on guarded using (who = current_user); alter table guarded enable row level security;
grant all on schema s1, s2, public to public; grant all on all tables in schema s1, s2, public to public;
"""
OWN_SETUP = """
create table t{k} (id int primary key, n int not null default 7, s text, d date, f float8);
insert into t{k} select i, i * 10, 's' || i, date '2024-01-01' + i, i / 3.0 from generate_series(1, 5) i;
create table c{k} (id int primary key, t_id int references t{k} on delete cascade deferrable initially deferred);
insert into c{k} select i, i from generate_series(1, 4) i;
create table p{k} (id int, n int) partition by list (id);
create table p{k}_1 partition of p{k} for values in (1, 2); create table p{k}_2 partition of p{k} default;
insert into p{k} select i, i from generate_series(1, 4) i;
create view v{k} as select t.id, t.n, c.id as c_id from t{k} t left join c{k} c on c.t_id = t.id where t.n >= 20;
create table log{k} (m text);
create function told{k}() returns trigger language plpgsql as $$ begin insert into log{k} values (tg_op); return null; end $$;
create trigger told after insert or update or delete on t{k} for each row execute function told{k}();
create function add{k}(int) returns int language plpgsql as $$ begin update t{k} set n = n + 1 where id = $1; return $1; end $$;
create function sum{k}() returns bigint language sql stable as 'select sum(n) from t{k}';
create function fails{k}(int) returns int language plpgsql as $$ begin if $1 > 2 then raise exception 'no %', $1; end if; return $1; end $$;
create procedure commits{k}(int) language plpgsql as $$ begin update t{k} set n = n + 100 where id = $1; commit; update t{k} set n = n + 1 where id = $1; end $$;
create function sets{k}() returns text language plpgsql as $$ begin perform set_config('datestyle', 'german', false); return 'set'; end $$;
create sequence q{k};
set constraints all immediate;
grant all on all tables in schema public to public; grant all on all sequences in schema public to public;
alter table t{k} owner to turner; alter table c{k} owner to turner; alter table p{k} owner to turner; alter table log{k} owner to turner;
"""

READS = ["select id, n from t{a} order by id", "select n from t{a} where id = {i}", "select s, d, f from t{a} where id = {i}", "select * from v{a} order by 1, 3",
         "select count(*), sum(n) from t{a}", "select t.id, o.n from t{a} t join t{b} o using (id) order by 1", "select m from log{a} order by 1",
         "select n from p{a} where id = {i}", "select * from p{a} order by 1", "select d, f from t{a} order by id limit 2", "table c{a} order by 1",
         "select * from same order by 1", "select v from same where id = {i}", "select * from guarded order by id", "select n from guarded where id = {i}",
         "values (1, 'two'), (3, 'four')", "select 1.0 / 3, date '2024-02-03', '2024-02-03'::date", "select id from c{a} where t_id = {i}",
         "select t.n, current_user from t{a} t where id = {i}", "select d + 1, d - date '2024-01-01' from t{a} where id = {i}", "select d::text from t{a} order by 1"]
ODD_READS = ["select now() = transaction_timestamp()", "select sum{a}()", "select named()", "select current_setting('app.x', true)", "select current_user, session_user",
             "show datestyle", "show transaction_isolation", "show search_path", "show transaction_read_only", "show app.x", "select n from t{k} where id = {i} for share",
             "select fails{k}(id) from t{a} order by id", "select 1 / (id - 3) from t{a} order by id", "select pg_typeof(v) from same limit 1",
             "explain (costs off) select 1", "select current_setting('timezone')", "select txid_current_if_assigned() is null", "select from t{a}", "select 1 as {long}"]
WRITES = ["update t{k} set n = n + 1 where id = {i}", "update t{k} set n = {n}", "insert into t{k} values ({n}, {i}) on conflict do nothing", "delete from t{k} where id = {i}",
          "insert into t{k} values ({i}, 5, 'again', '2024-05-06', 0.1) on conflict (id) do update set n = excluded.n", "update t{k} set id = id + 50 where id = {i}",
          "insert into c{k} values ({n}, {i})", "delete from c{k} where t_id = {i}", "insert into p{k} values ({i}, {n})", "update p{k} set id = {i} where n = {i}",
          "with w as (update t{k} set n = n + 2 where id = {i} returning n) select * from w", "insert into log{k} values ('{n}') returning m",
          "update t{k} set n = null where id = {i}", "update t{k} set n = n where false", "delete from log{k}", "update v{k} set n = 1", "update guarded set n = n + 1 where id = {k} + 1",
          "merge into t{k} using (values ({i})) w (j) on id = j when matched then update set n = n + 3 when not matched then insert values (j)",
          "insert into t{k} (id) select max(id) + 1 from t{k}", "update t{k} set s = 'x' || {n}, d = '2024-07-08' where id = {i}",
          "copy (update t{k} set n = n + 1 where id = {i} returning n) to stdout"]
CODE = ["select nextval('q{k}')", "select add{k}({i})", "do $$ begin update t{k} set n = 3 where id = {i}; end $$", "call commits{k}({i})", "select add{k}(id) from t{k} where id < 3"]
BEGINS = ["begin"] * 6 + ["begin read only", "begin isolation level read committed", "start transaction", "begin isolation level repeatable read", "begin isolation level serializable",
          "begin read write", "begin transaction read only, isolation level repeatable read", "begin; select 1", "begin /* x */"]
ENDS = ["commit", "commit", "commit", "rollback", "rollback", "end", "abort", "commit and chain", "rollback and chain", "commit; select 1", "rollback; begin"]
INSIDE = ["savepoint a", "savepoint a", "savepoint b", "rollback to a", "rollback to a", "rollback to b", "release a", "release b", "set constraints all immediate",
          "set constraints all deferred", "set transaction isolation level repeatable read", "set transaction read only", "set transaction read write",
          "set local datestyle = 'german'", "set local search_path = s1, public", "set local search_path = s2, public", "set local role turner", "set local app.x = 'local'",
          "select set_config('app.x', 'here', true)", "select set_config('datestyle', 'sql', true)", "set local extra_float_digits = 0", "lock table t{k} in share mode",
          "begin", "set local timezone = 'Asia/Tokyo'", "reset datestyle", "savepoint a; update t{k} set n = 1 where id = {i}; rollback to a"]
SETTINGS = ["set datestyle = 'german'", "set datestyle = 'sql, dmy'", "reset datestyle", "set search_path = s1, public", "set search_path = s2, public", "reset search_path",
            "set extra_float_digits = 0", "reset extra_float_digits", "set app.x = 'one'", "reset app.x", "set role turner", "reset role", "set role none",
            "set timezone = 'Asia/Tokyo'", "reset timezone", "set default_transaction_read_only = on", "reset default_transaction_read_only", "reset all",
            "set default_transaction_isolation = 'repeatable read'", "reset default_transaction_isolation", "select set_config('search_path', 's1', false)",
            "select set_config('app.x', '{n}', false)", "set application_name = 'a{n}'", "set session characteristics as transaction read only",
            "set session characteristics as transaction read write", "set row_security = off", "reset row_security", "set datestyle to nonsense",
            "set app.x = 'a'; set datestyle = 'german'; select 1", "set app.x = 'b'; select 1 / 0"]
ENDINGS = ["discard all", "deallocate all", "discard plans", "discard sequences", "reset session authorization", "set session authorization turner"]
WRONG = ["select 1 / 0", "select nonsense", "selec", "", ";", "-- nothing", "select 1; select 2", "select n from t{a} where id = {i}; select 1 / 0", "select n from t{a} where id = 'x'",
         "update t{k} set n = 9 where id = {i}; select 1 / 0", "update t{k} set n = 8 where id = {i}; commit; select 1 / 0", "begin; update t{k} set n = 6; commit; select n from t{k} where id = {i}",
         "select 1/0; update t{k} set n = 4", "insert into t{k} values (1)", "begin; update t{k} set n = 2 where id = {i}; rollback", "commit", "rollback", "savepoint a", "rollback to a"]
PINNING = ["create temp table if not exists made (id int primary key, n int)", "insert into made values ({i}, {n}) on conflict do nothing", "select * from made order by 1", "drop table if exists made",
           "create temp table t{a} as select 1 as id, 2 as n", "drop table if exists pg_temp.t{a}", "create temp table gone (i int) on commit drop", "create temp view v{a} as select 5 as five",
           "drop view if exists pg_temp.v{a}", "listen l{k}", "notify l{k}, '{n}'", "unlisten *", "select pg_notify('l{k}', 'said')",
           "declare c cursor for select id, n from t{a} order by id", "declare h cursor with hold for select id, n from t{a} order by id", "declare s scroll cursor for select id from t{a} order by id",
           "fetch 2 from c", "fetch 1 from h", "fetch backward 1 from s", "fetch last from s", "move 1 in c", "close c", "close h", "close all", "update t{k} set n = 77 where current of c",
           "prepare e (int) as select n from t{a} where id = $1", "prepare e as update t{k} set n = n + 1 where id = {i}", "execute e", "execute e ({i})", "deallocate e", "deallocate s0", "deallocate s1", "select pg_advisory_lock({i} + 10 * {k})", "select pg_advisory_unlock({i} + 10 * {k})", "select pg_advisory_unlock_all()",
           "select pg_advisory_xact_lock({i} + 10 * {k})", "select sets{k}()", "do $$ begin perform set_config('app.x', 'done', false); end $$", "select currval('q{k}')", "select lastval()",
           "select name, statement from pg_prepared_statements where not name like 'pgrecall%' and false", "select count(*) from pg_cursors where name in ('c', 'h', 's')"]
DDL = ["truncate c{k}", "alter table t{k} add column z int default {n}", "alter table t{k} drop column if exists z", "create index i{k} on t{k} (n)", "drop index if exists i{k}",
       "create or replace view v{k} as select id, n, {n} as c_id from t{k}", "alter table t{k} rename to moved; alter table moved rename to t{k}", "comment on table t{k} is '{n}'",
       "alter table t{k} alter n set default {n}", "create or replace function sum{k}() returns bigint language sql stable as 'select {n}::bigint'", "create table s1.t{k} as select 1 as id, {n} as n",
       "drop table if exists s1.t{k}", "create or replace function add{k}(int) returns int language plpgsql as $$ begin update t{k} set n = {n} where id = $1; return $1; end $$",
       "alter table t{k} alter column s type varchar(40)", "alter table t{k} alter column s type text", "alter table t{k} disable trigger told", "alter table t{k} enable trigger told",
       "grant select on t{k} to public", "revoke select on t{k} from turner", "alter policy own on guarded using (who = current_user or n > {i})", "alter policy own on guarded using (who = current_user)",
       "create table s1.same2 as select 1 as i", "drop table if exists s1.same2", "analyze t{k}", "alter table p{k} detach partition p{k}_1", "alter table p{k} attach partition p{k}_1 for values in (1, 2)"]


class Session:
    def __init__(self, number, parameters):
        self.number, self.parameters = number, parameters
        self.user = ROLES[number]
        self.status = "I"
        self.exclusive = False
        self.names = {}  # of the protocol: what Postgres has taken
        self.named = None  # what it has just been told


    def hears(self, answer):
        self.status = answer[-1].body.decode()
        self.exclusive = self.exclusive and self.status != "I"
        if self.named:
            name, what = self.named
            if any(m.tag == b"1" for m in answer):
                self.names[name] = what
            elif any(m.tag == b"3" for m in answer):
                self.names.pop(name, None)
            self.named = None


class Turns:
    """Makes the steps: (session, label, bytes, ends), ends as for `answer_to`.

    pool  How many server connections there are.
    pins  Whether anything may be said that ties a session to its own; then there is one for each."""

    def __init__(self, seed, steps, pool, pins):
        self.chance = random.Random(seed)
        self.count, self.pool, self.pins = steps, pool, pins
        starts = [{}, {}, {"DateStyle": "German"}, {"options": "-c search_path=s2,public"}, {"application_name": "turns"}]
        self.sessions = [Session(k, self.chance.choice(starts)) for k in range(SESSIONS)]
        # What is not known to be there may be anything, and would tie a session to its backend.
        self.reads = READS if pins else [r for r in READS if "same" not in r]
        self.favourites = [self.fill(self.chance.choice(self.reads), k) for k in range(SESSIONS) for _ in range(2)]
        self.calm = self.chance.choice([1, 3, 8])

    def fill(self, sql, k):
        a, b = self.chance.randrange(SESSIONS), self.chance.randrange(SESSIONS)
        for word, value in (("{k}", k), ("{a}", a), ("{b}", b), ("{i}", self.chance.randint(1, 5)), ("{n}", self.chance.randint(1, 90)), ("{long}", "l" * 70)):
            sql = sql.replace(word, str(value))
        return sql

    def who(self):
        """Whose turn it is. A pool has room for so many who are in a block."""
        inside = [s for s in self.sessions if s.status != "I"]
        for s in inside:
            if s.exclusive:
                return s  # it has locked what others would read
        if self.pins or len(inside) < self.pool:
            pool = self.sessions
        else:
            pool = inside
        if inside and self.chance.random() < 0.5:
            pool = inside
        return self.chance.choice(pool)

    def read(self, k):
        if self.chance.random() < 0.85:
            return self.chance.choice(self.favourites)
        return self.fill(self.chance.choice(self.reads), k)

    def sql(self, session):
        k, inside = session.number, session.status != "I"
        others = any(s.status != "I" for s in self.sessions if s is not session)
        kinds = {"read": 30 * self.calm, "odd": 4, "write": 8, "begin": 1 if inside else 4 + 4 * self.calm, "end": 6 + 6 * self.calm if inside else 1,
                 "inside": 10 if inside else 1, "setting": 5 if self.pins else 0, "wrong": 3,
                 "code": 2 if self.pins else 0, "pin": 8 if self.pins else 0, "ending": 4 if self.pins else 0, "ddl": 1 if self.pins and not others else 0}
        if session.status == "E":
            kinds.update(end=30, read=10, write=3, inside=20)
        kind = self.chance.choices(list(kinds), list(kinds.values()))[0]
        if kind == "read":
            return self.read(k)
        pools = {"odd": ODD_READS, "write": WRITES, "begin": BEGINS, "end": ENDS, "inside": INSIDE, "setting": SETTINGS, "wrong": WRONG, "code": CODE, "pin": PINNING,
                 "ending": ENDINGS, "ddl": DDL}
        session.exclusive = session.exclusive or kind == "ddl"
        sql = self.fill(self.chance.choice(pools[kind]), k)
        return sql if self.pins or not any(word in sql for word in ("same", "named()", "nonsense")) else self.read(k)

    # ---- ways of saying it

    def parameters_of(self, sql):
        """`id = 3` as a parameter now and then: text, values, formats, types."""
        at = sql.find("id = ")
        if at < 0 or self.chance.random() < 0.4 or not sql[at + 5 : at + 6].isdigit():
            return sql, [], [], []
        end = at + 5
        while end < len(sql) and sql[end].isdigit():
            end += 1
        value, text = int(sql[at + 5 : end]), sql[: at + 5] + "$1" + sql[end:]
        if self.chance.random() < 0.4:
            return text, [struct.pack("!i", value)], [1], [23]
        return text, [value], [], self.chance.choice([[], [0], [23]])

    def group(self, sql, name="", portal="", rows=None):
        text, values, formats, types = self.parameters_of(sql)
        results = self.chance.choice([(), (), (), (1,), (0,)])
        describe = self.chance.choice([b"", wire.describe_portal(portal), wire.describe_portal(portal)])
        rows = self.chance.choice([0, 0, 0, 0, 1, 2]) if rows is None else rows
        return wire.parse(text, name, types) + wire.bind(values, name, portal, formats, results) + describe + wire.execute(rows, portal)

    def again(self, session):
        """A statement of the session's own, by name."""
        name = self.chance.choice(sorted(session.names))
        text, values, formats = session.names[name]
        portal = self.chance.choice(["", "", "", "p"]) if self.pins else ""
        rows = self.chance.choice([0, 0, 0, 1]) if self.pins else 0
        what = wire.bind(values, name, portal, formats) + self.chance.choice([b"", wire.describe_portal(portal)]) + wire.execute(rows, portal)
        if rows:
            what += wire.execute(self.chance.choice([0, 1]), portal)
        if portal:
            what += self.chance.choice([b"", wire.close_portal(portal)])
        return f"again {name} {text}", what

    def step(self, session):
        chance, sync = self.chance, wire.sync()
        kind = chance.choices(["simple", "extended", "named", "again", "describe", "close", "pipeline", "several", "flush", "resume", "copy", "call", "nothing"],
                              [30, 22, 6, 14, 3, 2, 6, 3, 3, 3, 1.5, 0.5 if self.pins else 0, 0.5])[0]
        k = session.number
        if kind == "describe" and session.status == "E":
            kind = "nothing"
        if kind in ("again", "describe", "close") and not session.names:
            kind = "named"
        if kind == "again":
            label, what = self.again(session)
            return label, what + sync, "Z"
        if kind == "describe":
            name = chance.choice(sorted(session.names) + ["nobody"])
            return f"describe {name}", wire.describe_statement(name) + sync, "Z"
        if kind == "close":
            name = chance.choice(sorted(session.names))
            session.names.pop(name)
            return f"close {name}", wire.close_statement(name) + sync, "Z"
        if kind == "copy":
            return f"copy t{k}", wire.query(f"copy t{k} (id, n) from stdin") + wire.copy_data(b"%d\t5\n" % chance.randint(1, 90)) + \
                chance.choice([wire.copy_done(), wire.copy_done(), wire.copy_fail("no")]), "Z"
        if kind == "call":  # int4pl
            return "function call", wire.message(b"F", struct.pack("!Ihhhiiiih", 177, 1, 1, 2, 4, 3, 4, 5, 1)), "Z"
        if kind == "nothing":
            return "nothing", chance.choice([sync, wire.flush() + sync, wire.close_portal("") + sync]), "Z"
        if kind == "pipeline":
            parts = []
            for _ in range(chance.randint(2, 5)):
                sql = self.sql(session)
                parts.append((sql, self.group(sql)) if chance.random() < 0.8 or not session.names else self.again(session))
            return f"pipeline {[p[0] for p in parts]}", b"".join(p[1] for p in parts) + sync, "Z"
        if kind == "several":
            texts = [self.sql(session) for _ in range(chance.randint(2, 3))]
            parts = [chance.choice([wire.query(t), self.group(t) + sync]) for t in texts]
            return f"several {texts}", b"".join(parts), "Z" * len(parts)
        sql = self.sql(session)
        if kind == "named" and not self.pins and "'" in sql:
            kind = "extended"  # one with constants, read under SET LOCAL, ties the session
        if kind == "flush":
            return f"flush {sql}", [wire.parse(sql) + wire.describe_statement() + wire.flush(), wire.bind() + wire.execute() + sync], "Z"
        if kind == "resume":
            sql = sql if self.pins else self.read(k)
            parts = [self.group(sql, rows=1)]
            for _ in range(chance.randint(1, 3)):
                parts.append(chance.choice([wire.execute(1), wire.execute(2), wire.execute(0), self.group(self.read(k))]))
            return f"resume {sql}", b"".join(parts) + sync, "Z"
        if kind == "named":
            name = f"s{chance.randrange(6)}"
            text, values, formats, types = self.parameters_of(sql)
            before = wire.close_statement(name) if chance.random() < 0.85 else b""
            session.named = (name, (text, values, formats))
            what = before + wire.parse(text, name, types) + chance.choice([b"", wire.describe_statement(name)])
            if chance.random() < 0.6:
                what += wire.bind(values, name, "", formats) + wire.execute()
            return f"named {name} {text}", what + sync, "Z"
        if kind == "extended":
            return f"extended {sql}", self.group(sql) + sync, "Z"
        times = chance.choice([1, 1, 2, 3]) if sql in self.favourites else 1
        return f"simple {sql}", wire.query(sql) * times, "Z" * times


def tidy(message):
    """Without what differs by nature: who sent a notification; and which message of a pipeline found a block failed."""
    if message.tag == b"A":
        return wire.Message(b"A", message.body[4:])
    if message.tag == b"E" and b"\0C25P02\0" in message.body:
        return compare.without_source([message])[0]
    return message


def answer_to(client, data, ends):
    """Every message up to ReadyForQuery, as often as `ends` says. Of two pieces the second is sent when Parse and Describe of
    the first have been answered, or refused."""
    if isinstance(data, list):
        client.send(data[0])
        got = []
        while not got or got[-1].tag not in b"TnE":
            got.append(client.read())
        client.send(data[1])
        return got + client.read_until(b"Z")
    client.send(data)
    return client.read_until(b"Z", len(ends))


def make(turns, connect, first_new_oid):
    """Says it to Postgres: (steps, notes)."""
    clients = [connect(s) for s in turns.sessions]
    names, steps, notes = compare.Names(first_new_oid), [], []
    while len(steps) < turns.count:
        session = turns.who()
        for _ in range(turns.chance.choice([1, 1, 2, 3])):
            label, data, ends = turns.step(session)
            answer = [tidy(compare.rename_oids(m, names)) for m in answer_to(clients[session.number], data, ends)]
            session.hears(answer)
            steps.append((session.number, label, data, ends))
            notes.append((f"session {session.number}", label, answer))
    for client in clients:
        client.close()
    return steps, notes


def play(turns, steps, connect, first_new_oid):
    """Says it again; what comes back."""
    clients = [connect(s) for s in turns.sessions]
    names, notes = compare.Names(first_new_oid), []
    for who, label, data, ends in steps:
        try:
            answer = [tidy(compare.rename_oids(m, names)) for m in answer_to(clients[who], data, ends)]
        except (OSError, wire.Closed, wire.Silence) as error:
            raise AssertionError(f"no answer to {label}, step {len(notes)}; before: {[n[1] for n in notes[-8:]]}") from error
        notes.append((f"session {who}", label, answer))
    for client in clients:
        client.close()
    return notes
