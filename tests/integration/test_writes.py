"""Read your writes, and never newer then older, with many clients at once."""

import random
import threading

import pytest

import servers
import wire

TURNS = 400  # of each thread, at the least
SECONDS_MAX = 120
ROWS = 8


class Failures:
    """Runs threads until each has had its turns, and collects what they find wrong."""

    def __init__(self):
        self.found = []
        self.stop = threading.Event()
        self.turns = {}

    def none_yet(self):
        """Counts a turn of this thread. False when it was the last one, or something was found."""
        mine = threading.get_ident()
        self.turns[mine] = self.turns.get(mine, 0) + 1
        if min(list(self.turns.values())) > TURNS and len(self.turns) == self.thread_count:
            self.stop.set()
        return not self.stop.is_set()

    def run(self, functions):
        def guarded(function):
            try:
                function()
            except Exception as error:  # noqa: BLE001: it is reported below
                self.found.append(repr(error))
                self.stop.set()

        threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
        self.thread_count = len(threads)
        for thread in threads:
            thread.start()
        in_time = self.stop.wait(SECONDS_MAX)
        self.stop.set()
        for thread in threads:
            thread.join(30)
        assert not self.found, self.found[:5]
        assert in_time, self.turns


@pytest.fixture(params=["memory", "redis"])
def server(request, make_proxy, postgres, redis):
    options = {"redis_url": redis.url()} if request.param == "redis" else {}
    proxy = make_proxy(postgres, **options)
    proxy.query(f"drop table if exists counters; create table counters (id int primary key, v int); insert into counters select i, 0 from generate_series(1, {ROWS}) i")
    proxy.wait_for_catalog()
    yield proxy
    proxy.query("drop table counters")


def simple_update(client, row):
    return int(client.query(f"update counters set v = v + 1 where id = {row} returning v")[0][0])


def extended_update(client, row):
    answer = client.ask(wire.extended("update counters set v = v + 1 where id = $1 returning v", [row]))
    return int(wire.rows_of(answer)[0][0])


def block_update(client, row):
    client.query("begin")
    value = simple_update(client, row)
    client.query("commit")
    return value


def pipelined_update(client, row):
    update = wire.extended("update counters set v = v + 1 where id = $1 returning v", [row])
    answer = client.ask(wire.query("select 1"), update, wire.query("select 2"), ready=3)
    return int(wire.rows_of(answer)[1][0])


@pytest.mark.parametrize("update", [simple_update, extended_update, block_update, pipelined_update])
def test_a_write_is_seen_by_every_connection_once_acknowledged(server, update):
    """Each writer owns a row. After each acknowledgement it reads on another connection: nothing
    older may come back."""
    failures = Failures()

    def write(row):
        with server.connect() as writer, server.connect() as reader:
            while failures.none_yet():
                value = update(writer, row)
                for client in (reader, writer):
                    seen = int(client.query(f"select v from counters where id = {row}")[0][0])
                    if seen != value:
                        raise AssertionError(f"row {row}: wrote {value}, read {seen}")
                answer = reader.ask(wire.extended("select v from counters where id = $1", [row]))
                if wire.rows_of(answer) != [[str(value)]]:
                    raise AssertionError(f"row {row}: wrote {value}, read {wire.rows_of(answer)}")

    failures.run([lambda row=row: write(row) for row in range(1, ROWS + 1)])


def test_nobody_reads_new_and_then_old(server):
    """Values only grow. What was acknowledged, or read by anyone, is the least that a later read of
    anyone may return."""
    failures = Failures()
    least = [0] * (ROWS + 1)  # by row: what some finished read or write has shown

    def write():
        chance = random.Random(threading.get_ident())
        with server.connect() as client:
            while failures.none_yet():
                row = chance.randrange(1, ROWS + 1)
                least[row] = max(least[row], simple_update(client, row))

    def read(sql):
        chance = random.Random(threading.get_ident())
        with server.connect() as client:
            while failures.none_yet():
                row = chance.randrange(1, ROWS + 1)
                bound = least[row]
                seen = int(client.query(sql.format(row=row))[0][0])
                if seen < bound:
                    raise AssertionError(f"row {row}: {seen} after {bound}")
                least[row] = max(least[row], seen)

    reads = ["select v from counters where id = {row}", "select max(v) from counters where id in ({row}, -1)"]
    failures.run([write] * 3 + [lambda sql=sql: read(sql) for sql in reads * 3])
    assert sum(least) > 0


