"""How clients log in, how pgrecall logs in, and what is said when it fails."""

import hashlib
import struct
import time

import psycopg
import pytest

import servers
import wire

PASSWORD = "a secret, with ☃"
MD5_OF = "md5" + hashlib.md5(f"{PASSWORD}md5_role".encode()).hexdigest()


@pytest.fixture(scope="module")
def strict(request):
    """A Postgres with a role for each way to log in."""
    server = servers.Postgres(
        hba="""
host all md5_role all md5
host all scram_role all scram-sha-256
host all plain_role all password
host all refused all reject
host all all all trust
"""
    )
    server.query("set password_encryption = md5; create role md5_role login password '" + PASSWORD + "'")
    for role in ("scram_role", "plain_role", "refused"):
        server.query(f"create role {role} login password '{PASSWORD}'")
    yield server
    server.stop()
    server.remove()


def scram_secret(server, role):
    return server.query(f"select rolpassword from pg_authid where rolname = '{role}'")[0][0]


# ---- clients to pgrecall -------------------------------------------------------------------


@pytest.mark.parametrize("auth_type", ["plain", "md5", "scram-sha-256"])
def test_passwords(make_proxy, postgres, auth_type):
    proxy = make_proxy(postgres, auth_type=auth_type, userlist={"postgres": PASSWORD}, databases={
        "*": f"host=127.0.0.1 port={postgres.port} user=postgres"})
    with proxy.connect(password=PASSWORD) as client:
        assert client.query("select current_user") == [["postgres"]]
    for user, password in (("postgres", "wrong"), ("postgres", ""), ("nobody", PASSWORD)):
        with pytest.raises(wire.ServerError) as caught:
            proxy.connect(user=user, password=password)
        assert caught.value.sqlstate == "28P01"
        assert caught.value.fields["S"] == "FATAL"
        assert caught.value.fields["M"] == f'password authentication failed for user "{user}"'
    with psycopg.connect(host="127.0.0.1", port=proxy.port, user="postgres", password=PASSWORD, dbname="postgres") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_md5_secret_in_the_userlist(make_proxy, strict):
    proxy = make_proxy(strict, auth_type="md5", userlist={"md5_role": MD5_OF})
    with proxy.connect(user="md5_role", password=PASSWORD) as client:
        assert client.query("select current_user") == [["md5_role"]]
    with pytest.raises(wire.ServerError) as caught:
        proxy.connect(user="md5_role", password="wrong")
    assert caught.value.sqlstate == "28P01"


def test_scram_secret_in_the_userlist(make_proxy, strict):
    proxy = make_proxy(strict, auth_type="scram-sha-256", userlist={"scram_role": scram_secret(strict, "scram_role")}, databases={
        "*": f"host=127.0.0.1 port={strict.port} user=postgres"})
    with proxy.connect(user="scram_role", password=PASSWORD) as client:
        assert client.query("select 1") == [["1"]]
    with pytest.raises(wire.ServerError) as caught:
        proxy.connect(user="scram_role", password="wrong")
    assert caught.value.sqlstate == "28P01"


def scram_salt(proxy, user):
    """What the server says of the role's secret before it has seen a proof."""
    client = proxy.connect(login=False)
    client.send(wire.startup({"user": user, "database": "postgres"}))
    client.read_until(b"R")
    client._scram_begin()
    answer = client.read_until(b"R")[-1].body[4:].decode()
    client.abort()
    return [part for part in answer.split(",") if part[:2] != "r="]


def test_the_salt_does_not_tell_which_roles_exist(make_proxy, strict):
    """Roles that are not there had another salt at each login."""
    known = {"scram_role": scram_secret(strict, "scram_role"), "md5_role": MD5_OF, "plain_role": PASSWORD}
    proxy = make_proxy(strict, auth_type="scram-sha-256", userlist=known)
    salts = {}
    for user in (*known, "nobody", "nobody else", ""):
        salts[user] = scram_salt(proxy, user or "n" * 200)
        assert salts[user] == scram_salt(proxy, user or "n" * 200), user
        assert [len(part) for part in salts[user]] == [len(part) for part in salts["scram_role"]]
    assert len({tuple(salt) for salt in salts.values()}) == len(salts)


def test_trust_asks_nothing(make_proxy, postgres):
    proxy = make_proxy(postgres, auth_type="trust")
    with proxy.connect() as client:
        assert [m.body for m in client.greeting if m.tag == b"R"] == [struct.pack("!i", 0)]


