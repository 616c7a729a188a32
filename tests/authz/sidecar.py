"""authz as a process wires it, on real stores."""

from datetime import UTC, datetime
from typing import Any

import asyncpg

from authz.metrics import AuthzMetrics
from authz.service import AuthzService, prepare
from serving.loop import LoopThread
from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.metrics import TenancyMetrics
from tenancy.outbox import apply_outbox
from tenancy.postgres.catalog import PostgresModelSource
from tenancy.postgres.records import PostgresRecordSource
from tenancy.redis.catalog import RedisModelCache
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.catalog import ModelCatalog
from tenancy.resolving.resolver import Resolver
from tests.authz.conversation import Answer, HeldCall, check_request
from tests.conftest import PATIENT
from tests.tenancy.people import Issued, People
from tests.tenancy.resolving.chain import UNHURRIED


class Sidecar:
    """The authz service as a process wires it, with a wall clock that tests move."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.loop = LoopThread()
        self.people = People(database_url)
        self.metrics = AuthzMetrics()
        self.tenancy = TenancyMetrics()
        self.now = datetime.now(UTC)
        self.loop.run(self._open(database_url, redis_url))
        self.service = AuthzService(
            self.resolver, self.models, self.loop, self.metrics, wall=lambda: self.now.timestamp()
        )

    async def _open(self, database_url: str, redis_url: str) -> None:
        self.pool: asyncpg.Pool[asyncpg.Record] = await open_postgres(database_url, timeout=PATIENT)
        self.redis = open_redis_async(redis_url, timeout=UNHURRIED.redis)
        source, shared = PostgresRecordSource(self.pool, UNHURRIED.postgres), RedisRecordCache(self.redis)
        self.models = ModelCatalog(PostgresModelSource(self.pool, UNHURRIED.postgres), RedisModelCache(self.redis))
        self.resolver = Resolver(source, shared, prepare, self.tenancy, timeouts=UNHURRIED)

    def check(
        self,
        headers: dict[str, str],
        path: str = "/v1/chat/completions",
        method: str = "POST",
        envoy: str | bool | None = None,
    ) -> Answer:
        call = HeldCall()
        message = self.service.check(check_request(headers, path, method, envoy), call)
        if message is None:
            message = call.message()
        return Answer.read(message if isinstance(message, bytes) else message())

    def issue(self, tenant_id: str = "acme", **options: object) -> Issued:
        return self.loop.run(self.people.issue(tenant_id, **options))  # type: ignore[arg-type]

    def apply_outbox(self) -> None:
        self.loop.run(apply_outbox(self.pool, self.redis))

    def redis_do(self, *command: str) -> Any:
        async def execute() -> Any:
            return await self.redis.execute_command(*command)

        return self.loop.run(execute())

    def close(self) -> None:
        async def close() -> None:
            await self.resolver.close()
            await self.redis.aclose()
            await self.pool.close()

        self.loop.run(close(), 5)
        self.loop.close()


def bearer(key: Issued, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key.secret}", **{name.replace("_", "-"): value for name, value in more.items()}}
