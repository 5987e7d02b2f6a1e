"""psql, psycopg and pgbench as they are, with nothing changed but the port."""

import concurrent.futures
import datetime
import decimal
import uuid

import psycopg
import pytest
from psycopg.rows import dict_row

import servers


def connect(server, **options):
    return psycopg.connect(
        host="127.0.0.1", port=server.port, user="postgres", dbname="postgres", sslmode="prefer", autocommit=True, **options
    )


# ---- psql ----------------------------------------------------------------------------------


def test_psql_runs_a_script(proxy):
    script = """
        create table psql_test (id serial primary key, t text);
        insert into psql_test (t) values ('a'), ('b');
        select * from psql_test order by id;
        select * from psql_test order by id;
        begin; update psql_test set t = 'c' where id = 1; rollback;
        select * from psql_test order by id;
        \\echo :ROW_COUNT
        select t from psql_test where id = :id \\gset
        \\echo got :t
        drop table psql_test;
    """
    done = servers.run_psql(proxy.port, "-v", "ON_ERROR_STOP=1", "-v", "id=2", "-At", stdin=script)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "|" in line]
    assert rows == ["1|a", "2|b"] * 3
    assert "got b" in done.stdout


def test_psql_describes_tables(proxy, postgres):
    for command in ("\\d", "\\d pgbench_accounts", "\\dt+", "\\df pg_catalog.abs", "\\l", "\\du", "\\conninfo"):
        through = servers.run_psql(proxy.port, "-c", command)
        direct = servers.run_psql(postgres.port, "-c", command)
        assert through.returncode == 0, through.stderr
        assert through.stdout.replace(str(proxy.port), str(postgres.port)) == direct.stdout


def test_psql_copies_in_and_out(proxy):
    rows = "".join(f"{i}\trow {i}\n" for i in range(20000))
    script = f"create table psql_copy (id int, t text);\ncopy psql_copy from stdin;\n{rows}\\.\n"
    done = servers.run_psql(proxy.port, "-v", "ON_ERROR_STOP=1", stdin=script)
    assert done.returncode == 0, done.stderr
    try:
        assert servers.run_psql(proxy.port, "-c", "copy psql_copy to stdout").stdout == rows
        out = servers.run_psql(proxy.port, "-At", "-c", "select count(*), sum(id) from psql_copy")
        assert out.stdout == "20000|199990000\n"
    finally:
        proxy.query("drop table psql_copy")


# ---- psycopg -------------------------------------------------------------------------------

VALUES = [
    42,
    -(2**62),
    3.25,
    decimal.Decimal("12345.6789"),
    "text with ☃ and 'quotes'",
    b"\x00\x01\xff",
    True,
    None,
    datetime.date(2024, 2, 29),
    datetime.datetime(2024, 2, 29, 12, 34, 56, 789),
    datetime.timedelta(days=3, seconds=7),
    uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ["a", None, "b c"],
]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("threshold", [None, 0, 2], ids=["unprepared", "prepared", "prepared-later"])
def test_psycopg_round_trips_values(proxy, binary, threshold):
    with connect(proxy, prepare_threshold=threshold) as connection:
        for _ in range(4):
            for value in VALUES:
                cursor = connection.cursor(binary=binary)
                # Types that the driver leaves to the server to guess.
                cast = {bytes: "::bytea", list: "::text[]"}.get(type(value), "")
                assert cursor.execute(f"select %s{cast} as v", (value,)).fetchone() == (value,)


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("threshold", [None, 0], ids=["unprepared", "prepared"])
def test_psycopg_reads_hit(proxy, binary, threshold):
    query = "select abalance, filler from pgbench_accounts where aid = %s"
    with connect(proxy, prepare_threshold=threshold) as connection:
        cursor = connection.cursor(binary=binary)
        first = [cursor.execute(query, (aid,)).fetchall() for aid in range(500, 520)]
        before = proxy.cache()
        for _ in range(5):
            assert [cursor.execute(query, (aid,)).fetchall() for aid in range(500, 520)] == first
        assert servers.hits(proxy.cache()) - servers.hits(before) >= 100


def test_prepared_statements_survive_sharing(proxy):
    """Many clients prepare under the same names, with different statements."""

    def work(number):
        with connect(proxy, prepare_threshold=0) as connection:
            for turn in range(30):
                row = connection.execute(f"select {number} + %s, clock_timestamp() > '2000-01-01'", (turn,)).fetchone()
                assert row == (number + turn, True)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20)))


def test_psycopg_pipelines(proxy):
    with connect(proxy) as connection:
        for _ in range(3):
            with connection.pipeline():
                cursors = [connection.execute("select aid + %s from pgbench_accounts where aid = 1", (i,)) for i in range(50)]
            assert [cursor.fetchone()[0] for cursor in cursors] == list(range(1, 51))
        with pytest.raises(psycopg.errors.DivisionByZero):
            with connection.pipeline():
                connection.execute("select 1/%s", (0,))
        assert connection.execute("select 1").fetchone() == (1,)


