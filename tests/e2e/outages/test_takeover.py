"""A process is killed, or all are replaced, at a steady rate of requests: nobody notices."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.cpu import family
from tenancy.redis.names import redis_key_shares
from tests.conftest import public_directory
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.fairness.crowd import Clients
from tests.e2e.open_loop import OpenLoop
from tests.e2e.outages.test_crash import workers
from tests.e2e.test_runtime import stats, streaming
from tollkeeper.up.stack import answers

RATE, SECONDS = 50, 4
LEASE_SECONDS = 600  # nothing is free because a lease has ended
SETTINGS = {
    "queue_seconds": 0,
    "spares": True,
    "handover_seconds": 60,
    "drain_seconds": 2,
    "lease_seconds": LEASE_SECONDS,
    "idle_timeout_seconds": 18,
}
# None, but on a busy machine the last try of a request may be due only when its time is up.
MOST_FAILED = 0.03


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Deployment]:
    with public_directory() as directory:
        deployment = Deployment(directory / "stack", settings=SETTINGS)
        yield deployment
        deployment.close()


@contextmanager
def capacity(stack: Deployment, most: int) -> Iterator[None]:
    bounds: dict[str, int | None] = {"max_in_flight": most, "max_in_flight_total": None}
    stack.admin.put("/capacity", json=bounds).raise_for_status()
    try:
        yield
    finally:
        stack.admin.put("/capacity", json={**bounds, "max_in_flight": None}).raise_for_status()


def others(stack: Deployment, before: dict[str, int], *names: str) -> None:
    """Waits until other processes than `before` have these places."""
    wait_for(lambda: True if all(workers(stack)[name] != before[name] for name in names) else None, "the takeover", 30)


@pytest.mark.parametrize("victim", ["authz", "ratelimit"])
def test_a_kill_is_taken_over_at_once(own_stack: Deployment, victim: str) -> None:
    before = workers(own_stack)
    load = OpenLoop(own_stack, own_stack.tenant(tokens_per_minute=None), RATE, SECONDS)
    time.sleep(1.0)
    os.kill(before[victim], signal.SIGKILL)
    found = load.result()
    assert found["failed"] <= MOST_FAILED * found["answered"], found
    others(own_stack, before, victim)
    assert f'tollkeeper_worker_restarts_total{{group="{victim}"}} 1.0' in own_stack.metrics().splitlines()


@pytest.mark.parametrize("victim", ["authz", "ratelimit"])
def test_a_process_that_hangs_is_replaced_while_its_supervisor_lives(own_stack: Deployment, victim: str) -> None:
    """Before Envoy gives up: it waits for authz for 2 s."""
    before, who = workers(own_stack), own_stack.tenant(tokens_per_minute=None)
    wait_for(lambda: True if processes_named(own_stack, victim) == 2 else None, "a spare")
    load = OpenLoop(own_stack, who, RATE, SECONDS)
    time.sleep(1.0)
    os.kill(before[victim], signal.SIGSTOP)
    found = load.result()
    assert found["failed"] <= MOST_FAILED * found["answered"], found
    others(own_stack, before, victim)
    (other,) = before.keys() - {victim}
    assert workers(own_stack)[other] == before[other]


def test_a_restart_replaces_one_process_after_another(own_stack: Deployment) -> None:
    before = workers(own_stack)
    who = own_stack.tenant(tokens_per_minute=None)
    load = OpenLoop(own_stack, who, RATE, SECONDS)
    time.sleep(0.5)
    os.kill(own_stack.processes["sidecar"].pid, signal.SIGHUP)
    found = load.result()
    assert found["failed"] == 0, found
    others(own_stack, before, *before)
    assert len(own_stack.usage_when(who, found["answered"])) == found["answered"]


@pytest.mark.parametrize("how", ["replaced", "SIGTERM", "SIGUSR2"])
def test_the_processes_serve_until_those_of_the_next_supervisor_do(own_stack: Deployment, how: str) -> None:
    before, who = workers(own_stack), own_stack.tenant(tokens_per_minute=None)
    load = OpenLoop(own_stack, who, RATE / 2, 2 * SECONDS)
    if how == "replaced":
        own_stack.stack.sidecar(own_stack.settings, "--replace")
    else:
        os.kill(own_stack.processes["sidecar"].pid, signal.Signals[how])
        own_stack.stack.sidecar(own_stack.settings)
    found = load.result()
    assert found["failed"] <= MOST_FAILED * found["answered"], found
    others(own_stack, before, *before)
    assert len(own_stack.usage_when(who, found["statuses"]["200"])) == found["statuses"]["200"]
    wait_for(lambda: None if any(Path(f"/proc/{pid}").exists() for pid in before.values()) else True, "their end", 30)


def test_what_is_in_flight_counts_for_the_process_that_takes_over(own_stack: Deployment) -> None:
    who, before = own_stack.tenant(), workers(own_stack)
    none = 'tollkeeper_ratelimit_leases_in_flight{process="ratelimit"} 0.0'  # of now: a report may be a second old
    wait_for(lambda: none in own_stack.metrics() or None, "nothing in flight, after a restart too")
    with capacity(own_stack, 5):
        with streaming(own_stack, who, 5):
            wait_for(lambda: True if own_stack.chat(who).status_code == 429 else None, "the bound")
            os.kill(before["ratelimit"], signal.SIGKILL)
            others(own_stack, before, "ratelimit")
            assert [own_stack.chat(who).json()["error"]["code"] for _ in range(5)] == ["capacity_exceeded"] * 5
            assert wait_for(lambda: found if (found := stats(own_stack)["in_flight"]) else None, "the report") == 5
        wait_for(lambda: True if own_stack.chat(who).status_code == 200 else None, "their end")


def test_what_ran_through_an_envoy_that_was_killed_holds_no_slot(own_stack: Deployment) -> None:
    who = own_stack.tenant(max_in_flight=2)
    own_stack.until_logged_once(who)  # its log stream stays open, and brings no more
    with suppress(httpx.TransportError), streaming(own_stack, who, 2):
        own_stack.processes["envoy"].kill()
    own_stack.stack.envoy(own_stack.settings, own_stack.stub_url)
    assert own_stack.chat(who).status_code == 429
    wait_for(lambda: True if own_stack.chat(who).status_code == 200 else None, "a free slot", 30)
    rows = wait_for(lambda: found if len(found := reserved(own_stack, who)) == 2 else None, "their rows", 30)
    assert all(row["output_tokens"] > 0 for row in rows)


def test_what_was_queued_and_ran_when_envoy_and_then_the_sidecar_were_killed_is_over_by_itself(
    own_stack: Deployment,
) -> None:
    with room(own_stack, 2):
        queued_and_ran_when_both_were_killed(own_stack)


@contextmanager
def room(stack: Deployment, most: int) -> Iterator[None]:
    """For that many requests for the model; the others wait."""
    model = {"name": MODEL, "max_in_flight": most, "queue_timeout_seconds": 60}
    model_id = stack.admin.post("/models", json=model).raise_for_status().json()["id"]
    try:
        with stack.redis() as redis:  # where a sidecar has its share of the room as soon as it knows of it
            wait_for(lambda: redis.hlen(redis_key_shares(MODEL)) or None, "the sidecar's share")
        yield
    finally:
        stack.admin.delete(f"/models/{model_id}").raise_for_status()


def queued_and_ran_when_both_were_killed(own_stack: Deployment) -> None:
    who, sidecar = own_stack.tenant(), own_stack.processes["sidecar"]
    wait_for(lambda: True if own_stack.chat(who).status_code == 200 else None, "the tenant's key")
    message = Clients(who, 1).request(own_stack.envoy_address)
    with suppress(httpx.TransportError), streaming(own_stack, who, 2), ExitStack() as stops:
        for _ in range(3):
            waiting = stops.enter_context(socket.create_connection(own_stack.envoy_host_port))
            waiting.sendall(message)
        wait_for(lambda: True if stats(own_stack)["queued"] == 3 else None, "three in the queue")
        processes = sorted(family(sidecar.pid) - {sidecar.pid})
        assert set(workers(own_stack).values()) <= set(processes)
        own_stack.processes["envoy"].kill()
        sidecar.kill()
        tell(processes, signal.SIGKILL)
    own_stack.stack.sidecar(own_stack.settings)
    own_stack.stack.envoy(own_stack.settings, own_stack.stub_url)
    wait_for(lambda: found if (found := stats(own_stack)["in_flight"]) == 2 else None, "those that ran")
    other = own_stack.tenant()
    wait_for(lambda: True if own_stack.chat(other).status_code == 200 else None, "room", 60)
    wait_for(lambda: True if not stats(own_stack)["in_flight"] else None, "their end")
    assert stats(own_stack)["queued"] == 0
    wait_for(lambda: True if len(reserved(own_stack, who)) == 2 else None, "their rows", 60)
    assert own_stack.redis().zcard(f"tollkeeper:leases:{{{who.tenant_id}}}") == 0


def test_a_process_that_is_stopped_when_its_supervisor_is_killed_keeps_no_rows(own_stack: Deployment) -> None:
    who, before = own_stack.tenant(tokens_per_minute=None), workers(own_stack)
    postgres, name = own_stack.processes["postgres"].pid, "tollkeeper_accesslog_spool_rows"
    assert own_stack.chat(who).status_code == 200
    own_stack.usage_when(who, 1)
    os.kill(postgres, signal.SIGSTOP)  # and so it makes no others
    stopped = [postgres, *children(postgres)]
    tell(stopped, signal.SIGSTOP)
    ran = [own_stack.chat(who).status_code for _ in range(5)].count(200)
    wait_for(lambda: True if f'{name}{{process="ratelimit"}} {ran}.0' in own_stack.metrics() else None, "the spool", 40)
    log = own_stack.directory / "access.jsonl"  # does not bring them again
    checkpoint = own_stack.settings.data_dir / "access-log-checkpoint.json"
    whole = f'"offset": {log.stat().st_size}'
    wait_for(lambda: True if whole in checkpoint.read_text() else None, "the checkpoint", 40)
    os.kill(before["ratelimit"], signal.SIGSTOP)
    own_stack.processes["sidecar"].kill()
    tell(stopped, signal.SIGCONT)
    own_stack.stack.sidecar(own_stack.settings)
    assert len(wait_for(lambda: found if len(found := own_stack.usage(who)) > ran else None, "the rows", 90)) == ran + 1
    state = Path(f"/proc/{before['ratelimit']}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_sidecar_that_nobody_follows_serves_until_it_is_told_again(own_stack: Deployment) -> None:
    who, sidecar = own_stack.tenant(), own_stack.processes["sidecar"]
    os.kill(sidecar.pid, signal.SIGTERM)
    wait_for(lambda: None if answers(f"http://{own_stack.settings.metrics_listen}/readyz") else True, "its leave")
    assert own_stack.chat(who).status_code == 200
    os.kill(sidecar.pid, signal.SIGTERM)
    assert sidecar.wait(30) == 0
    assert own_stack.chat(who).status_code == 503
    own_stack.stack.sidecar(own_stack.settings)


def processes_named(stack: Deployment, name: str) -> int:
    pids = children(stack.processes["sidecar"].pid)
    return [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids].count(name)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def tell(pids: list[int], number: signal.Signals) -> None:
    """Those that are there still."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def reserved(stack: Deployment, who: Credential) -> list[dict[str, Any]]:
    return [row for row in stack.usage(who) if row["usage_source"] == "reserved"]
