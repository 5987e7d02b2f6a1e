"""A client that speaks the wire protocol byte by byte, for what drivers refuse to do.

Messages go out as bytes made by the functions below; answers come back as Message(tag, body). A
Wire logs in with trust, cleartext, MD5 and SCRAM-SHA-256, and can also be made without any startup
so that a test sends whatever it likes.
"""

import base64
import collections
import hashlib
import hmac
import os
import socket
import struct

PROTOCOL_3_0 = 3 << 16
PROTOCOL_3_2 = 3 << 16 | 2
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSS_REQUEST = struct.pack("!ii", 8, 80877104)

Message = collections.namedtuple("Message", "tag body")


class Closed(Exception):
    """The other side closed the connection."""


class Silence(Exception):
    """Nothing came, or nothing was taken, within the timeout. No OSError: a test that lets a
    connection end does not let it hang."""


class ServerError(Exception):
    """An ErrorResponse where none was expected; .fields by letter, .sqlstate."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('S')} {fields.get('C')}: {fields.get('M')}")
        self.fields = fields
        self.sqlstate = fields.get("C")


# ---- requests ------------------------------------------------------------------------------


def message(tag, body=b""):
    return tag + struct.pack("!i", len(body) + 4) + body


def text(value):
    return (value if isinstance(value, bytes) else value.encode()) + b"\0"


def startup(parameters, protocol=PROTOCOL_3_0):
    body = struct.pack("!i", protocol)
    for name, value in parameters.items():
        body += text(name) + text(value)
    body += b"\0"
    return struct.pack("!i", len(body) + 4) + body


def cancel_request(pid, key):
    body = struct.pack("!ii", 80877102, pid) + key
    return struct.pack("!i", len(body) + 4) + body


def query(sql):
    return message(b"Q", text(sql))


def parse(sql, name="", types=()):
    return message(b"P", text(name) + text(sql) + struct.pack(f"!h{len(types)}I", len(types), *types))


def bind(values=(), statement="", portal="", formats=(), result_formats=()):
    """values: None, or text, or bytes as they are."""
    body = text(portal) + text(statement)
    body += struct.pack(f"!h{len(formats)}h", len(formats), *formats)
    body += struct.pack("!h", len(values))
    for value in values:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            data = value if isinstance(value, bytes) else str(value).encode()
            body += struct.pack("!i", len(data)) + data
    return message(b"B", body + struct.pack(f"!h{len(result_formats)}h", len(result_formats), *result_formats))


def describe_statement(name=""):
    return message(b"D", b"S" + text(name))


def describe_portal(name=""):
    return message(b"D", b"P" + text(name))


def execute(max_rows=0, portal=""):
    return message(b"E", text(portal) + struct.pack("!i", max_rows))


def close_statement(name=""):
    return message(b"C", b"S" + text(name))


def close_portal(name=""):
    return message(b"C", b"P" + text(name))


def sync():
    return message(b"S")


def flush():
    return message(b"H")


def copy_data(data):
    return message(b"d", data)


def copy_done():
    return message(b"c")


def copy_fail(reason):
    return message(b"f", text(reason))


def terminate():
    return message(b"X")


def extended(sql, values=(), formats=(), result_formats=(), types=(), max_rows=0, describe=True):
    """What a driver sends for one statement with parameters."""
    out = parse(sql, types=types) + bind(values, formats=formats, result_formats=result_formats)
    return out + (describe_portal() if describe else b"") + execute(max_rows) + sync()


# ---- answers -------------------------------------------------------------------------------


def fields_of(body):
    """The fields of an ErrorResponse or NoticeResponse, by letter."""
    return {part[:1].decode(): part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}


def columns_of(body):
    """The names of a RowDescription's columns."""
    (count,) = struct.unpack_from("!h", body)
    names, at = [], 2
    for _ in range(count):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode())
        at = end + 19
    return names


def values_of(body):
    """The values of a DataRow: bytes, or None."""
    (count,) = struct.unpack_from("!h", body)
    values, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if length < 0 else body[at : at + length])
        at += max(length, 0)
    return values


def rows_of(messages):
    """The rows among the messages, as lists of texts."""
    return [
        [None if value is None else value.decode() for value in values_of(m.body)]
        for m in messages
        if m.tag == b"D"
    ]


def tags_of(messages):
    return b"".join(m.tag for m in messages).decode()


def errors_of(messages):
    return [fields_of(m.body)["C"] for m in messages if m.tag == b"E"]


# ---- the connection ------------------------------------------------------------------------


