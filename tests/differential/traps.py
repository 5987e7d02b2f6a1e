"""Protocol scripts: one for each trap that poolers have fallen into.

A script is a list of steps: bytes to send, and what ends the answer: the tags of the messages to wait
for, in this order, with whatever comes in between. "Z" is one ReadyForQuery, "" nothing, "$" the end
of the connection. Each script runs on a connection of its own and leaves nothing behind.
"""
import struct

import wire

SETUP = """
create table trap (id int primary key, t text, n int default 0);
insert into trap select i, 'row ' || i, i * 10 from generate_series(1, 5) i;
create table trap_log (t text);
create function trap_notice(text) returns text language plpgsql as $$ begin raise notice '%', $1; return $1; end $$;
create function trap_fail(int) returns int language plpgsql as $$ begin if $1 > 2 then raise exception 'trap %', $1; end if; return $1; end $$;
create procedure trap_commit(x text) language plpgsql as $$ begin insert into trap_log values (x); commit; insert into trap_log values (x); end $$;
create table trap_deferred (id int primary key, ref int references trap_deferred deferrable initially deferred);
"""

Q, P, B, E, S, H = wire.query, wire.parse, wire.bind, wire.execute, wire.sync(), wire.flush()
DS, DP, CS, CP = wire.describe_statement, wire.describe_portal, wire.close_statement, wire.close_portal
X = wire.terminate()
READ = "select id, t from trap where id = 1"
READ_1 = "select id, t from trap where id = $1"
ALL = "select id, t, n from trap order by id"
BAD = "select 1/0"
WRITE = "insert into trap_log values ('x')"


def one(sql, values=(), **options):
    """One statement, whole: Parse Bind Describe Execute, no Sync."""
    return P(sql, types=options.get("types", ())) + B(values) + DP() + E(options.get("rows", 0))


def go(*parts, end="Z"):
    return (b"".join(parts), end)


def q(sql):
    return (Q(sql), "Z")


SCRIPTS = {}


def script(name, *steps):
    assert name not in SCRIPTS, name
    SCRIPTS[name] = steps


# ---- simple queries
for name, sql in {
    "empty query": "",
    "spaces only": "   ",
    "semicolons only": ";;;",
    "comment only": "/* nothing */",
    "line comment only": "-- nothing",
    "several selects": "select 1; select 2; select 'x'",
    "several with an empty one": "select 1;; select 2;",
    "error in the first of several": f"{BAD}; select 2",
    "error in the last of several": f"select 1; {BAD}",
    "syntax error hides all": "select 1; selekt 2",
    "write and error in one message": f"{WRITE}; {BAD}",
    "block in one message": f"begin; {WRITE}; rollback",
    "block and error in one message": f"begin; {BAD}; rollback",
    "begin twice": "begin; begin; rollback",
    "rollback without a block": "rollback",
    "commit without a block": "commit",
    "commit and select": f"begin; {WRITE}; rollback; {READ}",
    "a notice": "select trap_notice('x')",
    "notices from several": "select trap_notice('x'); select trap_notice('y')",
    "rows and then an error": "select trap_fail(i) from generate_series(1, 4) i",
    "select without columns": "select",
    "select without columns with rows": "select from trap",
    "utility with a tag only": "set local work_mem = '4MB'",
    "long alias": f"select 1 as {'a' * 80}",
    "a million bytes": "select length(repeat('x', 1000000)), repeat('y', 100000)",
    "many rows": "select g, repeat('x', 50) from generate_series(1, 5000) g",
    "zero byte text": "select 1\0select 2",
}.items():
    script(f"simple: {name}", q(sql), q(READ))
    if name != "zero byte text":
        script(f"simple, twice in a row: {name}", go(Q(sql), Q(sql), end="ZZ"), q(READ))

