"""The front as a process that tests start, stop and kill; or a server that is there, for tests that do neither.

    CLICKHOUSE_TEST_URL=clickhouse+http://USER:PASSWORD@HOST:8123/default pytest tests/ledger

The user may create databases, which stay.
"""

import itertools
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

from store.clickhouse import PORTS, Clickhouse
from tests.clickhouse.front import PASSWORD, QUICK, USER
from tollkeeper.up.process import Process, free_port

PATIENT = 30.0
GIVEN = "CLICKHOUSE_TEST_URL"
_numbers = itertools.count(1)


class Databases:
    """Empty ones on the server that `url` names."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.port: int = urlsplit(url).port or PORTS[urlsplit(url).scheme.removeprefix("clickhouse+")]

    def url(self, database: str, options: str = "") -> str:
        return urlsplit(self._url)._replace(path=f"/{database}").geturl() + options

    async def create_database(self) -> str:
        """The URL of an empty one."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        client = Clickhouse(self.url("default"), PATIENT)
        await client.execute(f"CREATE DATABASE {name}")
        await client.aclose()
        return self.url(name)


class ClickhouseServer(Databases):
    """State is in `directory`, so that another one finds it there."""

    def __init__(
        self, directory: Path, certificates: Path | None = None, port: int | None = None, *, quick: bool = True
    ) -> None:
        port = port or free_port()
        command: list[str | Path] = [sys.executable, "-m", "tests.clickhouse.front", directory / "data", str(port)]
        command += [certificates] if certificates else []
        scheme, host = ("clickhouse+https", "localhost") if certificates else ("clickhouse+http", "127.0.0.1")
        super().__init__(f"{scheme}://{USER}:{quote(PASSWORD)}@{host}:{port}/default")
        self.process = Process("clickhouse", [*command, QUICK] if quick else command, directory / "log")
        self.process.wait_until(lambda: _listens(port))

    def stop(self) -> None:
        self.process.kill()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
