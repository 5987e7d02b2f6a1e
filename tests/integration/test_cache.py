"""What is cached, for how long, and that SHOW CACHE and the server's own statistics agree on it."""

import concurrent.futures
import contextlib
import threading
import time

import pytest

import servers
import wire


@pytest.fixture
def table(proxy, postgres):
    """A table of the test's own, made and dropped through the proxy."""
    proxy.query("drop table if exists cached; create table cached (id int primary key, v int); insert into cached select i, i from generate_series(1, 100) i")
    proxy.wait_for_catalog()
    yield "cached"
    proxy.query("drop table cached")


def counted(proxy, action):
    """What SHOW CACHE counted while `action` ran."""
    before = proxy.cache()
    action()
    after = proxy.cache()
    return {name: value - before.get(name, 0) for name, value in after.items()}


def eventually_hits(client, sql, proxy):
    """Asks until the answer is a hit: a catalog that changed is loaded anew in between."""

    def is_hit():
        before = servers.hits(proxy.cache())
        client.query(sql)
        return servers.hits(proxy.cache()) > before

    return servers.wait_until(is_hit, 20, 0.1)


@pytest.mark.parametrize("ask", [wire.query, wire.extended], ids=["simple", "extended"])
def test_the_second_read_is_a_hit(proxy, postgres, table, ask):
    with proxy.connect() as client:
        assert eventually_hits(client, "select v from cached where id = 100", proxy)
        postgres.query("select pg_stat_statements_reset()")
        sql = "select v, 'second read' from cached where id = 7"
        answers = []
        counts = counted(proxy, lambda: answers.extend(client.ask(ask(sql)) for _ in range(10)))
        assert wire.rows_of(answers[0]) == [["7", "second read"]]
        assert all(answer == answers[0] for answer in answers)
        assert counts["hits_memory"] == 9
        assert counts["misses"] == 1
        assert counts["stores"] == 1
        assert counts["entries"] == 1
        assert counts["bytes"] > 0
        assert postgres.calls_of("select v, $1 from cached%") == 1


def test_answers_are_kept_apart_by_what_changes_them(proxy, postgres, table):
    postgres.query("drop role if exists other_role; create role other_role login; grant select on cached to other_role")
    try:
        with proxy.connect() as client:
            assert eventually_hits(client, "select v from cached where id = 1", proxy)
            for sql, expected in (
                ("select v as a from cached where id = 1", "a"),
                ("select v as b from cached where id = 1", "b"),
            ):
                for _ in range(2):
                    assert list(client.table(sql)[0]) == [expected]
            # Another role, another shape of the protocol, other parameters.
            assert client.query("select current_user, v from cached where id = 1") == [["postgres", "1"]]
            with proxy.connect(user="other_role") as other:
                assert other.query("select current_user, v from cached where id = 1") == [["other_role", "1"]]
                postgres.query("revoke select on cached from other_role")
                # GRANT and REVOKE past the proxy are found by the next look at the catalog; a role
                # that never read it never hits what others stored.
            for value in ("1", "2", "3", "1", "2", "3"):
                answer = client.ask(wire.extended("select v from cached where id = $1", [value]))
                assert wire.rows_of(answer) == [[value]]
            with proxy.connect(parameters={"datestyle": "German"}) as german:
                assert client.query("select date '2024-02-01' from cached where id = 1") == [["2024-02-01"]]
                assert german.query("select date '2024-02-01' from cached where id = 1") == [["01.02.2024"]]
                assert client.query("select date '2024-02-01' from cached where id = 1") == [["2024-02-01"]]
    finally:
        postgres.query("drop owned by other_role; drop role other_role")


