"""psycopg 2: simple protocol, transactions by default, named cursors, COPY."""
import io
import sys

import psycopg2
import psycopg2.extras

port, database = sys.argv[1:3]
db = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname=database)


def rows(sql, *values):
    with db.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else cursor.statusmessage


def show(name, value):
    print(f"{name}: {value!r}")


for _ in range(3):
    show("all", [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                 for row in rows("select * from things order by id")])
    for key in (1, 2, 99):
        show("one", rows("select name, price from things where id = %s", key))
    db.commit()
show("insert", rows("insert into notes (t) values (%s)", "kept"))
show("own write", rows("select t from notes"))
db.commit()
show("kept", rows("select t from notes"))
rows("update notes set t = 'lost'")
db.rollback()
show("rolled back", rows("select t from notes"))
db.rollback()
try:
    rows("insert into things (id, name) values (1, 'x')")
except psycopg2.Error as error:
    show("duplicate", error.pgcode)
try:
    rows("select 1")
except psycopg2.Error as error:
    show("failed block", error.pgcode)
db.rollback()
with db.cursor("pieces") as cursor:
    cursor.itersize = 100
    cursor.execute("select g from generate_series(1, 1000) g")
    show("pieces", sum(row[0] for row in cursor))
db.commit()
with db.cursor() as cursor:
    psycopg2.extras.execute_values(cursor, "insert into notes (t) values %s", [(str(i),) for i in range(50)])
    cursor.copy_expert("copy notes (t) from stdin", io.StringIO("a\nb\n"))
    out = io.StringIO()
    cursor.copy_expert("copy (select t from notes order by t) to stdout", out)
    show("copied", out.getvalue())
db.commit()
show("count", rows("select count(*) from notes"))
db.commit()
db.autocommit = True
for _ in range(3):
    show("autocommit", rows("select label from parts where thing_id = %s order by id", 2))
show("parameters", rows("select %s::text, %s::int, %s::text", None, 7, "it's \\ ☃"))
rows("set timezone to 'Asia/Tokyo'")
show("at", [str(row[0]) for row in rows("select at from things where id = 1")])
rows("reset timezone")
show("at", [str(row[0]) for row in rows("select at from things where id = 1")])
show("delete", rows("delete from notes"))
db.set_session(isolation_level="SERIALIZABLE", readonly=True, autocommit=False)
show("serializable", rows("show transaction_isolation"))
db.commit()
db.close()