# ---- pgrecall to the server ----------------------------------------------------------------


@pytest.mark.parametrize("role", ["md5_role", "scram_role", "plain_role"])
def test_login_at_the_server(make_proxy, strict, role):
    """With the password of the userlist, and with one forced in [databases]."""
    listed = make_proxy(strict, userlist={role: PASSWORD})
    with listed.connect(user=role) as client:
        assert client.query("select current_user") == [[role]]
    line = f"host=127.0.0.1 port={strict.port} user={role} password='{PASSWORD}'"
    forced = make_proxy(strict, databases={"*": line})
    with forced.connect(user="anybody") as client:
        assert client.query("select current_user") == [[role]]


@pytest.mark.parametrize("role", ["md5_role", "scram_role", "plain_role"])
def test_a_wrong_password_at_the_server_is_an_error(make_proxy, strict, role):
    proxy = make_proxy(strict, userlist={role: "wrong"})
    with pytest.raises((wire.ServerError, wire.Closed)):
        with proxy.connect(user=role) as client:
            client.query("select 1")
    assert proxy.query("select 1") == [["1"]]


def test_a_role_that_the_server_refuses(make_proxy, strict):
    proxy = make_proxy(strict)
    with pytest.raises(wire.ServerError) as caught:
        with proxy.connect(user="refused") as client:
            client.query("select 1")
    assert caught.value.sqlstate in ("28000", "08P01", "08006")


# ---- errors --------------------------------------------------------------------------------


def test_unknown_database(make_proxy, postgres):
    listed = make_proxy(postgres, databases={"shop": f"host=127.0.0.1 port={postgres.port} dbname=postgres"})
    with listed.connect(database="shop") as client:
        assert client.query("select current_database()") == [["postgres"]]
    with pytest.raises(wire.ServerError) as caught:
        listed.connect(database="missing")
    assert (caught.value.sqlstate, caught.value.fields["S"]) == ("3D000", "FATAL")
    assert caught.value.fields["M"] == 'database "missing" does not exist'
    # With a fallback it is the server that knows.
    fallback = make_proxy(postgres)
    with pytest.raises(wire.ServerError) as caught:
        with fallback.connect(database="missing") as client:
            client.query("select 1")
    assert caught.value.sqlstate == "3D000"


def test_unknown_role(make_proxy, postgres):
    proxy = make_proxy(postgres)
    with pytest.raises(wire.ServerError) as caught:
        with proxy.connect(user="missing") as client:
            client.query("select 1")
    assert caught.value.sqlstate in ("28000", "28P01")
    assert 'role "missing" does not exist' in str(caught.value)


def test_too_many_clients(make_proxy, postgres):
    proxy = make_proxy(postgres, max_client_conn=3)
    clients = [proxy.connect() for _ in range(3)]
    with pytest.raises(wire.ServerError) as caught:
        proxy.connect()
    assert (caught.value.sqlstate, caught.value.fields["S"]) == ("53300", "FATAL")
    clients.pop().close()

    def fits():
        try:
            clients.append(proxy.connect())
            return True
        except wire.ServerError:
            return False

    assert servers.wait_until(fits, 20)
    for client in clients:
        client.close()


def test_many_connections_come_and_go(make_proxy, postgres):
    proxy = make_proxy(postgres)
    for _ in range(200):
        with proxy.connect() as client:
            assert client.query("select 1") == [["1"]]


# ---- protocol versions ---------------------------------------------------------------------


def negotiation_of(client):
    """Newest version and refused options of each NegotiateProtocolVersion."""
    found = []
    for m in client.greeting:
        if m.tag == b"v":
            version, count = struct.unpack_from("!ii", m.body)
            names = m.body[8:].split(b"\0")[:-1]
            assert len(names) == count
            found.append((version, [name.decode() for name in names]))
    return found


@pytest.mark.parametrize("value", ["false", "F", "off", "OF", "no", "n", "0"])
def test_who_asks_for_no_replication_gets_none(proxy, value):
    with proxy.connect(parameters={"replication": value}) as client:
        assert client.query("select 1") == [["1"]]


