"""Each protocol script of traps.py, played to Postgres directly and through pgrecall: byte for byte."""
import pytest

import traps
import wire


@pytest.fixture(scope="module")
def shared(request, postgres):
    """A pgrecall for all scripts, and their tables."""
    import servers

    postgres.query("create database traps")
    postgres.query(traps.SETUP, database="traps")
    proxy = servers.Proxy(postgres, databases={"traps": f"host=127.0.0.1 port={postgres.port} pool_size=4"})
    try:
        proxy.wait_for_catalog("traps")
        yield proxy
        proxy.stop()
    finally:
        proxy.stop_by(9)
        proxy.remove()


def without_places(body):
    """An error without file, line and routine: those of our own errors are ours."""
    fields = [field for field in body.split(b"\0") if field and field[:1] not in (b"F", b"L", b"R")]
    return b"\0".join(fields)


def without_tables(body, last):
    """RowDescription in which tables that are younger than OID `last` have no number."""
    out, at = bytearray(body), 2
    while at < len(body):
        at = body.index(b"\0", at) + 1
        if int.from_bytes(body[at : at + 4], "big") > last:
            out[at : at + 4] = bytes(4)
        at += 18
    return bytes(out)


def comparable(message, last):
    if message.tag in b"EN":
        return without_places(message.body)
    if message.tag == b"T":
        return without_tables(message.body, last)
    if message.tag == b"A":
        return message.body[4:]  # a notification begins with the backend's process id
    return message.body


def play(client, steps, last):
    """What came back, step by step."""
    heard = []
    for data, end in steps:
        try:
            client.send(data)
        except OSError:
            pass
        for tag in end:
            heard.append(b"")
            while True:
                try:
                    message = client.read()
                except (wire.Closed, ConnectionResetError):
                    assert tag == "$", f"the connection ended after {heard}"
                    heard[-1] += b"$"
                    break
                heard[-1] += message.tag + b"(" + comparable(message, last) + b") "
                if message.tag == tag.encode():
                    break
    return heard


def transcript(connect, steps, last):
    client = connect(database="traps")
    try:
        client.socket.settimeout(20)
        return play(client, steps, last)
    except wire.Silence:
        raise AssertionError("no answer in 20 seconds") from None
    finally:
        client.close()


@pytest.mark.parametrize("name", traps.SCRIPTS)
def test_every_byte_is_the_same(name, shared, postgres):
    steps = traps.SCRIPTS[name]
    last = int(postgres.query("select 'trap_deferred'::regclass::oid", database="traps")[0][0])
    direct = transcript(postgres.connect, steps, last)
    assert transcript(postgres.connect, steps, last) == direct, "the script is not deterministic"
    for run in ("cold", "warm", "warm again"):
        assert transcript(shared.connect, steps, last) == direct, run


def test_there_are_enough():
    assert len(traps.SCRIPTS) >= 150