# ---- extended: one statement
script("extended: whole", go(one(READ), S), go(one(READ), S))
script("extended: parameters", go(one(READ_1, ["1"]), S), go(one(READ_1, ["2"]), S), go(one(READ_1, ["99"]), S))
script("extended: null parameter", go(one(READ_1, [None]), S))
script("extended: no describe", go(P(READ), B(), E(), S), go(P(READ), B(), E(), S))
script("extended: empty query", go(one(""), S), go(one(READ), S))
script("extended: comment only", go(one("-- nothing"), S))
script("extended: no columns", go(one("select from trap"), S))
script("extended: binary results", go(P(READ), B(result_formats=[1]), DP(), E(), S))
script("extended: mixed formats", go(P(READ), B(result_formats=[1, 0]), DP(), E(), S))
script("extended: too many formats", go(P(READ), B(result_formats=[1, 0, 1]), DP(), E(), S), q(READ))
script("extended: too few parameters", go(P(READ_1), B([]), E(), S), q(READ))
script("extended: too many parameters", go(P(READ_1), B(["1", "2"]), E(), S), q(READ))
script("extended: bad parameter", go(P(READ_1), B(["x"]), E(), S), go(one(READ_1, ["1"]), S))
script("extended: bad binary parameter", go(P(READ_1), B([b"abc"], formats=[1]), E(), S), q(READ))
script("extended: several statements in Parse", go(P("select 1; select 2"), S), q(READ))
script("extended: syntax error", go(one("selekt"), S), go(one(READ), S))
script("extended: unknown type", go(P("select $1"), DS(), S))
script("extended: parameter types given", go(P("select $1 + 1", types=[20]), DS(), B(["4"]), E(), S))
script("extended: sync alone", go(S), go(S, S, S, end="ZZZ"))
script("extended: flush alone and sync", go(H, S))
script("extended: parse only", go(P(READ), S), go(B(), E(), S))
script("extended: describe statement", go(P(READ_1), DS(), S), go(B(["3"]), DP(), E(), S))
script("extended: describe twice", go(P(READ), B(), DP(), DP(), E(), S))
script("extended: execute twice", go(P(READ), B(), E(), E(), S))
script("extended: bind twice", go(P(READ_1), B(["1"]), B(["2"]), E(), S))
script("extended: error, then more before Sync", go(one(BAD), one(READ), S), go(one(READ), S))
script("extended: error at Bind", go(P("select $1::int"), B(["x"]), DP(), E(), P(READ), B(), E(), S), q(READ))
script("extended: error at Execute after rows", go(one("select trap_fail(i) from generate_series(1, 4) i"), S), q(READ))
script("extended: a notice", go(one("select trap_notice('x')"), S))
script("extended: begin, read, commit", go(one("begin"), S), go(one(READ), S), go(one(READ), S), go(one("commit"), S))
script("extended: block in one pipeline", go(one("begin"), one(READ), one("commit"), S), go(one(READ), S))
script("extended: write in block, read own", go(one("begin"), S), go(one("update trap set t = 'mine' where id = 1"), S),
       go(one(READ), S), go(one("rollback"), S), go(one(READ), S))
script("extended: failed block", go(one("begin"), S), go(one(BAD), S), go(one(READ), S), go(one("commit"), S), go(one(READ), S))
script("extended: implicit block of a pipeline", go(one("update trap set t = 'mine' where id = 1"), one(READ), one(BAD), S), go(one(READ), S))

# ---- named statements
script("named: prepare, run, close", go(P(READ_1, "a"), S), go(B(["1"], "a"), DP(), E(), S), go(CS("a"), S), go(B(["1"], "a"), S))
script("named: unknown", go(B([], "nobody"), E(), S), q(READ))
script("named: describe unknown", go(DS("nobody"), S))
script("named: close unknown", go(CS("nobody"), CP("nobody"), S))
script("named: same name twice", go(P(READ, "a"), S), go(P("select 2", "a"), S), go(B([], "a"), E(), S), go(CS("a"), S))
script("named: same name twice in one batch", go(P(READ, "a"), P("select 2", "a"), S), go(B([], "a"), E(), S), go(CS("a"), S))
for name, sql in {"of bad syntax": "selekt", "of an unknown table": "select * from nowhere", "of two statements": "select 1; select 2", "of the same text": READ,
                  "with a parameter": READ_1, "that is empty": "", "of the proxy's own": "show pgrecall.cache"}.items():
    script(f"named: same name twice: {name}", go(P(READ, "a"), P("select 2"), S), go(P(sql, "a"), DS("a"), S), go(B(), E(), S), go(B([], "a"), E(), S), go(CS("a"), S))
    script(f"named: same name twice: {name}, in a block", go(P(READ, "a"), S), q("begin"), go(P(sql, "a"), S), go(P(sql, "a"), S), go(B([], "a"), E(), S), q("rollback"), go(CS("a"), S))
    script(f"named: same name twice: {name}, in a session of SQL names", go(P(READ, "a"), S), q("prepare b as select 1"), go(P(sql, "a"), S), go(B([], "a"), E(), S), q("discard all"))
