"""Budgets on a Redis Cluster of three real nodes."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from redis.crc import key_slot

from ratelimit.budgets.jobs import Found, Hold, Known, Report
from ratelimit.budgets.jobs_redis import RedisJobs
from ratelimit.budgets.keys import lease_key, leases_key
from ratelimit.budgets.port import Admitted, LeaseName, Orphan, Settled, Settlement
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.budgets.rule import Used
from ratelimit.commit.fallback import FailureMode
from ratelimit.fleet.reports_redis import RedisReports, ended_leases
from store.redis import open_redis, open_redis_async
from tenancy.directory.capacity import Capacity
from tenancy.redis.capacity import put_capacity
from tenancy.values.policy import Policy
from tests.cluster import NODES, Cluster
from tests.ratelimit.conftest import Slice
from tests.ratelimit.reported import report
from tests.ratelimit.rls import ask
from tests.ratelimit.stores import account, peek_at, requests, reservation, tokens
from tests.serving.conftest import eventually

TENANTS = [f"tenant-{n}" for n in range(24)]  # spread over all nodes
LIMITS = (tokens(100), requests(9))
TIMEOUT = 1.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    for n in range(NODES):
        with shared.client(n) as client:
            client.flushall()
    return shared


@pytest.fixture
def budgets(cluster: Cluster) -> Iterator[RedisBudgets]:
    opened = open_budgets(cluster, lease_seconds=600)
    yield opened
    opened.close()


def open_budgets(cluster: Cluster, lease_seconds: float) -> RedisBudgets:
    return RedisBudgets(partial(open_redis, cluster.url, timeout=TIMEOUT), lease_seconds, timeout=TIMEOUT)


def test_a_batch_of_many_tenants_is_decided_on_all_nodes(cluster: Cluster, budgets: RedisBudgets) -> None:
    accounts = [account(*LIMITS, tenant_id=tenant) for tenant in TENANTS]
    batch = [reservation(of, 60, f"{of.policy.tenant_id}-{n}") for n in range(2) for of in accounts]
    decisions = budgets.reserve(batch)
    assert decisions[:24] == [Admitted((40, 8))] * 24
    assert not any(isinstance(decision, Admitted) for decision in decisions[24:])
    for n in range(NODES):
        with cluster.client(n) as client:
            assert client.dbsize() > 0
    settled = budgets.settle([Settlement(tenant, f"{tenant}-0", Used(10)) for tenant in TENANTS])
    assert settled == [Settled.SETTLED] * 24
    assert [peek_at(cluster.url, of) for of in accounts] == [[90, 8]] * 24
    assert budgets.release([LeaseName(tenant, f"{tenant}-0") for tenant in TENANTS]) == [Settled.GONE] * 24


def test_jobs_are_held_and_charged_on_all_nodes(cluster: Cluster, budgets: RedisBudgets) -> None:
    accounts = {tenant: account(*LIMITS, tenant_id=tenant) for tenant in TENANTS}
    budgets.reserve([reservation(of, 60, f"{tenant}-0") for tenant, of in accounts.items()])
    jobs = RedisJobs(partial(open_redis, cluster.url, timeout=TIMEOUT), 600.0)
    for tenant in TENANTS:
        assert jobs.hold(Hold(tenant, "r1", f"{tenant}-0", "notes", Used(0))) == ""
        assert jobs.find(tenant, "r1", "file-1") == Found("notes")
        assert jobs.report(Report(tenant, "file-1", "reader", Known.OVER, Used(10))) == "notes"
    assert [peek_at(cluster.url, of) for of in accounts.values()] == [[90, 8]] * len(TENANTS)
    jobs.close()


def test_the_scripts_are_taught_to_each_node(cluster: Cluster, budgets: RedisBudgets) -> None:
    for n in range(NODES):
        with cluster.client(n) as client:
            client.script_flush()
        decisions = budgets.reserve([reservation(account(*LIMITS, tenant_id=tenant), 1) for tenant in TENANTS])
        assert all(isinstance(decision, Admitted) for decision in decisions)


def test_orphans_are_found_on_all_nodes(cluster: Cluster) -> None:
    short = open_budgets(cluster, lease_seconds=0.05)
    short.reserve([reservation(account(*LIMITS, tenant_id=tenant), 60, f"{tenant}-0") for tenant in TENANTS])
    time.sleep(0.1)
    found: list[Orphan] = []
    deadline = time.monotonic() + 10
    while len(found) < len(TENANTS) and time.monotonic() < deadline:
        found += short.orphans(10)
    assert sorted(orphan.owner for orphan in found) == sorted(TENANTS)
    assert [orphan for _ in range(4) for orphan in short.orphans(10)] == []
    short.close()


def test_a_slot_that_moves_is_followed(cluster: Cluster, budgets: RedisBudgets) -> None:
    of = account(*LIMITS, tenant_id="mover")
    assert budgets.reserve([reservation(of, 10, "before")]) == [Admitted((90, 8))]
    move_slot(cluster, "mover")
    assert budgets.reserve([reservation(of, 10, "after")]) == [Admitted((80, 7))]
    settled = budgets.settle([Settlement("mover", "before", Used(10)), Settlement("mover", "after", Used(10))])
    assert settled == [Settled.SETTLED] * 2


@pytest.mark.parametrize("dead", [0, 2])  # 0: the one that the URL names
def test_a_dead_node_stops_only_its_own_tenants(tmp_path: Path, open_slice: Callable[..., Slice], dead: int) -> None:
    cluster = Cluster(tmp_path)
    sidecar = open_slice(cluster.url, FailureMode.DENY, timeout=0.2)
    policies = [Policy(tenant, "key-1", limits=(tokens(100),)) for tenant in TENANTS]

    def admitted() -> set[str]:
        calls = [(policy.tenant_id, sidecar.start(ask(policy, content_length="4"))) for policy in policies]
        return {tenant for tenant, call in calls if call.told().ok}

    try:
        eventually(lambda: sidecar.committer.available)
        assert admitted() == set(TENANTS)
        lost = {tenant for tenant in TENANTS if owner(cluster, tenant) == dead}
        assert lost
        cluster.nodes[dead].kill()
        for _ in range(4):  # 2 s: before and after the others notice
            assert admitted() == set(TENANTS) - lost
            time.sleep(0.5)
    finally:
        cluster.stop()


def owner(cluster: Cluster, tenant_id: str) -> int:
    """The node that holds the tenant's slot."""
    slot = key_slot(leases_key(tenant_id).encode())
    return next(n for n in range(NODES) if slot < 16_384 * (n + 1) // NODES)


def move_slot(cluster: Cluster, tenant_id: str) -> None:
    """To the next node, with its keys."""
    source = owner(cluster, tenant_id)
    target = (source + 1) % NODES
    with cluster.client(source) as old, cluster.client(target) as new:
        slot = key_slot(leases_key(tenant_id).encode())
        old_id, new_id = (client.execute_command("CLUSTER", "MYID") for client in (old, new))
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
        for key in old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            old.execute_command("MIGRATE", "127.0.0.1", cluster.ports[target], key, 0, 5000)
        for client in (new, old):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new_id)


async def test_sidecars_report_and_share_the_capacity(cluster: Cluster) -> None:
    client = open_redis_async(cluster.url, timeout=TIMEOUT)
    reports = RedisReports(client)
    assert await put_capacity(client, Capacity(None, 10, 2))
    for _ in range(2):
        told = [await reports.leave(report(name), short=False) for name in "ab"]
    assert [each.share for each in told] == [5, 5]
    assert {aged.report.sidecar for aged in (await reports.overview()).reports} == {"a", "b"}
    await client.set(lease_key(TENANTS[3], "lease-3"), "{}")
    await client.zadd(leases_key(TENANTS[3]), {"lease-3": 2**50})
    leases = {f"lease-{number}": tenant for number, tenant in enumerate(TENANTS)}
    assert set(await ended_leases(client, leases)) == set(leases) - {"lease-3"}
    await reports.withdraw("a")
    assert (await reports.leave(report("b"), short=False)).share == 10
    await client.aclose()
