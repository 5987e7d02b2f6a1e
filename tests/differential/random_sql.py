"""Schemas and statements at random, all from one seed: what applications do with tables, and what a cache
has to know of them. Values are few and have many spellings, so that keys meet.

A Maker makes one schema (`setup`, a list of texts of which some may fail) and then, as often as it is asked,
reads, writes, DDL, settings and controls of transactions that go with it.
"""

import random

FEW = range(1, 7)
KEY_TYPES = [*["int"] * 8, "bigint", "bigint", "smallint", "text", "text", "text", "varchar(5)", "varchar", "uuid", "bool", "oid", "citext",
             "text collate ci", "char(4)", "numeric", "float8", "small", "date", "timestamptz", "mood", "name", 'text collate "C"']
OTHER_TYPES = ["int", "text", "numeric(6,2)", "jsonb", "int[]", "interval", "timestamptz", "bool", "label"]


def numbers(n):
    """Spellings of one number, the plain one first."""
    return [f"{n}", f"'{n}'", f"{n}::int", f"'{n}'::text::int", f"{n}::bigint", f"{n}.0", f"' +0{n} '", f"{n}::smallint", f"({n})",
            f"{n}::numeric", f"- (-{n})", f"({n - 1}+1)", f"{n}e0", f"{n}.4::int", f"cast({n} as int4)", f"{n}::float8", f"int '{n}'",
            f"(select {n})", f"abs({n})", f"{n}::small::int"]


def texts(t):
    q = t.replace("'", "''")
    return [f"'{q}'", f"E'{q}'", f"'{q}'::text", f"'{q}'::varchar(3)", f"'{q}'::char(4)", f"'{q}'::bpchar", f"'{q}'::name", f"$${t}$$",
            f"'{q}' || ''", f"U&'{q}'", f"'{q}'::citext", f"N'{q}'", f"'{q}' collate \"C\"", f"lower('{q}')", f"''\n'{q}'"]


# Of each kind of value a few, each in all its spellings.
VALUES = {
    "number": [numbers(n) for n in FEW],
    "decimal": [["1", "1.0", "1.00", "'1'", "1e0"], ["2", "2.50", "2.5"], ["3", "3.000"]],
    "float": [["0", "'-0'", "0.0", "-0.0::float8"], ["1", "1e0", "'1'"], ["'NaN'"], ["2.5", "2.50"]],
    "text": [texts(t) for t in ("a", "A", "b", "ab", "a ", " a", "", "é", "a'b", "a longer text")],
    "bool": [["true", "'t'", "'yes'", "1::bool", "TRUE", "(1=1)", "not false"], ["false", "'f'", "'off'", "0::bool"]],
    "uuid": [["'00000000-0000-0000-0000-00000000000a'", "'00000000-0000-0000-0000-00000000000A'", "'{0000000000000000000000000000000a}'"],
             ["'00000000-0000-0000-0000-00000000000b'", "'00000000-0000-0000-0000-00000000000B'::uuid"]],
    "date": [["'2024-01-02'", "'01/02/2024'", "'Jan 2 2024'", "date '20240102'"], ["'2024-02-01'", "'2/1/2024'"]],
    "instant": [["'2024-01-02 10:00+00'", "'2024-01-02 11:00+01'", "'2024-01-02 10:00'"], ["'2024-01-02 23:30+00'", "'2024-01-03 00:30+01'"]],
    "json": [["""'{"a": 1, "b": 2}'""", """'{"b":2,"a":1}'"""], ["'1'", "'1.0'"], ["'[]'"]],
    "array": [["'{1,2}'", "array[1,2]", "'{ 1 , 2 }'::int[]"], ["'{}'"], ["'{1,null}'", "array[1,null]"]],
    "mood": [["'x'", "'x'::mood"], ["'y'"], ["'z'"]],
    "span": [["'1 day'", "'24 hours'"], ["'2 days'", "'48:00'"]],
}
KIND = {"int": "number", "bigint": "number", "smallint": "number", "serial": "number", "small": "number", "oid": "number", "made": "number",
        "numeric": "decimal", "numeric(6,2)": "decimal", "float8": "float", "bool": "bool", "uuid": "uuid", "date": "date",
        "timestamptz": "instant", "jsonb": "json", "int[]": "array", "mood": "mood", "interval": "span"}

