"""Opening ClickHouse, over HTTP or HTTPS: one client a process, every wait with a deadline.

The only file that knows the client library, which is an extra: without it the URL of a ClickHouse is a clear error.
Rows travel as JSON in both directions, which msgspec writes and reads; values are parameters, bound by the server.
"""

import asyncio
import ssl
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from store.tls import context_of, tls_error

if TYPE_CHECKING:
    from clickhouse_connect.driver.asyncclient import AsyncClient

SCHEMES = ("clickhouse+http", "clickhouse+https")
PORTS = {"http": 8123, "https": 8443}
FILES = ("ca", "cert", "key")  # options of the URL: of TLS, beside the scheme that switches it on
SECONDS = 1.2  # below the 2 s after which the management API must have answered 503
CLOSE_SECONDS = 2.0
FORMAT = "JSONCompactEachRow"
# Settings that must not depend on the server's own profile.
READ = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 1,
    "do_not_merge_across_partitions_select_final": 1,  # a row's id has its month in it
}
WRITE = {"wait_for_async_insert": 1, "date_time_input_format": "best_effort", "insert_deduplicate": 0}
FEW_ROWS = 500  # inserts of fewer share a part: the server waits some 0.1 s for others

# Codes of ClickHouse's errors: what the rows are to blame for, and what the settings say and it does not take.
_OF_ROWS = frozenset({6, 25, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 190, 349, 376, 407, 469})
_OF_SETTINGS = frozenset({60, 81, 192, 193, 194, 497, 516})
NO_TABLE = 60
TOO_OLD = "Unknown identifier: readonly"  # of the client's first question, says a server of 2018, which Debian 12 has


class ClickhouseAway(ConnectionError):
    """ClickHouse does not answer, or says that it cannot now."""


class ClickhouseLate(ClickhouseAway):
    """ClickHouse did not answer in time."""


class ClickhouseRefuses(ClickhouseAway):
    """ClickHouse refuses what the settings say: credentials, database, tables."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class ClickhouseRejects(Exception):
    """ClickHouse will never take these rows; none of them was written."""


class Address(NamedTuple):
    """`ca`, `cert`, `key`: files of TLS."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    database: str
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