script("named: close and parse again", go(P(READ, "a"), S), go(CS("a"), P("select 2", "a"), B([], "a"), E(), S), go(CS("a"), S))
script("named: failed Parse leaves the name free", go(P("selekt", "a"), S), go(P(READ, "a"), S), go(B([], "a"), E(), S), go(CS("a"), S))
script("named: Parse after an error in the same batch is skipped", go(P("selekt", "b"), P(READ, "a"), S), go(B([], "a"), E(), S))
script("named: Parse before an error survives", go(P(READ, "a"), B(["x"], "a"), E(), S), go(B([], "a"), E(), S), go(CS("a"), S))
script("named: Close before an error takes effect", go(P(READ, "a"), S), go(CS("a"), one(BAD), S), go(B([], "a"), E(), S))
script("named: Close after an error has none", go(P(READ, "a"), S), go(one(BAD), CS("a"), S), go(B([], "a"), E(), S), go(CS("a"), S))
script("named: survives a rollback", go(one("begin"), S), go(P(READ, "a"), S), go(one("rollback"), S), go(B([], "a"), E(), S), go(CS("a"), S))
script("named: DEALLOCATE", go(P(READ, "a"), S), q("deallocate a"), go(B([], "a"), E(), S), q("deallocate a"))
script("named: DEALLOCATE ALL", go(P(READ, "a"), P("select 2", "b"), S), q("deallocate all"), go(B([], "a"), E(), S), go(B([], "b"), E(), S))
script("named: DEALLOCATE in the extended protocol", go(P(READ, "a"), S), go(one("deallocate a"), S), go(B([], "a"), E(), S))
script("named: DEALLOCATE in a failed block", go(P(READ, "a"), S), q("begin"), q(BAD), go(one("deallocate a"), S), q("deallocate a"), q("rollback"), go(B([], "a"), E(), S))
script("named: DEALLOCATE, parsed but not executed", go(P(READ, "a"), S), go(P("deallocate a"), S), go(B([], "a"), E(), S), go(P("deallocate a"), DS(), S), go(B([], "a"), E(), S))
script("named: DEALLOCATE by a named statement", go(P(READ, "a"), P("deallocate a", "d"), S), go(B([], "d"), DP(), E(), S), go(B([], "a"), S), go(B([], "d"), E(), S))
script("named: DEALLOCATE of itself", go(P("deallocate d", "d"), S), go(B([], "d"), E(), S), go(B([], "d"), E(), S))
script("named: DEALLOCATE executed again", go(P(READ, "a"), S), go(P("deallocate a"), B(), E(), S), go(B(), E(), S), go(P(READ, "a"), S), go(B(), E(), S), go(B([], "a"), E(), S))
script("named: DEALLOCATE behind an error", go(P(READ, "a"), S), go(one(BAD), one("deallocate a"), S), go(B([], "a"), E(), S))
script("named: DEALLOCATE with a wrong Bind", go(P(READ, "a"), S), go(P("deallocate a"), B(["1"]), E(), S), go(B([], "a"), E(), S))
LONG = f"select 1 as {'long' * 20}"
script("named: a text that brings a notice", go(P(LONG, "a"), S), go(P(LONG, "b"), DS("b"), S), go(B([], "a"), E(), S), go(P(LONG, "c"), B([], "c"), E(), CS("a"), S))
script("named: a text that brings a notice, once", go(P(LONG, "a"), S), q("begin"), go(B([], "a"), E(), S), q("rollback"), go(B([], "a"), E(), S), go(P(LONG), B(), E(), S))
DDL = "comment on table trap is 'x'"
script("sql names: PREPARE skipped behind an error", go(P("show work_mem", "a"), S), go(B([], "a"), E(), S), go(one(BAD), one("prepare b as select 1"), S),
       *[go(B([], "a"), E(), S)] * 3, q("prepare b as select 1"), go(B([], "a"), E(), S), q("discard all"))
script("sql names: PREPARE skipped behind an error, in a block", go(P("show work_mem", "a"), P("rollback", "r"), S), go(B([], "a"), E(), S), q("begin"),
       go(one(BAD), one("prepare b as select 1"), S), go(B([], "r"), E(), S), *[go(B([], "a"), E(), S)] * 3, q("discard all"))
script("sql names: PREPARE by a statement from before DDL", go(P("prepare b as select 1", "a"), S), q(DDL), go(B([], "a"), E(), S), q("execute b"), go(B([], "a"), E(), S), q("discard all"))
script("sql names: EXECUTE of a statement from before DDL", go(P(READ, "a"), P(READ_1, "c"), S), q(DDL), q("execute a"), q("execute c (2)"), go(B(["1"], "c"), E(), S), q("deallocate c"), q("discard all"))
script("sql names: a name from before DDL is taken", go(P(READ, "a"), S), q(DDL), q("prepare a as select 1"), go(P("select 2", "a"), S), q("discard all"))
script("sql names: one from before DDL is wrong by now", q("create table trap_gone (a int)"), go(P("select a from trap_gone", "a"), P(READ, "b"), S), q("drop table trap_gone"),
       q("execute b"), go(B([], "a"), E(), S), go(B([], "b"), E(), S), q("discard all"))
script("named: DISCARD ALL", go(P(READ, "a"), S), q("discard all"), go(B([], "a"), E(), S))
script("named: DISCARD ALL in a pipeline", go(P(READ, "a"), S), go(one("discard all"), S), go(B([], "a"), E(), S), q(READ))
script("named: DISCARD ALL in a block", q("begin"), q("discard all"), q("rollback"), q(READ))
script("named: SQL EXECUTE of a protocol statement", go(P(READ_1, "a"), S), q("execute a(2)"), q("execute a(3)"), go(CS("a"), S))
script("named: protocol Bind of an SQL statement", q("prepare a as select id, t from trap where id = $1"),
       go(DS("a"), S), go(B(["2"], "a"), DP(), E(), S), q("deallocate a"), go(B(["2"], "a"), S))
script("named: SQL PREPARE of a taken name", go(P(READ, "a"), S), q("prepare a as select 1"), go(CS("a"), S))
script("named: Parse of a name that SQL took", q("prepare a as select 1"), go(P(READ, "a"), S), q("execute a"), q("deallocate a"))
script("named: EXECUTE in the extended protocol", q("prepare a as select id from trap where id = $1"), go(one("execute a(2)"), S), q("deallocate all"))
script("named: pg_prepared_statements", go(P(READ_1, "a"), S), q("select name, statement, from_sql from pg_prepared_statements"),
       q("prepare b as select 1"), q("select name, statement, from_sql from pg_prepared_statements order by 1"), q("deallocate all"),
       q("select count(*) from pg_prepared_statements"))