class Wire:
    def __init__(
        self,
        port,
        user="postgres",
        database="postgres",
        password=None,
        parameters=None,
        protocol=PROTOCOL_3_0,
        login=True,
        timeout=30,
        host="127.0.0.1",
    ):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.user = user
        self.password = password
        self.parameters = {}  # ParameterStatus at login
        self.greeting = []  # every message up to the first ReadyForQuery
        self.pid = None
        self.key = None
        if login:
            self.login({"user": user, "database": database, **(parameters or {})}, protocol)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.socket.sendall(terminate())
        except OSError:
            pass
        self.socket.close()

    def abort(self):
        """Goes away without a word, with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *parts):
        try:
            self.socket.sendall(b"".join(parts))
        except TimeoutError:
            raise Silence("what was sent is not taken") from None

    def _fill(self, size):
        while len(self.buffer) < size:
            try:
                data = self.socket.recv(max(65536, size - len(self.buffer)))
            except TimeoutError:
                raise Silence(f"nothing comes; before: {self.buffer[:100]}") from None
            if not data:
                raise Closed()
            self.buffer += data

    def read_bytes(self, size):
        self._fill(size)
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def read(self):
        head = self.read_bytes(5)
        (length,) = struct.unpack("!i", head[1:])
        if length < 4:
            raise ValueError(f"a message of length {length}")
        return Message(head[:1], self.read_bytes(length - 4))

    def read_until(self, tag=b"Z", count=1):
        """Messages up to and with the count-th of that tag."""
        messages = []
        while count > 0:
            messages.append(self.read())
            count -= messages[-1].tag == tag
        return messages

    def read_to_end(self):
        """Messages until the other side closes."""
        messages = []
        while True:
            try:
                messages.append(self.read())
            except (Closed, ConnectionResetError):
                return messages

    def is_silent(self, seconds):
        """True if nothing arrives within that time."""
        if self.buffer:
            return False
        timeout = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self._fill(1)
            return False
        except Silence:
            return True
        finally:
            self.socket.settimeout(timeout)

    def ask(self, *parts, ready=1):
        """Sends and returns everything up to ReadyForQuery (the ready-th)."""
        self.send(*parts)
        return self.read_until(b"Z", ready)

    def query(self, sql):
        """The rows of a simple query as lists of texts; raises ServerError."""
        messages = self.ask(query(sql))
        for m in messages:
            if m.tag == b"E":
                raise ServerError(fields_of(m.body))
        return rows_of(messages)

    def table(self, sql):
        """The rows of a simple query as dictionaries by column name."""
        messages = self.ask(query(sql))
        names = []
        for m in messages:
            if m.tag == b"E":
                raise ServerError(fields_of(m.body))
            if m.tag == b"T":
                names = columns_of(m.body)
        return [dict(zip(names, row)) for row in rows_of(messages)]

    def login(self, parameters, protocol=PROTOCOL_3_0):
        self.send(startup(parameters, protocol))
        while True:
            m = self.read()
            self.greeting.append(m)
            if m.tag == b"E":
                raise ServerError(fields_of(m.body))
            if m.tag == b"R":
                self._authenticate(m.body)
            elif m.tag == b"S":
                name, value = m.body[:-1].decode().split("\0")
                self.parameters[name] = value
            elif m.tag == b"K":
                self.pid = struct.unpack_from("!i", m.body)[0]
                self.key = m.body[4:]
            elif m.tag == b"Z":
                return

    def _authenticate(self, body):
        (kind,) = struct.unpack_from("!i", body)
        password = (self.password or "").encode()
        if kind == 3:
            self.send(message(b"p", password + b"\0"))
        elif kind == 5:
            inner = hashlib.md5(password + self.user.encode()).hexdigest().encode()
            outer = hashlib.md5(inner + body[4:8]).hexdigest()
            self.send(message(b"p", text("md5" + outer)))
        elif kind == 10:
            self._scram_begin()
        elif kind == 11:
            self._scram_continue(body[4:])
        elif kind == 12:
            assert body[4:] == b"v=" + base64.b64encode(self.scram_server_signature)

    def _scram_begin(self):
        self.scram_nonce = base64.b64encode(os.urandom(18)).decode()
        first = f"n,,n=,r={self.scram_nonce}".encode()
        self.send(message(b"p", text("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first))

    def _scram_continue(self, server_first):
        attributes = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert attributes["r"].startswith(self.scram_nonce)
        salt, iterations = base64.b64decode(attributes["s"]), int(attributes["i"])
        salted = hashlib.pbkdf2_hmac("sha256", (self.password or "").encode(), salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={attributes['r']}".encode()
        signed = f"n=,r={self.scram_nonce}".encode() + b"," + server_first + b"," + without_proof
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature)))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.scram_server_signature = hmac.digest(server_key, signed, "sha256")
        self.send(message(b"p", without_proof + b",p=" + proof))
