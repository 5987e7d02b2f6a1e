"""asyncpg: prepared statements with binary results, cursors, COPY of records."""
import asyncio
import sys

import asyncpg

port, database = sys.argv[1:3]


def show(name, value):
    print(f"{name}: {value!r}")


def plain(records):
    return [tuple(record) for record in records]


async def main():
    db = await asyncpg.connect(host="127.0.0.1", port=int(port), user="postgres", database=database)
    for _ in range(3):
        show("all", plain(await db.fetch("select * from things order by id")))
        for key in (1, 2, 99):
            show("one", plain(await db.fetch("select name, price from things where id = $1", key)))
    statement = await db.prepare("select label from parts where thing_id = $1 order by id")
    for key in (1, 2, 1, 2):
        show("prepared", plain(await statement.fetch(key)))
    async with db.transaction():
        await db.execute("insert into notes (t) values ($1)", "kept")
        show("own write", plain(await db.fetch("select t from notes")))
    try:
        async with db.transaction(isolation="repeatable_read"):
            await db.execute("update notes set t = 'lost'")
            raise KeyError
    except KeyError:
        show("rolled back", plain(await db.fetch("select t from notes")))
    try:
        await db.execute("insert into things (id, name) values ($1, 'x')", 1)
    except asyncpg.PostgresError as error:
        show("duplicate", error.sqlstate)
    async with db.transaction():
        total = 0
        async for row in db.cursor("select g from generate_series(1, 1000) g", prefetch=100):
            total += row[0]
        show("pieces", total)
    await db.executemany("insert into notes (t) values ($1)", [(str(i),) for i in range(50)])
    show("copied", await db.copy_records_to_table("notes", records=[("a",), ("b",)], columns=["t"]))
    show("count", await db.fetchval("select count(*) from notes"))
    show("several", await db.execute("select 1; select 2"))
    show("parameters", plain(await db.fetch("select $1::text, $2::int, $3::text", None, 7, "it's ☃")))
    await db.execute("set timezone to 'Asia/Tokyo'")
    show("at", await db.fetchval("select at::text from things where id = 1"))
    await db.execute("reset timezone")
    heard = asyncio.get_running_loop().create_future()
    await db.add_listener("channel", lambda _, __, channel, payload: heard.set_result((channel, payload)))
    await db.execute("notify channel, 'hello'")
    show("notify", await asyncio.wait_for(heard, 20))
    await db.remove_listener("channel", lambda *_: None)
    show("delete", await db.execute("delete from notes"))
    pool = await asyncpg.create_pool(host="127.0.0.1", port=int(port), user="postgres", database=database,
                                     min_size=2, max_size=4)
    answers = await asyncio.gather(*[pool.fetchval("select name from things where id = $1", 1 + i % 3)
                                     for i in range(30)])
    show("pool", answers)
    await pool.close()
    await db.close()


asyncio.run(main())
