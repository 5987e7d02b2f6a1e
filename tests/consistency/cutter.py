"""A relay between pgrecall and Postgres that cuts connections: run as a program.

    cutter.py LISTEN_PORT SERVER_PORT SEED CUTS_PER_1000 [COMMITS]

Of a thousand pieces that pass, so many are the last of their connection. Some are passed on before
the cut, so that Postgres does what it was asked and nobody hears of it. With COMMITS only pieces from
pgrecall that contain COMMIT are counted, and they are passed on. SIGUSR1 ends all cutting.
"""
import asyncio
import random
import signal
import socket
import sys


class End(asyncio.Protocol):
    """One side of a connection."""

    def __init__(self, cutter, client=None):
        self.cutter = cutter
        self.is_server = client is not None
        self.other = client
        self.transport = None
        self.waiting = []

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.other is None:
            self.other = End(self.cutter, self)
            asyncio.ensure_future(self.connect())
        else:
            for data in self.other.waiting:
                transport.write(data)

    async def connect(self):
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.other, "127.0.0.1", self.cutter.server_port)
        except OSError:
            self.transport.abort()

    def data_received(self, data):
        fate = self.cutter.fate(self, data)
        if fate != "drop" and self.other.transport is not None:
            self.other.transport.write(data)
        elif fate != "drop":
            self.waiting.append(data)
        if fate != "pass":
            # What was written still leaves: the other side is closed, not aborted.
            self.transport.abort()
            if self.other.transport is not None:
                self.other.transport.close()

    def connection_lost(self, _):
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Cutter:
    def __init__(self, server_port, seed, cuts, commits):
        self.server_port = server_port
        self.chance = random.Random(seed)
        self.cuts = cuts / 1000
        self.commits = commits

    def fate(self, end, data):
        if self.commits and (end.is_server or b"commit" not in data.lower()):
            return "pass"
        if self.chance.random() >= self.cuts:
            return "pass"
        return "deliver" if self.commits or self.chance.random() < 0.5 else "drop"

    def quiet(self):
        self.cuts = 0


async def main():
    port, server_port, seed, cuts = (int(word) for word in sys.argv[1:5])
    cutter = Cutter(server_port, seed, cuts, len(sys.argv) > 5)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, cutter.quiet)
    server = await loop.create_server(lambda: End(cutter), "127.0.0.1", port, backlog=200)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