def address_of(url: str) -> Address:
    """Reads a URL.  The ValueError says what is wrong, and repeats nothing of the URL but names of options."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError(f"must be a URL such as {SCHEMES[1]}://USER:PASSWORD@HOST:8443/DATABASE")
    http = parts.scheme.removeprefix("clickhouse+")
    options = dict(parse_qsl(parts.query))
    if unknown := set(options) - set(FILES):
        raise ValueError(f"{', '.join(sorted(unknown))}: no such option; there are {', '.join(FILES)}")
    if options and http == "http":
        raise ValueError(f"{', '.join(sorted(options))}: only with {SCHEMES[1]}")
    if ("cert" in options) != ("key" in options):
        raise ValueError("cert and key belong together")
    try:
        port = parts.port or PORTS[http]
    except ValueError:
        raise ValueError("the port must be a number up to 65535") from None
    database = unquote(parts.path.strip("/"))
    if not database:
        raise ValueError("must name a database behind the host, such as /tollkeeper")
    user, password = unquote(parts.username or "default"), unquote(parts.password or "")
    return Address(http, parts.hostname, port, user, password, database, *(options.get(name) for name in FILES))


def has_client() -> bool:
    """Whether the extra is installed."""
    return find_spec("clickhouse_connect") is not None and find_spec("aiohttp") is not None


class Clickhouse:
    """Connects when it is first asked.  Make and use it on one loop; `seconds` bound each question that has no bound of
    its own."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self._address, self._seconds = address_of(url), seconds
        self._client: AsyncClient | None = None
        self._context: ssl.SSLContext | None = None
        self._opening = asyncio.Lock()

    @property
    def database(self) -> str:
        return self._address.database

    async def select(
        self, statement: str, values: Mapping[str, object] | None = None, *, seconds: float | None = None
    ) -> list[list[Any]]:
        """The rows of the answer.  Values stand as {name:Type} in the statement."""
        async with _Asking(seconds or self._seconds):
            client = await self._open()
            parameters = {name: _literal(value) for name, value in (values or {}).items()}
            answer = await client.raw_query(statement, parameters or None, READ, FORMAT)
        return _rows_of(answer)

    async def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, seconds: float | None = None
    ) -> None:
        """All of the rows, which are fewer than a million, or none of those of a partition.  ClickhouseRejects."""
        try:
            for row in rows:  # the server would cut them to 64 bits
                array("q", [value for value in row if type(value) is int])
            block = msgspec.json.Encoder().encode_lines(rows)
        except (OverflowError, ValueError, TypeError) as error:
            raise ClickhouseRejects(str(error)) from error
        settings = {**WRITE, "async_insert": int(len(rows) < FEW_ROWS)}
        async with _Asking(seconds or self._seconds):
            client = await self._open()
            await client.raw_insert(table, columns, block, settings, FORMAT)

    async def execute(
        self, statement: str, values: Mapping[str, object] | None = None, *, seconds: float | None = None
    ) -> None:
        """A statement without an answer."""
        async with _Asking(seconds or self._seconds):
            client = await self._open()
            parameters = {name: _literal(value) for name, value in (values or {}).items()}
            await client.raw_query(statement, parameters or None, dict(READ))

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.close()

    async def _open(self) -> "AsyncClient":
        """The client; a new one if TLS files have changed."""
        async with self._opening:
            here = self._address
            context = context_of(FILES, here.ca, here.cert, here.key) if here.scheme == "https" else None
            if self._client is None or context is not self._context:
                await self.aclose()
                self._client, self._context = await _connected(here, context, self._seconds), context
            return self._client


class _Asking:
    """Ends questions that take longer than `seconds`, and names the reason."""

    def __init__(self, seconds: float) -> None:
        self._limit = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise ClickhouseLate("it does not answer in time") from late
        if error is None or isinstance(error, ClickhouseAway | ClickhouseRejects) or not isinstance(error, Exception):
            return
        if tls_error(error) is not None:
            raise ClickhouseAway("TLS fails") from error
        code, text = getattr(error, "code", None), _first_line(error)
        if code in _OF_ROWS:
            raise ClickhouseRejects(text) from error
        if code in _OF_SETTINGS:
            raise ClickhouseRefuses(text, code) from error
        if isinstance(error, OSError) or type(error).__module__.startswith(("clickhouse_connect", "aiohttp")):
            raise ClickhouseAway(text) from error


async def _connected(here: Address, context: ssl.SSLContext | None, seconds: float) -> "AsyncClient":
    from clickhouse_connect.driver.asyncclient import AsyncClient

    client = AsyncClient(
        here.scheme,
        here.host,
        here.port,
        here.user,
        here.password,
        here.database,
        compress=False,  # the rows of one batch, mostly over a fast network
        connect_timeout=seconds,
        send_receive_timeout=300,
        query_retries=0,
        autogenerate_session_id=False,
        client_name="tollkeeper",
    )
    # Its own context would trust the system's CAs beside the one that the URL names.
    client._backend.connector_kwargs["ssl"] = client._backend.ssl_context = context
    try:
        await client.__aenter__()
    except Exception as error:
        await client.close()
        if TOO_OLD in str(error):
            raise ClickhouseRefuses("the server is too old, such as Debian's own package") from error
        raise
    return client


def _literal(value: object) -> object:
    """Lists in the server's syntax, whatever they contain."""
    return list(value) if isinstance(value, tuple) else value


def _rows_of(answer: bytes) -> list[list[Any]]:
    rows: list[list[Any]] = msgspec.json.Decoder().decode_lines(answer)
    return rows


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
