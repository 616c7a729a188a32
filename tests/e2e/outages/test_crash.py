"""`kill -9` of the sidecar's processes under load: every request that Envoy logged is in the ledger exactly once."""

import json
import os
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tenancy.values.lease_id import LENGTH
from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.load import Load
from tollkeeper.plan import SERVICES, metrics_socket, plan


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Deployment]:
    """With one process of each kind, and a spare.  Envoy asks for some seconds only where none is left."""
    with public_directory() as directory:
        deployment = Deployment(directory / "stack", settings={"spares": True, "queue_seconds": 0})
        yield deployment
        deployment.close()


def workers(stack: Deployment) -> dict[str, int]:
    """Process name → pid of the processes at work, once every place is taken."""
    places = plan(SERVICES, stack.settings.workers)
    return {
        worker.name: wait_for(partial(server_of, metrics_socket(stack.settings, worker)), worker.name, 30)
        for worker in places
    }


def server_of(path: Path) -> int | None:
    """The pid of the process that listens there; None also of one that takes no connection any more, being stopped."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(str(path)) != 0:
            return None
        pid: int = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return pid


def logged(stack: Deployment, who: Credential) -> list[str]:
    """Lease ids in Envoy's log file."""
    lines = (stack.directory / "access.jsonl").read_text().splitlines()
    decisions = (json.loads(line)["decision"] for line in lines)
    ours = f"'tenant_id':'{who.tenant_id}'"
    return [decision.partition("'lease_id':'")[2][:LENGTH] for decision in decisions if ours in decision]


@pytest.mark.parametrize("log", ["both", "file"])
def test_kill_9_loses_no_usage(own_stack: Deployment, log: str) -> None:
    own_stack.sidecar(access_log=log)
    nothing_is_lost(own_stack)


def nothing_is_lost(own_stack: Deployment) -> None:
    who = own_stack.tenant()
    with Load(own_stack, who) as load:
        for _ in range(2):
            load.during(1.0)
            for pid in workers(own_stack).values():
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: True if 200 in load.during(0.3).values() else None, "the restart", 30)
        load.during(1.0)
    assert set(load.answers.values()) <= {200, 503}
    ran = [name for name, status in load.answers.items() if status == 200]
    wait_for(lambda: True if len(logged(own_stack, who)) >= len(ran) else None, "Envoy's flush")
    time.sleep(1.5)  # one more flush of Envoy's, so that the log below is all of it
    expected = Counter(logged(own_stack, who))
    assert set(expected.values()) == {1}

    def rows() -> list[str]:
        return [str(row["id"]) for row in own_stack.usage(who)]

    wait_for(lambda: True if set(rows()) >= set(expected) else None, f"{len(expected)} rows", 40)
    assert Counter(rows()) == expected
    with own_stack.redis() as redis:
        key = f"tollkeeper:leases:{{{who.tenant_id}}}"

        def held() -> set[str]:
            return {str(lease_id) for lease_id in redis.zrange(key, 0, -1)}

        wait_for(lambda: True if held().isdisjoint(expected) else None, "every logged lease settled", 20)
        # A process that was killed between taking a lease and saying so left it to the sweep, at most one a client.
        assert len(held()) <= 2 * load.clients


# The last: it has no sidecar any more.
def test_sigterm_drains_within_ten_seconds(own_stack: Deployment) -> None:
    who = own_stack.tenant()
    with Load(own_stack, who) as load:
        load.during(1.0)
        began = time.monotonic()
        own_stack.processes["sidecar"].stop(20)
        assert time.monotonic() - began < 12
    assert own_stack.processes["sidecar"].exit_code == 0
    ran = {name for name, status in load.answers.items() if status == 200}
    flushed = {row["request_id"] for row in own_stack.usage(who)}
    # What ended after the sidecar had gone waits in Envoy's file for its return: at most one request a client.
    assert len(ran - flushed) <= load.clients
