"""What passes through: cancels, COPY, answers of any size."""

import threading
import time

import psycopg
import pytest

import fixtures
import servers
import wire

# ---- cancel --------------------------------------------------------------------------------


def cancel(port, pid, key):
    with wire.Wire(port, login=False) as canceller:
        canceller.send(wire.cancel_request(pid, key))
        assert canceller.read_to_end() == []


@pytest.mark.parametrize("protocol", [wire.PROTOCOL_3_0, wire.PROTOCOL_3_2])
def test_cancel_reaches_the_statement(proxy, postgres, protocol):
    with proxy.connect(protocol=protocol) as client, proxy.connect() as other:
        for _ in range(5):
            client.send(wire.query("select pg_sleep(600)"))
            other.send(wire.query("select pg_sleep(0.3), 'other'"))
            postgres.wait_for_running("select pg_sleep(600)")
            cancel(proxy.port, client.pid, client.key)
            assert wire.errors_of(client.read_until(b"Z")) == ["57014"]
            assert wire.rows_of(other.read_until(b"Z")) == [["", "other"]]
            assert client.query("select 1") == [["1"]]


def test_cancel_with_a_wrong_key_does_nothing(proxy, postgres):
    with proxy.connect() as client:
        client.send(wire.query("select pg_sleep(1), 'done'"))
        postgres.wait_for_running("select pg_sleep(1), %")
        cancel(proxy.port, client.pid, bytes(byte ^ 1 for byte in client.key))
        cancel(proxy.port, client.pid + 1, client.key)
        assert wire.rows_of(client.read_until(b"Z")) == [["", "done"]]


def test_cancel_of_an_idle_client_hits_nobody(make_proxy, postgres):
    """The server connection it used last serves another by now."""
    proxy = make_proxy(postgres, default_pool_size=1)
    with proxy.connect() as idle, proxy.connect() as busy:
        idle.query("select clock_timestamp()")
        for _ in range(5):
            busy.send(wire.query("select pg_sleep(0.3), 'undisturbed'"))
            servers.wait_until(lambda: proxy.row_of(busy)["state"] == "active", 1)
            cancel(proxy.port, idle.pid, idle.key)
            assert wire.rows_of(busy.read_until(b"Z")) == [["", "undisturbed"]]


def test_cancel_of_a_waiting_client(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1)
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        waiter.send(wire.query("select pg_sleep(10)"))
        proxy.wait_for_waiting()
        cancel(proxy.port, waiter.pid, waiter.key)
        try:
            assert wire.errors_of(waiter.read_until(b"Z")) == ["57014"]
        except wire.Closed:
            pass
        assert holder.query("select 1") == [["1"]]
        holder.query("commit")


def test_psycopg_cancels(proxy, postgres):
    with psycopg.connect(host="127.0.0.1", port=proxy.port, user="postgres", dbname="postgres", autocommit=True) as connection:

        def cancel_it():
            postgres.wait_for_running("select pg_sleep(600)")
            connection.cancel()

        threading.Thread(target=cancel_it).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(600)")
        assert connection.execute("select 1").fetchone() == (1,)


# ---- COPY ----------------------------------------------------------------------------------


def test_copy_both_ways_in_bulk(proxy, postgres):
    postgres.query("drop table if exists relay_copy; create table relay_copy (id int, t text)")
    try:
        rows = 100000
        with proxy.connect() as client:
            client.send(wire.query("copy relay_copy from stdin"))
            assert client.read().tag == b"G"
            for start in range(0, rows, 1000):
                lines = "".join(f"{i}\t{'x' * (i % 90)}\n" for i in range(start, start + 1000))
                client.send(wire.copy_data(lines.encode()))
            client.send(wire.copy_done())
            answer = client.read_until(b"Z")
            assert answer[0] == wire.Message(b"C", f"COPY {rows}\0".encode())
            answer = client.ask(wire.query("copy relay_copy to stdout"))
            lines = b"".join(m.body for m in answer if m.tag == b"d").splitlines()
            assert len(lines) == rows
            assert client.query("select count(*) from relay_copy") == [[str(rows)]]
    finally:
        postgres.query("drop table relay_copy")


def test_copy_is_seen_by_readers(proxy, postgres):
    postgres.query("drop table if exists relay_copy; create table relay_copy (id int)")
    try:
        with proxy.connect() as client, proxy.connect() as reader:
            for count in range(1, 20):
                reader.query("select count(*) from relay_copy")
                client.send(wire.query("copy relay_copy from stdin"), wire.copy_data(b"1\n"), wire.copy_done())
                client.read_until(b"Z")
                assert reader.query("select count(*) from relay_copy") == [[str(count)]]
    finally:
        postgres.query("drop table relay_copy")


