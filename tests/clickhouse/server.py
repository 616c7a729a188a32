"""The front as a process that tests start, stop and kill."""

import itertools
import socket
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from store.clickhouse import Clickhouse
from tests.clickhouse.front import PASSWORD, QUICK, USER
from tollkeeper.up.process import Process, free_port

PATIENT = 30.0
_numbers = itertools.count(1)


class ClickhouseServer:
    """State is in `directory`, so that another one finds it there."""

    def __init__(
        self, directory: Path, certificates: Path | None = None, port: int | None = None, *, quick: bool = True
    ) -> None:
        self.port = port or free_port()
        command: list[str | Path] = [sys.executable, "-m", "tests.clickhouse.front", directory / "data", str(self.port)]
        command += [certificates] if certificates else []
        self._scheme = "clickhouse+https" if certificates else "clickhouse+http"
        self.process = Process("clickhouse", [*command, QUICK] if quick else command, directory / "log")
        self.process.wait_until(self._listens)

    def url(self, database: str, options: str = "") -> str:
        host = "localhost" if self._scheme.endswith("https") else "127.0.0.1"
        return f"{self._scheme}://{USER}:{quote(PASSWORD)}@{host}:{self.port}/{database}{options}"

    async def create_database(self) -> str:
        """The URL of an empty one."""
        name = f"test_{next(_numbers)}"
        client = Clickhouse(self.url("default"), PATIENT)
        await client.execute(f"CREATE DATABASE {name}")
        await client.aclose()
        return self.url(name)

    def stop(self) -> None:
        self.process.kill()

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False
