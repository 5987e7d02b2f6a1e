"""What README.md and docs/guide.md tell a reader to do is what works: their configurations, the role that
they make for the catalog, and who reads it where none is named."""

import re
import subprocess

import pytest

import between
import servers
import wire

GUIDE = (servers.ROOT / "docs/guide.md").read_text()
README = (servers.ROOT / "README.md").read_text()
SECRET = "another secret"
# Roles of their own must prove themselves, so that a wrong role or password is noticed.
HBA = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


def blocks(page):
    """The indented blocks of a page, without their indent."""
    return [re.sub(r"(?m)^    ", "", block) for block in re.findall(r"(?:^(?:    .*)?\n)+", page, re.M) if block.strip()]


def block_with(page, start):
    return next(block.strip() + "\n" for block in blocks(page) if block.lstrip().startswith(start))


@pytest.mark.parametrize("page", [README, GUIDE], ids=["README", "guide"])
def test_the_smallest_configuration_is_taken(page, tmp_path):
    (tmp_path / "userlist.txt").write_text('"app" "a password"\n')
    (tmp_path / "pgrecall.ini").write_text(block_with(page, "[databases]").replace("/etc/pgrecall", str(tmp_path)))
    done = subprocess.run([servers.BINARY, "--check", tmp_path / "pgrecall.ini"], capture_output=True, text=True, timeout=30)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "WARN" not in said, said
    assert "configuration is fine" in said


@pytest.fixture
def guarded(own_postgres):
    """A server with the guide's role, and a table of `app` that the role may not read."""
    server = own_postgres(hba=HBA)
    server.query(block_with(GUIDE, "CREATE ROLE pgrecall"))
    server.query("create role app login password 'a password'; create schema app authorization app; revoke all on schema public from public")
    server.query("set role app; create table app.secret (n int); insert into app.secret values (1)")
    with server.connect(user="pgrecall", password=SECRET) as client, pytest.raises(wire.ServerError, match="42501"):
        client.query("select * from app.secret")
    return server


def fronted(make_proxy, server, **options):
    options = {"control_user": "pgrecall", "control_password": SECRET, "auth_type": "scram-sha-256", **options}
    return make_proxy(server, userlist={"app": "a password"}, **options)


def as_app(proxy):
    return proxy.connect(user="app", password="a password")


def is_cached(proxy, server):
    """The app's read is a hit: the table was written behind pgrecall's back, and the old row is shown."""
    with as_app(proxy) as client:
        before = client.query("select n from app.secret")
        server.query("update app.secret set n = n + 1")
        return client.query("select n from app.secret") == before


def test_the_role_of_the_guide_is_enough_to_cache(make_proxy, guarded):
    proxy = fronted(make_proxy, guarded)
    assert servers.wait_until(lambda: is_cached(proxy, guarded), 20), proxy.log()[-3000:]
    with as_app(proxy) as client:
        client.query("update app.secret set n = 100")
        assert client.query("select n from app.secret") == [["100"]]


@pytest.mark.parametrize("forced", [False, True])
def test_without_control_user_somebody_else_reads_the_catalog(make_proxy, guarded, forced):
    line = {"*": f"host=127.0.0.1 port={guarded.port}" + (" user=app password='a password'" if forced else "")}
    proxy = fronted(make_proxy, guarded, control_user="", control_password="", databases=line)
    assert servers.wait_until(lambda: is_cached(proxy, guarded), 20), proxy.log()[-3000:]
    assert guarded.query("select distinct usename from pg_stat_activity where application_name like 'pgrecall%'") == [["app"]]


def test_the_role_of_the_guide_ends_a_write_whose_answer_was_lost(make_proxy, guarded):
    """Its process sleeps for a minute and looks at no socket: pgrecall ends it, and the table's reads are cached again."""

    class Cut(between.Between):
        def request(self, data, near, far):
            far.sendall(data)
            if b"/* lost */" in data:
                cuts.append(data)
                near.shutdown(between.socket.SHUT_RDWR)

    cuts = []
    cut = Cut(guarded.port)
    proxy = fronted(make_proxy, guarded, databases={"*": f"host=127.0.0.1 port={cut.port}"})
    try:
        assert servers.wait_until(lambda: is_cached(proxy, guarded), 20), proxy.log()[-3000:]
        with as_app(proxy) as client:
            client.send(wire.query("insert into app.secret select 1 from pg_sleep(60) /* lost */"))
            assert wire.errors_of(client.read_to_end()) == ["08006"]
        assert cuts
        sleeping = "select 1 from pg_stat_activity where query like '%/* lost */' and usename = 'app'"
        assert servers.wait_until(lambda: not guarded.query(sleeping), 30), guarded.query("table pg_stat_activity")
        assert servers.wait_until(lambda: is_cached(proxy, guarded), 20), proxy.console("SHOW CATALOG")
    finally:
        cut.close()


PAGES = sorted(page for folder in (".", "docs", "src", "subprojects/pgwire", "tests") for page in (servers.ROOT / folder).glob("**/*.md" if folder != "." else "*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(servers.ROOT)) for page in PAGES])
def test_what_a_page_points_to_is_there(page):
    text = page.read_text()
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)", text):
        other = page.parent / path if path else page
        assert other.exists(), path
        headings = [re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-")
                    for line in re.findall(r"(?m)^#+ (.*)$", other.read_text())] if anchor else []
        assert not anchor or anchor[1:] in headings, (path, anchor, headings)
    for name in re.findall(r"`((?:src|include|docs|tests|bench|scripts|conf)/[\w./]*\w/?)`", text):
        assert (servers.ROOT / name).exists() or (page.parent / name).exists(), name


def test_readme_says_what_each_package_is_for():
    listed = subprocess.run([servers.ROOT / "scripts/setup", "--run", "--test", "--bench", "--regress", "--list"],
                            capture_output=True, text=True, check=True, timeout=30).stdout.split()
    explained = {name for row in re.findall(r"(?m)^\| ([\w+., -]+) \| .*\|$", README) for name in row.split(", ")}
    assert set(listed) <= explained, set(listed) - explained
