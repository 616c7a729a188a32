"""The queue: who leaves it holds nothing, who waits in vain is told so, and capacity changes at once."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.fairness.conftest import bound, idle, stats
from tests.e2e.fairness.crowd import Clients

Ask = Callable[[Credential], "Future[httpx.Response]"]


@contextmanager
def running(deployment: Deployment, who: Credential, model: str = MODEL) -> Iterator[httpx.Response]:
    """An answer that flows until the block ends."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 400, "stream": True}
    headers = {**who.headers, "x-stub-tokens": "400", "x-stub-tokens-per-second": "20"}
    with deployment.envoy.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        yield answer


@pytest.fixture
def ask(deployment: Deployment) -> Iterator[Callable[[Credential], "Future[httpx.Response]"]]:
    """From another thread."""
    with ThreadPoolExecutor() as threads:
        yield lambda who: threads.submit(deployment.chat, who, {"x-admission": "mine", "x-queue-ms": "1"})


def queued(deployment: Deployment, count: int) -> None:
    wait_for(lambda: True if stats(deployment)["queued"] == count else None, f"{count} in the queue")


def test_who_waits_is_told_and_so_is_the_model_server(deployment: Deployment, ask: Ask) -> None:
    bound(deployment, 1)
    who = deployment.tenant()
    with running(deployment, who):
        waiting = ask(who)
        queued(deployment, 1)
        assert not waiting.done()
    answer = waiting.result()
    assert (answer.status_code, answer.headers["x-admission"]) == (200, "queued")
    waited = int(answer.headers["x-queue-ms"])
    assert waited > 0
    seen = dict(deployment.seen_upstream()[-1]["headers"])
    assert (seen["x-admission"], seen["x-queue-ms"]) == ("queued", str(waited))
    rows = deployment.usage_when(who, 2)
    assert sorted((row["admission"], row["queue_ms"]) for row in rows) == [("fast", 0), ("queued", waited)]


def test_more_capacity_lets_in_at_once_and_less_drops_nothing(deployment: Deployment, ask: Ask) -> None:
    bound(deployment, 1)
    who = deployment.tenant()
    with running(deployment, who) as flowing:
        waiting = ask(who)
        queued(deployment, 1)
        bound(deployment, 2)
        assert waiting.result().headers["x-admission"] == "queued"
        bound(deployment, 1)
        assert next(flowing.iter_bytes())


def test_clients_that_leave_the_queue_leave_nothing_behind(deployment: Deployment) -> None:
    bound(deployment, 1)
    who = deployment.tenant()
    host, port = deployment.envoy_host_port
    message = Clients(who, 1).request(deployment.envoy_address)
    with running(deployment, who):
        gone = [socket.create_connection((host, port)) for _ in range(500)]
        for each in gone:
            each.sendall(message)
        queued(deployment, 500)
        for each in gone:
            each.close()
        queued(deployment, 0)
        assert stats(deployment)["in_flight"] == 1
    assert deployment.chat(who).status_code == 200
    idle(deployment)
    assert deployment.redis().zcard(f"tollkeeper:leases:{{{who.tenant_id}}}") == 0


def test_a_spent_budget_is_told_without_waiting(deployment: Deployment) -> None:
    bound(deployment, 1)
    who, poor = deployment.tenant(), deployment.tenant(tokens_per_minute=20)
    with running(deployment, who):
        answer = deployment.chat(poor)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "request_too_large")
    idle(deployment)


def test_a_model_has_its_own_room_and_its_own_patience(deployment: Deployment) -> None:
    def refused_beside_another(queue_timeout_seconds: int, code: str) -> httpx.Response:
        body = {"name": MODEL, "max_in_flight": 1, "queue_timeout_seconds": queue_timeout_seconds}
        deployment.admin.put(f"/models/{model_id}", json=body).raise_for_status()
        return wait_for(lambda: answer if code in (answer := beside_another()).text else None, code)

    def beside_another() -> httpx.Response:
        with running(deployment, who):
            return deployment.chat(who, max_tokens=1)

    model_id = deployment.admin.post("/models", json={"name": MODEL}).raise_for_status().json()["id"]
    who = deployment.tenant()
    late, refused = refused_beside_another(1, "queue_timeout"), refused_beside_another(0, "capacity_exceeded")
    assert (late.status_code, refused.status_code) == (503, 429)
    assert int(late.headers["retry-after"]) >= 1
    idle(deployment)
    rows = deployment.usage_when(who, 4)
    assert {row["denied_by"] for row in rows if row["admission"] == "refused"} == {"model:in_flight"}
    deployment.admin.delete(f"/models/{model_id}").raise_for_status()
    with running(deployment, who):  # the sidecar hears of it a moment later
        wait_for(lambda: True if deployment.chat(who, max_tokens=1).is_success else None, "no bound of the model's")


def test_a_key_has_slots_of_its_own_at_once(deployment: Deployment) -> None:
    who = deployment.tenant()
    other = deployment.key(who.tenant_id)
    with running(deployment, who):
        deployment.admin.patch(f"/keys/{who.key_id}", json={"max_in_flight": 1}).raise_for_status()
        wait_for(lambda: True if deployment.chat(who, max_tokens=1).status_code == 429 else None, "no slot")
        assert deployment.chat(other, max_tokens=1).status_code == 200
    wait_for(lambda: True if deployment.chat(who, max_tokens=1).status_code == 200 else None, "a slot")
    wait_for(
        lambda: True if any(row["denied_by"] == "key:in_flight" for row in deployment.usage(who)) else None, "its row"
    )
