"""The engine on HTTP/2 of our own: one thread polls Unix sockets, and runs every handler itself.

A turn reads what has come on all connections, then runs the handlers, then writes what there is to be written, once a
connection.  Owns the polling loop and the drain; what is sent and received is in connection.py.
"""

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog

from serving.call import Method, Observer
from serving.http2.calls import Answer, PendingCall, UnaryCall
from serving.http2.connection import Connection
from serving.http2.crowd import BOUNDS, Bounds, Crowd, share_of
from serving.http2.frames import INTERNAL_ERROR, ConnectionFault
from serving.http2.heads import Heads
from serving.http2.listening import Listeners
from serving.http2.receiving import FramedConnection
from serving.http2.waker import Waker
from serving.waiting.postponed import MAX_POSTPONED, Postponed

log = structlog.get_logger(__name__)

# Deadlines, and what else takes time, are looked at this often.
_TICK_SECONDS = 0.1
_STOPPING_SECONDS = 0.01  # and, while the engine stops, whether it is over
# Within which a new connection has to begin as HTTP/2 does.
BEGIN_SECONDS = 10.0
# For a caller to read what was sent last, before its connection is closed.
_SHUT_SECONDS = 0.2
_HANDLERS, _HANDLERS_SECONDS = 32, 0.01


