"""Scratch servers on 127.0.0.1: Postgres, Redis and pgrecall. Each has a directory and a port of its
own, and is stopped by its own process id."""

import atexit
import contextlib
import ctypes
import functools
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("PGRECALL_BIN", ROOT / "build/test/src/pgrecall"))
RELEASE = ROOT / "build/release/src/pgrecall"

SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")


def postgres_bin():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return found[-1]


# Claims of this process: an abstract socket named after the port, which the kernel gives to one process
# alone, and takes back when that process ends.
claims = {}


def free_port():
    """A port that nobody has, and no other run of the tests will choose while we may need it. It is below
    the range that outgoing connections take theirs from."""
    chance = random.SystemRandom()  # a test may have seeded the other one
    while True:
        port = chance.randrange(20000, 32000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0pgrecall-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claims[port] = claim
        return port


def give_back(port):
    """For whoever asks for a free port next."""
    claim = claims.pop(port, None)
    if claim:
        claim.close()


def wait_for_port(port, seconds=20, process=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            return False
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        time.sleep(0.005)
    return False


def wait_until(condition, seconds=20, pause=0.05):
    """True as soon as the condition holds. It is asked for often at first, then every `pause` seconds."""
    end = time.monotonic() + seconds
    delay = min(0.002, pause)
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(delay)
        delay = min(delay * 1.5, pause)
    return True


def children_of(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def die_with_parent():
    """In a child before exec: the kernel ends it should the tests be killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG


class Scratch:
    """A process with a directory and a port."""

    def __init__(self, name):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"pgrecall-{name}-", dir="/tmp"))
        self.port = free_port()
        self.process = None

    def log_file(self):
        return self.directory / "log"

    def log(self):
        return self.log_file().read_text(errors="replace")

    def spawn(self, arguments, **options):
        with open(self.log_file(), "ab") as out:
            self.process = subprocess.Popen(
                [str(a) for a in arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=die_with_parent,
                **options,
            )
        return self.process

    def stop_by(self, number, seconds=30):
        """Sends the signal, waits, and returns the exit status."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        give_back(self.port)


def postgres_account():
    """Whose the server is, as options of subprocess: root may not run it."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@functools.cache
def template():
    """A data directory as initdb makes it, once for this process."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pgrecall-template-", dir="/tmp"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    account = postgres_account()
    if account:
        os.chown(directory, account["user"], account["group"])
    arguments = [postgres_bin() / "initdb", "-D", directory / "data", "-U", "postgres", "-A", "trust"]
    arguments += ["--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "--wal-segsize=1"]
    subprocess.run(arguments, check=True, capture_output=True, cwd="/", **account)
    return directory / "data"


def make_data(data):
    """A new data directory: a copy of the template under a system identifier of its own, as every initdb
    gives one. It opens pg_control; pg_resetwal then makes that file and the WAL valid again."""
    account = postgres_account()
    subprocess.run(["cp", "-a", template(), data], check=True, cwd="/", **account)
    with open(data / "global/pg_control", "r+b") as control:
        control.write(os.urandom(8))
    reset = [postgres_bin() / "pg_resetwal", "--force", "-D", data]
    subprocess.run(reset, check=True, capture_output=True, cwd="/", **account)


class Postgres(Scratch):
    """Superuser postgres, no passwords unless `hba` says otherwise, pg_stat_statements loaded."""

    address = "127.0.0.1"

    def __init__(self, settings=(), hba=None, address=address, port=None):
        super().__init__("postgres")
        if port:
            give_back(self.port)
            self.port = port
        self.address = address
        self.account = postgres_account()
        if self.account:
            os.chown(self.directory, self.account["user"], self.account["group"])
        self.data = self.directory / "data"
        self.paused = []
        make_data(self.data)
        lines = [
            f"listen_addresses = '{address}'",
            f"port = {self.port}",
            f"unix_socket_directories = '{self.directory}'",
            "max_connections = 200",
            "fsync = off",
            "autovacuum = off",
            "shared_preload_libraries = 'pg_stat_statements'",
            "max_prepared_transactions = 10",
            "wal_level = logical",
            *settings,
        ]
        with open(self.data / "postgresql.conf", "a") as out:
            out.write("\n".join(lines) + "\n")
        if hba:
            (self.data / "pg_hba.conf").write_text(hba)
        self.start()

    def start(self):
        self.spawn([postgres_bin() / "postgres", "-D", self.data], cwd="/", **self.account)
        if not wait_until(self.is_ready, 60):
            raise RuntimeError(f"Postgres did not start:\n{self.log()[-3000:]}")

    def is_ready(self):
        try:
            with self.connect(timeout=5) as client:
                return client.query("select 1") == [["1"]]
        except wire.ServerError as error:
            return error.sqlstate not in ("57P03", "53300")
        except (OSError, wire.Closed):
            return False

    def stop(self):
        return self.stop_by(signal.SIGINT)

    def crash(self):
        """Immediate shutdown: backends die without a farewell, the next start recovers."""
        return self.stop_by(signal.SIGQUIT)

    def pause(self):
        """Stops the postmaster and every backend, as if the machine had frozen."""
        self.paused = [self.process.pid, *children_of(self.process.pid)]
        for pid in self.paused:
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in self.paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.paused = []

    def connect(self, **options):
        return wire.Wire(self.port, host=self.address, **options)

    def query(self, sql, database="postgres"):
        with self.connect(database=database) as client:
            return client.query(sql)

    def pgbench_init(self, scale=1, database="postgres"):
        run_pgbench(self.port, "-i", "-q", "-s", str(scale), "--foreign-keys", database=database)

    def wait_for_running(self, pattern, count=1):
        """Until so many statements like `pattern` are under way."""
        sql = (f"select count(*) from pg_stat_activity where state <> 'idle' and query like '{pattern}' "
               "and pid <> pg_backend_pid()")
        assert wait_until(lambda: self.query(sql) == [[str(count)]], 20), self.query("select query, state from pg_stat_activity")

    def calls_of(self, pattern, database="postgres"):
        """How often statements like `pattern` were executed here since the last reset."""
        rows = self.query(
            "select coalesce(sum(calls), 0) from pg_stat_statements s join pg_database d on d.oid = s.dbid "
            f"where s.query ilike '{pattern}' and d.datname = '{database}'"
        )
        return int(rows[0][0])


class Redis(Scratch):
    def __init__(self, port=None):
        super().__init__("redis")
        self.port = port or self.port
        self.start()

    def start(self):
        arguments = ["redis-server", "--bind", "127.0.0.1", "--port", self.port, "--save", "", "--appendonly", "no"]
        self.spawn([*arguments, "--dir", self.directory])
        if not wait_for_port(self.port, 20, self.process):
            raise RuntimeError(f"Redis did not start:\n{self.log()[-2000:]}")

    def stop(self):
        return self.stop_by(signal.SIGTERM)

    def crash(self):
        return self.stop_by(signal.SIGKILL)

    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def command(self, *words):
        """The raw reply to one command, up to what arrives in one read."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            request = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
            connection.sendall(request.encode())
            return connection.recv(65536).decode(errors="replace")

    def keys(self):
        return int(self.command("DBSIZE")[1:])


class Proxy(Scratch):
    """pgrecall in front of a Postgres; `options` are lines of [pgrecall], over the defaults below."""

    def __init__(self, postgres, binary=None, databases=None, users=None, userlist=None, rules=None, environment=None, **options):
        super().__init__("proxy")
        self.environment = environment or {}
        self.postgres = postgres
        self.binary = pathlib.Path(binary or BINARY)
        self.console_port = free_port()
        self.config = self.directory / "pgrecall.ini"
        self.databases = databases or {"*": f"host=127.0.0.1 port={postgres.port}"}
        self.users = users or {}
        self.rules = rules or {}
        self.options = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "console_port": self.console_port,
            "unix_socket_dir": self.directory,
            "auth_type": "trust",
            "admin_users": "postgres",
            "control_user": "postgres",
            "workers": 2,
            "max_client_conn": 1000,
            "cache_window": "1h",
            "server_login_retry": "0.2s",
            "shutdown_timeout": "5s",
            **options,
        }
        if userlist:
            path = self.directory / "userlist.txt"
            path.write_text("".join(f'"{name}" "{secret}"\n' for name, secret in userlist.items()))
            self.options["auth_file"] = path
        self.start()

    def remove(self):
        super().remove()
        give_back(self.console_port)

    def write_config(self):
        lines = ["[databases]", *(f"{name} = {value}" for name, value in self.databases.items())]
        lines += ["[users]", *(f"{name} = {value}" for name, value in self.users.items())]
        lines += ["[rules]", *(f"{name} = {value}" for name, value in self.rules.items())]
        lines += ["[pgrecall]", *(f"{name} = {value}" for name, value in self.options.items())]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self):
        self.write_config()
        environment = {
            **os.environ,
            "ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1:exitcode=99:verify_asan_link_order=0",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
            **self.environment,
        }
        before = self.starts()
        self.spawn([self.binary, self.config], env=environment)
        # Not the first port that is open: it listens on several.
        wait_until(lambda: self.starts() > before or not self.is_alive(), 60)
        if not self.is_alive() or self.starts() == before:
            raise RuntimeError(f"pgrecall did not start:\n{self.log()[-5000:]}")

    def starts(self):
        """How often it has said that it is ready."""
        return self.log().count("pgrecall is up") if self.log_file().exists() else 0

    def is_sanitized(self):
        return b"__asan_init" in self.binary.read_bytes()

    def stop(self):
        """Asks it to stop and checks how it ended: no crash, no report, no leak."""
        status = self.stop_by(signal.SIGTERM)
        log = self.log()
        assert not SANITIZER_REPORT.search(log), log[-8000:]
        assert status == 0, f"pgrecall ended with status {status}:\n{log[-4000:]}"

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def connect(self, **options):
        try:
            return wire.Wire(self.port, **options)
        except ConnectionRefusedError:
            raise AssertionError(self.last_words()) from None

    def query(self, sql, database="postgres"):
        with self.connect(database=database) as client:
            return client.query(sql)

    def connect_console(self, **options):
        try:
            return wire.Wire(self.console_port, **{"database": "pgrecall", **options})
        except ConnectionRefusedError:
            raise AssertionError(self.last_words()) from None

    def console(self, command):
        """The rows of a console command, as dictionaries."""
        with self.connect_console() as client:
            return client.table(command)

    def last_words(self):
        """What is known when nobody listens any more."""
        status = "" if self.process is None else f" with status {self.process.poll()}"
        return f"pgrecall is gone{status}:\n{self.log()[-5000:]}"

    def cache(self):
        """SHOW CACHE as numbers by name."""
        counters = {}
        for row in self.console("SHOW CACHE"):
            with contextlib.suppress(ValueError):
                counters[row["name"]] = int(row["value"])
        return counters

    def wait_for_catalog(self, database="postgres"):
        """Until the catalog of the database is loaded, so that reads can be cached."""

        def is_cached():
            with self.connect(database=database) as client:
                client.query("select 1000 + 1")
                before = self.cache()
                client.query("select 1000 + 1")
                return hits(self.cache()) > hits(before)

        if not wait_until(is_cached, 20, 0.1):
            raise AssertionError(f"nothing is cached: {self.console('SHOW CACHE')}\n{self.log()[-3000:]}")

    def row_of(self, client):
        """The row of a client in SHOW CLIENTS."""
        port = str(client.socket.getsockname()[1])
        return next(row for row in self.console("SHOW CLIENTS") if row["port"] == port)

    def wait_for_waiting(self, count=1):
        """Until so many clients wait for a server connection."""

        def waiting():
            return sum(row["state"] == "waiting" for row in self.console("SHOW CLIENTS"))

        assert wait_until(lambda: waiting() == count, 20), self.console("SHOW CLIENTS")

    def rss_kb(self, peak=False):
        name = "VmHWM" if peak else "VmRSS"
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status)[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)


def cpu_seconds(pid):
    """User and system time of a process so far."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    numbers = stat[stat.rindex(")") + 2 :].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def hits(counters):
    return counters.get("hits_memory", 0) + counters.get("hits_redis", 0)


def run_pgbench(port, *arguments, timeout=120, check=True, user="postgres", database="postgres"):
    """pgbench against the port; its output. Fails where a transaction or client failed."""
    command = [str(postgres_bin() / "pgbench"), "-h", "127.0.0.1", "-p", str(port), "-U", user, *arguments]
    environment = {**os.environ, "PGDATABASE": database, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    output = done.stdout + done.stderr
    if check:
        assert done.returncode == 0, output
        assert "aborted" not in output and "ERROR" not in output, output
        failed = re.search(r"number of failed transactions: (\d+)", output)
        assert failed is None or failed[1] == "0", output
    return output


def transactions_of(output):
    return int(re.search(r"number of transactions actually processed: (\d+)", output)[1])


def tps_of(output):
    return float(re.search(r"^tps = ([\d.]+)", output, re.M)[1])


def run_psql(port, *arguments, database="postgres", user="postgres", stdin=None, timeout=60):
    command = [str(postgres_bin() / "psql"), "-X", "-h", "127.0.0.1", "-p", str(port), "-U", user, "-d", database]
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout)
