"""The embedded Valkey: state in its directory, reachable by Unix socket; by TCP only if it is told to."""

import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

import redis

from tollkeeper.up.process import Process, free_port, write_private
from tollkeeper.wheels import valkey_binary

PASSWORD_BYTES = 24


class Valkey:
    """A running valkey-server for tests: `url` on TCP of this machine, `socket` beside it; no password."""

    def __init__(self, directory: Path, port: int | None = None, *arguments: str) -> None:
        directory = _made(directory)
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.socket = directory / "valkey.sock"
        listen = ("--bind", "127.0.0.1", "--port", str(self.port))
        self.process = _started(directory, (*listen, *_socket(self.socket), *arguments))
        self.process.wait_until(lambda: _answers(self.url))

    def stop(self) -> None:
        self.process.stop()


class PrivateValkey:
    """A valkey-server that no other user reaches: no TCP port, and a password, which is in `url`.  The password is in
    a file that its owner alone can read, so that no list of processes shows it.  It may take a moment to answer."""

    def __init__(self, directory: Path) -> None:
        directory = _made(directory)
        socket, config = directory / "valkey.sock", directory / "valkey.conf"
        if not config.exists():
            write_private(config, f"requirepass {secrets.token_urlsafe(PASSWORD_BYTES)}\n")
        password = config.read_text().split()[1]
        self.url = f"unix://:{password}@{socket}?db=0"
        self.process = _started(directory, ("--port", "0", *_socket(socket)), [config])

    def answers(self) -> bool:
        return _answers(self.url)


def _made(directory: Path) -> Path:
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _socket(path: Path) -> tuple[str, ...]:
    return "--unixsocket", str(path), "--unixsocketperm", "700"


def _started(directory: Path, arguments: Sequence[str], config: Sequence[Path] = ()) -> Process:
    state = ("--dir", str(directory), "--appendonly", "yes", "--save", "")
    command: list[str | Path] = [valkey_binary(), *config, *state, *arguments]
    return Process("valkey", command, directory / "valkey.log", stop_signal=signal.SIGTERM)


def _answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=1)
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):  # not listening yet, or still loading its file
        return False
    finally:
        client.close()