WRITES = [
    "update cached set v = v + 1000 where id = 1",
    "insert into cached values (1001, 1)",
    "delete from cached where id = 1",
    "truncate cached",
    "with w as (update cached set v = 0 where id = 1 returning id) select * from w",
    "do $$ begin update cached set v = -1 where id = 1; end $$",
    "alter table cached add column w int default 3",
    "merge into cached c using (values (1)) s(id) on c.id = s.id when matched then update set v = 77",
    "explain analyze update cached set v = 8 where id = 1",
    "copy (update cached set v = 10 where id = 1 returning id) to stdout",
]
WRITES_OF_SEVERAL_STATEMENTS = [
    "begin; update cached set v = 5 where id = 1; commit",
    "select 1; update cached set v = 6 where id = 1; select 2",
    "prepare p as update cached set v = 9 where id = 1; execute p; deallocate p",
]


@pytest.mark.parametrize(
    ("ask", "write"),
    [(wire.query, write) for write in WRITES + WRITES_OF_SEVERAL_STATEMENTS] + [(wire.extended, write) for write in WRITES],
    ids=lambda value: value if isinstance(value, str) else {wire.query: "simple", wire.extended: "extended"}[value],
)
def test_a_write_is_seen_by_the_next_read(proxy, postgres, table, ask, write):
    read = "select * from cached order by id"
    with proxy.connect() as reader, proxy.connect() as writer:
        assert eventually_hits(reader, read, proxy)
        writer.ask(ask(write))
        assert reader.query(read) == postgres.query(read)
        assert writer.query(read) == postgres.query(read)


def test_a_rolled_back_write_changes_nothing(proxy, postgres, table):
    read = "select sum(v) from cached"
    with proxy.connect() as reader, proxy.connect() as writer:
        assert eventually_hits(reader, read, proxy)
        writer.query("begin")
        writer.query("update cached set v = 0")
        assert writer.query(read) == [["0"]]
        assert reader.query(read) == [["5050"]]
        writer.query("rollback")
        assert writer.query(read) == [["5050"]]
        assert reader.query(read) == [["5050"]]


def test_what_is_not_deterministic_is_not_cached(proxy, table):
    with proxy.connect() as client:
        for sql in (
            "select clock_timestamp(), id from cached where id = 1",
            "select random(), id from cached where id = 1",
            "select nextval('cached_sequence')",
            "select txid_current()",
            "select 'now'::timestamptz, pg_sleep(0.001)",
        ):
            if "sequence" in sql:
                client.query("create temp sequence cached_sequence")
            assert client.query(sql) != client.query(sql), sql


def test_bypasses_are_counted_with_their_reason(proxy, table):
    with proxy.connect() as client:
        assert eventually_hits(client, "select v from cached where id = 1", proxy)
        counts = counted(proxy, lambda: client.query("select random()"))
        assert counts["bypasses"] >= 1
        assert counts["bypass_function"] >= 1
        counts = counted(proxy, lambda: client.query("select * from cached where id = 1 for update"))
        assert counts["bypass_row_lock"] >= 1


def test_explain_cache_says_why(proxy, table):
    for sql, expected in (
        ("select v from cached where id = 1", "cacheable"),
        ("select random()", "random"),
        ("select * from cached for update", "lock"),
        ("update cached set v = 1", "writes"),
        ("select * from pg_class", "system"),
    ):
        assert servers.wait_until(lambda: expected in str(proxy.console(f"EXPLAIN CACHE {sql}")).lower(), 20), (
            sql, proxy.console(f"EXPLAIN CACHE {sql}"))
    assert "cached" in str(proxy.console("EXPLAIN CACHE select v from cached where id = 1"))


def test_flush_empties_the_cache(proxy, table):
    with proxy.connect() as client:
        assert eventually_hits(client, "select v from cached where id = 1", proxy)
        for command in ("FLUSH", "FLUSH TABLE cached", "FLUSH TABLE public.cached"):
            assert eventually_hits(client, "select v from cached where id = 1", proxy)
            proxy.console(command)
            counts = counted(proxy, lambda: client.query("select v from cached where id = 1"))
            assert (servers.hits(counts), counts["misses"]) == (0, 1), command


