"""Host names that lead elsewhere, or nowhere: the system's own resolver, with a file of names that the test
writes (libnss_wrapper)."""

import contextlib
import os
import pathlib

import pytest

import servers
import wire
from fixtures import lacking

NAME = "db.pgrecall.test"


class Names:
    """The file that the resolver of the proxy reads in place of /etc/hosts and name servers."""

    def __init__(self, path):
        self.path = path
        self.written = 0
        self.lead_to(None)

    def lead_to(self, address):
        """It is read again when it is younger than before, in seconds."""
        text = f"{address} {NAME}\n" if address else ""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text + "127.0.0.1 localhost\n")
        self.written += 2
        os.utime(fresh, (0, 1_000_000_000 + self.written))
        fresh.rename(self.path)

    def environment(self):
        found = sorted(pathlib.Path("/usr/lib").glob("*/libnss_wrapper.so"))
        if not found:
            lacking("libnss-wrapper")
        options = {"NSS_WRAPPER_HOSTS": str(self.path), "NSS_WRAPPER_DISABLE_DEEPBIND": "1"}  # for sanitizers
        return {"LD_PRELOAD": str(found[0]), **options}


@pytest.fixture
def names(tmp_path):
    return Names(tmp_path / "hosts")


@pytest.fixture(scope="module")
def two_servers():
    """Two servers with one port: `who` says which one it is."""
    with contextlib.ExitStack() as stack:
        old = servers.Postgres()
        new = servers.Postgres(address="127.0.0.2", port=old.port)
        for server, name in ((old, "old"), (new, "new")):
            stack.callback(server.remove)
            stack.callback(server.stop)
            server.query(f"create table who as select '{name}' as is_it")
        yield old, new


def addresses(proxy):
    return {row["addr"] for row in proxy.console("SHOW SERVERS")}


def test_connections_follow_a_name_to_another_server(make_proxy, two_servers, names):
    old, _ = two_servers
    names.lead_to("127.0.0.1")
    proxy = make_proxy(old, databases={"*": f"host={NAME} port={old.port}"}, environment=names.environment(),
                       dns_max_ttl="200ms")
    proxy.wait_for_catalog()
    with proxy.connect() as busy, proxy.connect() as client:
        for _ in range(3):
            assert client.query("select is_it from who") == [["old"]]
        busy.query("begin; create temp table mine (a int)")
        assert addresses(proxy) == {"127.0.0.1"}
        names.lead_to("127.0.0.2")
        # Idle ones are closed, the one in use stays with its transaction.
        assert servers.wait_until(lambda: [row["close_needed"] for row in proxy.console("SHOW SERVERS")
                                           if row["addr"] == "127.0.0.1"] == ["1"])
        assert busy.query("select is_it from who") == [["old"]]
        with proxy.connect() as late:
            assert late.query("select is_it from who") == [["new"]]
        assert client.query("select is_it from who") == [["new"]]
        busy.query("commit")
        busy.query("discard all")
        assert servers.wait_until(lambda: addresses(proxy) == {"127.0.0.2"})
        assert busy.query("select is_it from who") == [["new"]]
        proxy.wait_for_catalog()  # of the new server: reads are cached again
        assert {tuple(*client.query("select is_it from who")) for _ in range(5)} == {("new",)}
    assert "the address of a server has changed" in proxy.log()


def test_without_dns_max_ttl_the_connections_that_are_there_stay(make_proxy, two_servers, names):
    old, _ = two_servers
    names.lead_to("127.0.0.1")
    proxy = make_proxy(old, databases={"*": f"host={NAME} port={old.port}"}, environment=names.environment(),
                       dns_max_ttl="0", cache="0")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(proxy.connect())
        first.query("begin")
        assert first.query("select is_it from who") == [["old"]]
        names.lead_to("127.0.0.2")
        others = [stack.enter_context(proxy.connect()) for _ in range(5)]
        for other in others:  # together they need more connections than there are: each new one asks
            other.query("begin")
            assert other.query("select is_it from who") in ([["old"]], [["new"]])
        assert others[-1].query("select is_it from who") == [["new"]]
        assert first.query("select is_it from who") == [["old"]]
        assert addresses(proxy) == {"127.0.0.1", "127.0.0.2"}


def is_refused(proxy):
    try:
        proxy.query("select 1")
    except wire.ServerError as error:
        assert NAME in str(error), error
        return True
    return False


def test_a_name_that_leads_nowhere_is_not_looked_up_again_at_once(make_proxy, postgres, names):
    proxy = make_proxy(postgres, databases={"*": f"host={NAME} port={postgres.port}"}, environment=names.environment(),
                       dns_max_ttl="0", dns_nxdomain_ttl="1h", server_login_retry="10ms")
    assert is_refused(proxy)
    names.lead_to("127.0.0.1")
    logins = proxy.log().count("login to the server failed")
    while proxy.log().count("login to the server failed") < logins + 5:  # so many tries
        assert is_refused(proxy)
    proxy.console("SET dns_nxdomain_ttl = 0")
    assert servers.wait_until(lambda: not is_refused(proxy))


def test_a_round_of_dns_max_ttl_finds_the_name_sooner(make_proxy, postgres, names):
    proxy = make_proxy(postgres, databases={"*": f"host={NAME} port={postgres.port}"}, environment=names.environment(),
                       dns_max_ttl="100ms", dns_nxdomain_ttl="1h", server_login_retry="10ms")
    assert is_refused(proxy)
    names.lead_to("127.0.0.1")
    assert servers.wait_until(lambda: not is_refused(proxy))


def test_the_next_host_serves_while_a_name_leads_nowhere(make_proxy, postgres, names):
    line = f"host={NAME},127.0.0.1 port={postgres.port}"
    proxy = make_proxy(postgres, databases={"*": line}, environment=names.environment())
    for _ in range(3):
        assert proxy.query("select 1") == [["1"]]
        proxy.console("RECONNECT")
    assert addresses(proxy) <= {"127.0.0.1"}
