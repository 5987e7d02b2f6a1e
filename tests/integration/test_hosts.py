"""Several hosts in one line: which one is used, what happens when the primary moves, and that nothing is
cached while server connections may lead to different servers."""

import contextlib
import subprocess

import pytest

import between
import servers
import wire


class Standby(servers.Postgres):
    """Follows `primary` by streaming."""

    def __init__(self, primary):
        servers.Scratch.__init__(self, "standby")
        self.account = primary.account
        if self.account:
            servers.os.chown(self.directory, self.account["user"], self.account["group"])
        self.data = self.directory / "data"
        self.paused = []
        command = [servers.postgres_bin() / "pg_basebackup", "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
        command += ["-D", self.data, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]
        subprocess.run([str(word) for word in command], check=True, capture_output=True, cwd="/", **self.account)
        with open(self.data / "postgresql.conf", "a") as out:
            out.write(f"port = {self.port}\nunix_socket_directories = '{self.directory}'\n")
        self.start()

    def follows(self, primary):
        at = primary.query("select pg_current_wal_lsn()")[0][0]
        return servers.wait_until(lambda: self.query(f"select pg_last_wal_replay_lsn() >= '{at}'") == [["t"]])

    def promote(self):
        assert self.query("select pg_promote(true, 60)") == [["t"]]


@contextlib.contextmanager
def followed(primary):
    """A primary and its standby, with a table t that holds 1."""
    primary.query("create table t (n int); insert into t values (1)")
    standby = Standby(primary)
    try:
        yield primary, standby
    finally:
        standby.stop()
        standby.remove()


@pytest.fixture
def pair(own_postgres):
    with followed(own_postgres()) as both:
        yield both


@pytest.fixture(scope="module")
def lasting_pair():
    """One for all tests that leave both as they are."""
    primary = servers.Postgres()
    try:
        with followed(primary) as both:
            yield both
    finally:
        primary.stop()
        primary.remove()


def hosts(*postgres, more=""):
    ports = ",".join(str(server.port) for server in postgres)
    return {"*": f"host={','.join('127.0.0.1' for _ in postgres)} port={ports} {more}"}


def port_of(proxy):
    return int(proxy.query("select inet_server_port(), clock_timestamp()")[0][0])


def cached(proxy, database="postgres"):
    return next(row["cached"] for row in proxy.console("SHOW CATALOG") if row["database"] == database)


def test_a_dead_host_is_passed_over(make_proxy, postgres):
    dead = servers.free_port()
    proxy = make_proxy(postgres, databases={"*": f"host=127.0.0.1,127.0.0.1 port={dead},{postgres.port}"})
    assert port_of(proxy) == postgres.port
    proxy.wait_for_catalog()


def test_a_host_without_an_address_is_passed_over(make_proxy, postgres):
    proxy = make_proxy(postgres, databases={"*": f"host=no.such.host.invalid,127.0.0.1 port={postgres.port}"})
    assert port_of(proxy) == postgres.port
    proxy.wait_for_catalog()


def test_all_hosts_dead_is_said(make_proxy, postgres):
    dead = servers.free_port()
    proxy = make_proxy(postgres, databases={"*": f"host=127.0.0.1,127.0.0.1 port={dead},{dead}"})
    with pytest.raises(wire.ServerError) as caught:
        proxy.connect()
    assert caught.value.sqlstate == "08006"


@pytest.mark.parametrize("attrs, expected", [
    ("any", 0), ("read-write", 0), ("primary", 0), ("read-only", 1), ("standby", 1), ("prefer-standby", 1)])
def test_target_session_attrs(make_proxy, lasting_pair, attrs, expected):
    pair = lasting_pair
    for order in (pair, pair[::-1]):
        proxy = make_proxy(pair[0], databases=hosts(*order, more=f"target_session_attrs={attrs}"))
        want = order[0] if attrs == "any" else pair[expected]
        assert {port_of(proxy) for _ in range(3)} == {want.port}
        proxy.stop()


def test_prefer_standby_takes_a_primary_when_there_is_nothing_else(make_proxy, postgres):
    dead = servers.free_port()
    databases = {"*": f"host=127.0.0.1,127.0.0.1 port={dead},{postgres.port} target_session_attrs=prefer-standby"}
    proxy = make_proxy(postgres, databases=databases)
    assert port_of(proxy) == postgres.port
    proxy.wait_for_catalog()


def test_no_host_that_will_do_is_said(make_proxy, postgres):
    proxy = make_proxy(postgres, databases=hosts(postgres, postgres, more="target_session_attrs=standby"))
    with pytest.raises(wire.ServerError) as caught:
        proxy.connect()
    assert caught.value.sqlstate == "08006" and "not a standby" in str(caught.value)


def test_the_primary_moves(make_proxy, pair):
    """The old one dies, the standby is promoted: its rows are shown, and cached again after that."""
    primary, standby = pair
    proxy = make_proxy(primary, databases=hosts(primary, standby, more="target_session_attrs=primary"))
    proxy.wait_for_catalog()
    for _ in range(3):
        assert proxy.query("select n from t") == [["1"]]
    assert standby.follows(primary)
    primary.crash()
    standby.promote()
    standby.query("update t set n = 2")

    def answers():
        with contextlib.suppress(wire.ServerError, wire.Closed):
            assert proxy.query("select n from t") == [["2"]]
            return True

    assert servers.wait_until(answers, 20)
    proxy.wait_for_catalog()
    for n in range(3, 8):
        proxy.query(f"update t set n = {n}")
        assert proxy.query("select n from t") == [[str(n)]]


def test_a_switch_over_with_both_alive(make_proxy, pair):
    """Nobody's connection breaks: new ones reach the other server, and what was cached of the first is
    not served beside it."""
    primary, standby = pair
    proxy = make_proxy(primary, databases=hosts(primary, standby), server_lifetime="1s")
    proxy.wait_for_catalog()
    for _ in range(3):
        assert proxy.query("select n from t") == [["1"]]
    standby.promote()
    standby.query("update t set n = 2")
    proxy.databases = hosts(standby, primary)
    proxy.write_config()
    proxy.console("RELOAD")
    for _ in range(20):
        assert proxy.query("select n from t") == [["2"]]
    assert port_of(proxy) == standby.port


def test_connections_to_different_servers_cache_nothing(make_proxy, pair):
    primary, standby = pair
    databases = hosts(primary, standby, more="load_balance_hosts=round-robin")
    proxy = make_proxy(primary, databases=databases, default_pool_size=8)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.connect()) for _ in range(4)]
        for client in clients:
            client.query("begin; select clock_timestamp()")
        ports = [client.query("select inet_server_port()")[0][0] for client in clients]
        assert set(ports) == {str(primary.port), str(standby.port)}
        assert servers.wait_until(lambda: cached(proxy).startswith(("its server", "a standby")), 20), cached(proxy)
        before = servers.hits(proxy.cache())
        reader = stack.enter_context(proxy.connect())
        for _ in range(10):
            assert reader.query("select n from t") == [["1"]]
        assert servers.hits(proxy.cache()) == before, (cached(proxy), proxy.log()[-3500:])