TYPES = """create extension citext; create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create type mood as enum ('x', 'y', 'z'); create domain small as int check (value < 1000); create domain label as text default 'a';
create table log (n int, what text); create table audit (k int primary key, c int); insert into audit values (1, 0), (2, 0);
create sequence sq; create schema s2;
create function writes_log(i int) returns int language sql as 'insert into log values (i, ''f'') returning n';
create function counts_log(i int) returns bigint stable language sql as 'select count(*) from log where n = i';
create function adds(i int) returns int immutable language sql as 'select i + 1';
create function hidden(i int) returns int language plpgsql as $$ begin execute 'upd' || 'ate audit set c = c + 1 where k = ' || i; return i; end $$;
create function deeper(i int) returns int stable language plpgsql as $$ begin return hidden(i); end $$;
create function moves(p text) returns text language sql as $$ select set_config('search_path', p, false) $$;
create procedure commits(i int) language plpgsql as
  $$ begin update audit set c = c + 10 where k = i; commit; insert into log values (i, 'p'); if i > 3 then raise exception 'no'; end if; end $$
"""


class Relation:
    def __init__(self, name, columns, is_table=True, key=""):
        self.name = name
        self.columns = columns  # (name, type)
        self.is_table = is_table
        self.key = key  # its primary key, "" without one


