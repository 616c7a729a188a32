"""What runs for long renews its lease, by what a real Envoy says of it in its course; that settles nothing."""

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.e2e.deployment import MODEL, Deployment, wait_for
from tests.e2e.envoys import VERSIONS, envoy_of
from tests.e2e.fairness.beside import begin_envoy
from tests.e2e.fairness.conftest import idle, stats
from tests.web import NO_TLS, WEB


@pytest.mark.parametrize("version", VERSIONS)
def test_a_long_answer_renews_its_lease_until_it_ends(stack: Deployment, tmp_path: Path, version: str) -> None:
    renews(stack, tmp_path, envoy_of(version))


def test_so_does_one_whose_end_is_in_the_file_alone(stack: Deployment, tmp_path: Path) -> None:
    stack.sidecar(access_log="file")
    renews(stack, tmp_path, log=stack.settings.access_log_file)


def renews(stack: Deployment, directory: Path, binary: Path | None = None, log: Path | None = None) -> None:
    """`log`: that of the stack's own Envoy, which the sidecar reads."""
    who = stack.tenant(tokens_per_minute=10_000)
    leases, store = f"tollkeeper:leases:{{{who.tenant_id}}}", stack.redis()

    def deadlines() -> list[float]:
        found: list[tuple[bytes, float]] = store.zrange(leases, 0, -1, withscores=True)  # type: ignore[assignment]
        return [deadline for _, deadline in found]

    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 400, "stream": True}
    headers = {**who.headers, "x-stub-tokens": "400", "x-stub-tokens-per-second": "20"}
    with ExitStack() as stops:
        often = "access_log_flush_interval: 1s"
        address = begin_envoy(stack, stack.settings, directory, stops, often, binary, log)()
        if log is not None:
            client = stops.enter_context(httpx.Client(verify=NO_TLS, base_url=f"http://{address}", timeout=30))
            stack.until_logged_once(stack.tenant(), client)
        with WEB.stream(
            "POST", f"http://{address}/v1/chat/completions", json=body, headers=headers, timeout=30
        ) as answer:
            assert answer.status_code == 200
            (until,) = deadlines()
            wait_for(lambda: True if max(deadlines()) > until + 1000 else None, "a renewal")
            assert stats(stack)["in_flight"] == 1
            assert stack.usage(who) == []
        (row,) = stack.usage_when(who, 1)
        assert row["admission"] == "fast"
        wait_for(lambda: True if store.zcard(leases) == 0 else None, "the end of the lease")
        idle(stack)
    assert store.zcard(leases) == 0