def test_a_write_lost_on_another_server_does_not_keep_its_tables_closed(make_proxy, pair):
    """The control connection stays on its own server and can never see that backend; reads of the table
    are hits again when no server connection is there any more."""
    primary, standby = pair
    standby.promote()
    spread = hosts(primary, standby, more="load_balance_hosts=round-robin")
    proxy = make_proxy(primary, databases=spread, default_pool_size=4, home_connections=0)
    proxy.query("select 1")
    assert servers.wait_until(lambda: "ready" in str(proxy.console("SHOW CATALOG")), 20)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.connect()) for _ in range(4)]
        for client in clients:
            client.query("begin; select clock_timestamp()")
        assert "different servers" in cached(proxy)
        for client in clients:
            client.send(wire.query("insert into t select 7; commit; select pg_sleep(30)"))
        for server in pair:
            assert servers.wait_until(lambda server=server: server.query(
                "select count(*) from pg_stat_activity where query like 'insert%' and wait_event = 'PgSleep'")
                == [["2"]], 10)
            server.query("select pg_terminate_backend(pid) from pg_stat_activity where query like 'insert%' "
                         "and wait_event = 'PgSleep'")
        for client in clients:
            assert "57P01" in wire.errors_of(client.read_to_end())
    lost = lambda: {row["name"]: row["value"] for row in proxy.console("SHOW CACHE")}["lost_answers"]
    assert servers.wait_until(lambda: lost() == "0", 20), lost()
    log = proxy.log()
    assert "a lost backend is on another server" in log and "a lost backend is gone" in log


def test_a_standby_among_several_hosts_is_not_cached(make_proxy, pair):
    primary, standby = pair
    proxy = make_proxy(primary, databases=hosts(primary, standby, more="target_session_attrs=standby"))
    proxy.query("select 1")
    assert servers.wait_until(lambda: "standby" in cached(proxy), 20), (cached(proxy), proxy.log())
    for n in range(2, 6):
        primary.query(f"update t set n = {n}")
        assert standby.follows(primary)
        assert proxy.query("select n from t") == [[str(n)]]


def test_an_address_that_moves_to_another_server(make_proxy, pair):
    """The control connection and old server connections stay where they were, and alive: the first new
    one that reaches the other server ends the cache until all are there."""
    primary, standby = pair
    switch = between.Between(primary.port)
    proxy = make_proxy(primary, databases={"*": f"host=127.0.0.1 port={switch.port}"}, workers=1,
                       home_connections=0)
    proxy.wait_for_catalog()
    with proxy.connect() as old, proxy.connect() as new:
        for _ in range(3):
            assert old.query("select n from t") == [["1"]]
        standby.promote()
        standby.query("update t set n = 2")
        old.query("begin; select clock_timestamp()")  # holds the only server connection that there is
        switch.target = standby.port
        new.query("begin; select clock_timestamp()")
        assert new.query("select n from t") == [["2"]]
        with proxy.connect() as third:
            assert third.query("select n from t, pg_sleep(0)") in ([["1"]], [["2"]])
        new.query("commit")
        old.query("commit")
        assert servers.wait_until(lambda: cached(proxy) == "yes", 30), cached(proxy)
        for _ in range(10):
            assert old.query("select n from t") == [["2"]]
            assert new.query("select n from t") == [["2"]]
    switch.close()


def test_a_name_is_looked_up_again_and_again_and_leads_where_it_led(make_proxy, postgres):
    """Nothing is closed and nothing dials anew as long as the name leads to the same addresses."""
    proxy = make_proxy(postgres, databases={"*": f"host=localhost port={postgres.port}"}, dns_max_ttl="50ms")
    proxy.wait_for_catalog()
    before = proxy.log().count("server identified")
    with proxy.connect() as client:
        pid = client.query("select pg_backend_pid()")
        for _ in range(10):
            assert client.query("select pg_backend_pid() from pg_sleep(0.1)") == pid
    assert proxy.log().count("server identified") == before
    assert "has changed" not in proxy.log()
