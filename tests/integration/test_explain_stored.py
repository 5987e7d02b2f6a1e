"""EXPLAIN CACHE: whether an answer is stored now, in which tier, how old it is. For the console and for
clients, in every way to send the statement; and what is said when Redis cannot be asked."""

import pytest

import servers
import wire
from test_cancel import MuteRedis, cancel, is_cancelled, wait_for_redis
from test_explain import by_name, on_console, simple

READ = "select n from kept_somewhere where id = 7"


@pytest.fixture(scope="module")
def tables(postgres):
    postgres.query("drop table if exists kept_somewhere; create table kept_somewhere (id int primary key, n int); "
                   "insert into kept_somewhere select i, i from generate_series(1, 100) i")


@pytest.fixture
def with_redis(make_proxy, postgres, tables):
    def make(url, **options):
        proxy = make_proxy(postgres, redis_url=url, client_hints="all", **options)
        proxy.query("select clock_timestamp()")
        assert servers.wait_until(lambda: proxy.console("SHOW CATALOG")[0]["cached"] == "yes", 20)
        wait_for_redis(proxy)
        return proxy

    return make


def in_pipeline(client, sql):
    """Between two statements that go to the server."""
    client.send(
        wire.parse("select 'before'") + wire.bind() + wire.execute()
        + wire.parse(f"/* pgrecall: explain */ {sql}") + wire.bind() + wire.describe_portal() + wire.execute()
        + wire.parse("select 'after', pg_backend_pid() > 0") + wire.bind() + wire.execute() + wire.sync()
    )
    answer = client.read_until(b"Z")
    rows = wire.rows_of(answer)
    assert wire.errors_of(answer) == [] and rows[0] == ["before"] and rows[-1] == ["after", "t"]
    return by_name(rows[1:-1])


def extended(client, sql):
    answer = client.ask(wire.extended(f"/* pgrecall: explain */ {sql}"))
    assert not wire.errors_of(answer)
    return by_name(wire.rows_of(answer))


def in_block(client, sql):
    client.query("begin")
    try:
        return simple(client, sql)
    finally:
        client.query("commit")


def console(client, sql):
    return on_console(client.proxy, sql)


WAYS = pytest.mark.parametrize("way", [console, simple, extended, in_pipeline, in_block])


@pytest.fixture
def client(with_redis, redis):
    proxy = with_redis(redis.url())
    with proxy.connect() as made:
        made.proxy = proxy
        yield made


def fill(client, sql=READ):
    """Until both tiers have it under both keys."""
    for ask in (wire.query, wire.extended):
        assert servers.wait_until(lambda: client.ask(ask(sql)) and "memory" in str(on_console(client.proxy, sql)["stored"]))
    assert servers.wait_until(
        lambda: {"memory (simple)", "memory (extended)", "redis (simple)", "redis (extended)"}
        <= set(on_console(client.proxy, sql)["stored"]))


@WAYS
def test_what_is_nowhere_is_in_neither_tier(client, way):
    answer = way(client, READ)
    assert answer["verdict"] == ["cacheable"] and answer["stored"] == ["not in memory, not in redis"]
    assert "age" not in answer and "redis" not in answer


@WAYS
def test_what_both_tiers_have_shows_both(client, way):
    fill(client)
    answer = way(client, READ)
    assert {"memory (extended)", "redis (extended)"} <= set(answer["stored"])
    assert len(answer["age"]) == len(answer["stored"]) == len(answer["size"]) == len(answer["expires in"])
    assert all(int(age.split()[0]) < 60000 for age in answer["age"])


@WAYS
def test_what_only_redis_has_is_found_there(client, way):
    fill(client)
    client.proxy.console("FLUSH MEMORY")
    answer = way(client, READ)
    assert set(answer["stored"]) >= {"redis (extended)"} and not any("memory" in tier for tier in answer["stored"])
    assert all(0 < int(left.split()[0]) <= 3600000 for left in answer["expires in"])
    assert on_console(client.proxy, READ)["stored"] == ["redis (simple)", "redis (extended)"]


@WAYS
def test_what_a_write_has_outdated_is_not_stored(client, way):
    fill(client)
    client.query("update kept_somewhere set n = n where id = 7")
    answer = way(client, READ)
    assert answer["stored"] == ["not in memory, not in redis"]
    assert "outdated by a write (extended)" in answer["redis"]


