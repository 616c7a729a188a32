"""Tokens follow weights, no matter who asks more often, at once, or for longer answers."""

import re

import pytest

from tests.e2e.deployment import Credential, Deployment
from tests.e2e.fairness.conftest import bound
from tests.e2e.fairness.crowd import Answer, Clients, run

pytestmark = pytest.mark.alone

SETTLED, SECONDS = 2.0, 6.0  # when shares are looked at


def tenant(deployment: Deployment, weight: int, **fields: object) -> Credential:
    return deployment.tenant(weight=weight, tokens_per_minute=100_000_000, **fields)


def test_tokens_follow_weights_however_long_the_answers_and_however_many_the_clients(deployment: Deployment) -> None:
    bound(deployment, 4)
    large, small = Clients(tenant(deployment, 400), 12), Clients(tenant(deployment, 100), 40)
    third = Clients(tenant(deployment, 400), 12, tokens=100, after=SECONDS)
    run(deployment.envoy_address, 2 * SECONDS, large, small, third)
    assert {answer.status for each in (large, small, third) for answer in each.answers} == {200}
    before = [each.tokens_between(SETTLED, SECONDS) for each in (large, small, third)]
    assert before[0] / before[1] == pytest.approx(4, rel=0.15)
    assert before[2] == 0
    after = [each.tokens_between(SECONDS + SETTLED, 2 * SECONDS) for each in (large, small, third)]
    assert after[0] / after[1] == pytest.approx(4, rel=0.2)
    assert after[2] / after[0] == pytest.approx(1, rel=0.2)


def test_groups_share_first_and_who_is_alone_gets_everything(deployment: Deployment) -> None:
    deployment.admin.post("/fairshare/groups", json={"name": "batch", "weight": 50}).raise_for_status()
    bound(deployment, 4)
    alone = Clients(tenant(deployment, 1), 8)
    run(deployment.envoy_address, 2.0, alone)
    one = Clients(tenant(deployment, 1), 8)
    others = [Clients(tenant(deployment, 1000, fairshare_group="batch"), 8) for _ in range(3)]
    run(deployment.envoy_address, SECONDS, one, *others)
    share = one.tokens_between(SETTLED, SECONDS) / sum(each.tokens_between(SETTLED, SECONDS) for each in others)
    assert share == pytest.approx(2, rel=0.1)  # the default group weighs 100
    deployment.admin.patch("/fairshare/groups/batch/weight", json={"weight": 400}).raise_for_status()
    for each in (one, *others):
        each.answers.clear()
    run(deployment.envoy_address, SECONDS, one, *others)
    share = one.tokens_between(SETTLED, SECONDS) / sum(each.tokens_between(SETTLED, SECONDS) for each in others)
    assert share == pytest.approx(0.25, rel=0.1)
    # Four at once, of 50 ms each.
    assert len(alone.answers) > len(one.answers) / 3


def test_a_flood_adds_no_more_than_one_service_time_to_the_wait_of_others(deployment: Deployment) -> None:
    """A hundred clients for two places, and another tenant of the same weight: it is next whenever it asks."""
    bound(deployment, 2)
    service = 500
    flood = Clients(tenant(deployment, 100), 100, milliseconds=service)
    other = Clients(tenant(deployment, 100), 1, milliseconds=service, after=1.0)
    run(deployment.envoy_address, 2 * SECONDS, flood, other)
    assert {answer.status for answer in other.answers} == {200}
    served = sum(answer.status == 200 for answer in flood.answers)
    assert len(other.answers) > 0.25 * served / 2
    queued = [_queued_ms(answer) for answer in other.answers]
    # Each of them, its first too.  A place is taken for some milliseconds longer, until the log tells of its end.
    assert max(queued) < 1.5 * service, queued
    assert max(_queued_ms(answer) for answer in flood.answers) > 4 * service


def _queued_ms(answer: Answer) -> int:
    said = re.search(r"x-queue-ms: (\d+)", answer.head)
    return int(said[1]) if said else 0
