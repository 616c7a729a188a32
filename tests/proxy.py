"""A TCP proxy between a client and a real server that a test can cut, freeze and restore."""

import contextlib
import select
import socket
import threading

CHUNK_BYTES = 65536


class TcpProxy:
    """Forwards `127.0.0.1:port` to `127.0.0.1:target_port` from a thread of its own."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._cut = self._frozen = self._closed = False
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="tcp-proxy", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Closes every connection and refuses new ones."""
        self._cut = True
        self._notify()

    def freeze(self) -> None:
        """Keeps connections open and accepts new ones, and forwards nothing: a server that hangs."""
        self._frozen = True
        self._notify()

    def restore(self) -> None:
        """Forwards again; what was held while frozen is delivered."""
        self._cut = self._frozen = False
        self._notify()

    thaw = restore

    def close(self) -> None:
        self._closed = True
        self._notify()
        self._thread.join(5)

    def _notify(self) -> None:
        self._waker.send(b"x")

    def _run(self) -> None:
        while not self._closed:
            watched = [self._wake, self._listener, *(() if self._frozen else self._peers)]
            for ready in select.select(watched, (), (), 1.0)[0]:
                self._serve(ready)
            if self._cut:
                self._drop(*self._peers)
        self._drop(*self._peers)
        for end in (self._listener, self._wake, self._waker):
            end.close()

    def _serve(self, ready: socket.socket) -> None:
        if ready is self._wake:
            self._wake.recv(CHUNK_BYTES)
        elif ready is self._listener:
            self._accept()
        elif ready in self._peers:
            self._forward(ready)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            if self._cut:
                raise ConnectionRefusedError
            server = socket.create_connection(("127.0.0.1", self._target_port), 5)
        except OSError:
            client.close()
            return
        self._peers[client], self._peers[server] = server, client

    def _forward(self, source: socket.socket) -> None:
        try:
            data = source.recv(CHUNK_BYTES)
            if data:
                self._peers[source].sendall(data)
                return
        except OSError:
            pass  # either end is gone: drop both
        self._drop(source)

    def _drop(self, *ends: socket.socket) -> None:
        for end in ends:
            peer = self._peers.pop(end, None)
            if peer is not None:
                self._peers.pop(peer, None)
                for each in (end, peer):
                    with contextlib.suppress(OSError):
                        each.close()
