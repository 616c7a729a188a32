"""Redis cut, Postgres cut, both cut, each back again, and Redis emptied, under load: right answers, a whole ledger,
budgets in order."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import place_postgres, public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.envoys import another_envoy
from tests.e2e.load import Load
from tests.e2e.metering.test_jobs import ALL, USED, Place, agree
from tests.e2e.metering.test_jobs import tenant as of_month
from tests.formats.wire import Upstream, running
from tests.proxy import TcpProxy
from tests.web import NO_TLS
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

OUTAGE_SECONDS = 2.0
MONTH = {"scope": "tenant", "unit": "tokens", "kind": "fixed_window", "calendar": "month"}


@dataclass
class Breakable:
    """A stack whose stores are reached through proxies; its own view of them is not."""

    stack: Deployment
    redis: TcpProxy
    postgres: TcpProxy


@pytest.fixture(scope="module")
def breakable() -> Iterator[Breakable]:
    with public_directory() as directory, ExitStack() as stops:
        valkey, postgres = Valkey(directory / "valkey"), Postgres(place_postgres(directory / "postgres"))
        stops.callback(valkey.stop)
        stops.callback(postgres.stop)
        redis_proxy, postgres_proxy = TcpProxy(valkey.port), TcpProxy(postgres.port)
        stops.callback(redis_proxy.close)
        stops.callback(postgres_proxy.close)
        redis_url = f"redis://127.0.0.1:{redis_proxy.port}/0"
        database_url = postgres.url.replace(f":{postgres.port}/", f":{postgres_proxy.port}/")
        stack = DirectDeployment(directory / "stack", valkey, postgres, redis_url, database_url)
        stops.callback(stack.close)
        yield Breakable(stack, redis_proxy, postgres_proxy)


class DirectDeployment(Deployment):
    """Looks into the stores past the proxies."""

    def __init__(self, directory: Path, valkey: Valkey, postgres: Postgres, redis_url: str, database_url: str) -> None:
        self._direct = valkey.url, postgres.url
        super().__init__(directory, redis_url=redis_url, database_url=database_url)

    @property
    def redis_url(self) -> str:
        return self._direct[0]

    @property
    def database_url(self) -> str:
        return self._direct[1]


def check_books(stack: Deployment, who: Credential, load: Load) -> None:
    """Every request that ran is in the ledger once, and no lease is left."""
    ran = {name for name, status in load.answers.items() if status == 200}

    def ledger() -> list[str] | None:
        found = [row["request_id"] for row in stack.usage(who) if row["status"] == 200]
        return found if ran <= set(found) else None

    rows = wait_for(ledger, f"{len(ran)} rows", 40)
    assert len(rows) == len(set(rows))
    with stack.redis() as redis:
        key = f"tollkeeper:leases:{{{who.tenant_id}}}"
        wait_for(lambda: True if redis.zcard(key) == 0 else None, "no lease in flight", 20)


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_redis_away(breakable: Breakable, how: str) -> None:
    stack, who = breakable.stack, breakable.stack.tenant()
    with Load(stack, who) as load:
        assert set(load.during(1.0).values()) == {200}
        getattr(breakable.redis, how)()
        wait_for(lambda: True if set(load.during(0.5).values()) == {503} else None, "the end of what had begun", 15)
        assert set(load.during(OUTAGE_SECONDS).values()) == {503}
        breakable.redis.restore()
        wait_for(lambda: True if set(load.during(0.5).values()) == {200} else None, "recovery", 15)
    assert set(load.answers.values()) <= {200, 503}
    assert load.slowest < 5
    check_books(stack, who, load)


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_postgres_away(breakable: Breakable, how: str) -> None:
    stack, who = breakable.stack, breakable.stack.tenant()
    with Load(stack, who) as load:
        load.during(1.0)
        getattr(breakable.postgres, how)()
        load.during(OUTAGE_SECONDS)
        breakable.postgres.restore()
        load.during(1.0)
    assert set(load.answers.values()) == {200}
    check_books(stack, who, load)


def test_both_away(breakable: Breakable) -> None:
    stack, who = breakable.stack, breakable.stack.tenant()
    with Load(stack, who) as load:
        load.during(1.0)
        breakable.redis.cut()
        breakable.postgres.cut()
        wait_for(lambda: True if set(load.during(0.5).values()) == {503} else None, "the end of what had begun", 15)
        assert set(load.during(OUTAGE_SECONDS).values()) == {503}
        stranger = {"authorization": "Bearer sk_" + "0" * 48}
        assert stack.envoy.get("/v1/models", headers=stranger).status_code == 503
        breakable.redis.restore()
        breakable.postgres.restore()
        wait_for(lambda: True if set(load.during(0.5).values()) == {200} else None, "recovery", 20)
    assert set(load.answers.values()) <= {200, 503}
    check_books(stack, who, load)


def test_a_key_revoked_while_redis_is_away_is_refused_when_it_is_back(breakable: Breakable) -> None:
    stack, who = breakable.stack, breakable.stack.tenant()
    wait_for(lambda: stack.chat(who).status_code == 200 or None, "an answer, as the stores may just be back", 15)
    breakable.redis.cut()
    answer = stack.admin.delete(f"/keys/{who.key_id}")
    assert answer.status_code == 204
    breakable.redis.restore()
    wait_for(lambda: True if stack.chat(who).status_code == 401 else None, "refusal", 15)


def test_a_used_up_month_is_not_full_again(breakable: Breakable) -> None:
    stack = breakable.stack
    who, idle, before = stack.tenant(), stack.tenant(), restorations(stack)
    for tenant, amount in ((who, 2_000), (idle, 1_000_000)):
        answer = stack.admin.post("/limits", json={**MONTH, "tenant_id": tenant.tenant_id, "amount": amount})
        assert answer.status_code == 201, answer.text
    with Load(stack, who, clients=2) as load:
        refused(load)
    assert stack.chat(idle).status_code == 200
    counted = {tenant.tenant_id: len(stack.usage(tenant)) for tenant in (who, idle)}
    with stack.redis() as redis, Load(stack, who, clients=2) as load:
        refused(load)
        redis.flushall()
        load.during(3.0)
        wait_for(lambda: True if redis.exists("tollkeeper:epoch:{0}") else None, "the budgets are restored")
        refused(load)
        assert redis.keys(f"tollkeeper:budget:{{{who.tenant_id}}}:lim_*")
        # The records of keys were lost too: Postgres answered, and they are in Redis again.
        assert stack.chat(idle).status_code == 200
        wait_for(lambda: True if redis.keys("tollkeeper:key:*") else None, "key records are written again")
    assert set(load.answers.values()) <= {429, 503}  # nothing ran on a budget that only looked full
    assert counted[who.tenant_id] > 0
    audit = stack.admin.get("/budgets/audit").json()
    assert [budget for budget in audit["budgets"] if budget["missing"]] == []
    assert restorations(stack) == before + 1


def test_a_response_in_the_background_is_charged_after_its_store_was_lost(breakable: Breakable, tmp_path: Path) -> None:
    stack, path = breakable.stack, "/v1/responses"
    who, upstream = of_month(stack), Upstream()
    queued = {"id": "resp_1", "object": "response", "status": "queued", "background": True, "usage": None}
    with (
        running(upstream) as model,
        another_envoy(stack, tmp_path, model) as url,
        httpx.Client(base_url=url, timeout=30, verify=NO_TLS) as client,
        stack.redis() as redis,
    ):
        place = Place(upstream, client)
        assert place.ask(who, "POST", path, queued, input="Hello", background=True, max_output_tokens=300) == 200
        (row,) = stack.usage_when(who, 1)
        redis.flushall()
        wait_for(lambda: True if redis.exists("tollkeeper:epoch:{0}") else None, "the budgets are restored")
        done = {**queued, "status": "completed", "usage": USED}
        wait_for(lambda: place.ask(who, "GET", f"{path}/resp_1", done) == 200 or None, "it is read")
        wait_for(lambda: charged(stack, who, str(row["id"])), f"{ALL} tokens charged")


def charged(stack: Deployment, who: Credential, lease_id: str) -> bool | None:
    (row,) = (row for row in stack.usage(who) if str(row["id"]) == lease_id)
    used = row["input_tokens"] + row["output_tokens"], row["usage_source"]
    return (used == (ALL, "reported") and agree(stack, who)) or None


def refused(load: Load) -> None:
    """Waits until every request is, by the month."""
    wait_for(lambda: True if set(load.during(1.0).values()) == {429} else None, "the month is used up", 60)


def restorations(stack: Deployment) -> float:
    name = 'tollkeeper_budgets_restorations_total{process="ratelimit"}'
    return next(float(line.split()[-1]) for line in stack.metrics().splitlines() if line.startswith(name))
