"""What the hazard tests share: a laboratory of one Postgres and one pgrecall, and proofs that a read
was answered from the cache or reached the server.

The proof is out of band: Postgres logs every statement before it executes it, so a read that leaves
no line in that log was a hit. A Lab's `warm` proves of a kind of session that the cache works for it,
in the way of the hazard itself: a row is updated behind pgrecall's back, and the old value is read.
The window is an hour, so whatever is right in these tests is right because of the rules alone.

Every case starts with empty schemas; its tables are made through pgrecall, as an application would.
"""

import contextlib
import re
import threading
import time

import pytest

import servers
import wire

RESET = """do $reset$ declare s text; begin
  for s in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
    execute format('drop schema %I cascade', s);
  end loop;
end $reset$;
create schema public; grant all on schema public to public;
create table canary (v bigint); insert into canary values (0); grant select on canary to public;
"""
CANARY = "select v from public.canary"

ROLES = "create role alice login; create role bob login; create role carol login; create role keeper"


class Lab:
    def __init__(self, settings=(), **options):
        self.postgres = servers.Postgres(settings=["log_statement = 'all'", "log_duration = off", *settings])
        self.clients = []
        try:
            self.postgres.query(ROLES)
            self.proxy = servers.Proxy(self.postgres, **options)
        except BaseException:
            self.postgres.stop()
            self.postgres.remove()
            raise
        self.outside = self.postgres.connect()

    def end(self):
        try:
            self.close_clients()
            self.outside.close()
            self.proxy.stop()
        finally:
            self.proxy.stop_by(9)
            self.proxy.remove()
            self.postgres.stop()
            self.postgres.remove()

    # ---- connections ----

    def connect(self, user="postgres", **settings):
        """A session through pgrecall; settings go into its startup packet."""
        return self._kept(self.proxy.connect(user=user, parameters=startup_options(settings)))

    def direct(self, user="postgres", **settings):
        return self._kept(self.postgres.connect(user=user, parameters=startup_options(settings)))

    def _kept(self, client):
        self.clients.append(client)
        return client

    def close_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    # ---- the state before a case ----

    def setup(self, script="", cold=False):
        """Empty schemas and what `script` makes, all through pgrecall; then the cache works, unless
        what was made turns it off (cold): a cast of users that applies by itself does."""
        assert self.proxy.is_alive(), self.proxy.log()[-6000:]
        with self.proxy.connect() as client:
            client.query(RESET)
            if script:
                client.query(script)
        a = self.connect()
        if not cold:
            self.warm(a)
        return a

    def behind(self, sql):
        """On the server, behind pgrecall's back."""
        return self.outside.query(sql)

    # ---- proofs ----

    def lines_of(self, sql):
        """How often the server was asked for this text, by its log."""
        text = re.escape(sql.replace("\n", "\n\t"))
        return len(re.findall(rf"LOG:  (?:statement|execute [^\n]*?): {text}\n", self.postgres.log()))

    def reaches(self, sql, ask):
        """Runs `ask`; its result, and how often the server was asked for `sql` meanwhile."""
        before = self.lines_of(sql)
        result = ask()
        return result, self.lines_of(sql) - before

    def is_caching(self, client):
        """True if the canary, changed behind pgrecall's back, is read as it was: cached."""
        seen = client.query(CANARY)
        self.behind("update public.canary set v = v + 1")
        return client.query(CANARY) == seen

    def warm(self, *clients):
        """Waits until each of these sessions, or else a new one, has its reads cached."""
        for client in clients or [self.connect()]:
            assert servers.wait_until(lambda c=client: self.is_caching(c), 20, 0.02), (
                f"nothing is cached: {self.why(CANARY)} {self.proxy.cache()}\n{self.proxy.log()[-1500:]}")

    def cached(self, client, sql, seconds=20):
        """Asserts that `sql` of this session becomes a hit; its rows."""
        rows = []

        def is_hit():
            client.query(sql)
            rows[:], lines = self.reaches(sql, lambda: client.query(sql))
            return lines == 0

        assert servers.wait_until(is_hit, seconds, 0.05), f"not cached: {sql}\n{self.why(sql)}"
        return list(rows)

    def cached_messages(self, client, request, sql):
        """The same for any request, such as wire.extended(...), whose text is `sql`."""
        messages = []

        def is_hit():
            client.ask(request)
            messages[:], lines = self.reaches(sql, lambda: client.ask(request))
            return lines == 0

        assert servers.wait_until(is_hit, 20, 0.05), f"not cached: {sql}\n{self.why(sql)}"
        return list(messages)

    def never_cached(self, client, sql, times=3):
        """Asserts that each of these reads reached the server, while the session's cache works."""
        rows = []
        for _ in range(times):
            answer, lines = self.reaches(sql, lambda: client.query(sql))
            rows.append(answer)
            assert lines == 1, f"answered from the cache: {sql}"
        self.warm()
        return rows

    def why(self, sql):
        with contextlib.suppress(Exception):
            return str(self.proxy.console(f"EXPLAIN CACHE {sql}"))
        return ""

    # ---- writes ----

    def run(self, client, steps):
        """Statements one after the other; an expected error is a (sql, sqlstate) pair."""
        for step in [steps] if isinstance(steps, (str, tuple)) else steps:
            if isinstance(step, str):
                client.query(step)
                continue
            sql, sqlstate = step
            assert sqlstate_of(lambda: client.query(sql)) == sqlstate, sql


def startup_options(settings):
    if not settings:
        return None
    quoted = (f"-c {name}={str(value)}".replace("\\", "\\\\") for name, value in settings.items())
    return {"options": " ".join(escape_blanks(option) for option in quoted)}


def escape_blanks(option):
    """The first blank parts -c from its setting, the others belong to the value."""
    head, _, value = option.partition(" ")
    return head + " " + value.replace(" ", "\\ ")


def sqlstate_of(action):
    """The SQLSTATE that the action fails with, or its result."""
    try:
        return action()
    except wire.ServerError as error:
        return error.sqlstate


def outcome(client, sql):
    """The rows, or the SQLSTATE."""
    return sqlstate_of(lambda: client.query(sql))


def plain(messages):
    """Messages without what differs from one session to the next (the settings it is told of)."""
    return [m for m in messages if m.tag != b"S"]


def locks_waiting(lab):
    return int(lab.behind("select count(*) from pg_locks where not granted")[0][0])


@contextlib.contextmanager
def in_background(function):
    """Runs the function in a thread; at the end its failure, if any, is raised."""
    problems, results = [], []

    def run():
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001: it is raised below
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    finally:
        thread.join(60)
    if problems:
        raise problems[0]


def laboratory(settings=(), **options):
    """A fixture: one Lab for a module, and the sessions of a case end with it."""

    @pytest.fixture(scope="module")
    def shared_lab():
        made = Lab(settings, **options)
        yield made
        made.end()

    @pytest.fixture
    def lab(shared_lab):
        yield shared_lab
        shared_lab.close_clients()

    return shared_lab, lab


def sleep(seconds):
    time.sleep(seconds)
