"""A TCP proxy between a client and a real server that a test can cut, freeze, rob of answers, and restore."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

CHUNK_BYTES = 65536
STUCK_SECONDS = 5.0  # after which an end that takes no bytes is dropped
ORDER_SECONDS = 30.0  # for the thread to obey: it may be stuck on a few ends before


class TcpProxy:
    """Forwards `127.0.0.1:port` to `127.0.0.1:target_port` from a thread of its own, the only one to touch connections.

    What a method says has happened when it returns.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._cut = self._frozen = self._closed = False
        self._asked: bytes | None = None  # what is in requests whose answers are lost
        self._robbed = set[socket.socket]()
        self._orders: SimpleQueue[tuple[Callable[[], None], threading.Event]] = SimpleQueue()
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="tcp-proxy", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Closes every connection and refuses new ones."""
        self._order(self._do_cut)

    def freeze(self) -> None:
        """Keeps connections open and accepts new ones, and forwards nothing: a server that hangs."""
        self._order(self._do_freeze)

    def lose_answers(self, to: bytes) -> None:
        """Forwards each request, and ends the connection in place of the answer to one that has `to` in it."""
        self._order(partial(self._do_lose_answers, to))

    def restore(self) -> None:
        """Forwards again; what was held while frozen is delivered."""
        self._order(self._do_restore)

    thaw = restore

    def close(self) -> None:
        if self._thread.is_alive():
            self._order(self._do_close)
            self._thread.join()

    def _order(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.put((action, done))
        self._waker.send(b"x")
        assert done.wait(ORDER_SECONDS), "the proxy's thread is stuck"

    def _do_cut(self) -> None:
        self._cut = True
        self._drop(*self._peers)
        self._accept()  # refuses who has connected without our having seen it

    def _do_freeze(self) -> None:
        for end in () if self._frozen else self._peers:
            self._selector.unregister(end)
        self._frozen = True

    def _do_lose_answers(self, to: bytes) -> None:
        self._asked = to

    def _do_restore(self) -> None:
        self._accept()  # in the old state: who connected before this is refused, or held until now
        for end in self._peers if self._frozen else ():
            self._selector.register(end, selectors.EVENT_READ)
        self._cut = self._frozen = False
        self._asked = None

    def _do_close(self) -> None:
        self._closed = True

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select():
                self._serve(key.fileobj)
        self._drop(*self._peers)
        self._selector.close()
        for end in (self._listener, self._wake, self._waker):
            end.close()

    def _serve(self, ready: object) -> None:
        if ready is self._wake:
            self._obey()
        elif ready is self._listener:
            self._accept()
        elif isinstance(ready, socket.socket) and ready in self._peers and not self._frozen:  # still
            self._forward(ready)

    def _obey(self) -> None:
        self._wake.recv(1)  # one for each order
        action, done = self._orders.get()
        action()
        done.set()

    def _accept(self) -> None:
        """Everybody who waits to be."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._connect(self._listener.accept()[0])

    def _connect(self, client: socket.socket) -> None:
        try:
            if self._cut:
                raise ConnectionRefusedError
            server = socket.create_connection(("127.0.0.1", self._target_port), STUCK_SECONDS)
        except OSError:
            client.close()
            return
        client.settimeout(STUCK_SECONDS)
        self._peers[client], self._peers[server] = server, client
        for end in () if self._frozen else (client, server):
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        try:
            data = source.recv(CHUNK_BYTES)
            if data and source not in self._robbed:
                if self._asked is not None and self._asked in data:
                    self._robbed.add(self._peers[source])
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
                    self._robbed.discard(each)
                    with contextlib.suppress(KeyError):  # not watched while frozen
                        self._selector.unregister(each)
                    with contextlib.suppress(OSError):
                        each.close()