class Http2Engine:
    """See engine.Engine.  Addresses are bound, and queue connections, as soon as it is made."""

    ports: Mapping[str, int] = {}

    def __init__(
        self,
        methods: Sequence[Method],
        addresses: Sequence[str],
        observer: Observer | None,
        *,
        max_message_bytes: int,
        takes_over: bool = False,
        max_postponed: int = MAX_POSTPONED,
        begin_seconds: float = BEGIN_SECONDS,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self.heads = Heads(methods)
        self.max_message_bytes, self._begin_seconds = max_message_bytes, begin_seconds
        self.watching = threading.Lock()
        self.postponed = Postponed(max_postponed)
        self.ready: list[UnaryCall] = []
        self._observe: Callable[[str, float, str], None] | None = observer.handled if observer else None
        self._answers: deque[tuple[PendingCall, Answer, Callable[[], None] | None]] = deque()
        self._waker = Waker()
        self._epoll = select.epoll()
        self._connections: dict[int, FramedConnection] = {}
        self._crowd = Crowd(self._connections, bounds)
        self._dirty: list[Connection] = []
        self._ticked = time.perf_counter()
        self._stop_at: float | None = None
        self._stopping = self._stopped = self._closed = False
        self._epoll.register(self._waker.fd, select.EPOLLIN)
        self._listeners = Listeners(addresses, self._epoll, takes_over)

    def serve(self) -> None:
        try:
            while not self._stopped:
                self._turn()
        finally:
            self._close()

    def stop(self, grace: float = 10.0) -> None:
        if self._stop_at is None:
            self._stop_at = time.perf_counter() + grace
            self._waker.ring()

    def between_calls(self, step: Callable[[], object]) -> None:
        self.postponed.append(step)
        self._waker.ring()

    def post(self, call: PendingCall, answer: Answer, if_lost: Callable[[], None] | None) -> None:
        self._answers.append((call, answer, if_lost))
        if self._waker.asleep:
            self._waker.ring()
        elif self._closed:
            self._take_answers()

    def handled(self, path: str, seconds: float, code: str) -> None:
        if self._observe is not None:
            try:
                self._observe(path, seconds, code)
            except Exception:  # the edge of an RPC: an observer that fails must not end the others
                log.exception("event failed")

    def _turn(self) -> None:
        self._waker.asleep = True  # before the look at what there is to do
        stop_at = self._stop_at  # what came before it is read
        wait = 0.0 if self._answers or self.postponed else _TICK_SECONDS
        if stop_at is not None:
            wait = min(wait, _STOPPING_SECONDS)
        events = self._epoll.poll(wait)
        self._waker.asleep = False
        now, share = time.perf_counter(), share_of(len(events))
        for fd, mask in events:
            self._event(fd, mask, now, share)
        idle = not (events or self._answers)
        self._take_answers()
        if self.ready:
            self._run_handlers()
        if self.postponed:
            self._catch_up(idle)
        if now - self._ticked >= _TICK_SECONDS:
            self._tick(now)
        if stop_at is not None:
            self._drain(stop_at, now, idle)
        self._flush()

    def _event(self, fd: int, mask: int, now: float, share: int) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            if mask & select.EPOLLOUT:
                self._dirty.append(connection)
            if mask & ~select.EPOLLOUT:
                self._receive(connection, now, share)
        elif fd == self._waker.fd:
            self._waker.heard()
        else:
            self._accept(self._listeners.accepted(fd), now)

    def _accept(self, accepted: Iterator[socket.socket], now: float) -> None:
        for own in accepted:
            if self._crowd.full:
                silent = self._crowd.make_room()
                if silent is None:
                    own.close()
                    continue
                self._lose(silent)
            own.setblocking(False)
            connection = FramedConnection(self, own, self._dirty.append, now)
            self._connections[own.fileno()] = connection
            self._wait_for(connection)

    def _receive(self, connection: FramedConnection, now: float, share: int) -> None:
        try:
            open_still = connection.readable(now, share)
        except ConnectionFault as fault:
            connection.fault(fault)
            return
        except OSError:
            open_still = False
        except Exception:  # a bug of ours must not end the other connections
            log.exception("connection failed")
            connection.fault(ConnectionFault(INTERNAL_ERROR))
            return
        if not open_still:
            self._lose(connection)

    def _take_answers(self) -> None:
        answers = self._answers
        while answers:
            try:
                call, answer, if_lost = answers.popleft()
            except IndexError:  # another thread took it, once the engine is closed
                return
            try:
                call.take(answer, if_lost)
            except Exception:  # the edge of an RPC
                log.exception("event failed")

    def _run_handlers(self) -> None:
        """Runs the calls that are ready; sends their answers after each `_HANDLERS` of them, or `_HANDLERS_SECONDS`."""
        ready = self.ready[:]
        self.ready.clear()
        began = time.perf_counter()
        for number, call in enumerate(ready, 1):
            call.run()
            if number % _HANDLERS == 0 or time.perf_counter() - began > _HANDLERS_SECONDS:
                self._take_answers()
                self._flush()
                if self.postponed:
                    self._catch_up(False)
                began = time.perf_counter()

    def _catch_up(self, idle: bool) -> None:
        try:
            self.postponed.catch_up(idle)
        except Exception:  # the edge of an RPC
            log.exception("event failed")

    def _flush(self) -> None:
        """Writes what there is to be written; what is answered meanwhile too."""
        while self._dirty:
            connection = self._dirty.pop()
            if self._connections.get(connection.fd) is not connection:
                continue  # it was lost in the meantime
            try:
                connection.flush()
            except OSError:
                self._lose(connection)
            else:
                self._wait_for(connection)

    def _wait_for(self, connection: Connection) -> None:
        mask = 0 if connection.congested and connection.closing_since is None else select.EPOLLIN
        if connection.sending.unread:
            mask |= select.EPOLLOUT
        if mask != connection.mask:
            change = self._epoll.modify if connection.mask else self._epoll.register
            change(connection.fd, mask)
            connection.mask = mask

    def _lose(self, connection: Connection) -> None:
        """Forgets a connection that is broken, or closed."""
        if self._connections.pop(connection.fd, None) is not None:
            self._epoll.unregister(connection.fd)
            connection.close()

    def _tick(self, now: float) -> None:
        seconds, self._ticked = now - self._ticked, now
        for connection in list(self._connections.values()):
            connection.tick(now, seconds)
            since = connection.closing_since
            if since is not None:
                late = now - since >= _SHUT_SECONDS
            else:
                late = not connection.settled and now - connection.began_at >= self._begin_seconds
            if late:
                self._lose(connection)
        while (greedy := self._crowd.holds_too_much()) is not None:
            self._lose(greedy)
        self._listeners.resume()

    def _calls(self) -> list[PendingCall]:
        return [call for connection in self._connections.values() for call in connection.open.values()]

    def _drain(self, stop_at: float, now: float, idle: bool) -> None:
        """After stop(): accepts no more; refuses the streams when no other call is open and nothing waits."""
        if not self._stopping:
            self._accept_no_more(now)
        if stop_at <= now:
            self._stopped = True
        elif idle and not self.postponed:
            calls = self._calls()
            if all(call.is_stream for call in calls):
                for call in calls:
                    call.refuse()
                self._stopped = not any(connection.sending.unread for connection in self._connections.values())

    def _accept_no_more(self, now: float) -> None:
        """Tells connected callers to go elsewhere."""
        self._stopping = True
        for accepted in self._listeners.close():
            self._accept(accepted, now)
        for connection in self._connections.values():
            connection.go_away()

    def _close(self) -> None:
        """Refuses what is left, and closes the connections once their callers have read what was sent."""
        self._waker.asleep = False
        now = time.perf_counter()
        if not self._stopping:
            self._accept_no_more(now)
        for call in self._calls():
            call.refuse()
        for connection in self._connections.values():
            connection.close_soon(now)
            self._dirty.append(connection)
        self._flush()
        while self._connections and time.perf_counter() - now < _SHUT_SECONDS:
            for fd, mask in self._epoll.poll(_SHUT_SECONDS):
                self._event(fd, mask, now, share_of(1))
            self._flush()
        for connection in list(self._connections.values()):
            self._lose(connection)
        self._epoll.close()
        self._closed = True
        self._take_answers()
