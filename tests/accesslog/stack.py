"""A pipeline on real stores, each behind a proxy that a test can cut, and what is really in them."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from accesslog.file_log.line import read_line
from accesslog.metrics import STREAM, AccessLogMetrics
from accesslog.pipeline import Pipeline
from ledger.cost import PriceList
from ledger.postgres.ledger import PostgresLedger
from ratelimit.budgets.jobs_redis import RedisJobs
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import Estimate
from serving.loop import LoopThread
from store.postgres import open_postgres
from store.redis import open_redis
from tenancy.postgres.key_uses import PostgresKeyUses
from tenancy.values.limit import Limit, Scope, Unit
from tenancy.values.policy import Policy
from tests.accesslog.entries import CHAT_TOKENS, CHAT_USAGE, decision, entry, line
from tests.proxy import TcpProxy
from tests.ratelimit.stores import peek_at, reservation

CAPACITY = 10_000_000
# So slow that nothing refills during a test.
ACCOUNT = Account.of(Policy("acme", "key_1", limits=(Limit(Scope.TENANT, Unit.TOKENS, CAPACITY, 10**9),)))
RESERVED = 100
USED = CHAT_TOKENS
AGAIN_MS = 500  # after which an orphaned lease is given once more
T = TypeVar("T")


class Stack:
    """`lines` is what Envoy logged; the file log is `log_file`."""

    def __init__(self, directory: Path, database_url: str, redis_url: str, lease_seconds: float = 60.0) -> None:
        self.directory, self._database_url = directory, database_url
        self.urls = (database_url, redis_url)
        self.postgres, self.redis = (TcpProxy(port_of(url)) for url in (database_url, redis_url))
        self._proxied_redis = f"redis://127.0.0.1:{self.redis.port}/0"
        self._direct = RedisBudgets(lambda: open_redis(redis_url, timeout=5.0), lease_seconds, timeout=5.0)
        self.log_file = directory / "access.jsonl"
        self.admitted: list[dict[str, Any]] = []
        self.metrics, self.loop = AccessLogMetrics(), LoopThread()
        self.prices: PriceList | None = {}  # None: not known
        self.pipeline: Pipeline
        self._running = False

    def start(self, **changes: Any) -> Pipeline:
        url = self._database_url.replace(f":{port_of(self._database_url)}/", f":{self.postgres.port}/")
        self._pool = self.loop.run(_open(url))
        self._budgets = RedisBudgets(
            lambda: open_redis(self._proxied_redis, timeout=0.3), 60.0, timeout=0.3, again_ms=AGAIN_MS
        )
        self._jobs = RedisJobs(lambda: open_redis(self._proxied_redis, timeout=0.3), 600.0)
        arguments: dict[str, Any] = {
            "budgets": self._budgets,
            "jobs": self._jobs,
            "ledger": PostgresLedger(self._pool, timeout=1.0),
            "prices": lambda: self.prices,
            "key_uses": PostgresKeyUses(self._pool, timeout=1.0),
            "loop": self.loop,
            "metrics": self.metrics,
            "sift": lambda entry: entry,
            "spool_dir": self.directory / "spool",
            "checkpoint_file": self.directory / "checkpoint.json",
            "log_file": self.log_file,
            "grace_seconds": 0.5,
            "sweep_seconds": 0.2,
        }
        self.pipeline = Pipeline(**arguments | changes)
        self.pipeline.start()
        self._running = True
        return self.pipeline

    def restart(self, **changes: Any) -> Pipeline:
        """As a process that was stopped in good order."""
        self.pipeline.close()
        self._pool.terminate()
        self.metrics = AccessLogMetrics()
        return self.start(**changes)

    def close(self) -> None:
        if self._running:
            self.pipeline.close(timeout=2.0)
            self._pool.terminate()
            self._budgets.close()
            self._jobs.close()
        self._direct.close()
        self.loop.close()
        self.postgres.close()
        self.redis.close()

    def admit(self, count: int, account: Account = ACCOUNT) -> list[dict[str, Any]]:
        """Log entries of `count` requests that hold a lease."""
        decisions = [decision() for _ in range(count)]
        for start in range(0, count, 500):
            batch = decisions[start : start + 500]
            self._direct.reserve([reservation(account, Estimate(RESERVED), str(d["lease_id"])) for d in batch])
        entries = [entry(d, CHAT_USAGE) for d in decisions]
        self.admitted += entries
        return entries

    def stream(self, entries: Sequence[dict[str, Any]]) -> None:
        """Brings them as the gRPC log would."""
        for fields in entries:
            found = read_line(line(fields))
            assert found is not None
            self.pipeline.accept(found, STREAM)

    def log(self, entries: Sequence[dict[str, Any]]) -> None:
        """Writes them as the file log would."""
        with self.log_file.open("ab") as file:
            file.write(b"".join(line(fields) + b"\n" for fields in entries))

    def rows(self) -> list[asyncpg.Record]:
        return self.query("SELECT * FROM usage ORDER BY ts, id")

    def query(self, statement: str) -> list[asyncpg.Record]:
        """Past any proxy."""
        return asyncio.run(_fetch(self._database_url, statement))

    def used(self, account: Account = ACCOUNT) -> int:
        """What the tenant's budget lacks."""
        return CAPACITY - peek_at(self.urls[1], account)[0]

    def gauge(self, name: str) -> float:
        """What the metrics show."""
        families = [family for member in self.metrics.members() for family in member.collect()]
        (sample,) = next(family for family in families if family.name == f"tollkeeper_accesslog_{name}").samples
        return float(sample.value)

    def wait_for_rows(self, count: int, timeout: float = 30.0) -> None:
        wait_until(lambda: len(self.rows()) >= count, timeout)

    def assert_each_once(self, timeout: float = 30.0) -> None:
        """Every admitted request is in the ledger, and charged, exactly once."""
        wait_until(lambda: len(self.rows()) >= len(self.admitted), timeout)
        wait_until(lambda: self.used() <= USED * len(self.admitted), timeout)
        rows = self.rows()
        assert sorted(str(r["id"]) for r in rows) == sorted(e["ratelimit"]["lease_id"] for e in self.admitted)
        assert {(r["input_tokens"], r["output_tokens"], r["usage_source"]) for r in rows} == {(12, 30, "reported")}
        assert self.used() == USED * len(self.admitted)


def wait_until(done: Callable[[], bool], timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/")[0])


async def _open(url: str) -> "asyncpg.Pool[asyncpg.Record]":
    return await open_postgres(url)


async def _fetch(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


def checkpoint_offset(stack: Stack) -> int:
    file = stack.directory / "checkpoint.json"
    return int(json.loads(file.read_bytes())["offset"]) if file.exists() else 0