script("named: own names, then DEALLOCATE, Parse, Close", go(P(READ_1, "a"), S), q("prepare b as select 1"), q("deallocate a"), go(B(["1"], "a"), S),
       go(P("select 3", "a"), S), go(B([], "a"), DP(), E(), S), go(CS("a"), S), q("execute a"), go(CS("b"), S), q("execute b"))
script("named: own names beside settings", q("set datestyle = german"), q("prepare b as select 1"), q("execute b"),
       q("explain (costs off) execute b"), q("reset datestyle"), q("execute b"), q("deallocate b"))
script("named: own names in a pipeline", go(P(READ_1, "a"), one("prepare b as select 1"), one("execute b"), B(["1"], "a"), E(), one("execute a(2)"), S),
       go(B([], "b"), DP(), E(), S), q("discard all"), go(B(["1"], "a"), S))
script("named: long name", go(P(READ, "n" * 100), S), go(B([], "n" * 100), E(), S), go(CS("n" * 100), S))
script("named: quotes in the name", go(P(READ, "a'b\"c d"), S), go(B([], "a'b\"c d"), E(), S), go(CS("a'b\"c d"), S))
script("named: many", go(*[P(f"select {i}", f"m{i}") for i in range(300)], S), go(*[B([], f"m{i}") + E() for i in range(300)], S),
       go(*[CS(f"m{i}") for i in range(300)], S))
script("named: after ALTER TABLE the answer changes", q("create table trap_ddl (a int)"), q("insert into trap_ddl values (1)"),
       go(P("select * from trap_ddl", "a"), S), go(B([], "a"), DP(), E(), S), q("alter table trap_ddl add b int"),
       go(B([], "a"), DP(), E(), S), q("drop table trap_ddl"), go(B([], "a"), E(), S), go(CS("a"), S))
script("named: DDL inside the block of its own", q("begin"), q("create table trap_ddl (a int)"), go(P("select * from trap_ddl", "a"), B([], "a"), E(), S),
       q("rollback"), go(B([], "a"), E(), S), go(CS("a"), S))
script("named: statement of a utility", go(P("show datestyle", "a"), S), go(DS("a"), S), go(B([], "a"), E(), S), go(CS("a"), S))
script("named: prepared write", go(P("update trap set n = n where id = $1 returning id, n", "a"), S), go(B(["1"], "a"), DP(), E(), S), go(B(["2"], "a"), DP(), E(), S), go(CS("a"), S))

# ---- the unnamed statement and portal
script("unnamed: lives on", go(P(READ), S), go(B(), DP(), E(), S), go(B(), E(), S))
script("unnamed: gone after a simple query", go(P(READ), S), q("select 1"), go(B(), E(), S))
script("unnamed: gone after a failed Parse", go(P(READ), S), go(P("selekt"), S), go(B(), E(), S))
script("unnamed: gone after Close", go(P(READ), CS(), S), go(B(), E(), S))
script("unnamed: never there", go(B(), E(), S), go(DS(), S), go(DP(), S), go(E(), S))
script("unnamed: portal ends with the block", go(P(ALL), B(), S), go(E(), S))
script("unnamed: portal in a block", q("begin"), go(P(ALL), B(), S), go(E(2), S), go(E(2), S), go(E(2), S), go(E(2), S), q("commit"))
script("unnamed: portal replaced by a simple query", q("begin"), go(P(ALL), B(), E(2), S), q("select 1"), go(E(2), S), q("rollback"))
script("unnamed: portal survives Close of the statement", q("begin"), go(P(ALL, "a"), B([], "a"), CS("a"), S), go(E(), S), q("rollback"))

