"""Whether the stores answer, asked every few seconds even without requests, so that a wrong setting shows at the start.

Owns the questions and what the answers mean.  A store that is away may come back, and is only reported.  A store that
refuses the settings (credentials, rights, certificates, a missing database) will not come back by itself, so this
process must not get requests.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import asyncpg
import structlog
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, ResponseError

from store.clickhouse import NO_TABLE, Clickhouse, ClickhouseRefuses
from store.postgres import UNAVAILABLE as POSTGRES_AWAY
from store.postgres import PostgresPool, reading
from store.redis import UNAVAILABLE as REDIS_AWAY
from store.tls import in_words, tls_error

if TYPE_CHECKING:
    from redis import asyncio as aio

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
MISSES = 2  # in a row, before a store that may only have been busy is reported
MAX_REASON = 200  # characters
REDIS, POSTGRES, CLICKHOUSE = "redis", "postgres", "clickhouse"
SETTINGS = {
    REDIS: "TOLLKEEPER_REDIS_URL",
    POSTGRES: "TOLLKEEPER_DATABASE_URL",
    CLICKHOUSE: "TOLLKEEPER_LEDGER_URL",
}
Probe = Callable[[], Awaitable[object]]

# A replica, and a store whose memory or disk is full, answer and take nothing: requests are then 503.  Leaves no key.
_WRITES = "redis.call('SET', KEYS[1], '') return redis.call('DEL', KEYS[1])"
_WRITTEN = "tollkeeper:probe"

_REDIS_REFUSES = (AuthenticationError, AuthorizationError, NoPermissionError)
_POSTGRES_REFUSES = (
    asyncpg.InvalidAuthorizationSpecificationError,  # and wrong passwords
    asyncpg.InvalidCatalogNameError,  # no such database
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,  # tollkeeper migrate has not run
)
_REFUSES = (*_REDIS_REFUSES, *_POSTGRES_REFUSES, ClickhouseRefuses)
_FAILURES: tuple[type[Exception], ...] = (*_REFUSES, *REDIS_AWAY, *POSTGRES_AWAY, asyncpg.PostgresError)


def probes(
    redis: "aio.Redis | aio.RedisCluster", pool: PostgresPool, clickhouse: Clickhouse | None = None
) -> Mapping[str, Probe]:
    """Each does a little of what requests do: a script that writes, a read of a table of ours."""

    async def ask_postgres() -> None:
        async with reading(pool) as connection:
            await connection.fetchval("SELECT 1 FROM tenants LIMIT 1")

    asked: dict[str, Probe] = {REDIS: lambda: redis.eval(_WRITES, 1, _WRITTEN), POSTGRES: ask_postgres}
    if clickhouse is not None:
        asked[CLICKHOUSE] = lambda: clickhouse.select("SELECT 1 FROM usage LIMIT 1")
    return asked


class StoreWatch:
    """`up` by store, for metrics; `refused`: those that will not take what the settings say.  `missed` is told of each
    question without an answer."""

    def __init__(self, asked: Mapping[str, Probe], missed: Callable[[str], None] = lambda _store: None) -> None:
        self._asked, self._count = asked, missed
        self.up: dict[str, float] = dict.fromkeys(asked, 0.0)
        self._missed: dict[str, int] = dict.fromkeys(asked, 0)
        self._told: dict[str, str] = {}
        self.refused: frozenset[str] = frozenset()

    @property
    def warnings(self) -> list[str]:
        return list(self._told.values())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Asks every store once."""
        refused = set()
        for store, ask in self._asked.items():
            try:
                await ask()
            except _FAILURES as failure:
                error = _said(failure)
                self._count(store)
                self._missed[store] += 1
                self.up[store] = 0.0
                final = isinstance(error, _REFUSES) or tls_error(error) is not None
                if final:
                    refused.add(store)
                if final or self._missed[store] >= MISSES:
                    self._tell(store, error)
                continue
            self.up[store], self._missed[store] = 1.0, 0
            if self._told.pop(store, None):
                log.info("the store answers again", store=store)
        self.refused = frozenset(refused)

    def _tell(self, store: str, error: Exception) -> None:
        """Logs each state once; a driver's error contains no secret."""
        said = f"{type(error).__name__}: {error}"[:MAX_REASON].rstrip(": ")
        setting = SETTINGS.get(store, store)
        if (of_tls := tls_error(error)) is not None:
            text = in_words(store, setting, of_tls)
        elif isinstance(error, _REFUSES):
            missing = isinstance(error, asyncpg.UndefinedTableError) or getattr(error, "code", None) == NO_TABLE
            hint = ": run `tollkeeper migrate`" if missing else ""
            text = f"{store} refuses what {setting} says ({said}){hint}"
        else:
            text = f"{store} {'takes no writes' if isinstance(error, ResponseError) else 'does not answer'} ({said})"
        if text.partition(" (")[0] != self._told.get(store, "").partition(" (")[0]:
            log.warning(text)
        self._told[store] = text


def _said(failure: Exception) -> Exception:
    """The error that the store itself gave: redis-py makes a ConnectionError of a wrong password."""
    cause = failure.__cause__
    return cause if isinstance(cause, _REFUSES) else failure
