"""A node of a Redis Cluster is lost under load, and comes back empty."""

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster
from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for

Place = tuple[Deployment, Cluster]


@pytest.fixture
def place() -> Iterator[Place]:
    with public_directory() as directory:
        cluster = Cluster(directory / "cluster")
        deployment = Deployment(directory / "stack", redis_url=cluster.url)
        yield deployment, cluster
        deployment.close()
        cluster.stop()


def serves(stack: Deployment, who: Credential) -> None:
    wait_for(lambda: True if stack.chat(who).status_code == 200 else None, "service", 60)


def test_only_tenants_of_the_lost_node_are_refused_until_it_is_back(place: Place) -> None:
    stack, cluster = place
    tenants: dict[bool, Credential] = {}
    while len(tenants) < 2:
        made = stack.tenant()
        tenants.setdefault(cluster.node_of(made.tenant_id) == 1, made)
    theirs, others = tenants[True], tenants[False]
    serves(stack, theirs)
    serves(stack, others)
    before = len(stack.usage_when(others, 1))
    cluster.lose(1)
    wait_for(lambda: True if stack.chat(theirs).status_code == 503 else None, "a refusal")
    statuses = [(stack.chat(theirs).status_code, stack.chat(others).status_code) for _ in range(20)]
    assert set(statuses) == {(503, 200)}
    cluster.bring_back(1)
    serves(stack, theirs)
    serves(stack, others)
    assert len(stack.usage_when(others, before + 21)) >= before + 21