# ---- portals, row limits, Flush
script("portal: row limit", go(P(ALL), B(), DP(), E(2), S))
script("portal: row limit that is met exactly", go(P(ALL), B(), E(5), S))
script("portal: row limit and one more", go(P(ALL), B(), E(5), E(1), S))
script("portal: row limit above", go(P(ALL), B(), E(6), S))
script("portal: negative row limit", go(P(ALL), B(), E(-1), S))
script("portal: in pieces with Flush", go(P(ALL), B(), E(2), H, end="12s"), go(E(2), H, end="s"), go(E(2), S))
script("portal: open after Flush keeps the backend", go(P(ALL), B(portal="p"), E(1, "p"), H, end="12s"), go(E(1, "p"), H, end="s"), go(CP("p"), S))
script("portal: named in a block", q("begin"), go(P(ALL), B(portal="p"), S), go(E(2, "p"), S), go(E(2, "p"), S), go(DP("p"), S), go(CP("p"), S), go(E(2, "p"), S), q("rollback"))
script("portal: named twice", q("begin"), go(P(ALL), B(portal="p"), S), go(B(portal="p"), S), q("rollback"))
script("portal: two at once", q("begin"), go(P(ALL), B(portal="p"), B(portal="r"), S), go(E(1, "p"), E(2, "r"), E(1, "p"), S), q("commit"))
script("portal: gone after commit", q("begin"), go(P(ALL), B(portal="p"), S), q("commit"), go(E(0, "p"), S))
script("portal: unknown", go(E(0, "nobody"), S), go(DP("nobody"), S), go(CP("nobody"), S))
script("portal: FETCH of a protocol portal", q("begin"), go(P(ALL), B(portal="p"), S), q("fetch 2 from p"), go(E(2, "p"), S), q("close p"), q("commit"))
script("portal: Execute of an SQL cursor", q("begin"), q(f"declare c cursor for {ALL}"), go(DP("c"), E(2, "c"), S), q("fetch 1 from c"), q("commit"))
script("portal: cursor WITH HOLD", q("begin"), q(f"declare c cursor with hold for {ALL}"), q("commit"), q("fetch 2 from c"), q("fetch all from c"), q("close c"), q("close c"))
script("portal: scroll", q("begin"), q(f"declare c scroll cursor for {ALL}"), q("fetch last from c"), q("fetch first from c"), q("move 2 from c"), q("fetch 0 from c"), q("rollback"))
script("portal: Close statement is not Close portal", q("begin"), go(P(ALL), B(portal="p"), CS("p"), S), go(E(1, "p"), S), q("rollback"))
script("portal: write with a row limit", q("begin"), go(P("insert into trap_log values ('a'), ('b') returning t"), B(), E(1), S), go(E(1), S), q("rollback"))
script("flush: Parse", go(P(READ), H, end="1"), go(B(), H, end="2"), go(DP(), H, end="T"), go(E(), H, end="C"), go(S))
script("flush: error, then Sync", go(P("selekt"), H, end="E"), go(P(READ), B(), E(), H, end=""), go(S), q(READ))
script("flush: write is acknowledged before Sync", go(one("update trap set n = n where id = 1"), H, end="12nC"), go(S))
script("flush: twice", go(P(READ), H, H, end="1"), go(B(), E(), S))
script("flush: read, then read without Sync", go(one(READ), H, end="12TC"), go(one(READ), H, end="12TC"), go(S))

# ---- pipelines
script("pipeline: ten reads, one Sync", go(*[one(READ_1, [str(i)]) for i in range(10)], S))
script("pipeline: ten reads, ten Syncs", go(*[one(READ_1, [str(i)]) + S for i in range(10)], end="Z" * 10))
script("pipeline: a thousand reads", go(*[one(READ_1, [str(i % 6)]) for i in range(1000)], S))
script("pipeline: a thousand Syncs", go(*[one(READ_1, [str(i % 6)]) + S for i in range(1000)], end="Z" * 1000))
script("pipeline: error in the middle", go(*[one(BAD if i == 5 else READ) for i in range(10)], S), go(one(READ), S))
script("pipeline: error in the middle, Sync for each", go(*[one(BAD if i % 3 == 1 else READ) + S for i in range(12)], end="Z" * 12))
script("pipeline: simple queries", go(*[Q(READ) for _ in range(20)], end="Z" * 20))
script("pipeline: simple queries with errors", go(*[Q(BAD if i % 2 else READ) for i in range(20)], end="Z" * 20))
script("pipeline: simple between extended", go(one(READ), S, Q(READ), one(READ), S, Q(READ), end="ZZZZ"))
script("pipeline: simple in the middle of extended", go(P(READ), B(), Q("select 7"), E(), S, end="ZZ"), q(READ))
script("pipeline: simple before the Sync", go(one(READ), Q("select 7"), S, end="ZZ"))
script("pipeline: simple after an error, before the Sync", go(one(BAD), Q("select 7"), S, end="Z"), q(READ))
script("pipeline: write, read", go(one("update trap set n = n where id = 1"), S, one(READ), S, Q(READ), end="ZZZ"))
script("pipeline: blocks", go(Q("begin"), Q(READ), Q("commit"), Q("begin"), Q(READ), Q("rollback"), end="ZZZZZZ"))
script("pipeline: block with an error", go(Q("begin"), Q(BAD), Q(READ), Q("commit"), Q(READ), end="ZZZZZ"))
script("pipeline: settings", go(Q("set datestyle = german"), Q("select date '2024-01-02'"), Q("reset datestyle"), Q("select date '2024-01-02'"), end="ZZZZ"))
script("pipeline: prepare and run", go(P(READ_1, "a"), B(["1"], "a"), E(), B(["2"], "a"), E(), CS("a"), S))
script("pipeline: names change while it runs", go(P("select 1", "a"), B([], "a"), E(), CS("a"), P("select 2", "a"), B([], "a"), E(), CS("a"), S))
script("pipeline: Terminate at the end", go(Q(READ), Q(READ), X, end="ZZ$"))
script("pipeline: deferred constraint fails at Sync", go(one("insert into trap_deferred values (1, 2)"), S), q("select count(*) from trap_deferred"))
script("pipeline: deferred constraint fails at COMMIT", q("begin"), q("insert into trap_deferred values (1, 2)"), q("commit"), q("select count(*) from trap_deferred"))

