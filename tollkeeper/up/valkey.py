"""The embedded Valkey: state in its directory, reachable by TCP and by Unix socket."""

import signal
from pathlib import Path

import redis

from tollkeeper.up.binaries import valkey_binary
from tollkeeper.up.process import Process, free_port


class Valkey:
    """A running valkey-server.  `url` for clients on TCP, `socket` for those on this machine."""

    def __init__(self, directory: Path, port: int | None = None, *arguments: str) -> None:
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.socket = directory / "valkey.sock"
        self.process = Process(
            "valkey",
            [
                valkey_binary(),
                *("--bind", "127.0.0.1", "--port", str(self.port)),
                *("--unixsocket", self.socket, "--unixsocketperm", "700"),
                *("--dir", directory, "--appendonly", "yes", "--save", ""),
                *arguments,
            ],
            directory / "valkey.log",
            stop_signal=signal.SIGTERM,
        )
        self.process.wait_until(self._answers)

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=1)
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # not listening yet, or still loading its file
            return False
        finally:
            client.close()
