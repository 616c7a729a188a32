"""Listening addresses: checked before they are bound, so that a refusal names the address and the reason.

gRPC core reports only that some address of many could not be bound, steals the Unix socket of a server that lives, and
lets a wildcard address share a port that another process holds.  The formats are gRPC's: `host:port`, `unix:/path`.
"""

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

_UNIX = "unix:"
_FORMATS = "expected host:port or unix:/path"
_PATH_MAX_BYTES = 107  # sun_path of unix(7), without its closing NUL
_SOCKET_MODE = 0o660  # Envoy connects as a member of our group
_DIRECTORY_MODE = 0o755


class CannotListenError(Exception):
    """An address is taken, malformed or not ours to bind; the text names it and says why."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"cannot listen on {address}: {reason}")


def unix_path(address: str) -> Path | None:
    """The file of a Unix socket address (`unix:/path`, `unix:///path`), None for any other."""
    return Path(address.removeprefix(_UNIX).removeprefix("//")) if address.startswith(_UNIX) else None


def prepare(address: str, *, takes_over: bool = False) -> None:
    """Makes `address` ready to be bound: directory made, stale socket file removed.  Raises CannotListenError, unless
    `takes_over` also if a server of ours serves there."""
    path = unix_path(address)
    try:
        if path is None:
            _probe_port(*_host_and_port(address), shared=takes_over)
        else:
            _clear(path, takes_over)
    except (OSError, ValueError) as error:
        raise CannotListenError(address, getattr(error, "strerror", None) or str(error)) from error


def bind_all(addresses: Iterable[str], bind: Callable[[str], int], takes_over: bool = False) -> dict[str, int]:
    """Has gRPC `bind` what was prepared; returns the port of each `host:port`.  Raises CannotListenError.

    A Unix socket is restricted to its owner and group.  To take one over, another is moved over it: a client that
    connects finds the old server or the new one.  gRPC core, which removes a socket's file at its end, knows
    it by a name that is no more."""
    ports: dict[str, int] = {}
    for address in addresses:
        path = unix_path(address)
        own = path.with_name(f".{os.getpid():x}") if path is not None and takes_over else path
        try:
            port = bind(address if own is None else f"{_UNIX}{own}")
        except RuntimeError:
            port = 0
        if not port:
            raise CannotListenError(address, "gRPC could not bind it")
        if path is None or own is None:
            ports[address] = port
            continue
        own.chmod(_SOCKET_MODE)
        if own != path:
            own.rename(path)
    return ports


def _host_and_port(address: str) -> tuple[str, int]:
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise ValueError(_FORMATS)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _probe_port(host: str, port: int, *, shared: bool) -> None:
    """Raises OSError if another process holds the port; if it may be `shared`, only if that does not share it, as gRPC
    servers of one user do.  A family that this machine lacks is gRPC core's business."""
    if port == 0:
        return
    for family, kind, protocol, _, where in socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC core: a port in TIME_WAIT is free
            if shared:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                probe.bind(where)
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    raise


def _clear(path: Path, takes_over: bool) -> None:
    if not path.name:
        raise ValueError(_FORMATS)
    if len(os.fsencode(path)) > _PATH_MAX_BYTES:
        raise ValueError(f"the path is longer than {_PATH_MAX_BYTES} bytes")
    path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise ValueError("the file exists and is not a socket")
    if takes_over:
        return
    if not _is_stale(path):
        raise ValueError("another process listens there")
    path.unlink()


def _is_stale(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a listener with a full backlog would hold a blocking connect
        return probe.connect_ex(os.fspath(path)) == errno.ECONNREFUSED