# ---- transactions
for name, statements in {
    "options": ["begin isolation level repeatable read read only", READ, "show transaction_isolation", "commit"],
    "serializable": ["begin isolation level serializable, read only, deferrable", READ, "commit"],
    "start transaction": ["start transaction", READ, "end"],
    "work": ["begin work", READ, "commit work"],
    "abort": ["begin", READ, "abort"],
    "set transaction": ["begin", "set transaction isolation level repeatable read", READ, "show transaction_isolation", "commit"],
    "set transaction too late": ["begin", READ, "set transaction isolation level serializable", "commit"],
    "set transaction outside": ["set transaction isolation level serializable", "show transaction_isolation"],
    "read only refuses": ["begin read only", WRITE, READ, "rollback"],
    "savepoints": ["begin", "savepoint a", BAD, READ, "rollback to a", READ, "release a", "commit"],
    "savepoint unknown": ["begin", "rollback to nobody", "rollback"],
    "savepoint outside": ["savepoint a", "release a", "rollback to a"],
    "chain": ["begin", READ, "commit and chain", READ, "rollback and chain", READ, "commit"],
    "chain outside": ["commit and chain", "rollback and chain"],
    "chain keeps options": ["begin isolation level repeatable read", "commit and chain", "show transaction_isolation", "commit"],
    "begin twice": ["begin", "begin", READ, "commit"],
    "begin twice with options": ["begin", "begin isolation level serializable", "rollback"],
    "commit twice": ["begin", "commit", "commit"],
    "failed, then everything": ["begin", BAD, READ, "savepoint a", "begin", "set datestyle = iso", "prepare transaction 'x'", "commit"],
    "failed, then rollback": ["begin", BAD, "rollback", READ],
    "failed, then commit and chain": ["begin", BAD, "commit and chain", READ],
    "empty": ["begin", "commit", "begin", "rollback"],
    "only comments": ["/* a */ begin -- b", "/* c */ commit /* d */"],
    "lock": ["begin", "lock table trap in share mode", READ, "commit", "lock table trap"],
    "own write": ["begin", "update trap set t = 'mine' where id = 1", READ, "rollback", READ],
    "own write undone": ["begin", "savepoint a", "update trap set t = 'mine' where id = 1", READ, "rollback to a", READ, "commit"],
    "for update": ["begin", READ + " for update", READ, "commit"],
    "prepare transaction": ["begin", WRITE, "prepare transaction 'trap'", READ, "rollback prepared 'trap'"],
    "prepare transaction outside": ["prepare transaction 'trap'", "commit prepared 'trap'"],
    "procedure that commits": ["call trap_commit('a')", "select count(*) from trap_log", "delete from trap_log"],
    "procedure that commits in a block": ["begin", "call trap_commit('a')", "rollback"],
    "DDL in a block": ["begin", "create table trap_ddl (a int)", "select * from trap_ddl", "rollback", "select * from trap_ddl"],
    "vacuum in a block": ["begin", "vacuum trap", "rollback"],
    "now stands still": ["begin", "select now() = now()", "select transaction_timestamp() = now()", "commit"],
    "lower and upper": ["BeGiN", READ, "CoMmIt"],
}.items():
    script(f"block: {name}", *[q(sql) for sql in statements])
    script(f"block, extended: {name}", *[go(one(sql), S) for sql in statements])
    script(f"block, in one go: {name}", go(*[Q(sql) for sql in statements], end="Z" * len(statements)))

# The Parse of a query takes the block's first snapshot, also where the backend has the statement.
LATE = "set transaction isolation level serializable"
for name, steps in {
    "Query": [go(P(READ, "b"), S), q(LATE)],
    "Describe, Query": [go(P(READ, "b"), DS("b"), S), q(LATE)],
    "extended": [go(P(READ, "b"), S), go(one(LATE), S)],
    "in one pipeline": [go(P(READ, "b"), one(LATE), S)],
    "behind a setting": [q("set local work_mem = '1MB'"), go(P(READ, "b"), S), q(LATE)],
    "begin again": [go(P(READ, "b"), DS("b"), S), go(one("start transaction"), S), go(one("begin isolation level serializable"), S)],
    "behind a savepoint": [go(P(READ, "b"), S), q("savepoint a"), q("set local work_mem = '1MB'"), q("rollback to a"), q(LATE)],
    "then read": [go(P(READ, "b"), S), go(B([], "b"), E(), S), q(READ), q(LATE)],
    "of the unnamed one": [go(P("select n from trap"), S), go(P(READ, "b"), S), go(B(), E(), S), q(LATE)],
    "and it is read only": [go(P(READ, "b"), S), q("set transaction read only"), q(WRITE)],
    "and it is no query": [go(P("rollback", "b"), S), q(LATE), q("show transaction_isolation")],
    "while a portal is open": [go(P("show work_mem"), B(), P(READ, "b"), P("show datestyle", "d"), E(), S), q(LATE)],
}.items():
    script(f"block: a known Parse is a query: {name}", go(P(READ, "a"), P("rollback", "c"), S), q("begin"), *steps, q("rollback"), q(READ))
script("pipeline: a known Parse in front of BEGIN", go(P(READ, "a"), S), go(P(READ, "b"), one("begin isolation level serializable"), S), q("rollback"))

