"""Two running sidecars: what they report, that a dead one disappears, that a new capacity holds within a second."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from ratelimit.service import PATH
from ratelimit.tenants.decider import ANSWER_SECONDS
from tenancy.values.policy import Policy
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.ratelimit.rls import Told, ask
from tests.warm import WarmProcess
from tests.web import WEB
from tollkeeper.config import as_environment
from tollkeeper.up.process import free_port
from tollkeeper.up.stack import answers

IN_FORCE_SECONDS = 1.0
MESSAGES = [{"role": "user", "content": "Hello"}]


class Second:
    """A second sidecar on the same stores, asked directly.  Nobody tells it that a request has ended."""

    def __init__(self, stack: Deployment, stops: ExitStack) -> None:
        root = stack.settings.data_dir.parent / f"second-{free_port()}"
        settings = stack.settings.model_copy(
            update={
                "metrics_listen": f"127.0.0.1:{free_port()}",
                "authz_socket": root / "a.sock",
                "ratelimit_socket": root / "r.sock",
                "data_dir": root / "data",
                "access_log_file": root / "none.jsonl",
            }
        )
        command, environment = ["sidecar", "ratelimit", "accesslog"], as_environment(settings)
        self.process = WarmProcess("second", command, root / "log", environment=environment, stop_signal=signal.SIGINT)
        stops.callback(self.process.stop)
        self.process.wait_until(lambda: answers(f"http://{settings.metrics_listen}/readyz"))
        channel = grpc.insecure_channel(f"unix:{settings.ratelimit_socket}")
        stops.callback(channel.close)
        self._ask = channel.unary_unary(PATH, bytes, bytes)

    def kill(self) -> None:
        """All of its processes: those that serve go on without their supervisor for a while."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.process.kill()
        for child in children:
            os.kill(int(child), signal.SIGKILL)

    def ask(self, tenant_id: str) -> Told:
        """Without the time to wait for room."""
        return Told.read(self._ask(ask(Policy(tenant_id, "k"), model=""), timeout=ANSWER_SECONDS))


@pytest.fixture
def second(stack: Deployment) -> Iterator[Second]:
    wait_for(lambda: True if len(sidecars(stack)) == 1 else None, "one sidecar")
    with ExitStack() as stops:
        running = Second(stack, stops)
        wait_for(lambda: True if len(sidecars(stack)) == 2 else None, "two sidecars")
        yield running
    stack.admin.put("/capacity", json={"max_in_flight": None, "max_in_flight_total": None}).raise_for_status()


def stats(stack: Deployment) -> dict[str, Any]:
    answer = stack.admin.get("/stats")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sidecars(stack: Deployment) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stats(stack)["sidecars"]
    return found


@contextmanager
def streaming(stack: Deployment, who: Credential, count: int) -> Iterator[None]:
    """That many requests in flight through Envoy and the first sidecar, for some seconds."""
    with ExitStack() as stops:
        for _ in range(count):
            answer = stops.enter_context(
                WEB.stream(
                    "POST",
                    f"http://{stack.envoy_address}/v1/chat/completions",
                    json={"model": MODEL, "messages": MESSAGES, "max_tokens": 40, "stream": True},
                    headers={**who.headers, "x-stub-tokens": "40", "x-stub-tokens-per-second": "4"},
                    timeout=30,
                )
            )
            assert answer.status_code == 200
        yield


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def test_both_sidecars_report_what_they_have_in_flight(stack: Deployment, second: Second) -> None:
    who = stack.tenant(fairshare_group="default", weight=300)
    wait_for(lambda: True if stats(stack)["in_flight"] == 0 else None, "nothing in flight")
    with streaming(stack, who, 2):
        second.ask(who.tenant_id)
        wait_for(lambda: True if stats(stack)["in_flight"] == 3 else None, "three in flight")
        found = stats(stack)
        assert sorted(each["in_flight"] for each in found["sidecars"]) == [1, 2]
        assert all(0 <= each["age_seconds"] < 5 for each in found["sidecars"])
        assert (found["queued"], found["max_in_flight"]) == (0, None)
        assert found["admitted"] >= 3
    wait_for(lambda: True if stats(stack)["in_flight"] == 1 else None, "only the one that nobody ends")


def test_a_dead_sidecar_disappears_and_a_stopped_one_at_once(stack: Deployment, second: Second) -> None:
    second.kill()
    wait_for(lambda: True if len(sidecars(stack)) == 1 else None, "one sidecar", 15)
    with ExitStack() as stops:
        third = Second(stack, stops)
        wait_for(lambda: True if len(sidecars(stack)) == 2 else None, "two sidecars")
        third.process.stop()
        assert len(sidecars(stack)) == 1


def test_a_new_capacity_is_in_force_on_both_within_a_second(stack: Deployment, second: Second) -> None:
    who = stack.tenant()
    assert second.ask(who.tenant_id).ok
    with streaming(stack, who, 2):
        answer = stack.admin.put("/capacity", json={"max_in_flight": 1})
        assert (answer.status_code, answer.json()["max_in_flight"]) == (200, 1)
        assert within(IN_FORCE_SECONDS, lambda: not second.ask(who.tenant_id).ok)
        refused = json.loads(second.ask(who.tenant_id).body)
        assert refused["error"]["type"] == "capacity"
        view = stack.admin.get("/capacity").json()
        assert [each["max_in_flight"] for each in view["sidecars"]] == [1, 1]
        assert {each["capacity_version"] for each in view["sidecars"]} == {view["version"]}
        shown = stack.metrics().splitlines()
        assert 'tollkeeper_ratelimit_room{process="ratelimit"} 1.0' in shown
        assert 'tollkeeper_ratelimit_capacity{bound="sidecar:in_flight",process="ratelimit"} 1.0' in shown
        assert 'tollkeeper_ratelimit_capacity{bound="all:in_flight",process="ratelimit"} +Inf' in shown
        assert stats(stack)["max_in_flight"] == 2
        stack.admin.put("/capacity", json={"max_in_flight": None}).raise_for_status()
        assert within(IN_FORCE_SECONDS, lambda: stack.chat(who).status_code == 200)


def test_a_bound_on_all_is_shared_by_both(stack: Deployment, second: Second) -> None:
    who = stack.tenant()
    wait_for(lambda: True if stats(stack)["in_flight"] == 0 else None, "nothing in flight")
    stack.admin.put("/capacity", json={"max_in_flight_total": 6}).raise_for_status()
    wait_for(lambda: True if all(each["max_in_flight"] for each in sidecars(stack)) else None, "shares")
    with streaming(stack, who, 1):
        # The second wants all it can get: everything but what the first uses and keeps ready.
        admitted = sum(second.ask(who.tenant_id).ok for _ in range(6))
        wait_for(lambda: True if not second.ask(who.tenant_id).ok else None, "its share is used up")
        wait_for(lambda: True if stats(stack)["in_flight"] <= 6 else None, "the bound holds")
        assert admitted >= 1
        assert stats(stack)["max_in_flight"] == 6
