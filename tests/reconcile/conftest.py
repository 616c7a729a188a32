"""A small deployment without processes: limits in Postgres, requests that reserve, settle and become rows, and what
holds the budgets to the ledger."""

import time
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import redis

from ledger.cost import priced
from ledger.postgres.ledger import PostgresLedger
from ledger.postgres.sums import PostgresSums
from ledger.row import UsageRow
from ratelimit.budgets.keys import epoch_keys
from ratelimit.budgets.port import Admitted, Reservation, Settled, Settlement
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.budgets.restoring_redis import RedisRestoring
from ratelimit.budgets.rule import Used
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import Estimate
from ratelimit.tenants.lease import kept_of_one
from reconcile.books import Books
from reconcile.metrics import ReconcileMetrics
from reconcile.reconciler import Pace, Reconciler
from store.durability import durability_of
from store.postgres import open_postgres
from store.redis import open_redis, open_redis_async
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.stored_limits import NewLimit
from tenancy.directory.tenants import NewTenant
from tenancy.postgres.census import PostgresCensus
from tenancy.postgres.change import audit, changing
from tenancy.postgres.limits import PostgresLimits
from tenancy.postgres.limits_in_force import PostgresLimitsInForce
from tenancy.postgres.tenants import PostgresTenants
from tenancy.values.lease_id import lease_time, mint_lease_id
from tenancy.values.limit import Scope, Unit
from tenancy.values.policy import Policy
from tenancy.values.prices import Prices
from tests.accesslog.entries import row
from tests.conftest import PATIENT
from tests.ratelimit.stores import peek

if TYPE_CHECKING:
    import asyncpg
    from redis import asyncio as aio

BY = ChangeRequest("test")
EPOCH = epoch_keys(by_owner=False)[0]
MODEL = "mock-model"
PRICES = {MODEL: Prices.of(Decimal("2.50"), Decimal(10), Decimal("1.25"))}
PACE = Pace(look=0.01, mend=0.0, audit=0.0)
USED = Used(120, 30, 20, 10)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Place:
    """One store of budgets with its ledger."""

    def __init__(self, url: str, client: "aio.Redis", pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool, self.redis = pool, redis.Redis.from_url(url)
        self.ledger, self.sums = PostgresLedger(pool), PostgresSums(pool, PATIENT)
        self.budgets = RedisBudgets(partial(open_redis, url, timeout=1.0), 600.0, timeout=1.0, epoch=EPOCH)
        self.restoring, self.census = RedisRestoring(client), PostgresCensus(pool, PATIENT)
        self.books, self.metrics = Books(self.census, self.sums, self.restoring), ReconcileMetrics()
        self.reconciler = Reconciler(self.books, self.restoring, partial(durability_of, client), self.metrics, PACE)

    async def tenant(self, name: str, **fields: Any) -> str:
        return (await PostgresTenants(self.pool).create(NewTenant(name, **fields), BY)).id

    async def limit(self, tenant_id: str | None, unit: Unit = Unit.TOKENS, amount: int = 10_000, **fields: Any) -> str:
        """A new limit, by default on a tenant's tokens; its id."""
        new = NewLimit(fields.pop("scope", Scope.TENANT), unit, amount, tenant_id=tenant_id, **fields)
        return (await PostgresLimits(self.pool).create(new, BY)).id

    async def account(self, tenant_id: str, key_id: str = "key_1", user_id: str = "ann", model: str = MODEL) -> Account:
        """What a request with the key fits into now."""
        force = await PostgresLimitsInForce(self.pool).of_tenant(tenant_id, key_id, user_id)
        policy = Policy(tenant_id, key_id, user_id, limits=force.limits)
        return Account.of(policy, now_ms(), model, PRICES.get(model))

    def reserve(self, of: Account, lease_id: str, model: str = MODEL) -> None:
        estimate = Estimate(200, 100, 100)
        keeps = kept_of_one(estimate, "", model, "/v1/x")
        (decision,) = self.budgets.reserve([Reservation(of.rule_set, of.costs(estimate), lease_id, keeps)])
        assert isinstance(decision, Admitted)

    def settle(self, of: Account, lease_id: str, used: Used = USED, *, direct: bool = False) -> Settled:
        rules = of.rule_set.rules if direct else ()
        (outcome,) = self.budgets.settle([Settlement(of.policy.tenant_id, lease_id, used, direct, rules)])
        return outcome

    async def append(self, of: Account, lease_id: str, used: Used = USED, model: str = MODEL, **fields: Any) -> None:
        await self.ledger.append(priced([row_of(of, lease_id, used, model, **fields)], PRICES))

    async def run(self, of: Account, count: int = 1, used: Used = USED, model: str = MODEL) -> None:
        """Requests from the reservation to the row."""
        for _ in range(count):
            lease_id = mint_lease_id(now_ms())
            self.reserve(of, lease_id, model)
            assert self.settle(of, lease_id, used) is Settled.SETTLED
            await self.append(of, lease_id, used, model)

    async def operator(self, tenant_id: str, action: str, before: Any, after: Any) -> None:
        """The audit log's entry of a change to a budget."""
        async with changing(self.pool, BY) as connection:
            await audit(connection, BY, action, ("tenant", tenant_id), before, after)

    def held(self, of: Account) -> dict[str, int]:
        """What each budget holds, by its limit's name."""
        return {limit.name: held for limit, held in zip(of.limits, peek(self.redis, of), strict=True)}

    async def round(self) -> None:
        """One look of the reconciler's."""
        await self.reconciler._round()


def row_of(of: Account, lease_id: str, used: Used, model: str, **fields: Any) -> UsageRow:
    policy = of.policy
    tokens: dict[str, Any] = used._asdict()
    del tokens["cost"]  # the ledger's own, of the row
    found = row(id=lease_id, ts=lease_time(lease_id), model=model, admission="fast", usage_source="reported")
    whose: dict[str, Any] = {"tenant_id": policy.tenant_id, "key_id": policy.key_id, "user_id": policy.user_id}
    return found._replace(**whose, **tokens, **fields)


@pytest.fixture
async def place(redis_url: str, database_url: str) -> AsyncIterator[Place]:
    client = open_redis_async(redis_url, timeout=5.0)
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        opened = Place(redis_url, client, pool)  # type: ignore[arg-type] # not a cluster
        yield opened
        opened.budgets.close()
        opened.redis.close()
    await client.aclose()