def test_a_question_leaves_the_tiers_as_they_are(client):
    fill(client)
    client.proxy.console("FLUSH MEMORY")
    for way in (console, simple, extended, in_pipeline):
        way(client, READ)
    assert on_console(client.proxy, READ)["stored"] == ["redis (simple)", "redis (extended)"]


@WAYS
def test_redis_that_is_gone_is_said_to_be_not_reachable(with_redis, own_redis, way):
    proxy = with_redis(own_redis.url())
    with proxy.connect() as client:
        client.proxy = proxy
        own_redis.stop()
        answer = way(client, READ)
        assert all(text.startswith("not reachable: ") for text in answer["redis"]), answer
        assert answer["stored"] == ["not in memory"]
        assert servers.wait_until(lambda: client.query(READ) and "memory (simple)" in on_console(proxy, READ)["stored"])


@WAYS
def test_redis_that_does_not_answer_is_waited_for_until_its_timeout(with_redis, way):
    redis = MuteRedis()
    proxy = with_redis(f"redis://127.0.0.1:{redis.port}", redis_timeout="250ms")
    with proxy.connect() as client:
        client.proxy = proxy
        answer = way(client, READ)
        assert answer["stored"] == ["not in memory"]
        assert any(text.startswith("not reachable: no answer in 250 ms") for text in answer["redis"]), answer
        assert client.query("select 'still here'") == [["still here"]]


def test_no_loop_waits_for_redis(with_redis):
    redis = MuteRedis()
    proxy = with_redis(f"redis://127.0.0.1:{redis.port}", redis_timeout="60s")
    with proxy.connect() as asks, proxy.connect() as other, proxy.connect_console() as console_:
        console_.send(wire.query(f"EXPLAIN CACHE {READ}"))
        assert redis.asked.wait(10)
        redis.asked.clear()
        asks.send(wire.query(f"/* pgrecall: explain */ {READ}"))
        assert redis.asked.wait(10)
        for _ in range(20):
            assert other.query("select pg_backend_pid() > 0") == [["t"]]
            proxy.console("SHOW VERSION")
        assert any(row["state"] == "active" for row in proxy.console("SHOW CLIENTS"))
        cancel(proxy.port, asks.pid, asks.key)
        is_cancelled(asks)
        assert asks.query("select pg_backend_pid() > 0") == [["t"]]


@pytest.mark.parametrize("pipeline", [False, True])
def test_a_client_that_leaves_while_redis_is_asked_leaves_nothing(with_redis, pipeline):
    redis = MuteRedis()
    proxy = with_redis(f"redis://127.0.0.1:{redis.port}", redis_timeout="60s")
    with proxy.connect() as leaves:
        unit = wire.parse(f"/* pgrecall: explain */ {READ}") + wire.bind() + wire.execute() + wire.sync()
        if pipeline:
            unit = wire.parse("select pg_backend_pid()") + wire.bind() + wire.execute() + unit
        leaves.send(unit)
        assert redis.asked.wait(10)
    assert servers.wait_until(lambda: not [row for row in proxy.console("SHOW CLIENTS") if row["database"] == "postgres"], 20)


def test_a_console_that_leaves_while_redis_is_asked_leaves_nothing(with_redis):
    redis = MuteRedis()
    proxy = with_redis(f"redis://127.0.0.1:{redis.port}", redis_timeout="1s")
    with proxy.connect_console() as leaves:
        leaves.send(wire.query(f"EXPLAIN CACHE {READ}"))
        assert redis.asked.wait(10)
    assert "stored" in on_console(proxy, READ)


def test_an_error_in_the_pipeline_while_redis_is_asked_skips_the_explanation(with_redis):
    redis = MuteRedis()
    proxy = with_redis(f"redis://127.0.0.1:{redis.port}", redis_timeout="500ms")
    with proxy.connect() as client:
        client.send(
            wire.parse("select 1 / 0 from pg_sleep(0.1)") + wire.bind() + wire.execute() + wire.flush()
            + wire.parse(f"/* pgrecall: explain */ {READ}") + wire.bind() + wire.execute() + wire.sync())
        answer = client.read_until(b"Z")
        assert wire.errors_of(answer) == ["22012"] and wire.rows_of(answer) == []
        assert client.query("select 'next'") == [["next"]]


