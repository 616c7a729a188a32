"""An open-loop HTTP/1.1 load generator: requests are sent at random times, whether or not earlier ones were answered,
and latency counts from the scheduled time.  No maintained tool does that with Poisson arrivals.

usage: poisson HOST PORT RATE SECONDS REQUEST_FILE, prints JSON
"""

import json
import random
import select
import socket
import sys
import time
from collections import Counter, deque
from pathlib import Path

from bench.figures import percentile

MAX_CONNECTIONS = 1024
TIMEOUT_SECONDS = 5.0  # after the last request was due; those without an answer then have failed


class Client:
    """Opens connections as they are needed, and reuses them, the last used first."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self._address, self._request = address, request
        self._idle: list[socket.socket] = []
        self._busy: dict[int, tuple[socket.socket, float, bytes]] = {}
        self._epoll = select.epoll()
        self.latencies: list[float] = []
        self.failed = 0
        self.statuses: Counter[str] = Counter()  # `none`: no whole answer

    @property
    def busy(self) -> int:
        return len(self._busy)

    def send(self, scheduled: float) -> None:
        connection = self._idle.pop() if self._idle else self._open()
        self._busy[connection.fileno()] = (connection, scheduled, b"")
        try:
            connection.sendall(self._request)
        except OSError:
            self._fail(connection)

    def wait(self, seconds: float) -> None:
        """Reads what arrives within `seconds`.  Waits with select, since epoll rounds to milliseconds."""
        if select.select([self._epoll], [], [], max(0.0, seconds))[0]:
            for descriptor, _ in self._epoll.poll(0):
                if descriptor in self._busy:
                    self._receive(descriptor)

    def _open(self) -> socket.socket:
        connection = socket.create_connection(self._address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._epoll.register(connection, select.EPOLLIN)
        return connection

    def _receive(self, descriptor: int) -> None:
        connection, scheduled, had = self._busy[descriptor]
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._fail(connection)
        elif is_whole(had + data):
            self.latencies.append(time.perf_counter() - scheduled)
            self.failed += not (had + data).startswith(b"HTTP/1.1 200")
            self.statuses[(had + data)[9:12].decode()] += 1
            del self._busy[descriptor]
            self._idle.append(connection)
        else:
            self._busy[descriptor] = connection, scheduled, had + data

    def _fail(self, connection: socket.socket) -> None:
        del self._busy[connection.fileno()]
        self._epoll.unregister(connection)
        connection.close()
        self.give_up(1)

    def give_up(self, count: int) -> None:
        """Counts requests that got no answer."""
        self.failed += count
        self.statuses += Counter(none=count)  # unless it is 0


def is_whole(answer: bytes) -> bool:
    """Whether the body is as long as content-length says."""
    head, end, body = answer.partition(b"\r\n\r\n")
    at = head.lower().find(b"content-length:")
    if not end or at < 0:
        return False
    return len(body) >= int(head[at + 15 :].partition(b"\r\n")[0])


def run(address: tuple[str, int], request: bytes, rate: float, seconds: float) -> Client:
    """Returns when every request has its answer, or none within TIMEOUT_SECONDS."""
    client, waiting = Client(address, request), deque[float]()
    began = time.perf_counter()
    due, end = began, began + seconds
    while due < end or ((waiting or client.busy) and time.perf_counter() < end + TIMEOUT_SECONDS):
        now = time.perf_counter()
        while due <= now and due < end:
            waiting.append(due)
            due += random.expovariate(rate)
        while waiting and client.busy < MAX_CONNECTIONS:
            client.send(waiting.popleft())
        client.wait(min(due - now, 0.1) if due < end else 0.1)
    client.give_up(client.busy + len(waiting))
    return client


def main(host: str, port: str, rate: str, seconds: str, request: str) -> None:
    client = run((host, int(port)), Path(request).read_bytes(), float(rate), float(seconds))
    ordered = sorted(client.latencies)
    found = {f"p{share}": percentile(ordered, share / 100) * 1000 for share in (50, 90, 99)}
    print(json.dumps({"answered": len(ordered), "failed": client.failed, **found, "statuses": client.statuses}))


if __name__ == "__main__":
    main(*sys.argv[1:])
