"""What the console's commands do, and that their numbers add up."""

import subprocess
import threading
import time

import psycopg
import pytest

import servers
import wire

# In PgBouncer's order; ours may have more behind them.
COUNTS = ["server_assignment_count", "xact_count", "query_count"]
TIMES = ["xact_time", "query_time", "wait_time", "client_parse_count", "server_parse_count", "bind_count", "client_login_count"]
CONNECTION = (
    "type user database replication state addr port local_addr local_port connect_time request_time wait wait_us "
    "close_needed ptr link remote_pid tls application_name prepared_statements id"
).split()
COLUMNS = {
    "STATS": ["database"]
    + [f"total_{name}" for name in [*COUNTS, "received", "sent", *TIMES]]
    + [f"avg_{name}" for name in [*COUNTS, "recv", "sent", *TIMES]],
    "POOLS": (
        "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel "
        "sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode load_balance_hosts"
    ).split(),
    "CLIENTS": CONNECTION,
    "SERVERS": CONNECTION,
    "DATABASES": (
        "name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode "
        "load_balance_hosts max_connections current_connections max_client_connections current_client_connections "
        "paused disabled"
    ).split(),
}


def shows(proxy):
    return [row["command"] for row in proxy.console("SHOW HELP") if row["command"].startswith("SHOW ")]


def psycopg_console(proxy, **options):
    return psycopg.connect(host="127.0.0.1", port=proxy.console_port, user="postgres", dbname="pgrecall", **options)


@pytest.fixture
def small(make_proxy, postgres):
    """Two server connections, two workers."""
    return make_proxy(postgres, default_pool_size=2, stats_period="1s")


# ---- the protocol, as drivers use it -------------------------------------------------------


@pytest.mark.parametrize("what", COLUMNS)
def test_columns_are_pgbouncers(proxy, what):
    with proxy.connect() as client, proxy.connect_console() as console:
        client.query("select 1")
        answer = console.ask(wire.query(f"SHOW {what}"))
        assert wire.columns_of(answer[0].body)[: len(COLUMNS[what])] == COLUMNS[what]


def test_text_and_binary_say_the_same(proxy):
    with proxy.connect() as client:
        client.query("select clock_timestamp()")
        with psycopg_console(proxy, autocommit=True) as connection:
            for command in ("SHOW DATABASES", "SHOW USERS", "SHOW CONFIG", "SHOW STATS", "SHOW HELP", "SHOW VERSION"):
                text = connection.execute(command).fetchall()
                with connection.cursor(binary=True) as cursor:
                    assert cursor.execute(command).fetchall() == text, command
            for command in shows(proxy):
                with connection.cursor(binary=True) as cursor:
                    cursor.execute(command).fetchall()


def test_drivers_find_what_they_expect(proxy):
    with psycopg_console(proxy) as connection:  # with BEGIN and COMMIT around
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.execute("SHOW standard_conforming_strings").fetchone() == ("on",)
        connection.execute("SET application_name = 'monitor'")
        connection.execute("SET extra_float_digits = 3")
        connection.commit()
        for _ in range(10):
            assert connection.execute("SHOW VERSION", prepare=True).fetchone()[0].startswith("pgrecall ")
        with pytest.raises(psycopg.errors.SyntaxError):
            connection.execute("SHOW NOTHING")
        connection.rollback()
        assert connection.execute("SHOW VERSION").fetchone()


def test_psql_runs_every_show(proxy):
    arguments = [part for command in shows(proxy) for part in ("-c", command)]
    done = servers.run_psql(proxy.console_port, "-v", "ON_ERROR_STOP=1", *arguments, database="pgrecall")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pipeline_is_answered_in_order(proxy):
    with proxy.connect_console() as console:
        requests = [wire.query("SHOW CLIENTS; SELECT 1"), wire.extended("SHOW CACHE"), wire.extended("nonsense"), wire.query("SHOW VERSION")]
        messages = console.ask(*requests, ready=4)
    tags = wire.tags_of(messages).replace("D", "")
    assert tags == "TCTCZ12TCZEZTCZ"


