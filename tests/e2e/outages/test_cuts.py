"""Clients that leave at any moment of their request: nothing stays taken, and the budget is what the ledger says."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.wire import body_of, request

CONNECTIONS = 500
AT_ONCE = 25
LONGEST_SECONDS = 0.06
BUDGET = 100_000_000


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """Without the file log: what the stream brings must do.  With two processes of each kind, which tell each other."""
    with public_directory() as directory:
        made = Deployment(directory / "stack", settings={"access_log_file": None, "workers": 2}, concurrency=2)
        yield made
        made.close()


@pytest.mark.parametrize("engine", ["http2", "completion_queue", "threads"])
def test_whenever_clients_leave_nothing_stays_taken(deployment: Deployment, engine: str) -> None:
    deployment.engine(engine)
    who = deployment.tenant(tokens_per_minute=None)
    limit = {"scope": "tenant", "tenant_id": who.tenant_id, "unit": "tokens", "amount": BUDGET, "kind": "fixed_window"}
    made = deployment.admin.post("/limits", json={**limit, "window_seconds": 86_400 * 30})
    assert made.status_code == 201, made.text
    wait_for(lambda: "x-ratelimit-limit-tokens" in deployment.chat(who).headers or None, "the limit")
    asyncio.run(leave_at_random(deployment, who))
    wait_for(lambda: in_flight(deployment) == 0 or None, "nothing in flight")
    wait_for(lambda: leases(deployment, who) == 0 or None, "no lease")
    wait_for(lambda: used(deployment, who, made.json()["id"]) == in_ledger(deployment, who) or None, "the same account")
    assert in_ledger(deployment, who) > 0
    assert deployment.chat(who).status_code == 200


async def leave_at_random(deployment: Deployment, who: Credential) -> None:
    moments, room = random.Random(14), asyncio.Semaphore(AT_ONCE)
    raw = request(body=body_of(stream=True, max_tokens=64), headers=(("x-stub-tokens-per-second", "400"),))
    raw = raw.replace(b"{credential}", f"Authorization: Bearer {who.secret}".encode())

    async def leave(after: float) -> None:
        async with room:
            _, writer = await asyncio.open_connection(*deployment.envoy_host_port)
            writer.write(raw)
            await asyncio.sleep(after)
            writer.transport.abort()

    await asyncio.gather(*(leave(moments.uniform(0, LONGEST_SECONDS)) for _ in range(CONNECTIONS)))


def in_flight(deployment: Deployment) -> float:
    name = "tollkeeper_ratelimit_leases_in_flight"
    return sum(float(line.split()[-1]) for line in deployment.metrics().splitlines() if line.startswith(name))


def leases(deployment: Deployment, who: Credential) -> int:
    with deployment.redis() as redis:
        return int(redis.zcard(f"tollkeeper:leases:{{{who.tenant_id}}}"))


def used(deployment: Deployment, who: Credential, limit_id: str) -> int:
    budgets = deployment.admin.get(f"/tenants/{who.tenant_id}/budgets").json()["budgets"]
    return next(int(budget["used"]) for budget in budgets if budget["limit_id"] == limit_id)


def in_ledger(deployment: Deployment, who: Credential) -> int:
    return sum(row["input_tokens"] + row["output_tokens"] for row in deployment.usage(who))