def test_copy_ended_by_an_error_in_the_middle(proxy):
    with proxy.connect() as client:
        client.query("create temp table relay_copy (id int)")
        client.send(wire.query("copy relay_copy from stdin"))
        assert client.read().tag == b"G"
        client.send(wire.copy_data(b"1\nx\n"))
        # What is still on its way when the error comes is dropped.
        client.send(wire.copy_data(b"2\n") * 1000, wire.copy_done())
        assert wire.errors_of(client.read_until(b"Z")) == ["22P02"]
        assert client.query("select count(*) from relay_copy") == [["0"]]


# ---- size ----------------------------------------------------------------------------------


def test_large_answers_arrive_whole(proxy):
    with proxy.connect() as client:
        for count, size in ((1, 30_000_000), (300_000, 10), (200, 100_000)):
            sql = f"select repeat('x', {size}) from generate_series(1, {count})"
            answer = client.ask(wire.query(sql))
            assert sum(len(m.body) for m in answer if m.tag == b"D") == count * (size + 6)
            assert answer[-2].body == f"SELECT {count}\0".encode()


def test_large_questions_arrive_whole(proxy):
    with proxy.connect() as client:
        for size in (1000, 64 * 1024, 1 << 20, 20_000_000):
            text = "q" * size
            assert client.query(f"select length('{text}')") == [[str(size)]]
            answer = client.ask(wire.extended("select length($1)", [text], types=[25]))
            assert wire.rows_of(answer) == [[str(size)]]


def test_a_long_pipeline_that_is_read_late(proxy):
    """The answers fill every buffer before the client reads the first."""
    count = 3000
    with proxy.connect() as client:
        one = wire.extended("select repeat('y', 5000) || $1", ["z"])
        sender = threading.Thread(target=lambda: client.send(*[one] * count))
        sender.start()
        time.sleep(1)
        answer = client.read_until(b"Z", count)
        sender.join()
        assert sum(m.tag == b"D" for m in answer) == count


def release_proxy(make_proxy, postgres, **options):
    if not servers.RELEASE.exists():
        fixtures.lacking("release build")
    proxy = make_proxy(postgres, binary=servers.RELEASE, **options)
    assert not proxy.is_sanitized(), "a sanitizer's memory says nothing"
    return proxy


def drain(client, slowly_until):
    """Reads to the first ReadyForQuery and returns how many bytes came; slowly at first."""
    total, tail = 0, b""
    while not tail.endswith(b"Z\0\0\0\5I"):
        if total < slowly_until:
            time.sleep(0.01)
        chunk = client.socket.recv(65536)
        assert chunk
        total += len(chunk)
        tail = (tail + chunk)[-6:]
    return total


def test_a_slow_reader_of_200_mb_costs_no_memory(make_proxy, postgres):
    proxy = release_proxy(make_proxy, postgres)
    with proxy.connect(timeout=60) as client:
        client.send(wire.query("select repeat('x', 100000) from generate_series(1, 2000)"))
        assert drain(client, slowly_until=20_000_000) > 200_000_000
        client.send(wire.query("copy (select repeat('x', 100000) from generate_series(1, 1000)) to stdout"))
        assert drain(client, slowly_until=10_000_000) > 100_000_000
    assert proxy.rss_kb(peak=True) < 64 * 1024


def test_a_slow_server_side_costs_no_memory(make_proxy, postgres):
    """A COPY into a table that is locked: the client is held back."""
    proxy = release_proxy(make_proxy, postgres)
    postgres.query("drop table if exists relay_slow; create table relay_slow (t text)")
    try:
        with proxy.connect(timeout=2) as client, postgres.connect() as locker:
            client.send(wire.query("copy relay_slow from stdin"))
            assert client.read().tag == b"G"
            locker.query("begin; lock table pg_catalog.pg_class in share mode; commit")
            postgres.pause()
            try:
                sent = 0
                with pytest.raises(wire.Silence):
                    while sent < 200_000_000:
                        client.send(wire.copy_data(b"x" * 99999 + b"\n"))
                        sent += 100_000
            finally:
                postgres.resume()
            assert proxy.rss_kb(peak=True) < 64 * 1024
            client.abort()
    finally:
        postgres.query("drop table relay_slow")