def test_psycopg_transactions_and_cursors(proxy):
    with connect(proxy) as connection:
        connection.execute("create table psycopg_test (id int primary key, v text)")
        try:
            with connection.transaction():
                connection.cursor().executemany("insert into psycopg_test values (%s, %s)", [(i, f"v{i}") for i in range(100)])
            with pytest.raises(psycopg.errors.UniqueViolation):
                with connection.transaction():
                    connection.execute("delete from psycopg_test where id > 50")
                    connection.execute("insert into psycopg_test values (1, 'again')")
            assert connection.execute("select count(*) from psycopg_test").fetchone() == (100,)
            with connection.transaction():
                with connection.cursor(name="server_side", row_factory=dict_row) as cursor:
                    cursor.execute("select * from psycopg_test order by id")
                    assert cursor.fetchmany(2) == [{"id": 0, "v": "v0"}, {"id": 1, "v": "v1"}]
                    assert len(cursor.fetchall()) == 98
            with connection.transaction(force_rollback=True):
                connection.execute("truncate psycopg_test")
                assert connection.execute("select count(*) from psycopg_test").fetchone() == (0,)
            assert connection.execute("select count(*) from psycopg_test").fetchone() == (100,)
        finally:
            connection.execute("drop table psycopg_test")


def test_psycopg_copies(proxy):
    with connect(proxy) as connection:
        connection.execute("create table psycopg_copy (id int, t text)")
        try:
            with connection.cursor().copy("copy psycopg_copy from stdin") as copy:
                for i in range(5000):
                    copy.write_row((i, f"text {i}"))
            with connection.cursor().copy("copy (select * from psycopg_copy order by id) to stdout") as copy:
                rows = sum(1 for _ in copy.rows())
            assert rows == 5000
            with pytest.raises(psycopg.errors.BadCopyFileFormat):
                with connection.cursor().copy("copy psycopg_copy from stdin") as copy:
                    copy.write(b"too\tmany\tcolumns\n")
            assert connection.execute("select count(*) from psycopg_copy").fetchone() == (5000,)
        finally:
            connection.execute("drop table psycopg_copy")


def test_psycopg_gets_notices_and_notifications(proxy):
    with connect(proxy) as connection:
        notices = []
        connection.add_notice_handler(lambda d: notices.append(d.message_primary))
        connection.execute("do $$ begin raise notice 'hello'; end $$")
        assert notices == ["hello"]
        connection.execute("listen news")
        with connect(proxy) as other:
            other.execute("notify news, 'payload'")
        received = next(connection.notifies())
        assert (received.channel, received.payload) == ("news", "payload")


def test_session_state_stays_with_its_session(proxy):
    """What one session sets no other sees, though they share server connections."""
    with connect(proxy) as one, connect(proxy) as two:
        one.execute("set datestyle = 'German'")
        one.execute("create temp table mine (id int)")
        one.execute("set search_path = pg_catalog")
        for _ in range(10):
            assert two.execute("show datestyle").fetchone() == ("ISO, MDY",)
            assert two.execute("select to_regclass('pg_temp.mine')").fetchone() == (None,)
            assert two.execute("show search_path").fetchone() == ('"$user", public',)
            assert one.execute("show datestyle").fetchone() == ("German, DMY",)
            assert one.execute("select count(*) from pg_temp.mine").fetchone() == (0,)
    with connect(proxy) as three:
        for _ in range(10):
            assert three.execute("show datestyle").fetchone() == ("ISO, MDY",)
            assert three.execute("select to_regclass('pg_temp.mine')").fetchone() == (None,)


# ---- pgbench -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("clients", [1, 8, 64])
def test_pgbench_selects(proxy, mode, clients):
    output = servers.run_pgbench(proxy.port, "-n", "-S", "-M", mode, "-c", str(clients), "-t", str(2000 // clients))
    assert servers.transactions_of(output) == 2000 // clients * clients


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench_reconnects_for_each_transaction(proxy, mode):
    servers.run_pgbench(proxy.port, "-n", "-S", "-C", "-M", mode, "-c", "4", "-t", "25")


def sums(server, database):
    rows = server.query(
        "select (select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers), "
        "(select sum(bbalance) from pgbench_branches), (select coalesce(sum(delta), 0) from pgbench_history), "
        "(select count(*) from pgbench_history)",
        database=database,
    )
    return [int(value) for value in rows[0]]


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_tpcb_leaves_equal_sums(proxy, postgres, mode):
    database = f"tpcb_{mode}"
    postgres.query(f"create database {database}")
    postgres.pgbench_init(1, database)
    proxy.wait_for_catalog(database)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        readers = pool.submit(servers.run_pgbench, proxy.port, "-n", "-S", "-M", mode, "-c", "4", "-t", "500", database=database)
        for _ in range(3):
            servers.run_pgbench(proxy.port, "-n", "-M", mode, "-c", "8", "-t", "20", database=database)
            # Through the cache, twice, and past it.
            through = [sums(proxy, database), sums(proxy, database)]
            direct = sums(postgres, database)
            assert through == [direct, direct]
            accounts, tellers, branches, history, _ = direct
            assert accounts == tellers == branches == history
        readers.result()
    assert direct[4] == 3 * 8 * 20
