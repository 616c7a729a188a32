"""A request that finds every slot of its tenant taken waits a moment for one: the whole slice, on every engine."""

from collections.abc import Callable

import grpc
import pytest

from ratelimit.budgets.port import Settlement
from ratelimit.budgets.rule import Used
from ratelimit.life import ASKED
from ratelimit.service import PATH
from tenancy.values.policy import Policy
from tests.ratelimit.conftest import Slice
from tests.ratelimit.rls import Told, WaitingCall, ask
from tests.ratelimit.stores import tokens
from tests.serving.conftest import Served, Server, eventually

ONE = Policy("acme", "key-1", max_in_flight=1, limits=(tokens(1000),))


def settle(sidecar: Slice, told: Told, *, here: bool = True) -> None:
    """As the access log does, in this process or in another."""
    sidecar.budgets.settle([Settlement("acme", told.metadata["lease_id"], Used(1))])
    if here:
        sidecar.committer.freed(["acme"])


def waits(sidecar: Slice) -> bool:
    return sidecar.committer.waiting == 1


@pytest.fixture
def served(ratelimit: Slice, serve: Server) -> Served:
    return serve(*ratelimit.service.methods())


@pytest.mark.parametrize("here", [True, False])
def test_a_slot_that_comes_free_is_taken(ratelimit: Slice, served: Served, here: bool) -> None:
    first = Told.read(served.call(PATH, ask(ONE)))
    second = served.start(PATH, ask(ONE))
    eventually(lambda: waits(ratelimit))
    assert [life.state for life in ratelimit.in_flight.older_than(2**47)].count(ASKED) == 1
    settle(ratelimit, first, here=here)
    told = Told.read(second.result())
    assert (told.ok, told.metadata["admission"]) == (True, "fast")
    assert told.metadata["lease_id"] != first.metadata["lease_id"]


def test_who_waits_longest_is_first(ratelimit: Slice, served: Served) -> None:
    policy = Policy("acme", "key-1", max_in_flight=2, limits=(tokens(1000),))
    running = [Told.read(served.call(PATH, ask(policy))) for _ in range(2)]
    first = served.start(PATH, ask(policy))
    eventually(lambda: waits(ratelimit))
    second = served.start(PATH, ask(policy))
    eventually(lambda: ratelimit.committer.waiting == 2)
    settle(ratelimit, running[0])
    assert Told.read(first.result()).ok
    assert Told.read(second.result()).metadata["denied"] == "429"  # nobody else has ended


def test_an_overload_is_refused_all_the_same(ratelimit: Slice, served: Served) -> None:
    assert Told.read(served.call(PATH, ask(ONE))).ok
    calls = [served.start(PATH, ask(ONE)) for _ in range(20)]
    told = [Told.read(call.result()) for call in calls]
    assert {(one.metadata["denied"], one.metadata["limit"]) for one in told} == {("429", "tenant:in_flight")}
    assert {one.headers["retry-after"] for one in told} == {"1"}
    assert (len(ratelimit.in_flight), ratelimit.committer.waiting) == (1, 0)


def test_a_caller_who_leaves_while_it_waits_takes_no_slot(ratelimit: Slice, served: Served) -> None:
    first = Told.read(served.call(PATH, ask(ONE)))
    gone = served.start(PATH, ask(ONE))
    eventually(lambda: waits(ratelimit))
    gone.cancel()  # type: ignore[no-untyped-call]
    eventually(lambda: not waits(ratelimit) and len(ratelimit.in_flight) == 1)
    settle(ratelimit, first)
    assert Told.read(served.call(PATH, ask(ONE))).ok


@pytest.mark.parametrize(("remaining", "waits"), [(0.9, False), (1.5, True), (None, True)])
def test_a_caller_without_time_does_not_wait(ratelimit: Slice, remaining: float | None, waits: bool) -> None:
    assert ratelimit.tell(ask(ONE)).ok
    call = WaitingCall(remaining=remaining)
    assert ratelimit.service.should_rate_limit(ask(ONE), call) is None
    assert call.told().metadata["denied"] == "429"
    assert (call.leave is not None) is waits


def test_those_who_wait_are_answered_at_the_end(open_slice: Callable[..., Slice], redis_url: str) -> None:
    sidecar = open_slice(redis_url, timeout=1.0)
    assert sidecar.tell(ask(ONE)).ok
    waiting = sidecar.start(ask(ONE))
    eventually(lambda: waits(sidecar))
    sidecar.committer.close()
    assert waiting.told().metadata["denied"] == "429"


def test_what_comes_once_another_process_has_the_place_is_not_refused(ratelimit: Slice, served: Served) -> None:
    ratelimit.in_flight.close()
    with pytest.raises(grpc.RpcError) as failed:
        served.call(PATH, ask(ONE))
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE  # Envoy asks again, there
