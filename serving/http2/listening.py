"""The Unix sockets that an engine listens on."""

import errno
import os
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from serving.addresses import CannotListenError, bind_all, unix_path

log = structlog.get_logger(__name__)

# The kernel's own bound is less (net.core.somaxconn).
_BACKLOG = 4096
_MAX_ACCEPTED = 64  # in one turn


class Listeners:
    """Bound as soon as they are made; raises CannotListenError."""

    def __init__(self, addresses: Sequence[str], epoll: select.epoll, takes_over: bool) -> None:
        self._epoll = epoll
        self._sockets: dict[int, socket.socket] = {}
        self._paused = False
        # What was taken over may be another's by the time that we end.
        self._paths = [] if takes_over else [path for address in addresses if (path := unix_path(address))]
        try:
            bind_all(addresses, self._bind, takes_over)
        except BaseException:
            self._close()
            raise

    def _bind(self, address: str) -> int:
        path = unix_path(address)
        if path is None:
            raise CannotListenError(address, "this engine serves Unix sockets only")
        own = socket.socket(socket.AF_UNIX)
        self._sockets[own.fileno()] = own
        try:
            own.setblocking(False)
            own.bind(os.fspath(path))
            own.listen(_BACKLOG)
        except OSError as error:
            raise CannotListenError(address, error.strerror or str(error)) from error
        self._epoll.register(own, select.EPOLLIN)
        return 1

    def accepted(self, fd: int) -> Iterator[socket.socket]:
        """The connections that are waiting there."""
        for _ in range(_MAX_ACCEPTED):
            try:
                own, _ = self._sockets[fd].accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._pause(error)
                return
            yield own

    def resume(self) -> None:
        """Accepts again."""
        if self._paused:
            self._paused = False
            for own in self._sockets.values():
                self._epoll.register(own, select.EPOLLIN)

    def close(self) -> list[Iterator[socket.socket]]:
        """Stops listening; returns the connections that were made until now."""
        waiting = [iter(list(self.accepted(fd))) for fd in self._sockets]
        self._close()
        return waiting

    def _pause(self, error: OSError) -> None:
        """Pauses: without free file descriptors (EMFILE) the socket would be reported again and again."""
        if error.errno != errno.ECONNABORTED and not self._paused:
            log.error("cannot accept connections", reason=error.strerror)
            self._paused = True
            for own in self._sockets.values():
                self._epoll.unregister(own)

    def _close(self) -> None:
        for own in self._sockets.values():
            with suppress(FileNotFoundError, OSError):
                self._epoll.unregister(own)
            own.close()
        self._sockets.clear()
        for path in self._paths:
            _remove(path)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