def test_a_write_past_the_proxy_is_seen_when_the_window_ends(make_proxy, postgres):
    postgres.query("drop table if exists windowed; create table windowed (v int); insert into windowed values (1)")
    try:
        proxy = make_proxy(postgres, cache_window="1s")
        proxy.wait_for_catalog()
        with proxy.connect() as client:
            for value in (2, 3):
                client.query("select v from windowed")
                postgres.query(f"update windowed set v = {value}")
                written = time.monotonic()
                while client.query("select v from windowed") != [[str(value)]]:
                    assert time.monotonic() - written < 20, "older than its window"
                    time.sleep(0.01)
    finally:
        postgres.query("drop table windowed")


def test_answers_over_max_entry_are_not_cached(make_proxy, postgres):
    proxy = make_proxy(postgres, max_entry="10kB")
    proxy.wait_for_catalog()
    with proxy.connect() as client:
        sql = "select * from pgbench_accounts where aid < 200"
        counts = counted(proxy, lambda: [client.query(sql) for _ in range(3)])
        assert servers.hits(counts) == 0
        assert counts["stores"] == 0
        assert counts["bypass_too_big"] >= 1


def test_the_cache_keeps_to_its_memory(make_proxy, postgres):
    proxy = make_proxy(postgres, memory_limit="2MB")
    proxy.wait_for_catalog()
    servers.run_pgbench(proxy.port, "-n", "-S", "-c", "8", "-t", "2500")
    counters = proxy.cache()
    assert counters["evictions"] > 0
    assert counters["bytes"] <= 2 * 1024 * 1024


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_everyone_agrees_on_the_hit_rate(make_proxy, postgres, mode, tmp_path):
    """Warm, pgbench -S hits more than 99 of 100, and Postgres sees only the rest."""
    proxy = make_proxy(postgres)
    proxy.wait_for_catalog()
    accounts, clients = 2000, 8
    fill = tmp_path / "fill.sql"
    fill.write_text(f"\\set turn :turn + 1\n\\set aid :turn * {clients} + :client_id + 1\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n")
    warm = tmp_path / "warm.sql"
    warm.write_text(f"\\set aid random(1, {accounts})\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n")
    count = lambda: postgres.calls_of("select abalance from pgbench_accounts where aid%")  # noqa: E731
    postgres.query("select pg_stat_statements_reset()")
    first = counted(proxy, lambda: servers.run_pgbench(
        proxy.port, "-n", "-M", mode, "-c", str(clients), "-D", "turn=-1", "-t", str(accounts // clients), "-f", str(fill)))
    assert first["misses"] == count() == accounts
    second = counted(proxy, lambda: servers.run_pgbench(
        proxy.port, "-n", "-M", mode, "-c", str(clients), "-t", "1000", "-f", str(warm)))
    reached = count() - accounts
    assert servers.hits(second) + second["misses"] == clients * 1000
    assert second["misses"] == reached
    assert servers.hits(second) / (clients * 1000) > 0.99


@pytest.fixture
def frozen(make_proxy, own_postgres, tmp_path):
    """A proxy with the first hundred accounts warm, and what freezes and thaws its Postgres."""
    postgres = own_postgres()
    postgres.pgbench_init(1)
    # Nobody looks whether the server's catalog is as it was: on a slow machine that might be while it is frozen.
    proxy = make_proxy(postgres, catalog_refresh="1h")
    proxy.wait_for_catalog()
    proxy.warm_script = tmp_path / "warm.sql"
    proxy.warm_script.write_text("\\set aid random(1, 100)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n")
    with proxy.connect() as client:
        for aid in range(1, 101):
            client.query(f"SELECT abalance FROM pgbench_accounts WHERE aid = {aid};")
    yield proxy
    postgres.resume()


def test_hits_need_no_postgres(frozen):
    with frozen.connect() as client:
        frozen.postgres.pause()
        for _ in range(3):
            for aid in range(1, 101):
                assert client.query(f"SELECT abalance FROM pgbench_accounts WHERE aid = {aid};") == [["0"]]
        frozen.postgres.resume()
        assert client.query("select count(*) from pgbench_branches") == [["1"]]


def test_pgbench_goes_on_while_postgres_is_frozen(frozen):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        before = servers.hits(frozen.cache())
        load = pool.submit(servers.run_pgbench, frozen.port, "-n", "-c", "8", "-t", "2500", "-f", str(frozen.warm_script))
        assert servers.wait_until(lambda: servers.hits(frozen.cache()) > before + 1000, 60)
        frozen.postgres.pause()
        then = servers.hits(frozen.cache())
        load.result()
    # Postgres has not moved since.
    assert servers.hits(frozen.cache()) == before + 8 * 2500 > then


def test_clients_of_a_known_kind_log_in_while_postgres_is_frozen(frozen):
    servers.run_pgbench(frozen.port, "-n", "-t", "10", "-f", str(frozen.warm_script))
    frozen.postgres.pause()
    servers.run_pgbench(frozen.port, "-n", "-c", "8", "-t", "200", "-f", str(frozen.warm_script), timeout=30)


def answered_by_redis(proxy, client, sql):
    """The answer when memory has forgotten it. It takes a moment to arrive in Redis: until then it is a miss."""
    answers = []

    def is_hit():
        proxy.console("FLUSH MEMORY")
        counts = counted(proxy, lambda: answers.append(client.ask(wire.query(sql))))
        assert counts["hits_redis"] + counts["misses"] == 1
        return counts["hits_redis"] == 1

    assert servers.wait_until(is_hit), proxy.cache()
    return answers[-1]


def test_hits_come_from_redis_when_memory_is_gone(proxy_redis, redis):
    proxy = proxy_redis
    with proxy.connect() as client:
        sql = "select abalance, filler, 'redis' from pgbench_accounts where aid = 77"
        first = client.ask(wire.query(sql))
        assert answered_by_redis(proxy, client, sql) == first
        assert client.ask(wire.query(sql)) == first
        counts = counted(proxy, lambda: client.query(sql))
        assert counts["hits_memory"] == 1


def test_a_restarted_proxy_finds_its_answers_in_redis(make_proxy, postgres, redis):
    sql = "select abalance, 'restart' from pgbench_accounts where aid = 78"
    first = make_proxy(postgres, redis_url=redis.url())
    first.wait_for_catalog()
    first.query(sql)
    first.stop()
    second = make_proxy(postgres, redis_url=redis.url())
    second.wait_for_catalog()
    with contextlib.suppress(wire.Closed):
        second.query(sql)
    assert second.is_alive()


def test_large_answers_come_back_from_redis_whole(proxy_redis, redis):
    """Beyond compress_min, so through lz4."""
    sql = "select repeat('a b c ', 20000) || aid from pgbench_accounts where aid < 4 order by aid"
    with proxy_redis.connect() as client:
        first = client.ask(wire.query(sql))
        assert answered_by_redis(proxy_redis, client, sql) == first
        assert client.ask(wire.query(sql)) == first


def test_poisoned_redis_entries_are_misses(make_proxy, postgres, own_redis):
    """Whatever Redis holds under our keys is checked like any input from outside."""
    proxy = make_proxy(postgres, redis_url=own_redis.url())
    proxy.wait_for_catalog()
    sql = "select abalance, 'poison' from pgbench_accounts where aid = 79"
    with proxy.connect() as client:
        first = client.query(sql)
        assert servers.wait_until(lambda: own_redis.keys() > 0)
        keys = [word for word in own_redis.command("KEYS", "*").split("\r\n")[1:] if not word.startswith("$") and word]
        assert keys
        for poison in ("", "x", "\0" * 100, "pgrecall" * 1000):
            for key in keys:
                own_redis.command("SET", key, poison)
            proxy.console("FLUSH MEMORY")
            assert client.query(sql) == first
    assert proxy.is_alive()


def test_concurrent_reads_of_one_key(proxy, table):
    answers = []

    def read():
        with proxy.connect() as client:
            for _ in range(50):
                answers.append(client.query("select sum(v) from cached"))

    threads = [threading.Thread(target=read) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[["5050"]]] * 500
