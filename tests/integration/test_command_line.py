"""The program itself: a DSN instead of a file, --check, signals."""

import signal
import subprocess
import time

import pytest

import servers
import wire


def run(*arguments, timeout=30, **options):
    return subprocess.run([str(servers.BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **options)


def test_check_accepts_a_good_file(tmp_path):
    file = tmp_path / "good.ini"
    file.write_text("[databases]\n* = host=127.0.0.1 port=5432\n[pgrecall]\nlisten_port = 7000\ncache_window = 10s\n")
    done = run("--check", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_accepts_a_file_of_pgbouncer(tmp_path):
    file = tmp_path / "pgbouncer.ini"
    file.write_text(
        "[databases]\nshop = host=127.0.0.1 port=5432 dbname=shop user=app password=secret pool_size=5\n"
        "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = 6432\nauth_type = trust\npool_mode = transaction\ndefault_pool_size = 10\n"
    )
    done = run("--check", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_reports_every_mistake_with_its_line(tmp_path):
    file = tmp_path / "bad.ini"
    file.write_text("[databases]\n* = host=127.0.0.1 port=many\n[pgrecall]\nlisten_port = 70000\nno_such = 1\ncache_window = soon\n")
    done = run("--check", file)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    for line in (2, 4, 5, 6):
        assert f"bad.ini:{line}" in said, said


def test_no_arguments_and_missing_files_are_mistakes(tmp_path):
    assert run().returncode != 0
    assert run(tmp_path / "missing.ini").returncode != 0
    assert run("--no-such-option").returncode != 0


def test_a_dsn_is_enough(postgres):
    port, console = servers.free_port(), servers.free_port()
    process = subprocess.Popen(
        [str(servers.BINARY), "-q", f"postgres://postgres@127.0.0.1:{postgres.port}/postgres", "--listen_port", str(port),
         "--console_port", str(console), "--auth_type", "trust", "--admin_users", "postgres"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert servers.wait_for_port(port, 30, process)
        with wire.Wire(port) as client:
            assert client.query("select 1 + 1") == [["2"]]

            def is_cached():
                client.query("select 5 + 5")
                with wire.Wire(console, database="pgrecall") as admin:
                    return any(row["name"] == "hits_memory" and int(row["value"]) > 0 for row in admin.table("SHOW CACHE"))

            assert servers.wait_until(is_cached, 20)
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert not servers.SANITIZER_REPORT.search(log)


def test_the_environment_overrides_the_file(tmp_path, postgres):
    file = tmp_path / "env.ini"
    file.write_text("[databases]\n* = host=127.0.0.1\n[pgrecall]\nlisten_port = 7000\n")
    done = run("--check", file, env={"PGRECALL_LISTEN_PORT": "none"})
    assert done.returncode != 0
    assert "listen_port" in (done.stdout + done.stderr).lower()


def test_a_port_that_is_taken_is_said(postgres):
    done = run("-q", f"postgres://postgres@127.0.0.1:{postgres.port}/postgres", "--listen_port", postgres.port)
    assert done.returncode != 0
    assert str(postgres.port) in done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_clients_connected(make_proxy, postgres, number):
    proxy = make_proxy(postgres, shutdown_timeout="1s")
    clients = [proxy.connect() for _ in range(10)]
    for client in clients:
        client.query("select clock_timestamp()")
    clients[0].query("begin; select clock_timestamp()")
    begin = time.monotonic()
    log = proxy.log
    assert proxy.stop_by(number) == 0, log()
    assert time.monotonic() - begin < 20
    assert not servers.SANITIZER_REPORT.search(log())


def test_reload_by_signal(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=3)
    # It listens a moment before it watches for signals.
    assert servers.wait_until(lambda: "pgrecall is up" in proxy.log(), 20)
    proxy.options["default_pool_size"] = 4
    proxy.write_config()
    proxy.process.send_signal(signal.SIGHUP)

    def is_reloaded():
        return {row["key"]: row["value"] for row in proxy.console("SHOW CONFIG")}["default_pool_size"] == "4"

    assert servers.wait_until(is_reloaded, 20)