# ---- settings
for name, statements in {
    "set and show": ["set datestyle = german", "show datestyle", "select date '2024-01-02'", "reset datestyle", "show datestyle"],
    "rolled back": ["begin", "set timezone = 'Asia/Tokyo'", "show timezone", "rollback", "show timezone"],
    "kept": ["begin", "set timezone = 'Asia/Tokyo'", "commit", "show timezone", "reset timezone"],
    "local": ["begin", "set local timezone = 'Asia/Tokyo'", "show timezone", "commit", "show timezone"],
    "local outside": ["set local timezone = 'Asia/Tokyo'", "show timezone"],
    "savepoint": ["begin", "set timezone = 'Asia/Tokyo'", "savepoint a", "set timezone = 'UTC'", "rollback to a", "show timezone", "commit", "show timezone", "reset timezone"],
    "set_config": ["select set_config('datestyle', 'German, DMY', false)", "select date '2024-01-02'", "reset datestyle"],
    "set_config local": ["begin", "select set_config('datestyle', 'German, DMY', true)", "select date '2024-01-02'", "commit", "select date '2024-01-02'"],
    "custom": ["set app.tenant = '7'", "show app.tenant", "select current_setting('app.tenant')", "reset app.tenant", "show app.tenant"],
    "wrong value": ["set datestyle = 'nonsense'", "show datestyle", "set no_such_setting = 1"],
    "wrong value in a block": ["begin", "set timezone = 'UTC'", "set datestyle = 'nonsense'", "rollback", "show timezone"],
    "time zone": ["set time zone 'Europe/Berlin'", "show timezone", "set time zone default", "show timezone", "set time zone 3", "show timezone", "set time zone local"],
    "names": ["set names 'LATIN1'", "show client_encoding", "set names default", "show client_encoding"],
    "role": ["set role pg_monitor", "select current_user", "reset role", "select current_user"],
    "role that is missing": ["set role nobody_at_all", "select current_user"],
    "session authorization": ["set session authorization pg_monitor", "reset session authorization", "set session authorization default"],
    "application_name": ["set application_name = 'trap'", "show application_name", "reset application_name", "show application_name"],
    "search_path": ["set search_path = pg_catalog, public", "show search_path", READ, "set search_path = ''", READ, "reset search_path", READ],
    "reset all": ["set timezone = 'UTC'", "set datestyle = sql", "reset all", "show timezone", "show datestyle"],
    "discard all": ["set timezone = 'Asia/Tokyo'", "discard all", "show timezone"],
    "characteristics": ["set session characteristics as transaction isolation level repeatable read", "show default_transaction_isolation",
                        "show transaction_isolation", READ, "reset default_transaction_isolation"],
    "strings": ["set standard_conforming_strings = off", r"select 'a\\b'", "reset standard_conforming_strings", r"select 'a\\b'"],
    "two in one": ["set timezone = 'UTC'; set datestyle = german", "select timestamptz '2024-01-02 00:00Z'", "reset all"],
    "two in one, the second fails": ["set timezone = 'Asia/Tokyo'; set datestyle = nonsense", "show timezone"],
    "reported before the answer": ["set datestyle = german; select date '2024-01-02'", "reset datestyle"],
}.items():
    script(f"settings: {name}", *[q(sql) for sql in statements])
    script(f"settings, extended: {name}", *[go(one(sql), S) for sql in statements if ";" not in sql])
    script(f"settings, in one go: {name}", go(*[Q(sql) for sql in statements], end="Z" * len(statements)))

# ---- COPY
ROWS = wire.copy_data(b"a\nb\n")
script("copy: out", q("copy (select id, t from trap order by id) to stdout"))
script("copy: out, many rows", q("copy (select g, repeat('x', 100) from generate_series(1, 3000) g) to stdout"))
script("copy: out, extended", go(one("copy trap (id) to stdout"), S))
script("copy: out fails in the middle", q("copy (select trap_fail(i) from generate_series(1, 4) i) to stdout"), q(READ))
COPY = "copy trap_log from stdin"
CLEAN = q("delete from trap_log")
script("copy: in", go(Q(COPY), end="G"), go(ROWS, wire.copy_done()), q("select t from trap_log order by t"), CLEAN)
script("copy: in, all at once", go(Q(COPY), ROWS, wire.copy_done()), q("select t from trap_log order by t"), CLEAN)
script("copy: in, failed by the client", go(Q(COPY), end="G"), go(ROWS, wire.copy_fail("no")), q("select count(*) from trap_log"))
script("copy: in, bad data", go(Q("copy trap from stdin"), end="G"), go(wire.copy_data(b"x\ty\tz\n"), wire.copy_done()), q(READ))
script("copy: in, bad data and late CopyData", go(Q("copy trap from stdin"), wire.copy_data(b"x\ty\tz\n"), *[ROWS] * 20, wire.copy_done()), q(READ))
script("copy: in with Flush and Sync inside", go(Q(COPY), end="G"), go(ROWS, H, S, ROWS, S, wire.copy_done()), q("select count(*) from trap_log"), CLEAN)
script("copy: in, refused", go(Q("copy nobody from stdin"), ROWS, wire.copy_done()), q(READ))
script("copy: in, extended", go(P(COPY), B(), E(), S, end="G"), go(ROWS, wire.copy_done(), S), q("select count(*) from trap_log"), CLEAN)
script("copy: in, extended, all at once", go(P(COPY), B(), E(), ROWS, wire.copy_done(), S), q("select count(*) from trap_log"), CLEAN)
script("copy: in, extended, fails", go(P(COPY), B(), E(), H, end="12G"), go(wire.copy_fail("no"), S), q(READ))
script("copy: in a block", q("begin"), go(Q(COPY), end="G"), go(ROWS, wire.copy_done()), q("select count(*) from trap_log"), q("rollback"), q("select count(*) from trap_log"))
script("copy: in between queries", go(Q("select 1; copy trap_log from stdin; select 2"), end="G"), go(ROWS, wire.copy_done()), CLEAN)
script("copy: two in one", go(Q(f"{COPY}; {COPY}"), end="G"), go(ROWS, wire.copy_done(), end="G"), go(ROWS, wire.copy_done()), CLEAN)
script("copy: data without COPY", go(ROWS, wire.copy_done(), Q(READ)))
script("copy: query inside", go(Q(COPY), end="G"), go(ROWS, Q("select 1"), end="EE$"))
script("copy: in and read", q("select count(*) from trap_log"), go(Q(COPY), end="G"), go(ROWS, wire.copy_done()), q("select count(*) from trap_log"), CLEAN, q("select count(*) from trap_log"))