def test_many_consoles_at_once(proxy):
    """Answers are gathered while clients come and go, on all workers."""
    failures = []

    def watch():
        try:
            for _ in range(20):
                with proxy.connect_console() as console:
                    assert console.table("SHOW CLIENTS")
                    console.send(wire.query("SHOW POOLS"))
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=watch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_manual_is_up_to_date():
    made = subprocess.run([servers.BINARY, "--manual", "console"], capture_output=True, text=True, check=True).stdout
    assert made == (servers.ROOT / "docs/console.md").read_text()


# ---- numbers -------------------------------------------------------------------------------


def pool_of(proxy, user="postgres", database="postgres"):
    (row,) = [row for row in proxy.console("SHOW POOLS") if (row["database"], row["user"]) == (database, user)]
    return {name: int(value) for name, value in row.items() if value is not None and value.isdigit()}


def test_pools_add_up(small):
    clients = [small.connect() for _ in range(12)]
    try:
        for client in clients[:7]:
            client.send(wire.query("begin; select pg_sleep(0)"))
        assert servers.wait_until(lambda: pool_of(small)["cl_waiting"] == 5, 20)
        pool = pool_of(small)
        assert (pool["cl_active"], pool["sv_active"], pool["sv_idle"]) == (7, 2, 0)
        rows = [row for row in small.console("SHOW CLIENTS") if row["database"] == "postgres"]
        assert len(rows) == 12
        waiting = [row for row in rows if row["state"] == "waiting"]
        assert len(waiting) == 5
        assert all(int(row["wait"]) * 1000000 + int(row["wait_us"]) > 0 for row in waiting)
        lists = {row["list"]: int(row["items"]) for row in small.console("SHOW LISTS")}
        assert lists["used_clients"] == 13  # and the console
        assert (lists["used_servers"], lists["free_servers"]) == (2, 0)
        (row,) = [row for row in small.console("SHOW DATABASES") if row["name"] == "postgres"]
        assert (row["current_client_connections"], row["current_connections"]) == ("12", "2")
    finally:
        for client in clients:
            client.abort()
    assert servers.wait_until(lambda: pool_of(small)["cl_active"] == 0, 20)
    assert pool_of(small)["cl_waiting"] == 0


def test_clients_and_servers_are_linked(small):
    with small.connect(parameters={"application_name": "linked"}) as client:
        ((pid,),) = client.query("begin; select pg_backend_pid()")
        (row,) = [row for row in small.console("SHOW CLIENTS") if row["application_name"] == "linked"]
        (server,) = [server for server in small.console("SHOW SERVERS") if server["ptr"] == row["link"]]
        assert server["link"] == row["ptr"]
        assert server["remote_pid"] == pid
        assert (server["state"], row["state"]) == ("active", "active")
        client.query("commit")
        client.query("create temp table t (a int)")
        (row,) = [row for row in small.console("SHOW CLIENTS") if row["application_name"] == "linked"]
        assert row["pin"] == "a temporary table"


def test_servers_say_how_many_statements_they_hold(small):
    def held():
        return sum(int(row["prepared_statements"]) for row in small.console("SHOW SERVERS"))

    with small.connect() as client:
        assert held() == 0
        before = {row["list"]: int(row["items"]) for row in small.console("SHOW LISTS")}
        client.query("begin")  # one server for both
        for name in ("one", "two", "three"):
            client.ask(wire.parse(f"select {len(name)}::text || 'held' || txid_current()", name), wire.sync())
        client.query("commit")
        assert held() == 2
        lists = {row["list"]: int(row["items"]) for row in small.console("SHOW LISTS")}
        assert lists["shared_statements"] == before["shared_statements"] + 2  # two have one text
    assert servers.wait_until(lambda: {"list": "shared_statements", "items": "0"} in small.console("SHOW LISTS"))


def ends_of(row):
    return row["addr"], int(row["port"]), row["local_addr"], int(row["local_port"])


