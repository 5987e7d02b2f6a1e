"""psqlODBC through pyodbc: with and without server-side prepares, and declare/fetch."""
import sys

import pyodbc

port, database = sys.argv[1:3]


def show(name, value):
    print(f"{name}: {value!r}")


for options in ("UseServerSidePrepare=1", "UseServerSidePrepare=0", "UseDeclareFetch=1;Fetch=5"):
    db = pyodbc.connect(f"DRIVER={{PostgreSQL Unicode}};SERVER=127.0.0.1;PORT={port};DATABASE={database};UID=postgres;{options}",
                        autocommit=True)
    cursor = db.cursor()
    for _ in range(3):
        show("all", [tuple(row) for row in cursor.execute("select id, name, price, made from things order by id").fetchall()])
        for key in (1, 2, 99):
            show("one", [tuple(row) for row in cursor.execute("select name, price from things where id = ?", key).fetchall()])
    db.autocommit = False
    cursor.execute("insert into notes (t) values (?)", "kept")
    show("own write", cursor.execute("select t from notes").fetchall())
    db.commit()
    cursor.execute("update notes set t = 'lost'")
    db.rollback()
    show("rolled back", cursor.execute("select t from notes").fetchall())
    db.commit()
    try:
        cursor.execute("insert into things (id, name) values (1, 'x')")
    except pyodbc.Error as error:
        show("duplicate", error.args[0])
    db.rollback()
    show("tables", sorted(row.table_name for row in cursor.tables(schema="public", tableType="TABLE")))
    show("pieces", sum(row[0] for row in cursor.execute("select g from generate_series(1, 100) g")))
    cursor.execute("delete from notes")
    db.commit()
    db.close()
