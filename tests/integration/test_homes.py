"""The process id that a client is told: that of a server connection which it comes back to while there is
room, else one that no process has."""

import contextlib

import servers
import wire
from test_pool import clients_of, pool_row, servers_of
from test_regressions import cancel

NO_PROCESS = 1 << 22


def backend_of(client):
    return int(client.query("select pg_backend_pid()")[0][0])


def connect_many(stack, proxy, count):
    return [stack.enter_context(proxy.connect()) for _ in range(count)]


def test_a_client_works_on_the_backend_whose_id_it_was_told(make_proxy, postgres):
    proxy = make_proxy(postgres)
    with contextlib.ExitStack() as stack:
        clients = connect_many(stack, proxy, 6)
        assert len({client.pid for client in clients}) == 6
        for client in [*clients, *reversed(clients), *clients[::2], *clients]:
            assert backend_of(client) == client.pid


def test_who_waits_for_a_lock_is_found_by_the_id_it_was_told(make_proxy, postgres):
    postgres.query("drop table if exists home_lock; create table home_lock (id int); insert into home_lock values (1)")
    proxy = make_proxy(postgres)
    with contextlib.ExitStack() as stack:
        holder, waiter, watcher = connect_many(stack, proxy, 3)
        holder.query("begin; update home_lock set id = 2")
        waiter.send(wire.query("update home_lock set id = 3"))
        assert waiter.is_silent(0.2)
        blocking = f"select pg_blocking_pids({waiter.pid})"
        assert watcher.query(blocking) == [[f"{{{holder.pid}}}"]]
        holder.query("commit")
        waiter.read_until()


def test_a_home_is_anybodys_while_nobody_is_there(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1)
    with contextlib.ExitStack() as stack:
        first, second = connect_many(stack, proxy, 2)
        assert second.pid >= NO_PROCESS
        assert backend_of(second) == backend_of(first) == first.pid


def test_without_room_ids_are_made_up_and_cancel_all_the_same(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=2)

    def sleeping():
        seen = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'"
        return postgres.query(seen) == [["1"]]

    with contextlib.ExitStack() as stack:
        clients = connect_many(stack, proxy, 4)
        assert [client.pid < NO_PROCESS for client in clients] == [True, True, False, False]
        for client in clients:
            client.send(wire.query("select pg_sleep(60)"))
            assert servers.wait_until(sleeping)
            cancel(proxy, client)
            assert wire.errors_of(client.read_until()) == ["57014"]


def test_a_home_goes_to_the_next_client(make_proxy, postgres):
    proxy = make_proxy(postgres)
    with contextlib.ExitStack() as stack:
        clients = connect_many(stack, proxy, 3)
        told = clients[1].pid
        clients[1].close()
        assert servers.wait_until(lambda: clients_of(pool_row(proxy)) == 2)
        assert stack.enter_context(proxy.connect()).pid == told
        assert servers_of(pool_row(proxy)) == 3


def test_logins_open_no_more_than_home_connections(make_proxy, postgres):
    proxy = make_proxy(postgres, home_connections=2)
    with contextlib.ExitStack() as stack:
        clients = connect_many(stack, proxy, 5)
        assert servers_of(pool_row(proxy)) == 2
        assert sum(client.pid < NO_PROCESS for client in clients) == 2


def test_with_homes_off_ids_are_made_up(make_proxy, postgres):
    proxy = make_proxy(postgres, home_connections=0)
    with contextlib.ExitStack() as stack:
        clients = connect_many(stack, proxy, 3)
        assert all(client.pid >= NO_PROCESS for client in clients)
        assert servers_of(pool_row(proxy)) == 1


def test_a_login_does_not_need_the_server_for_a_home(make_proxy, own_postgres):
    postgres = own_postgres()
    proxy = make_proxy(postgres)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(proxy.connect())
        first.query("select 1")
        postgres.pause()
        stack.callback(postgres.resume)
        second = stack.enter_context(proxy.connect(timeout=20))
        assert second.pid >= NO_PROCESS