class Maker:
    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.relations = [Relation("log", [("n", "int"), ("what", "text")]), Relation("audit", [("k", "int"), ("c", "int")], key="k")]
        self.writable = []
        self.materialized = []
        self.stock = []  # for each table, texts that fill it again
        self.setup = TYPES.split(";\n")
        self.make_schema()

    def maybe(self, probability):
        return self.chance.random() < probability

    def one(self, items):
        return self.chance.choice(items)

    def table(self):
        return self.one([r for r in self.writable if r.is_table])

    # ---- the schema ----

    def make_schema(self):
        for number in range(self.chance.randint(3, 5)):
            self.make_table(f"t{number}")
        for number in range(self.chance.randint(1, 4)):
            self.make_view(f"v{number}")
        for number in range(self.chance.randint(0, 3)):
            self.make_trigger(f"trigger{number}")
        if self.maybe(0.5):
            source = self.table()
            self.setup.append(f"create materialized view m as select * from {source.name}")
            self.relations.append(Relation("m", source.columns))
            self.materialized.append("m")
        if self.maybe(0.35):
            table = self.table()
            visible = self.one(["true", self.condition(table.columns), "exists (select from audit where k = 1 and c % 2 = 0)", "current_user = 'alice'"])
            self.setup.append(f"alter table {table.name} enable row level security; create policy p on {table.name} using ({visible})")
        if self.maybe(0.3):
            table = self.table().name
            self.setup.append(self.one([f"create rule r as on update to {table} do also insert into log values (3, 'rule')",
                                        f"create rule r as on delete to {table} do also update audit set c = c + 1"]))
        self.setup += ["grant all on all tables in schema public to bob", "grant usage, create on schema public to bob",
                       "grant usage on all sequences in schema public to bob, alice", "grant usage on schema public, s2 to alice"]
        self.setup += [f"grant {self.one(['select', 'all'])} on {r.name} to alice" for r in self.relations if self.maybe(0.8)]

    def make_table(self, name):
        kind = self.one(["plain"] * 5 + ["list", "range", "hash", "inherits"])
        partitioned = kind in ("list", "range", "hash")
        first = "int" if kind != "plain" else self.one(["int"] * 6 + ["bigint", "serial", "text", "uuid", "smallint"])
        columns = [("id", first)]
        rows_by_number = first in ("int", "bigint", "smallint", "serial")
        for letter in "abcd"[: self.chance.randint(1, 4)]:
            columns.append((letter, self.one(KEY_TYPES if letter in "ab" else OTHER_TYPES)))
        parts = [f"{c} {t}" + (f" default {self.plain(t)}" if c != "id" and not partitioned and self.maybe(0.2) else "") for c, t in columns]
        if kind == "plain" and self.maybe(0.15) and first in ("int", "bigint"):
            parts.append("g int generated always as (id + 1) stored")
            columns.append(("g", "made"))
        key = self.one(["id", "id", "id", "id, a"]) if kind == "plain" else "id"
        if self.maybe(0.85) or partitioned:
            parts.append(f"primary key ({key})")
        else:
            key = ""
        by = f" partition by {kind} (id)" if partitioned else ""
        self.setup.append(f"create {self.one(['', '', '', 'unlogged ']) if not by else ''}table {name} ({', '.join(parts)}){by}")
        self.add(Relation(name, columns, key=key), 2)
        for suffix, values in self.partitions(kind):
            self.setup.append(f"create table {name}_{suffix} partition of {name} {values}")
            self.add(Relation(f"{name}_{suffix}", columns), 1)
        if kind == "inherits":
            self.setup.append(f"create table {name}_child (extra int) inherits ({name}); create index on {name}_child (id)")
            self.add(Relation(f"{name}_child", [*columns, ("extra", "int")]), 1)
        for column, kind_of in columns[1:]:
            if kind_of not in ("jsonb", "int[]") and self.maybe(0.6):
                self.setup.append(f"create index on {name} " + self.one([f"({column})"] * 4 + [f"({column}, id)", f"({column}) where {column} is not null"]))
        self.make_foreign_key(name, columns)
        inserted = [(c, t) for c, t in columns if t not in ("made", "serial")]
        rows = []
        for row in range(self.chance.randint(5, 12)):
            values = [str(row) if c == "id" and rows_by_number else self.plain(t) for c, t in inserted]
            rows.append(f"insert into {name} ({', '.join(c for c, _ in inserted)}) values ({', '.join(values)}) on conflict do nothing")
        self.setup += rows
        self.stock.append(rows)

    def add(self, relation, times):
        self.relations += [relation] * times
        self.writable += [relation] * times

    def partitions(self, kind):
        return {"list": [("1", "for values in (1, 2)"), ("2", "for values in (3, 4)"), ("rest", "default")],
                "range": [("1", "for values from (minvalue) to (3)"), ("2", "for values from (3) to (maxvalue)")],
                "hash": [("1", "for values with (modulus 2, remainder 0)"), ("2", "for values with (modulus 2, remainder 1)")]}.get(kind, [])

    def make_foreign_key(self, name, columns):
        targets = [t.name for t in self.writable if t.key == "id" and t.columns[0][1] in ("int", "bigint", "serial")]
        own = [c for c, t in columns[1:] if t in ("int", "bigint", "smallint")]
        if not targets or not own or self.maybe(0.4):
            return
        actions = ["cascade", "cascade", "set null", "set default", "no action", "restrict"]
        late = self.one(["", "", "deferrable initially deferred", "deferrable"])
        self.setup.append(f"alter table {name} add foreign key ({self.one(own)}) references {self.one(targets)} "
                          f"on delete {self.one(actions)} on update {self.one(actions)} {late}")

    def make_view(self, name):
        source, other = self.one(self.relations), self.one(self.relations)
        first, second = source.columns[0], other.columns[0]
        kind = self.one(["renamed", "renamed", "join", "grouped"])
        if kind == "renamed":
            columns = [(f"x{i}", t) for i, (_, t) in enumerate(source.columns)]
            where = f" where {self.condition(source.columns)}" if self.maybe(0.5) else ""
            option = self.one(["", "", "with (security_barrier)", "with (security_invoker)"])
            text = f"({', '.join(c for c, _ in columns)}) {option} as select {', '.join(c for c, _ in source.columns)} from {source.name}{where}"
        elif kind == "join":
            columns = [("x0", first[1]), ("y0", second[1])]
            text = f"as select p.{first[0]} x0, q.{second[0]} y0 from {source.name} p, {other.name} q where {self.condition(source.columns, 'p.')}"
        else:
            columns = [("x0", first[1]), ("n", "bigint")]
            text = f"as select {first[0]} x0, count(*) n from {source.name} group by 1"
        self.setup.append(f"create view {name} {text}")
        view = Relation(name, columns, is_table=False)
        self.relations.append(view)
        if kind == "renamed":
            self.writable.append(view)

    def make_trigger(self, name):
        table, other = self.table(), self.table()
        column, of_type = self.one(table.columns)
        when, each, body = self.one([
            ("after", "row", "insert into log values (1, tg_op); return coalesce(new, old);"),
            ("after", "row", "update audit set c = c + 1 where k = 1; return coalesce(new, old);"),
            ("after", "row", f"if pg_trigger_depth() < 2 then begin {self.update(other)}; exception when others then null; end; end if; return coalesce(new, old);"),
            ("before", "row", f"begin new.{column} := {self.plain(of_type)}; exception when others then null; end; return coalesce(new, old);"),
            ("after", "statement", "update audit set c = c + 1 where k = 2; return null;"),
            ("constraint", "row", "insert into log values (2, 'late'); return null;")])
        events = self.one(["insert", "update", "delete", "insert or update", "insert or update or delete"])
        self.setup.append(f"create function {name}() returns trigger language plpgsql as $f$ begin {body} end $f$")
        if when == "constraint":
            self.setup.append(f"create constraint trigger {name} after {events} on {table.name} deferrable initially deferred for each row execute function {name}()")
        else:
            self.setup.append(f"create trigger {name} {when} {events} on {table.name} for each {each} execute function {name}()")

    # ---- values and conditions ----

    def plain(self, of_type):
        return self.one(VALUES[KIND.get(of_type, "text")])[0]

    def value(self, of_type):
        if self.maybe(0.05):
            return "null"
        known = VALUES[KIND.get(of_type, "text")]
        spellings = self.one(known[:4] if self.maybe(0.7) else known)
        return spellings[0] if self.maybe(0.6) else self.one(spellings)

    def condition(self, columns, prefix="", depth=0):
        column, of_type = columns[0] if self.maybe(0.5) else self.one(columns)
        name, other = prefix + column, self.one(columns)
        forms = [
            (25, lambda: f"{name} = {self.plain(of_type)}"),
            (35, lambda: f"{name} = {self.value(of_type)}"),
            (5, lambda: f"{self.value(of_type)} = {name}"),
            (9, lambda: f"{name} in ({', '.join(self.value(of_type) for _ in range(self.chance.randint(1, 4)))})"),
            (5, lambda: f"{name} = any (array[{', '.join(self.plain(of_type) for _ in range(self.chance.randint(1, 3)))}])"),
            (3, lambda: f"{name} is not distinct from {self.value(of_type)}"),
            (4, lambda: f"{name} {self.one(['<', '>', '<>', '<='])} {self.value(of_type)}"),
            (2, lambda: f"{name} is {self.one(['', 'not '])}null"),
            (4, lambda: f"({name}, {prefix}{other[0]}) = ({self.value(of_type)}, {self.value(other[1])})"),
        ]
        if depth < 2:
            again = lambda: self.condition(columns, prefix, depth + 1)  # noqa: E731
            more = self.one(self.relations)
            forms += [
                (9, lambda: f"{again()} and {again()}"), (6, lambda: f"({again()} or {again()})"), (2, lambda: f"not ({again()})"),
                (3, lambda: f"{self.one(['', 'not '])}exists (select 1 from {more.name} z where {self.condition(more.columns, 'z.', depth + 1)})"),
                (3, lambda: f"{name} in (select {self.value(of_type)} from {more.name} z where {self.condition(more.columns, 'z.', depth + 1)})"),
            ]
        return self.chance.choices([f for _, f in forms], [w for w, _ in forms])[0]()

    # ---- statements ----

    def by_key(self):
        """Reads and writes of rows by a key, as most statements are: (reads of a table, writes of the same)."""
        table = self.table()
        columns = [(c, t) for c, t in table.columns[:3] if t != "made"]
        pin = lambda: (lambda c, t: f"{c} = {self.plain(t)}")(*self.one(columns))  # noqa: E731
        order = f"order by {', '.join(str(i + 1) for i in range(len(table.columns)))}"
        reads = [f"select * from {table.name} where {pin()} {order}", f"select count(*) from {table.name} where {pin()}",
                 f"select count(*), max({columns[-1][0]}::text) from {table.name}"]
        writes = [f"update {table.name} set {self.assignments(table)} where {pin()}", f"delete from {table.name} where {pin()}", self.insert(table)]
        return self.one(reads), self.one(writes)

    def read(self):
        r, o = self.one(self.relations), self.one(self.relations)
        columns = [c for c, _ in r.columns]
        first, second = columns[0], o.columns[0][0]
        some = self.chance.sample(columns, self.chance.randint(1, len(columns)))
        where = f" where {self.condition(r.columns)}" if self.maybe(0.85) else ""
        p, q = self.condition(r.columns, "p."), self.condition(o.columns, "q.")
        order = f"order by {', '.join(str(i + 1) for i in range(len(some)))}"
        join = self.one(["join", "join", "left join", "right join"])
        return self.one(
            [f"select {', '.join(some)} from {r.name}{where} {order}"] * 8 + [
                f"select {', '.join(some)} from only {r.name}{where} {order} limit 2",
                f"select count(*), max({first}::text) from {r.name}{where} having count(*) >= {self.chance.randint(0, 2)}",
                f"select {first}, count(*) from {r.name}{where} group by 1 order by 1",
                f"select p.{first}, q.{second} from {r.name} p {join} {o.name} q on {p} and {q} order by 1, 2",
                f"select p.{first}, q.{second} from {r.name} p {join} {o.name} q on p.{first}::text = q.{second}::text where {p} order by 1, 2",
                f"select p.{first}, q.{second} from {r.name} p, {o.name} q where {p} and {q} order by 1, 2",
                f"select p.{first}, (select count(*) from {o.name} q where {q}) from {r.name} p where {p} order by 1, 2",
                f"select {first}::text from {r.name}{where} {self.one(['union', 'union all', 'except', 'intersect'])} select {second}::text from {o.name} order by 1",
                f"with w as (select * from {r.name}{where}) select count(*) from w",
                f"select {first}, row_number() over (order by {', '.join(columns)}) from {r.name}{where} order by 2",
                f"select p.{first}, l.n from {r.name} p, lateral (select count(*) n from {o.name} q where q.{second}::text = p.{first}::text) l where {p} order by 1, 2",
                f"select to_jsonb(q) from {r.name} q{where} order by 1",
                f"table {r.name} order by {', '.join(str(i + 1) for i in range(len(columns)))}",
                "select counts_log(3)", "select adds(2)", "select last_value from sq"])

    def assignments(self, relation):
        columns = [(c, t) for c, t in relation.columns if t != "made"]
        if len(columns) > 1 and self.maybe(0.75):
            columns = columns[1:]
        chosen = self.chance.sample(columns, self.chance.randint(1, min(2, len(columns))))
        if len(chosen) == 2 and self.maybe(0.2):
            return f"({chosen[0][0]}, {chosen[1][0]}) = ({self.value(chosen[0][1])}, {self.value(chosen[1][1])})"
        return ", ".join(f"{c} = " + self.one([self.plain(t)] * 4 + [self.value(t)] * 3 + ["default", f"(select {self.plain(t)})", f"{c}"]) for c, t in chosen)

    def update(self, relation):
        return f"update {relation.name} set {self.assignments(relation)} where {self.condition(relation.columns)}"

    def insert(self, relation):
        columns = [(c, t) for c, t in relation.columns if t != "made"]
        used = columns if self.maybe(0.5) else [columns[0], *self.chance.sample(columns[1:], self.chance.randint(0, len(columns) - 1))]
        used = [u for u in used if u[1] != "serial" or self.maybe(0.3)] or used
        row = lambda: "(" + ", ".join("default" if self.maybe(0.05) else self.value(t) for _, t in used) + ")"  # noqa: E731
        source = self.one([f"values {', '.join(row() for _ in range(self.one([1, 1, 1, 3])))}"] * 5 + [f"select {', '.join(self.value(t) for _, t in used)}"])
        conflict = self.one(["", "", "", "on conflict do nothing", f"on conflict (id) do update set {self.assignments(relation)}"])
        names = f" ({', '.join(c for c, _ in used)})" if len(used) < len(relation.columns) or self.maybe(0.6) else ""
        return f"insert into {relation.name}{names} {source} {conflict}"

    def write(self):
        r, o = self.one(self.writable), self.one(self.relations)
        first, first_type = r.columns[0]
        where, i = self.condition(r.columns), self.chance.randint(1, 5)
        return self.one(
            [self.insert(r)] * 9 + [self.update(r)] * 9 + [f"delete from {r.name} where {where}"] * 3 + [
                f"update {r.name} p set {self.assignments(r)} from {o.name} q where {self.condition(r.columns, 'p.')} and {self.condition(o.columns, 'q.')}",
                f"delete from {r.name} p using {o.name} q where {self.condition(r.columns, 'p.')} and {self.condition(o.columns, 'q.')}",
                f"merge into {r.name} p using (values ({self.plain(first_type)})) v(k) on p.{first}::text = v.k::text when matched then "
                f"{self.one(['delete', 'update set ' + self.assignments(r)])} when not matched then insert ({first}) values ({self.value(first_type)})",
                f"with w as ({self.update(r)} returning 1) select count(*) from w",
                f"with w as (delete from {r.name} where {where} returning {first}) insert into log select 7, {first}::text from w",
                f"explain (analyze, costs off, timing off, summary off, buffers off) {self.update(r)}",
                f"do $$ begin {self.update(r)}; exception when others then null; end $$", f"copy (delete from {r.name} where {where} returning {first}) to stdout",
                f"select writes_log({i})", f"select hidden({i % 2 + 1})", f"select deeper({i % 2 + 1})", f"call commits({i})",
                f"truncate {r.name} {self.one(['', 'cascade'])}" if self.maybe(0.3) else self.update(r), "update audit set c = c + 1 where k = 1", f"insert into log values ({i}, 'x')",
                "delete from log", "select nextval('sq')", "copy log from stdin", *(f"refresh materialized view {m}" for m in self.materialized)])

    def ddl(self):
        table, n = self.table(), self.chance.randint(0, 3)
        t, (column, of_type) = table.name, self.one(table.columns)
        return self.one([
            f"create index on {t} ({column})", f"alter table {t} add z{n} int default {n}", f"alter table {t} drop column if exists z{n}",
            f"alter table {t} rename to moved; alter table moved rename to {t}", f"begin; alter table {t} rename to moved; rollback",
            f"create table s2.{t} as select * from {t} where false", f"drop table if exists s2.{t}",
            f"alter table {t} set schema s2; alter table s2.{t} set schema public",
            f"create or replace function adds(i int) returns int immutable language sql as 'select i + {n}'",
            f"create or replace function hidden(i int) returns int language plpgsql as $$ begin update audit set c = c + {n} where k = i; return i; end $$",
            f"revoke select on {t} from alice", f"grant select on {t} to alice", f"revoke all on {t} from bob", f"grant all on {t} to bob",
            f"alter table {t} enable row level security", f"alter table {t} disable row level security",
            f"create policy late on {t} using ({self.condition(table.columns)})", f"drop policy if exists late on {t}",
            f"create or replace rule late as on update to {t} do also update audit set c = c + 100", f"drop rule if exists late on {t}",
            f"alter table {t} disable trigger user", f"alter table {t} enable trigger user",
            "alter type mood rename value 'x' to 'xx'", "alter type mood rename value 'xx' to 'x'", f"comment on table {t} is '{n}'",
            f"alter table {t} alter {column} set default {self.plain(of_type)}", f"alter table {t} alter {column} drop default",
            f"alter table {t} detach partition {t}_1", f"alter table {t} attach partition {t}_1 for values in (1, 2)",
            "alter role alice bypassrls", "alter role alice nobypassrls", "grant bob to alice", "revoke bob from alice",
            f"create temp table {t} as select 1 as id, 2 as a", f"drop table if exists pg_temp.{t}", "create type pg_temp.mood as enum ('q')",
            "create view pg_temp.v0 as select 1 as x0, 2 as n", f"vacuum {t}", f"analyze {t}", f"alter sequence sq restart {n + 1}",
            f"alter table {t} alter {column} set not null", f"alter table {t} alter {column} drop not null"])

    def setting(self):
        return self.one([
            "set search_path = s2, public", "set search_path = public", "set search_path = pg_temp, public", "reset search_path",
            "set datestyle = 'german'", "set datestyle = 'iso, dmy'", "reset datestyle", "set timezone = 'Asia/Tokyo'", "reset timezone",
            "set extra_float_digits = 0", "reset extra_float_digits", "set intervalstyle = 'iso_8601'", "reset intervalstyle",
            "set role bob", "set role alice", "reset role", "set session authorization alice", "reset session authorization",
            "set row_security = off", "reset row_security", "select moves('s2, public')", "discard all", "reset all", "set local search_path = s2",
            "set transform_null_equals = on", "reset transform_null_equals", "set session_replication_role = replica", "reset session_replication_role",
            "set default_transaction_isolation = 'repeatable read'", "reset default_transaction_isolation", "set constraints all immediate",
            "select set_config('datestyle', 'sql', false)", "show search_path", "select current_user"])

    def control(self):
        return self.one(["begin", "begin", "begin", "commit", "commit", "commit", "rollback", "savepoint s", "rollback to s", "release s",
                         "begin isolation level repeatable read", "commit and chain", "prepare transaction 'x'", "commit prepared 'x'", "rollback prepared 'x'"])

    def by_name(self, reads):
        read, table = self.one(reads), self.table()
        return self.one([f"declare c cursor for {read}", f"declare h cursor with hold for {read}", "fetch 1 from c", "fetch all from c", "fetch 2 from h",
                         "close c", "close all", f"prepare q as {self.one([self.update(table), self.insert(table)])}", "execute q", "execute q",
                         "explain (costs off, analyze, timing off, summary off) execute q", "deallocate q", "deallocate all",
                         "declare c cursor for select writes_log(5)", "create table if not exists made as select writes_log(6) n", "notify ch"])
