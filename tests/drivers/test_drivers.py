"""Each driver in its own idioms: what it prints through pgrecall is what it prints directly."""
import os
import pathlib
import shutil
import subprocess

import pytest

import fixtures
import servers

HERE = pathlib.Path(__file__).resolve().parent
JDBC = "/usr/share/java/postgresql.jar"
# node's modules: Debian's, or what npm has put beside the build.
NODE_PATHS = [str(servers.ROOT / "build/node_modules"), "/usr/share/nodejs", "/usr/lib/nodejs"]
# What Debian's node does not bring where another node is installed: without a network it is left out.
FROM_NPM = ("node", "postgres.js")
PYTHON = "/usr/bin/python3"


def node_has(module):
    if shutil.which("node") is None:
        return False
    environment = {**os.environ, "NODE_PATH": ":".join(NODE_PATHS)}
    return subprocess.run(["node", "-e", f"require('{module}')"], env=environment, capture_output=True).returncode == 0


def python_has(module):
    return subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True).returncode == 0


def perl_has(module):
    return shutil.which("perl") is not None and subprocess.run(["perl", f"-M{module}", "-e1"], capture_output=True).returncode == 0


DRIVERS = {
    "psycopg2": ([PYTHON, "with_psycopg2.py"], lambda: python_has("psycopg2")),
    "psycopg3": ([PYTHON, "with_psycopg3.py"], lambda: python_has("psycopg")),
    "asyncpg": ([PYTHON, "with_asyncpg.py"], lambda: python_has("asyncpg")),
    "sqlalchemy": ([PYTHON, "with_sqlalchemy.py"], lambda: python_has("sqlalchemy")),
    "django": ([PYTHON, "with_django.py"], lambda: python_has("django")),
    "odbc": ([PYTHON, "with_odbc.py"], lambda: python_has("pyodbc")),
    "node": (["node", "with_node.js"], lambda: node_has("pg")),
    "postgres.js": (["node", "with_postgres_js.js"], lambda: node_has("postgres")),
    "ruby": (["ruby", "with_ruby.rb"], lambda: shutil.which("ruby") is not None),
    "php": (["php", "with_php.php"], lambda: shutil.which("php") is not None),
    "perl": (["perl", "with_perl.pl"], lambda: perl_has("DBD::Pg")),
    "go": (None, lambda: shutil.which("go") is not None),
    "jdbc": (None, lambda: shutil.which("javac") is not None and os.path.exists(JDBC)),
}


def command_of(name, directory):
    """How the driver's program is started; compiled first where it must be."""
    command, is_there = DRIVERS[name]
    if not is_there():
        if name in FROM_NPM:
            pytest.skip(f"npm's registry did not give {name}")
        fixtures.lacking(f"driver {name}")
    if name == "go":
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(directory / "go")}
        program = directory / "with_go"
        subprocess.run(["go", "build", "-o", program, HERE / "with_go.go"], check=True, env=environment)
        return [program]
    if name == "jdbc":
        subprocess.run(["javac", "-cp", JDBC, "-d", directory, HERE / "WithJdbc.java"], check=True)
        return ["java", "-cp", f"{JDBC}:{directory}", "WithJdbc"]
    return command


def output_of(command, port, database):
    environment = {**os.environ, "NODE_PATH": ":".join(NODE_PATHS), "PGSSLMODE": "disable", "TZ": "UTC"}
    done = subprocess.run([*command, str(port), database], capture_output=True, text=True, cwd=HERE, env=environment,
                          timeout=180)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def shop(postgres):
    postgres.query("create database drivers")
    postgres.query((HERE / "schema.sql").read_text(), database="drivers")
    return postgres


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_sees_no_difference(name, shop, make_proxy, tmp_path):
    command = command_of(name, tmp_path)
    shop.query("delete from notes", database="drivers")
    direct = output_of(command, shop.port, "drivers")
    assert len(direct.splitlines()) > 10
    proxy = make_proxy(shop)
    proxy.wait_for_catalog("drivers")
    before = servers.hits(proxy.cache())
    for _ in range(2):
        through = output_of(command, proxy.port, "drivers")
        assert through.splitlines() == direct.splitlines()
    if name != "odbc":  # it begins with two SET in one message, which are not followed: it is pinned
        assert servers.hits(proxy.cache()) > before, "nothing was cached"
