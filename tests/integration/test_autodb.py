"""Names of a "*" line: those that nobody uses are collected, and made-up ones do not fill the table."""

import concurrent.futures
import time

import pytest

import servers
import wire


def names(proxy):
    return {row["name"] for row in proxy.console("SHOW DATABASES")}


def refused(port, name):
    with pytest.raises(wire.ServerError) as error:
        wire.Wire(port, database=name).close()
    return error.value.fields["C"]


def test_names_that_postgres_does_not_know_are_forgotten(make_proxy, postgres):
    proxy = make_proxy(postgres, server_login_retry="1s")
    keeps = proxy.connect()
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        codes = list(threads.map(lambda n: refused(proxy.port, f"made_up_{n}"), range(300)))
    assert set(codes) == {"3D000"}
    assert servers.wait_until(lambda: names(proxy) == {"postgres"}, 20), names(proxy)
    assert not [row for row in proxy.console("SHOW POOLS") if "made" in row["database"]]
    assert keeps.query("select 1") == [["1"]]
    assert refused(proxy.port, "made_up_7") == "3D000"


def test_more_names_than_there_is_room_for(make_proxy, postgres):
    """Nobody answers behind this line. More names than the table has places, and then one that is wanted.
    On a machine with other work, names may come faster than they are forgotten: such a one is let in later."""
    dead = servers.free_port()
    proxy = make_proxy(postgres, databases={"postgres": f"host=127.0.0.1 port={postgres.port}",
                                            "*": f"host=127.0.0.1 port={dead}"})

    def is_let_in(number):
        return servers.wait_until(lambda: refused(proxy.port, f"made_up_{number}") == "08006", 30)

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert all(threads.map(is_let_in, range(5000)))
    assert proxy.query("select 1") == [["1"]]
    assert servers.wait_until(lambda: refused(proxy.port, "let_in_later") == "08006", 20)
    assert servers.wait_until(lambda: len(names(proxy)) < 2100, 20)


def test_a_place_that_had_another_name_shows_nothing_of_it(make_proxy, postgres):
    """One database after the other in the same place: rows, catalogs, settings, statistics are its own."""
    listed = ("north", "south")
    for name in listed:
        postgres.query(f"drop database if exists {name}")
        postgres.query(f"create database {name}")
        postgres.query(f"alter database {name} set search_path to {name}, public")
        postgres.query(f"create schema {name}; create table {name}.t (v text); insert into {name}.t values ('{name}')",
                       database=name)
    proxy = make_proxy(postgres, autodb_idle_timeout="1s", server_idle_timeout="1s")
    for _ in range(2):
        for name in listed:
            with proxy.connect(database=name) as client:
                for turn in range(20):
                    assert client.query("select v from t") == [[name]]
                assert client.query("show search_path") == [[f"{name}, public"]]
                counts = {row["database"]: row for row in proxy.console("SHOW STATS")}
                assert 21 <= int(counts[name]["total_query_count"]) < 40, counts[name]
            assert servers.wait_until(lambda: not names(proxy) & set(listed), 20), names(proxy)
            time.sleep(1.1)  # a place rests for a second before it has another name
    proxy.stop()
    for name in listed:
        postgres.query(f"drop database {name}")