def test_both_ends_of_a_connection_are_shown(small, postgres):
    with small.connect(parameters={"application_name": "ends"}) as client:
        ((port,),) = client.query("begin; select inet_client_port()")
        (row,) = [row for row in small.console("SHOW CLIENTS") if row["application_name"] == "ends"]
        assert ends_of(row) == (*client.socket.getsockname(), "127.0.0.1", small.port)
        (server,) = [server for server in small.console("SHOW SERVERS") if server["ptr"] == row["link"]]
        assert ends_of(server) == ("127.0.0.1", postgres.port, "127.0.0.1", int(port))
        client.query("commit")
    (row,) = small.console("SHOW CLIENTS")
    assert row["local_port"] == str(small.console_port)


def test_a_host_name_is_shown_as_the_address_it_led_to(make_proxy, postgres):
    proxy = make_proxy(postgres, databases={"postgres": f"host=localhost port={postgres.port}"})
    assert proxy.query("select 1") == [["1"]]
    assert {(row["addr"], row["port"]) for row in proxy.console("SHOW SERVERS")} == {("127.0.0.1", str(postgres.port))}


def test_unix_sockets_are_shown_as_pgbouncer_does(make_proxy, postgres):
    """Its own port stands for what has no port."""
    proxy = make_proxy(postgres, databases={"postgres": f"host={postgres.directory} port={postgres.port}"})
    options = {"host": str(proxy.directory), "port": proxy.port, "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**options) as client:
        assert client.execute("select 1").fetchall() == [(1,)]
        (row,) = [row for row in proxy.console("SHOW CLIENTS") if row["database"] == "postgres"]
        assert ends_of(row) == ("unix", proxy.port, "unix", proxy.port)
        for server in proxy.console("SHOW SERVERS"):
            assert ends_of(server) == ("unix", postgres.port, "unix", proxy.port)
        assert row["link"] in {server["ptr"] for server in proxy.console("SHOW SERVERS")}


def test_averages_are_of_the_last_period(small):
    def average():
        (row,) = [row for row in small.console("SHOW STATS") if row["database"] == "postgres"]
        return int(row["avg_query_count"])

    with small.connect() as client:

        def is_seen():
            for _ in range(50):
                client.query("select clock_timestamp()")
            return average() > 10

        assert servers.wait_until(is_seen, 20, 0)
    assert servers.wait_until(lambda: average() == 0, 20)
    totals = {row["name"]: int(row["value"]) for row in small.console("SHOW TOTALS")}
    assert totals["total_query_count"] > 10


# ---- the cache -----------------------------------------------------------------------------


def count_of(proxy, name, action):
    before = proxy.cache()[name]
    action()
    return proxy.cache()[name] - before


@pytest.fixture
def two_tables(proxy, postgres):
    proxy.query("drop table if exists flush_a, flush_b; create table flush_a (v int); create table flush_b (v int)")
    proxy.wait_for_catalog()
    with proxy.connect() as client:
        yield client
    proxy.query("drop table flush_a, flush_b")


def warm(proxy, client, *statements):
    for sql in statements:
        assert servers.wait_until(lambda: count_of(proxy, "hits_memory", lambda: client.query(sql)) == 1, 20, 0.05)


def test_flush_drops_everything(proxy, two_tables):
    sql = "select * from flush_a"
    warm(proxy, two_tables, sql)
    proxy.console("FLUSH")
    assert proxy.cache()["entries"] == 0
    assert count_of(proxy, "misses", lambda: two_tables.query(sql)) == 1


def test_flush_table_drops_what_depends_on_it(proxy, two_tables):
    a, b, both = "select * from flush_a", "select * from flush_b", "select * from flush_a, flush_b"
    for table in ("flush_a", "public.flush_a", "FLUSH_A IN postgres", '"public"."flush_a"'):
        warm(proxy, two_tables, a, b, both)
        proxy.console(f"FLUSH TABLE {table}")
        assert count_of(proxy, "hits_memory", lambda: two_tables.query(b)) == 1
        assert count_of(proxy, "misses", lambda: two_tables.query(a)) == 1
        assert count_of(proxy, "misses", lambda: two_tables.query(both)) == 1
    for table in ("no_such", "other.flush_a", '"FLUSH_A"', "flush_a IN no_such_database_is_a_long_name"):
        if "IN" in table:
            continue
        with pytest.raises(wire.ServerError) as caught:
            proxy.console(f"FLUSH TABLE {table}")
        assert caught.value.sqlstate == "42P01"


def test_flush_memory_keeps_redis(proxy_redis):
    sql = "select bbalance from pgbench_branches where bid = 1"
    with proxy_redis.connect() as client:
        assert servers.wait_until(lambda: count_of(proxy_redis, "hits_memory", lambda: client.query(sql)) == 1, 20, 0.05)
        proxy_redis.console("FLUSH MEMORY")
        assert count_of(proxy_redis, "hits_redis", lambda: client.query(sql)) == 1
        proxy_redis.console("FLUSH")
        assert count_of(proxy_redis, "misses", lambda: client.query(sql)) == 1
    rows = {row["name"]: row["value"] for row in proxy_redis.console("SHOW CACHE")}
    assert rows["redis_state"] == "up"
    assert int(rows["redis_hits"]) >= 1


def explain(proxy, sql, prefix=""):
    rows = proxy.console(f"EXPLAIN CACHE {prefix}{sql}")
    return {row["name"]: row["value"] for row in rows}


def test_explain_cache(proxy):
    said = explain(proxy, "select abalance from pgbench_accounts a join pgbench_branches using (bid) where aid = 1")
    assert said["verdict"] == "cacheable"
    assert set(said["reads"].split(", ")) == {"public.pgbench_accounts", "public.pgbench_branches"}
    assert said["may write"] == "nothing"
    assert said["cached now"] == "yes"
    said = explain(proxy, "update pgbench_accounts set abalance = 0 where aid = 1", "IN postgres ")
    assert (said["verdict"], said["reason"]) == ("not cacheable", "it writes")
    assert "public.pgbench_accounts" in said["may write"]
    assert explain(proxy, "select now(), ';'")["object"] == "now"
    assert "catalog" in explain(proxy, "create table x ()")["effect"]
    assert explain(proxy, "selekt 1")["verdict"] == "not cacheable"
    before = proxy.cache()
    explain(proxy, "insert into pgbench_branches values (99)")
    assert proxy.query("select count(*) from pgbench_branches where bid = 99") == [["0"]]
    assert proxy.cache()["invalidations"] == before["invalidations"]


def test_show_catalog(proxy):
    (row,) = [row for row in proxy.console("SHOW CATALOG") if row["database"] == "postgres"]
    assert (row["cached"], row["control_state"], row["control_error"]) == ("yes", "ready", "")
    assert int(row["catalog_bytes"]) > 10000


# ---- steering ------------------------------------------------------------------------------


def test_pause_waits_for_transactions_and_resume_lets_clients_go_on(small):
    with small.connect() as busy, small.connect() as other, small.connect_console() as console:
        busy.query("begin; select clock_timestamp()")
        console.send(wire.query("PAUSE postgres"))
        assert console.is_silent(0.5)
        other.send(wire.query("select clock_timestamp()"))
        assert other.is_silent(0.3)
        busy.query("commit")
        assert wire.tags_of(console.read_until(b"Z")) == "CZ"
        assert small.console("SHOW SERVERS") == []
        states = {row["key"]: row["value"] for row in small.console("SHOW STATE")}
        assert states["paused"] == "yes"
        assert other.is_silent(0.3)
        small.console("RESUME")
        assert wire.rows_of(other.read_until(b"Z"))
        assert busy.query("select 1 from clock_timestamp()") == [["1"]]


def test_resume_ends_a_pause_that_waits(small):
    with small.connect() as busy, small.connect_console() as console:
        busy.query("begin; select clock_timestamp()")
        console.send(wire.query("PAUSE"))
        assert console.is_silent(0.3)
        small.console("RESUME")
        assert wire.tags_of(console.read_until(b"Z")) == "CZ"
        busy.query("commit")


def test_who_asked_for_a_pause_may_leave(small):
    with small.connect() as busy:
        busy.query("begin; select clock_timestamp()")
        with small.connect_console() as console:
            console.send(wire.query("PAUSE"))
            assert console.is_silent(0.3)
            console.abort()
        time.sleep(0.3)
        busy.query("commit")
        small.console("RESUME")
        assert busy.query("select 1 from clock_timestamp()") == [["1"]]


def test_reconnect_makes_new_connections(small):
    with small.connect() as client:
        before = client.query("select pg_backend_pid(), clock_timestamp()")[0][0]
        small.console("RECONNECT postgres")
        after = client.query("select pg_backend_pid(), clock_timestamp()")[0][0]
    assert before != after


def test_kill_client(small):
    with small.connect(parameters={"application_name": "victim"}) as victim, small.connect() as other:
        (row,) = [row for row in small.console("SHOW CLIENTS") if row["application_name"] == "victim"]
        small.console(f"KILL_CLIENT {row['id']}")
        messages = victim.read_to_end()
        assert wire.errors_of(messages) == ["57P01"]
        assert other.query("select 1") == [["1"]]
        with pytest.raises(wire.ServerError) as caught:
            small.console(f"KILL_CLIENT {row['id']}")
        assert caught.value.sqlstate == "42704"


def test_kill_client_may_be_suicide(small):
    with small.connect_console(parameters={"application_name": "me"}) as console:
        (row,) = [row for row in console.table("SHOW CLIENTS") if row["application_name"] == "me"]
        console.send(wire.query(f"KILL_CLIENT {row['id']}"))
        assert "57P01" in wire.errors_of(console.read_to_end())
    assert small.console("SHOW VERSION")


def test_reload(small):
    small.options["default_pool_size"] = 5
    small.write_config()
    small.console("RELOAD")
    values = {row["key"]: row["value"] for row in small.console("SHOW CONFIG")}
    assert values["default_pool_size"] == "5"
    small.options["default_pool_size"] = "many"
    small.write_config()
    with pytest.raises(wire.ServerError) as caught:
        small.console("RELOAD")
    assert caught.value.sqlstate == "F0000"
    assert small.query("select 1") == [["1"]]


@pytest.mark.parametrize(
    "command, sqlstate",
    [
        ("SET no_such = 1", "42704"),
        ("SET default_pool_size = many", "22023"),
        ("SET workers = 7", "55P02"),
        ("SET", "42601"),
        ("PAUSE a b", "42601"),
        ("EXPLAIN CACHE", "42601"),
    ],
)
def test_errors_have_their_sqlstate(proxy, command, sqlstate):
    with pytest.raises(wire.ServerError) as caught:
        proxy.console(command)
    assert caught.value.sqlstate == sqlstate


def test_an_unknown_database_is_refused(make_proxy, postgres):
    proxy = make_proxy(postgres, databases={"postgres": f"host=127.0.0.1 port={postgres.port}"})
    for command in ("PAUSE nodb", "RESUME nodb", "RECONNECT nodb", "EXPLAIN CACHE IN nodb select 1", "FLUSH TABLE t IN nodb"):
        with pytest.raises(wire.ServerError) as caught:
            proxy.console(command)
        assert caught.value.sqlstate == "3D000", command


# ---- who may -------------------------------------------------------------------------------


def test_with_trust_and_no_lists_everybody_is_an_administrator(make_proxy, postgres):
    proxy = make_proxy(postgres, admin_users="")
    with proxy.connect_console(user="anybody") as console:
        console.query("FLUSH")


def test_without_lists_nobody_enters_by_password(make_proxy, postgres):
    proxy = make_proxy(postgres, admin_users="", auth_type="plain", userlist={"postgres": "secret"})
    with pytest.raises(wire.ServerError) as caught:
        proxy.connect_console(password="secret")
    assert caught.value.sqlstate == "28000"


def test_pause_of_all_is_also_for_databases_that_come_later(make_proxy, postgres):
    proxy = make_proxy(postgres)
    proxy.console("PAUSE")
    assert [row["active"] for row in proxy.console("SHOW STATE") if "active" in row] in ([], ["no"])
    late = wire.Wire(proxy.port, login=False)
    late.send(wire.startup({"user": "postgres", "database": "template1"}))
    assert late.is_silent(1)
    proxy.console("RESUME")
    assert late.read_until(b"Z")
    late.close()
    with proxy.connect(database="template1") as client:
        assert client.query("select current_database()") == [["template1"]]
    proxy.console("PAUSE")
    proxy.console("RESUME template1")
    with proxy.connect(database="template1") as client:
        assert client.query("select clock_timestamp() is not null") == [["t"]]
    proxy.console("RESUME")


# ---- the end -------------------------------------------------------------------------------


def ended_well(proxy):
    process, proxy.process = proxy.process, None
    status = process.wait(30)
    assert not servers.SANITIZER_REPORT.search(proxy.log()), proxy.log()[-8000:]
    return status == 0


def test_shutdown_ends_at_once(small):
    with small.connect() as client:
        client.query("begin; select clock_timestamp()")
        small.console("SHUTDOWN")
        assert ended_well(small)
        assert wire.errors_of(client.read_to_end()) in (["57P01"], [])


def test_shutdown_wait_for_clients_lets_them_stay(small):
    with small.connect() as idle, small.connect() as busy:
        busy.query("begin; select clock_timestamp()")
        idle.query("select 1")
        small.console("SHUTDOWN WAIT_FOR_CLIENTS")
        # Refused, or accepted a moment before and told why not.
        refusals = (ConnectionRefusedError, wire.Closed, wire.ServerError, AssertionError, ConnectionResetError)
        with pytest.raises(refusals):
            while True:
                small.connect().close()
        for _ in range(3):
            time.sleep(0.4)
            busy.query("commit")
            busy.query("begin; select clock_timestamp()")
            assert idle.query("select 1") == [["1"]]
        busy.close()
        assert idle.query("select 2") == [["2"]]
        assert small.process.poll() is None
    assert ended_well(small)


def test_a_stop_that_waits_for_clients_becomes_one_that_does_not(small):
    with small.connect() as idle, small.connect() as busy:
        busy.query("begin; select clock_timestamp()")
        idle.query("select 1")
        small.console("SHUTDOWN WAIT_FOR_CLIENTS")
        time.sleep(0.3)
        small.process.terminate()
        assert wire.errors_of(idle.read_to_end()) == ["57P01"]
        assert busy.query("select 1 from clock_timestamp()") == [["1"]]
        small.process.terminate()
        assert wire.errors_of(busy.read_to_end()) in (["57P01"], [])
    assert ended_well(small)


def test_a_client_that_waits_when_the_stop_comes_is_answered_and_then_ends(make_proxy, postgres):
    """For a server connection, for Redis, for a catalog: whatever answers it, it does not stay."""
    from test_cancel import MuteRedis, wait_for_redis

    postgres.query("drop table if exists late; create table late as select 7 as n")
    redis = MuteRedis()
    proxy = make_proxy(postgres, redis_url=f"redis://127.0.0.1:{redis.port}", redis_timeout="2s", shutdown_timeout="60s")
    proxy.query("select clock_timestamp()")
    assert servers.wait_until(lambda: proxy.console("SHOW CATALOG")[0]["control_state"] == "ready", 20)
    wait_for_redis(proxy)
    with proxy.connect() as looks, proxy.connect() as sleeps, proxy.connect() as first:
        looks.send(wire.query("select n from late"))
        sleeps.send(wire.query("select 8 from pg_sleep(1)"))
        assert redis.asked.wait(20)
        proxy.process.terminate()
        assert wire.errors_of(first.read_to_end()) == ["57P01"]
        for client, rows in ((looks, [["7"]]), (sleeps, [["8"]])):
            messages = client.read_to_end()
            assert wire.rows_of(messages) == rows and wire.errors_of(messages) == ["57P01"]
    assert ended_well(proxy)
    postgres.query("drop table late")


def test_shutdown_wait_for_servers_lets_transactions_end(small):
    with small.connect() as client:
        client.query("begin; select clock_timestamp()")
        small.console("SHUTDOWN WAIT_FOR_SERVERS")
        time.sleep(0.5)
        assert small.process.poll() is None
        assert client.query("select 1 from clock_timestamp()") == [["1"]]
        client.send(wire.query("commit"))
        assert b"C" in [m.tag for m in client.read_to_end()]
        assert ended_well(small)
