"""A key that is deleted or disabled is refused by every sidecar within a second; within 15 s if the push is lost."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from signal import SIGINT

import grpc
import pytest

from protos.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.warm import WarmProcess
from tollkeeper.config import Settings, as_environment
from tollkeeper.up.process import free_port
from tollkeeper.up.stack import answers

PUSHED_SECONDS = 1.0
BOUND_SECONDS = 15.0
CHECK = "/envoy.service.auth.v3.Authorization/Check"


class Sidecar:
    """A second sidecar on the same stores, asked directly."""

    def __init__(self, settings: Settings, stack: ExitStack, redis_url: str | None = None) -> None:
        root = settings.data_dir.parent / f"sidecar-{free_port()}"
        changes = {
            "metrics_listen": f"127.0.0.1:{free_port()}",
            "authz_socket": root / "a.sock",
            "ratelimit_socket": root / "r.sock",
            "data_dir": root / "data",
            "access_log_file": None,
            **({"redis_url": redis_url} if redis_url else {}),
        }
        settings = settings.model_copy(update=changes)
        environment = as_environment(settings)
        environment["TOLLKEEPER_ACCESS_LOG_FILE"] = str(root / "none.jsonl")
        command, log = ["sidecar", "authz"], root / "log"
        process = WarmProcess("second-sidecar", command, log, environment=environment, stop_signal=SIGINT)
        stack.callback(process.stop)
        process.wait_until(lambda: answers(f"http://{settings.metrics_listen}/readyz"))
        channel = grpc.insecure_channel(f"unix:{settings.authz_socket}")
        stack.callback(channel.close)
        self._check = channel.unary_unary(CHECK, lambda message: message.SerializeToString(), CheckResponse.FromString)

    def check(self, who: Credential) -> CheckResponse:
        request = CheckRequest()
        request.attributes.request.http.headers["authorization"] = f"Bearer {who.secret}"
        answer: CheckResponse = self._check(request, timeout=5)
        return answer

    def status(self, who: Credential) -> int:
        """What this sidecar answers a request with this key."""
        return int(self.check(who).denied_response.status.code) or 200

    def policy(self, who: Credential) -> str:
        """The limits that it hands to ratelimit, among the rest."""
        return str(self.check(who).dynamic_metadata["policy"])


@pytest.fixture(scope="module")
def second(stack: Deployment) -> Iterator[Sidecar]:
    with ExitStack() as stops:
        yield Sidecar(stack.settings, stops)


def first_status(stack: Deployment, who: Credential) -> int:
    return stack.envoy.get("/v1/models", headers=who.headers).status_code


@pytest.mark.parametrize("how", ["delete", "disable", "delete the tenant"])
def test_both_sidecars_refuse_within_a_second(stack: Deployment, second: Sidecar, how: str) -> None:
    who = stack.tenant()
    assert (first_status(stack, who), second.status(who)) == (200, 200)
    if how == "delete":
        stack.admin.delete(f"/keys/{who.key_id}").raise_for_status()
    elif how == "disable":
        stack.admin.put(f"/keys/{who.key_id}/disabled", json={"disabled": True}).raise_for_status()
    else:
        stack.admin.delete(f"/tenants/{who.tenant_id}").raise_for_status()
    expected = 403 if how == "disable" else 401
    deadline = time.monotonic() + PUSHED_SECONDS
    both = (0, 0)
    while both != (expected, expected) and time.monotonic() < deadline:
        both = first_status(stack, who), second.status(who)
    assert both == (expected, expected)


def test_a_changed_limit_is_seen_by_both_sidecars_within_a_second(stack: Deployment, second: Sidecar) -> None:
    who = stack.tenant(tokens_per_minute=500_000)
    assert "500000" in second.policy(who)
    assert stack.chat(who).headers["x-ratelimit-limit-tokens"] == "500000"
    stack.admin.patch(f"/tenants/{who.tenant_id}", json={"tokens_per_minute": 77_777}).raise_for_status()
    deadline = time.monotonic() + PUSHED_SECONDS
    seen = (False, False)
    while seen != (True, True) and time.monotonic() < deadline:
        limit = stack.chat(who).headers["x-ratelimit-limit-tokens"]
        seen = limit == "77777", "77777" in second.policy(who)
    assert seen == (True, True)


def test_a_key_enabled_again_works_again(stack: Deployment, second: Sidecar) -> None:
    who = stack.tenant()
    stack.admin.put(f"/keys/{who.key_id}/disabled", json={"disabled": True}).raise_for_status()
    wait_for(lambda: True if second.status(who) == 403 else None, "disabled", 5)
    stack.admin.put(f"/keys/{who.key_id}/disabled", json={"disabled": False}).raise_for_status()
    wait_for(lambda: True if second.status(who) == 200 else None, "enabled", 5)
    wait_for(lambda: True if first_status(stack, who) == 200 else None, "enabled", 5)


def test_a_suspended_tenant_is_refused_within_a_second_and_works_again(stack: Deployment, second: Sidecar) -> None:
    who = stack.tenant()
    other = stack.key(who.tenant_id)
    everyone = [first_status(stack, who), first_status(stack, other), second.status(who)]
    assert everyone == [200] * 3
    for status, expected in (("suspended", 403), ("active", 200)):
        stack.admin.patch(f"/tenants/{who.tenant_id}", json={"status": status}).raise_for_status()
        deadline = time.monotonic() + PUSHED_SECONDS
        while everyone != [expected] * 3 and time.monotonic() < deadline:
            everyone = [first_status(stack, who), first_status(stack, other), second.status(who)]
        assert everyone == [expected] * 3, status
    assert stack.chat(who).status_code == 200


def test_a_replaced_secret_works_through_its_overlap_and_no_longer(stack: Deployment, second: Sidecar) -> None:
    old = stack.tenant()
    assert (first_status(stack, old), second.status(old)) == (200, 200)
    overlap = 4.0
    began = time.monotonic()
    answer = stack.admin.post(f"/keys/{old.key_id}/rotate", json={"overlap_seconds": int(overlap)})
    new = Credential(old.tenant_id, old.key_id, answer.json()["secret"])
    ended = time.monotonic() + overlap
    assert (first_status(stack, new), second.status(new)) == (200, 200)
    assert stack.chat(old).status_code == 200
    while time.monotonic() < began + overlap - 0.5:
        assert (first_status(stack, old), second.status(old)) == (200, 200)
        time.sleep(0.1)
    time.sleep(max(0.0, ended + 0.1 - time.monotonic()))
    assert (first_status(stack, old), second.status(old)) == (401, 401)
    assert stack.chat(new).status_code == 200
    assert {row["key_id"] for row in stack.usage_when(new, 2)} == {new.key_id}


def test_a_lost_push_is_bounded(stack: Deployment, second: Sidecar) -> None:
    """The row is changed behind the back of everyone, and Redis is told nothing but the new state: no push."""
    who = stack.tenant()
    assert (first_status(stack, who), second.status(who)) == (200, 200)
    stack.rows("DELETE FROM api_keys WHERE id = $1 RETURNING id", who.key_id)
    with stack.redis() as redis:
        redis.delete(f"tollkeeper:key:{hashlib.sha256(who.secret.encode()).hexdigest()}")
    began = time.monotonic()
    wait_for(lambda: True if second.status(who) == first_status(stack, who) == 401 else None, "refusal", 30)
    assert time.monotonic() - began <= BOUND_SECONDS + 2
