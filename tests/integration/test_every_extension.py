"""A database in which every extension that comes with PostgreSQL was created is as cacheable as another one."""

import psycopg
import pytest

import servers
from test_cache import eventually_hits

# Of those that are no extension's business: comparisons, sorting, joins, aggregates, text, dates.
READS = [
    "select id, v from crowded where id = 7",
    "select distinct v from crowded order by v desc limit 3",
    "select v, count(*), sum(n), max(t), min(d) from crowded where n > 1.5 group by v having count(*) > 0",
    "select a.v from crowded a join crowded b using (id) where a.d between '2024-01-01' and '2024-12-31'",
    "select upper(v) || lower(v), n + 1, t like 'x%' from crowded where id in (1, 2, 3)",
    "select id from crowded union select n::int from crowded order by 1",
]


@pytest.fixture
def crowded(postgres):
    postgres.query("drop database if exists crowded")
    postgres.query("create database crowded")
    with psycopg.connect(f"host=127.0.0.1 port={postgres.port} user=postgres dbname=crowded", autocommit=True) as client:
        created = 0
        for (name,) in client.execute("select name from pg_available_extensions").fetchall():
            try:
                client.execute(f'create extension if not exists "{name}" cascade')
                created += 1
            except psycopg.Error:
                pass  # its library or another one's is not installed
        assert created >= 10
        client.execute("create table crowded (id int primary key, v varchar(20), n numeric, t text, d date)")
        client.execute("insert into crowded select i, 'v' || i % 5, i, 'x' || i, '2024-01-01'::date + i from generate_series(1, 50) i")
    yield
    postgres.query("drop database crowded with (force)")


def test_reads_are_cached_and_writes_reach_no_further(make_proxy, postgres, crowded):
    proxy = make_proxy(postgres)
    with proxy.connect(database="crowded") as client:
        client.query("select clock_timestamp()")
        assert servers.wait_until(lambda: {row["database"]: row["cached"] for row in proxy.console("SHOW CATALOG")}.get("crowded") == "yes", 30)
        for sql in READS:
            assert eventually_hits(client, sql, proxy), (sql, proxy.console(f"EXPLAIN CACHE IN crowded {sql}"))
        for sql in ("insert into crowded values (100, 'a', 1, 'b', '2024-01-01')", "update crowded set v = 'b' where id = 100", "delete from crowded where id = 100"):
            rows = {row["name"]: row["value"] for row in proxy.console(f"EXPLAIN CACHE IN crowded {sql}")}
            assert rows["may write"] == "public.crowded", (sql, rows)
    proxy.stop()
