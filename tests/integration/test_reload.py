"""A RELOAD keeps nothing of the configuration before, and takes nothing from who still uses it."""

import threading

import psycopg

import servers
import wire


def lists(proxy):
    return {row["list"]: int(row["items"]) for row in proxy.console("SHOW LISTS")}


def is_one_left(proxy):
    return servers.wait_until(lambda: lists(proxy)["configurations"] == 1, 20)


def test_reloads_leave_one_configuration(make_proxy, postgres):
    proxy = make_proxy(postgres, rules={"calm": "table=orders action=never"})
    with proxy.connect() as client, proxy.connect_console() as console:
        client.query("select 1")
        for _ in range(50):
            for command in ("RELOAD", "SET query_wait_timeout = 20", "RULE ADD mine table=orders action=cache"):
                assert not wire.errors_of(console.ask(wire.query(command)))
            client.query("select 1")
        assert is_one_left(proxy)
        assert client.query("select 2") == [["2"]]
    assert proxy.console("SHOW RULES")[0]["name"] == "mine"


def test_a_login_ends_under_the_configuration_it_began_with(make_proxy, own_postgres):
    """Its line of [databases] and its secret are read again and again until it is through."""
    postgres = own_postgres()
    proxy = make_proxy(postgres, server_connect_timeout="60s")
    proxy.wait_for_catalog()
    with proxy.connect(timeout=60) as client:
        assert client.query("select 1") == [["1"]]
        proxy.console("RECONNECT")
        postgres.pause()
        try:
            client.send(wire.query("select 7"))
            assert servers.wait_until(lambda: any(row["state"] == "login" for row in proxy.console("SHOW SERVERS")))
            for _ in range(20):
                proxy.console("RELOAD")
            assert servers.wait_until(lambda: lists(proxy)["configurations"] == 2)
        finally:
            postgres.resume()
        assert wire.rows_of(client.read_until()) == [["7"]]
    assert is_one_left(proxy)


def test_reloads_under_load_lose_nobody(make_proxy, postgres):
    """Logins, control connections and statements in the middle of many RELOADs."""
    proxy = make_proxy(postgres, default_pool_size=3, http_port=servers.free_port())
    done = threading.Event()
    failures = []

    def come_and_go():
        try:
            while not done.is_set():
                with psycopg.connect(host="127.0.0.1", port=proxy.port, user="postgres", dbname="postgres") as client:
                    assert client.execute("select 3").fetchall() == [(3,)]
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(60):
        proxy.console("RELOAD")
        if number % 10 == 0:
            proxy.console("RECONNECT")
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert is_one_left(proxy)
