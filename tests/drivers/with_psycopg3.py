"""psycopg 3: extended protocol, prepared statements, pipelines, binary, server cursors, COPY."""
import sys

import psycopg

port, database = sys.argv[1:3]
where = f"host=127.0.0.1 port={port} user=postgres dbname={database}"


def show(name, value):
    print(f"{name}: {value!r}")


def code(name, work):
    try:
        work()
        show(name, "no error")
    except psycopg.Error as error:
        show(name, error.sqlstate)


with psycopg.connect(where) as db:
    for prepare in (False, True, None):
        for binary in (False, True):
            show("all", db.execute("select * from things order by id", prepare=prepare, binary=binary).fetchall())
            for key in (1, 2, 99):
                show("one", db.execute("select name, price from things where id = %s", (key,), prepare=prepare,
                                       binary=binary).fetchall())
    db.commit()
    with psycopg.ClientCursor(db) as cursor:
        for _ in range(2):
            show("client cursor", cursor.execute("select name from things where id = %s", (2,)).fetchall())
    db.commit()
    db.execute("insert into notes (t) values (%s)", ("kept",))
    show("own write", db.execute("select t from notes").fetchall())
    db.commit()
    db.execute("update notes set t = 'lost'")
    db.rollback()
    show("rolled back", db.execute("select t from notes").fetchall())
    code("duplicate", lambda: db.execute("insert into things (id, name) values (1, 'x')"))
    code("failed block", lambda: db.execute("select 1"))
    db.rollback()
    with db.transaction():
        db.execute("insert into notes (t) values ('outer')")
        try:
            with db.transaction():
                db.execute("insert into notes (t) values ('inner')")
                raise psycopg.Rollback
        except psycopg.Rollback:
            pass
    show("savepoint", db.execute("select t from notes order by t").fetchall())
    db.commit()
    with db.pipeline():
        cursors = [db.execute("select name from things where id = %s", (i % 4,)) for i in range(20)]
        db.execute("insert into notes (t) values ('piped')")
        show("pipeline", [cursor.fetchall() for cursor in cursors])
    db.commit()
    def fail_in_pipeline():
        with db.pipeline():
            db.execute("insert into notes (t) values ('never')")
            db.execute("select 1/0")
            db.execute("insert into notes (t) values ('never')")
    code("error in pipeline", fail_in_pipeline)
    db.rollback()
    show("after pipeline", db.execute("select t from notes order by t").fetchall())
    with db.cursor("pieces") as cursor:
        cursor.itersize = 100
        cursor.execute("select g from generate_series(1, 1000) g")
        show("pieces", sum(row[0] for row in cursor))
    with db.cursor() as cursor:
        cursor.executemany("insert into notes (t) values (%s)", [(str(i),) for i in range(50)])
        with cursor.copy("copy notes (t) from stdin") as copy:
            copy.write_row(("a",))
            copy.write_row(("b ☃",))
        with cursor.copy("copy (select t from notes order by t) to stdout") as copy:
            show("copied", [tuple(row) for row in copy.rows()])
    db.commit()
    show("stream", list(db.cursor().stream("select id from things order by id")))
    db.rollback()

with psycopg.connect(where, autocommit=True) as db:
    for _ in range(8):
        show("autocommit", db.execute("select label from parts where thing_id = %s order by id", (2,)).fetchall())
    show("parameters", db.execute("select %s::text, %s::int, %s::text", (None, 7, "it's \\ ☃")).fetchall())
    db.execute("set timezone to 'Asia/Tokyo'")
    show("at", str(db.execute("select at::text from things where id = 1").fetchall()))
    db.execute("reset timezone")
    show("notices", db.execute("do $$ begin raise notice 'x'; end $$").statusmessage)
    heard = []
    db.add_notify_handler(heard.append)
    db.execute("listen channel")
    db.execute("notify channel, 'hello'")
    db.execute("select 1")
    show("notify", [(notice.channel, notice.payload) for notice in heard])
    db.execute("unlisten *")
    show("delete", db.execute("delete from notes").statusmessage)
