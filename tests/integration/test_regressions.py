"""Mistakes that were made once: each test failed before its fix."""

import time

import pytest

import wire


def cancel(proxy, client):
    with wire.Wire(proxy.port, login=False) as canceller:
        canceller.send(wire.cancel_request(client.pid, client.key))
        canceller.read_to_end()


def named(sql, name):
    """What a driver sends to prepare a statement and execute it at once."""
    return wire.parse(sql, name=name) + run(name)


def run(name):
    return wire.bind(statement=name) + wire.describe_portal() + wire.execute() + wire.sync()


def make_tables(postgres, **tables):
    for name, value in tables.items():
        postgres.query(f"drop table if exists {name}; create table {name} (v int); insert into {name} values ({value})")


def test_who_was_cancelled_while_waiting_stores_nothing(make_proxy, postgres):
    """The next answer was stored under the key of the statement that had been cancelled."""
    make_tables(postgres, cancelled=1, other=2)
    proxy = make_proxy(postgres, default_pool_size=1, workers=1)
    proxy.wait_for_catalog()
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        waiter.send(wire.extended("select v from cancelled"))
        time.sleep(0.3)
        cancel(proxy, waiter)
        assert wire.errors_of(waiter.read_until(b"Z")) == ["57014"]
        holder.query("commit")
        assert wire.rows_of(waiter.ask(named("select v from other", "n"))) == [["2"]]
        for _ in range(2):
            assert wire.rows_of(waiter.ask(wire.extended("select v from cancelled"))) == [["1"]]


@pytest.mark.parametrize("method", ["md5", "scram-sha-256", "plain"])
def test_an_empty_secret_lets_nobody_in(make_proxy, postgres, method):
    """A user of userlist.txt without a password could log in with an empty one."""
    proxy = make_proxy(postgres, auth_type=method, userlist={"postgres": "", "other": "secret"})
    with pytest.raises(wire.ServerError) as refused:
        proxy.connect(password="")
    assert refused.value.sqlstate == "28P01"
