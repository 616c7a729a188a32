"""Three sidecars behind three Envoys admit as one would: by the weights of tenants who never meet in one of them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.fairness.beside import begin_beside
from tests.e2e.fairness.conftest import idle, stats
from tests.e2e.fairness.crowd import Clients, run
from tests.web import WEB

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]  # on a busy machine the stacks take a while to start

SETTLED, SECONDS = 3.0, 13.0


@pytest.fixture(scope="module")
def others(stack: Deployment) -> Iterator[Sequence[str]]:
    """The addresses of two more Envoys, with a sidecar each."""
    with public_directory() as directory, ExitStack() as stops:
        begun = [begin_beside(stack, directory / name, stops) for name in ("second", "third")]
        yield [answering() for answering in begun]
    wait_for(partial(_sidecars, stack, 1), "one sidecar")


def test_three_sidecars_admit_as_one(stack: Deployment, others: Sequence[str]) -> None:
    wait_for(partial(_sidecars, stack, 3), "three sidecars")
    large, small = (stack.tenant(weight=weight, tokens_per_minute=10**8) for weight in (500, 50))
    crowds = [Clients(large, 20, milliseconds=200)]
    crowds += [Clients(small, 20, milliseconds=200, address=address) for address in others]
    stack.admin.put("/capacity", json={"max_in_flight_total": 11}).raise_for_status()
    try:
        wait_for(lambda: True if stats(stack)["max_in_flight"] == 11 else None, "a capacity of 11")
        run(stack.envoy_address, SECONDS, *crowds)
    finally:
        stack.admin.put("/capacity", json={"max_in_flight_total": None}).raise_for_status()
    assert {answer.status for each in crowds for answer in each.answers} == {200}
    had = [each.tokens_between(SETTLED, SECONDS) for each in crowds]
    assert had[0] / sum(had[1:]) == pytest.approx(10, rel=0.3)  # on a busy machine; by spreading evenly it would be 0.5
    idle(stack)


def test_a_model_has_one_bound_for_all_sidecars(stack: Deployment, others: Sequence[str]) -> None:
    """Also for what ran before it had one."""
    model = stack.admin.post("/models", json={"name": MODEL}).raise_for_status().json()
    who = stack.tenant(tokens_per_minute=10**8)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 400, "stream": True}
    headers = {**who.headers, "x-stub-tokens": "400", "x-stub-tokens-per-second": "20"}
    with stack.envoy.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        bounded = {"name": MODEL, "max_in_flight": 1, "queue_timeout_seconds": 1}
        stack.admin.put(f"/models/{model['id']}", json=bounded).raise_for_status()
        for address in (stack.envoy_address, *others):
            wait_for(partial(_is_answered, address, who, 503), "no room")
    wait_for(partial(_is_answered, others[0], who, 200), "room")
    stack.admin.delete(f"/models/{model['id']}").raise_for_status()
    idle(stack)


def _is_answered(address: str, who: Credential, status: int) -> bool | None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    answer = WEB.post(f"http://{address}/v1/chat/completions", json=body, headers=who.headers, timeout=30)
    return True if answer.status_code == status else None


def _sidecars(stack: Deployment, count: int) -> bool | None:
    return True if len(stack.admin.get("/stats").json()["sidecars"]) == count else None
