"""A port behind which a server stands, to change or hold back what passes, or to change the server."""

import contextlib
import socket
import threading


class Between:
    """Passes everything on, on threads of its own; a subclass says what else `request` or `answer` do.
    `target` is the port to which the next connection goes."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                for source, passes in ((near, self.request), (far, self.answer)):
                    threading.Thread(target=self.carry, args=(source, passes, near, far), daemon=True).start()

    @staticmethod
    def carry(source, passes, near, far):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                passes(data, near, far)
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def request(self, data, near, far):
        far.sendall(data)

    def answer(self, data, near, far):
        near.sendall(data)

    def close(self):
        # An accept under way does not end with the descriptor.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