@pytest.mark.parametrize("value", ["true", "t", "on", "o", "yes", "1", "database", "", "falsehood"])
def test_replication_is_refused(proxy, value):
    with pytest.raises(wire.ServerError) as error:
        proxy.connect(parameters={"replication": value})
    assert error.value.sqlstate == "0A000"


def test_protocol_3_0_is_not_negotiated(proxy):
    with proxy.connect() as client:
        assert negotiation_of(client) == []
        assert len(client.key) == 4


def test_unknown_options_are_refused_once(proxy, postgres):
    options = {"_pq_.grease": "1", "_pq_.other": "x"}
    with postgres.connect(parameters=options) as direct, proxy.connect(parameters=options) as client:
        assert [names for _, names in negotiation_of(direct)] == [["_pq_.grease", "_pq_.other"]]
        assert [names for _, names in negotiation_of(client)] == [["_pq_.grease", "_pq_.other"]]
        assert client.query("select 1") == [["1"]]


def test_protocol_3_2(proxy):
    with proxy.connect(protocol=wire.PROTOCOL_3_2) as client:
        answered = negotiation_of(client)
        assert len(answered) <= 1
        if answered:
            assert answered[0][0] == wire.PROTOCOL_3_0 and len(client.key) == 4
        else:
            assert 4 <= len(client.key) <= 256
        assert client.query("select 1") == [["1"]]


def test_grease(proxy):
    """A version and an option that will never exist."""
    with proxy.connect(protocol=3 << 16 | 9999, parameters={"_pq_.test_protocol_negotiation": ""}) as client:
        ((version, names),) = negotiation_of(client)
        assert version in (wire.PROTOCOL_3_0, wire.PROTOCOL_3_2)
        assert names == ["_pq_.test_protocol_negotiation"]
        assert client.query("select 1") == [["1"]]


@pytest.mark.parametrize("first", [b"", wire.SSL_REQUEST, wire.GSS_REQUEST, wire.GSS_REQUEST + wire.SSL_REQUEST])
def test_encryption_is_declined(proxy, first):
    with proxy.connect(login=False) as client:
        for at in range(0, len(first), 8):
            client.send(first[at : at + 8])
            assert client.read_bytes(1) == b"N"
        client.login({"user": "postgres", "database": "postgres"})
        assert client.query("select 1") == [["1"]]


# ---- settings at login ---------------------------------------------------------------------


def test_the_greeting_is_that_of_the_server(proxy, postgres):
    for parameters in (
        {},
        {"application_name": "greeting"},
        {"client_encoding": "LATIN1", "datestyle": "German", "timezone": "Asia/Tokyo"},
        {"options": "-c intervalstyle=iso_8601"},
    ):
        with proxy.connect(parameters=parameters) as client, postgres.connect(parameters=parameters) as direct:
            assert client.parameters == direct.parameters


def test_settings_at_login_stay_with_the_session(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1, cache=0)
    german = {"datestyle": "German", "application_name": "one"}
    options = {"options": "-c work_mem=5MB -c extra_float_digits=0"}
    question = "select date '2024-02-01', current_setting('work_mem'), current_setting('extra_float_digits')"
    with postgres.connect() as direct:
        plain = direct.query(question)
    for _ in range(3):
        with proxy.connect(parameters=german) as one:
            assert one.query(question) == [["01.02.2024", *plain[0][1:]]]
        with proxy.connect(parameters=options) as two:
            assert two.query(question) == [[plain[0][0], "5MB", "0"]]
        with proxy.connect() as three:
            assert three.query(question) == plain


def test_a_database_that_was_made_up_is_not_asked_for_for_ever(make_proxy, postgres):
    proxy = make_proxy(postgres)
    tries = lambda: postgres.log().count('database "made up" does not exist')
    with pytest.raises(wire.ServerError) as caught:
        proxy.connect(database="made up")
    assert caught.value.sqlstate == "3D000"
    assert tries() > 0

    def nobody_tries():
        before = tries()
        time.sleep(3)
        return tries() == before

    assert servers.wait_until(nobody_tries, 20)
    postgres.query('create database "made up"')
    with proxy.connect(database="made up") as client:
        assert client.query("select current_database()") == [["made up"]]
        rows = lambda: [row for row in proxy.console("SHOW CATALOG") if row["database"] == "made up"]
        assert servers.wait_until(lambda: rows()[0]["control_state"] == "ready", 20)
    proxy.stop()
    postgres.query('drop database "made up"')
