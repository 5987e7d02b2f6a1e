"""Says the script to a server, notes every message that comes back, and compares two such notes.

Two databases that were made from one template have equal OIDs, but what the script itself creates
has not. So OIDs in RowDescription and ParameterDescription beyond the template's are replaced by
the order in which they first appeared. Everything else is compared as it is, except the names of
source files in errors that the proxy makes itself.
"""

import struct

import wire


class Names:
    """Numbers for OIDs that the template does not have."""

    def __init__(self, first_new_oid):
        self.first_new_oid = first_new_oid
        self.seen = {}

    def of(self, oid):
        if oid < self.first_new_oid:
            return oid
        return 0xF0000000 + self.seen.setdefault(oid, len(self.seen))


def rename_oids(message, names):
    if message.tag == b"T":
        body, at = bytearray(message.body), 2
        for _ in range(struct.unpack_from("!h", body)[0]):
            at = body.index(0, at) + 1
            for place in (at, at + 6):  # the table, the type
                struct.pack_into("!I", body, place, names.of(struct.unpack_from("!I", body, place)[0]))
            at += 18
        return wire.Message(b"T", bytes(body))
    if message.tag == b"t":
        body = bytearray(message.body)
        for at in range(2, len(body), 4):
            struct.pack_into("!I", body, at, names.of(struct.unpack_from("!I", body, at)[0]))
        return wire.Message(b"t", bytes(body))
    return message


def greeting_of(client):
    """What the server said at login, without what differs by nature: the key, and the order of
    settings."""
    settings = sorted(m.body for m in client.greeting if m.tag == b"S")
    rest = [m for m in client.greeting if m.tag not in (b"S", b"K")]
    return [*rest, *(wire.Message(b"S", body) for body in settings)]


def say(sessions, connect, first_new_oid):
    """All answers: a list of (session, step, messages)."""
    notes, names = [], Names(first_new_oid)
    for session in sessions:
        client = connect(session.parameters)
        notes.append((session.name, "login", greeting_of(client)))
        for step in session.steps:
            try:
                answer = [rename_oids(m, names) for m in client.ask(step.data, ready=step.ready)]
            except (wire.Closed, OSError) as error:
                answer = [wire.Message(b"!", repr(error).encode())]
                client.close()
                client = connect(session.parameters)
            notes.append((session.name, step.name, answer))
        client.close()
    return notes


def without_source(messages):
    """Errors without the file, line and routine of Postgres' own source."""
    return [
        m._replace(body=b"\0".join(f for f in m.body.split(b"\0") if f[:1] not in (b"F", b"L", b"R")))
        if m.tag == b"E" else m
        for m in messages
    ]


def is_same(want, have):
    """Byte for byte; but an error that pgrecall makes itself cannot name a line of Postgres' source."""
    return want == have or (
        not any(m.tag == b"E" and b"\0F" in m.body for m in have) and without_source(want) == without_source(have))


def shown(messages):
    lines = [f"    {m.tag.decode()} {m.body[:300]!r}" for m in messages[:12]]
    return "\n".join([*lines, *(["    ..."] if len(messages) > 12 else [])])


def differences(expected, got, limit=10):
    """Texts, one for each step that was answered differently."""
    found = []
    for number, (want, have) in enumerate(zip(expected, got)):
        if not is_same(want[2], have[2]):
            found.append(f"{want[0]}, step {number}: {want[1][:300]}\n  Postgres:\n{shown(want[2])}\n  pgrecall:\n{shown(have[2])}")
            if len(found) >= limit:
                break
    if len(expected) != len(got):
        found.append(f"{len(expected)} answers from Postgres, {len(got)} from pgrecall")
    return found