# ---- with the values of $n ----------------------------------------------------------------------

WITH_VALUE = "select n from kept_somewhere where id = $1"


def test_the_console_finds_the_answer_for_given_values(client):
    client.ask(wire.extended(WITH_VALUE, ["7"]))
    assert servers.wait_until(lambda: "memory (extended)" in on_console(client.proxy, WITH_VALUE, "USING (7)")["stored"])
    assert servers.wait_until(lambda: "redis (extended)" in on_console(client.proxy, WITH_VALUE, "USING (7)")["stored"])
    assert on_console(client.proxy, WITH_VALUE, "IN postgres AS postgres USING ('7')")["stored"][0] == "memory (extended)"
    assert on_console(client.proxy, WITH_VALUE, "USING (8)")["stored"] == ["not in memory, not in redis"]
    assert on_console(client.proxy, WITH_VALUE, "USING (7::int4)")["stored"] == ["not in memory, not in redis"]
    answer = on_console(client.proxy, WITH_VALUE)
    assert answer["verdict"] == ["cacheable"] and "values of the parameters" in answer["stored"][0] and "key" not in answer


def test_the_console_finds_the_answer_for_declared_types(client):
    sql = "select n from kept_somewhere where id = $1 and n > $2 or $3 is not null"
    client.ask(wire.extended(sql, ["7", "-1", None], types=[23, 20, 25]))
    options = "USING (7::integer, -1 :: BIGINT, null::25)"
    assert servers.wait_until(lambda: "memory (extended)" in on_console(client.proxy, sql, options)["stored"])


@pytest.mark.parametrize("formats", [(), (0,), (0, 0)])
@pytest.mark.parametrize("result_formats", [(), (0,)])
def test_the_console_finds_what_any_driver_has_sent_as_text(client, formats, result_formats):
    """And they share it: text is text, in how many words a driver may say so."""
    sql = f"select n, '{formats} {result_formats}' as s from kept_somewhere where id = $1 and n = $2"
    client.ask(wire.extended(sql, ["7", "7"], formats=formats, result_formats=result_formats))
    assert servers.wait_until(lambda: "memory (extended)" in on_console(client.proxy, sql, "USING (7, 7)")["stored"])
    before = servers.hits(client.proxy.cache())
    answers = [client.ask(wire.extended(sql, ["7", "7"], formats=f, result_formats=r)) for f in [(), (0,), (0, 0)] for r in [(), (0,)]]
    assert servers.hits(client.proxy.cache()) - before == 6
    assert all([m.body for m in answer] == [m.body for m in answers[0]] for answer in answers)
    for f, r in [((1, 1), ()), ((), (1,)), ((0, 1), ())]:
        values = [b"\0\0\0\7" if f and f[i] else "7" for i in range(2)]
        before = servers.hits(client.proxy.cache())
        client.ask(wire.extended(sql, values, formats=f, result_formats=r))
        assert servers.hits(client.proxy.cache()) == before
    assert wire.errors_of(client.ask(wire.extended(sql, ["7", "7"], formats=(0, 0, 0)))) == ["08P01"]


def test_values_that_cannot_be_read_are_refused(client):
    for options, what in [("USING 7", "7"), ("USING (7", "end of input"), ("USING (,)", "not a value"), ("USING (7::money2)", "money2"),
                          ("USING ('a' 'b')", "syntax error")]:
        with client.proxy.connect_console() as console_:
            answer = console_.ask(wire.query(f"EXPLAIN CACHE {options} {WITH_VALUE}"))
            assert wire.errors_of(answer) == ["42601"], options


def test_a_value_that_means_now_is_not_cacheable(client):
    sql = "select n from kept_somewhere where $1::date is not null"
    for answer in (on_console(client.proxy, sql, "USING ('today')"), extended_with(client, sql, ["today"])):
        assert answer["verdict"] == ["not cacheable"] and "stored" not in answer, answer
    assert on_console(client.proxy, sql, "USING ('2024-01-02')")["verdict"] == ["cacheable"]


def extended_with(client, sql, values):
    return by_name(wire.rows_of(client.ask(wire.extended(f"/* pgrecall: explain */ {sql}", values))))