def test_a_transfer_is_seen_whole(server):
    """Transactions move amounts between rows: the sum that anyone reads is always the same."""
    failures = Failures()

    def transfer():
        chance = random.Random(threading.get_ident())
        with server.connect() as client:
            while failures.none_yet():
                one, two = sorted(chance.sample(range(1, ROWS + 1), 2))
                client.query("begin")
                client.query(f"update counters set v = v - 5 where id = {one}")
                client.query(f"update counters set v = v + 5 where id = {two}")
                client.query(chance.choice(["commit", "commit", "rollback"]))

    def read():
        with server.connect() as client:
            while failures.none_yet():
                if client.query("select sum(v) from counters") != [["0"]]:
                    raise AssertionError("half of a transfer")

    failures.run([transfer] * 3 + [read] * 4)


def test_what_a_write_reaches_is_seen(server):
    """Foreign keys, triggers, views, partitions: the write names one table and changes another."""
    server.query(
        """
        create table reach_parent (id int primary key, v int);
        create table reach_child (id int primary key, parent int references reach_parent on delete cascade);
        create table reach_log (id serial, what int);
        create function reach_trigger() returns trigger language plpgsql as
            $$ begin insert into reach_log (what) values (new.v); return new; end $$;
        create trigger reach after update on reach_parent for each row execute function reach_trigger();
        create view reach_view as select id, v from reach_parent where v > 0;
        create table reach_tree (id int, k int) partition by list (k);
        create table reach_leaf partition of reach_tree for values in (1);
        create function reach_function() returns void language sql as 'update reach_parent set v = 50 where id = 2';
        insert into reach_parent select i, i from generate_series(1, 10) i;
        insert into reach_child select i, i from generate_series(1, 10) i;
        """
    )
    reads = [
        "select * from reach_parent order by id",
        "select * from reach_child order by id",
        "select what from reach_log order by id",
        "select * from reach_view order by id",
        "select * from reach_tree order by id",
        "select * from reach_leaf order by id",
        "select count(*) from reach_parent p join reach_child c on c.parent = p.id",
    ]
    writes = [
        "delete from reach_parent where id = 1",
        "update reach_parent set v = 100 where id = 3",
        "update reach_view set v = 7 where id = 4",
        "delete from reach_view where id = 5",
        "insert into reach_leaf values (1, 1)",
        "insert into reach_tree values (2, 1)",
        "select reach_function()",
        "truncate reach_parent cascade",
        "alter table reach_tree detach partition reach_leaf",
        "create or replace view reach_view as select id, v from reach_parent where v < 0",
        "drop view reach_view; create view reach_view as select 1 as id, 2 as v",
    ]
    try:
        with server.connect() as writer, server.connect() as reader:
            for write in writes:
                for _ in range(2):
                    for read in reads:
                        reader.query(read)
                writer.query(write)
                with server.postgres.connect() as direct:
                    for read in reads:
                        assert reader.query(read) == direct.query(read), (write, read)
    finally:
        server.query(
            "drop table reach_parent, reach_child, reach_log, reach_tree cascade; drop table if exists reach_leaf; "
            "drop view if exists reach_view; drop function reach_function, reach_trigger"
        )


def test_a_commit_whose_answer_is_never_read_counts(server):
    """The writer goes away with its commit on the way. Done or not, nobody reads less than the server
    has shown already."""

    def value(client):
        return int(client.query("select v from counters where id = 1")[0][0])

    done = 0
    with server.connect() as reader, server.postgres.connect() as direct:
        for turn in range(1, 20):
            writer = server.connect()
            writer.query("begin")
            writer.query(f"update counters set v = {turn} where id = 1")
            pid = writer.query("select pg_backend_pid()")[0][0]
            value(reader)
            writer.send(wire.query("commit"))
            if turn % 2:
                writer.socket.close()  # what was sent is done
            else:
                writer.abort()  # what was sent may be lost

            def over():
                real = value(direct)
                assert value(reader) >= real
                busy = direct.query(f"select 1 from pg_stat_activity where pid = {pid} and state <> 'idle'")
                return real == turn or not busy

            assert servers.wait_until(over, 20, 0.01)
            assert value(reader) == value(direct)
            done += value(direct) == turn
    assert done >= 10