# ---- function calls
CALL = struct.pack("!ihhhih", 2310, 0, 0, 0, 0, 0)


def call(oid, *arguments, result=0):
    body = struct.pack("!ih", oid, 0) + struct.pack("!h", len(arguments))
    for argument in arguments:
        body += struct.pack("!i", len(argument)) + argument
    return wire.message(b"F", body + struct.pack("!h", result))


UPPER = 871
script("function call: upper", go(call(UPPER, b"abc")), q(READ))
script("function call: binary", go(call(UPPER, b"abc", result=1)))
script("function call: unknown", go(call(1)), q(READ))
script("function call: in a block", q("begin"), go(call(UPPER, b"abc")), q("commit"))
script("function call: fails in a block", q("begin"), go(call(1)), go(call(UPPER, b"x")), q("rollback"))
script("function call: between others", go(Q(READ), call(UPPER, b"x"), one(READ), S, end="ZZZ"))

# ---- state of the session
for name, statements in {
    "temporary table": ["create temp table t (a int)", "insert into t values (1)", "select * from t", "drop table t", READ],
    "temporary table shadows": ["select count(*) from trap", "create temp table trap (a int)", "select count(*) from trap", "drop table pg_temp.trap", "select count(*) from trap"],
    "temporary table on commit drop": ["begin", "create temp table t (a int) on commit drop", "select * from t", "commit", "select * from t"],
    "advisory lock": ["select pg_advisory_lock(4711)", "select pg_try_advisory_lock(4711)", "select pg_advisory_unlock(4711)", "select pg_advisory_unlock(4711)", "select pg_advisory_unlock(4711)"],
    "advisory locks, all": ["select pg_advisory_lock(4712)", "select pg_advisory_unlock_all()", "select pg_advisory_unlock(4712)"],
    "sequence": ["create temp sequence s", "select nextval('s')", "select currval('s')", "select lastval()", "drop sequence s"],
    "prepare": ["prepare p as select 1", "execute p", "execute p", "deallocate p", "execute p"],
    "prepare with parameters": ["prepare p(int) as select id, t from trap where id = $1", "execute p(1)", "execute p(2)", "execute p(1)", "execute p", "deallocate all"],
    "cursor without a block": [f"declare c cursor for {ALL}", "fetch 1 from c"],
    "do": ["do $$ begin raise notice 'x'; end $$", "do $$ begin perform 1/0; end $$", READ],
    "large object": ["begin", "select lo_creat(-1) > 0", "select lo_get(0)", "rollback"],
    "explain": ["explain (costs off) select 1", "explain (analyze, costs off, timing off, summary off) select 1"],
    "discard": ["discard plans", "discard sequences", "discard temp", "discard all", READ],
    "load": ["load 'no_such_library'", READ],
    "show all of it": ["show all_of_it", "show transaction_isolation"],
    "copy to nowhere": ["copy trap to '/no/such/folder'", READ],
}.items():
    script(f"state: {name}", *[q(sql) for sql in statements])
    script(f"state, extended: {name}", *[go(one(sql), S) for sql in statements])

script("notify: own", q("listen trap_channel"), q("notify trap_channel, 'hello'"), q("unlisten trap_channel"), q("notify trap_channel"))
script("notify: in a block", q("listen trap_channel"), q("begin"), q("notify trap_channel, 'x'"), q(READ), q("commit"), q("unlisten *"))
script("notify: rolled back", q("listen trap_channel"), q("begin"), q("notify trap_channel, 'x'"), q("rollback"), q("unlisten *"))

# ---- nonsense
script("bad: unknown message", go(wire.message(b"!", b"x"), end="E$"))
script("bad: Bind with a short body", go(wire.message(b"B", b"\0"), S), q(READ))
script("bad: Bind in a block", q("begin"), go(wire.message(b"B", b"\0"), S), q(READ), q("rollback"), q(READ))
script("bad: Query without its zero", go(wire.message(b"Q", b"select 1")), q(READ))
script("bad: Describe of neither", go(wire.message(b"D", b"Q\0"), S), q(READ))
script("bad: Close of neither", go(wire.message(b"C", b"Q\0"), S), q(READ))
script("bad: password in the middle", go(wire.message(b"p", b"x\0"), end="E$"))
