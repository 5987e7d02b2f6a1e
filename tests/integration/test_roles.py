"""Roles: what a role may see follows its memberships, attributes and name at once, and nobody gets what is
for a role that only has the same name."""

import pytest

import servers
from test_cache import eventually_hits

READ = "select v from guarded_rows order by v"


def await_table(proxy):
    """A session that names a table which the snapshot does not have yet is tied to its server connection."""
    assert servers.wait_until(lambda: "public.guarded_rows" in str(proxy.console(f"EXPLAIN CACHE {READ}")), 40)


@pytest.fixture
def rows(postgres, proxy):
    drop = "drop table if exists guarded_rows; drop role if exists held_a; drop role if exists held_b; drop role if exists held_c; drop role if exists held_group"
    proxy.query(drop)
    proxy.query(
        "create role held_a login; create role held_b login; create role held_group;"
        "create table guarded_rows (o name, v text); alter table guarded_rows enable row level security;"
        "insert into guarded_rows values ('held_a', 'of a'), ('held_b', 'of b'), ('held_c', 'of c'), ('x', 'of the group');"
        "create policy own on guarded_rows using (o = current_user);"
        "create policy shared on guarded_rows to held_group using (o = 'x');"
        "grant select on guarded_rows to public")
    await_table(proxy)
    yield
    postgres.query(drop)


def cached(proxy, client, sql=READ):
    """The rows, once they are a hit."""
    assert eventually_hits(client, sql, proxy), proxy.console(f"EXPLAIN CACHE AS held_a {sql}")
    return read(client, sql)


def read(client, sql=READ):
    return [row[0] for row in client.query(sql)]


def test_granting_a_role_shows_its_rows_at_once(proxy, rows):
    """Naive: the rows of before."""
    with proxy.connect() as admin, proxy.connect(user="held_a") as client:
        for _ in range(3):
            assert cached(proxy, client) == ["of a"]
            admin.query("grant held_group to held_a")
            assert read(client) == ["of a", "of the group"]
            assert cached(proxy, client) == ["of a", "of the group"]
            admin.query("revoke held_group from held_a")
            assert read(client) == ["of a"]


@pytest.mark.parametrize("change,undo,changed", [
    ("alter role held_a bypassrls", "alter role held_a nobypassrls", ["of a", "of b", "of c", "of the group"]),
    ("alter role held_a superuser", "alter role held_a nosuperuser", ["of a", "of b", "of c", "of the group"]),
    ("alter table guarded_rows owner to held_a", "alter table guarded_rows owner to postgres", ["of a", "of b", "of c", "of the group"]),
    ("alter policy own on guarded_rows to held_b", "alter policy own on guarded_rows to public", []),
    ("grant held_group to held_a; alter role held_a noinherit", "alter role held_a inherit; revoke held_group from held_a", ["of a"]),
    ("grant held_group to held_b; grant held_b to held_a", "revoke held_b from held_a; revoke held_group from held_b", ["of a", "of the group"]),
])
def test_whatever_moves_row_security_shows_at_once(proxy, rows, change, undo, changed):
    """Naive: the rows of before."""
    with proxy.connect() as admin, proxy.connect(user="held_a") as client:
        for _ in range(2):
            assert cached(proxy, client) == ["of a"]
            admin.query(change)
            assert read(client) == changed
            assert read(client) == changed
            admin.query(undo)
            assert read(client) == ["of a"]


def test_an_exempt_role_is_cached_whatever_the_policies_ask(proxy, rows):
    """And the one that they are for is not."""
    with proxy.connect() as admin, proxy.connect(user="held_a") as client:
        admin.query("create policy tenant on guarded_rows to held_group using (o = current_setting('app.tenant', true))")
        assert cached(proxy, admin) == ["of a", "of b", "of c", "of the group"]
        assert cached(proxy, client) == ["of a"]
        admin.query("grant held_group to held_a")
        assert read(client) == ["of a", "of the group"]
        client.query("set app.tenant = 'held_c'")
        assert read(client) == ["of a", "of c", "of the group"]
        client.query("set app.tenant = 'held_b'")
        assert read(client) == ["of a", "of b", "of the group"]
        assert "row security" in str(proxy.console(f"EXPLAIN CACHE AS held_a {READ}"))


def test_set_role_reads_as_that_role(proxy, rows):
    with proxy.connect() as admin:
        admin.query("create policy tenant on guarded_rows to held_group using (o = current_setting('app.tenant', true))")
        for _ in range(3):
            assert read(admin) == ["of a", "of b", "of c", "of the group"]
            admin.query("set role held_a")
            assert read(admin) == ["of a"]
            admin.query("set app.tenant = 'held_c'; set role held_group")
            assert read(admin) == ["of c", "of the group"]
            admin.query("set role none; set app.tenant = ''")


@pytest.mark.parametrize("way", ["login", "set role"])
def test_a_role_of_the_same_name_is_another_role(make_proxy, postgres, rows, way):
    """A session whose role was renamed, and somebody new under its old name. Naive: what the new one sees."""
    proxy = make_proxy(postgres, pool_mode="session", default_pool_size=20)
    proxy.wait_for_catalog()

    def enter():
        client = proxy.connect(user="held_a" if way == "login" else "postgres")
        if way == "set role":
            client.query("set role held_a")
        return client

    with proxy.connect() as admin, enter() as old:
        assert read(old) == ["of a"] and read(old) == ["of a"]
        admin.query("alter role held_a rename to held_c")
        admin.query("create role held_a login")
        with enter() as new:
            assert cached(proxy, new) == ["of a"]
            assert read(old) == ["of c"]
            assert read(new) == ["of a"]
            assert read(old) == ["of c"]
