"""Redis hangs, dies, comes back: who is answered what, how soon, and what the budgets hold afterwards."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ratelimit.budgets.port import Settled, Settlement
from ratelimit.budgets.rule import Used
from ratelimit.commit.fallback import FailureMode
from ratelimit.tenants.account import Account
from tenancy.values.policy import Policy
from tests.proxy import TcpProxy
from tests.ratelimit.conftest import Slice
from tests.ratelimit.rls import Told, ask
from tests.ratelimit.stores import requests, tokens
from tests.serving.conftest import eventually
from tollkeeper.up.valkey import Valkey

POLICY = Policy("acme", "key-1", limits=(tokens(1000), requests(100)))
ACCOUNT = Account.of(POLICY)
# Everybody waits for a second; ten times that on a busy machine.
BOUND_SECONDS = 10.0

OpenSlice = Callable[..., Slice]


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey")
    yield server
    server.process.resume()
    server.process.kill()


@pytest.fixture
def proxy(own_valkey: Valkey) -> Iterator[TcpProxy]:
    proxy = TcpProxy(own_valkey.port)
    yield proxy
    proxy.close()


def through(proxy: TcpProxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


def warmed(sidecar: Slice) -> Slice:
    """It has had a request decided: it is connected, and Redis knows the scripts."""
    eventually(lambda: sidecar.committer.available)
    told = sidecar.tell(ask(Policy("warm-up", "key-0")))
    assert told.metadata["admission"] == "fast"
    return sidecar


def told_in_time(sidecar: Slice, count: int = 1) -> list[Told]:
    began = time.monotonic()
    calls = [sidecar.start(ask(POLICY)) for _ in range(count)]
    told = [call.told() for call in calls]
    assert time.monotonic() - began < BOUND_SECONDS
    return told


def check_denied(told: Told) -> None:
    assert (told.ok, told.metadata["denied"], told.headers["retry-after"]) == (False, "503", "1")


def test_deny_refuses_while_redis_hangs_and_nothing_is_lost(own_valkey: Valkey, open_slice: OpenSlice) -> None:
    sidecar = warmed(open_slice(own_valkey.url))
    own_valkey.process.pause()
    for told in told_in_time(sidecar, 20):
        check_denied(told)
    assert not sidecar.committer.available
    began = time.monotonic()
    for _ in range(50):  # answered at once, without Redis being asked
        check_denied(sidecar.tell(ask(POLICY)))
    assert time.monotonic() - began < BOUND_SECONDS
    own_valkey.process.resume()
    eventually(lambda: sidecar.committer.available)
    assert sidecar.tell(ask(POLICY)).metadata["admission"] == "fast"
    # The batch that hung came to be executed when Redis woke up, and took nothing.
    assert sidecar.peek(ACCOUNT) == [900, 99]


def test_allow_admits_while_redis_hangs_and_charges_afterwards(own_valkey: Valkey, open_slice: OpenSlice) -> None:
    sidecar = warmed(open_slice(own_valkey.url, FailureMode.ALLOW))
    own_valkey.process.pause()
    admitted = told_in_time(sidecar, 20)
    for told in admitted:
        assert (told.ok, told.metadata["admission"]) == (True, "unmetered")
        assert told.metadata["limits"] == ACCOUNT.rule_set.charges
        assert "x-ratelimit-limit-tokens" not in told.headers
    own_valkey.process.resume()
    eventually(lambda: sidecar.committer.available)
    charges = [
        Settlement("acme", told.metadata["lease_id"], Used(7), True, ACCOUNT.rule_set.rules) for told in admitted
    ]
    assert sidecar.budgets.settle(charges) == [Settled.SETTLED] * 20
    assert sidecar.budgets.settle(charges) == [Settled.GONE] * 20
    eventually(lambda: sidecar.peek(ACCOUNT) == [860, 80])
    time.sleep(1.5)  # every try to release what was in doubt is over
    assert sidecar.peek(ACCOUNT) == [860, 80]


def test_local_enforces_the_rate_while_redis_hangs(own_valkey: Valkey, open_slice: OpenSlice) -> None:
    sidecar = warmed(open_slice(own_valkey.url, FailureMode.LOCAL))
    own_valkey.process.pause()
    told = told_in_time(sidecar, 30)
    assert sum(one.ok for one in told) == 10  # 1000 tokens, 100 each
    admitted = next(one for one in told if one.ok)
    assert (admitted.metadata["admission"], admitted.metadata["limits"]) == ("local", ACCOUNT.rule_set.charges)
    refused = next(one for one in told if not one.ok)
    assert (refused.metadata["denied"], refused.metadata["limit"]) == ("429", "tenant:tokens:86400s")
    own_valkey.process.resume()
    eventually(lambda: sidecar.committer.available)
    eventually(lambda: sidecar.tell(ask(POLICY)).metadata["admission"] == "fast")


def test_a_killed_redis_is_used_again_once_it_runs(own_valkey: Valkey, open_slice: OpenSlice, tmp_path: Path) -> None:
    sidecar = warmed(open_slice(own_valkey.url))
    assert sidecar.tell(ask(POLICY)).ok
    with redis.Redis.from_url(own_valkey.url) as client:
        client.script_flush()  # what a restart forgets, and then the restart itself
    assert sidecar.tell(ask(POLICY)).ok
    own_valkey.process.kill()
    check_denied(told_in_time(sidecar)[0])
    again = Valkey(tmp_path / "valkey", own_valkey.port)
    eventually(lambda: sidecar.tell(ask(POLICY)).ok)
    again.process.kill()


def test_a_sidecar_starts_without_redis(tmp_path: Path, open_slice: OpenSlice) -> None:
    first = Valkey(tmp_path / "valkey")
    first.process.kill()
    sidecar = open_slice(first.url)
    check_denied(told_in_time(sidecar)[0])
    again = Valkey(tmp_path / "valkey", first.port)
    eventually(lambda: sidecar.tell(ask(POLICY)).ok)
    again.process.kill()


def test_a_batch_that_arrives_late_takes_nothing(proxy: TcpProxy, own_valkey: Valkey, open_slice: OpenSlice) -> None:
    sidecar = warmed(open_slice(through(proxy)))
    proxy.freeze()
    for told in told_in_time(sidecar, 5):
        check_denied(told)
    time.sleep(0.1)
    proxy.thaw()  # what was held is delivered now, after its callers were answered
    eventually(lambda: sidecar.committer.available)
    for _ in range(20):
        assert sidecar.peek(ACCOUNT) == [1000, 100]
        time.sleep(0.02)
    assert in_flight(own_valkey) == 0


def test_a_cut_connection_is_opened_again(proxy: TcpProxy, open_slice: OpenSlice) -> None:
    sidecar = warmed(open_slice(through(proxy)))
    proxy.cut()
    for told in told_in_time(sidecar, 5):
        check_denied(told)
    proxy.restore()
    eventually(lambda: sidecar.committer.available)
    assert sidecar.tell(ask(POLICY)).ok


def test_a_pause_that_callers_can_bear_refuses_nobody(own_valkey: Valkey, open_slice: OpenSlice) -> None:
    sidecar = warmed(open_slice(own_valkey.url, timeout=0.05, patience=30.0))
    own_valkey.process.pause()
    calls = [sidecar.start(ask(POLICY)) for _ in range(5)]
    time.sleep(0.3)  # six times what one call waits for
    calls += [sidecar.start(ask(POLICY)) for _ in range(4)]
    own_valkey.process.resume()
    assert all(call.told().ok for call in calls)
    assert sidecar.peek(ACCOUNT) == [100, 91]
    assert in_flight(own_valkey) == 9


def test_under_load_a_cut_loses_no_budget(proxy: TcpProxy, own_valkey: Valkey, open_slice: OpenSlice) -> None:
    slow = 10**9  # seconds: nothing refills while this runs
    policy = Policy(
        "busy", "key-1", limits=(tokens(1_000_000, window_seconds=slow), requests(100_000, window_seconds=slow))
    )
    sidecar = warmed(open_slice(through(proxy)))
    calls = []
    for turn in range(6):
        calls += [sidecar.start(ask(policy)) for _ in range(100)]
        time.sleep(0.02)
        proxy.cut() if turn % 2 == 0 else proxy.restore()
    proxy.restore()
    told = [call.told() for call in calls]
    admitted = [one for one in told if one.ok]
    assert all(one.ok or one.metadata["denied"] == "503" for one in told)
    eventually(lambda: sidecar.committer.available)
    calls = [sidecar.start(ask(policy)) for _ in range(10)]
    admitted += [call.told() for call in calls]
    expected = [1_000_000 - 100 * len(admitted), 100_000 - len(admitted)]
    eventually(lambda: sidecar.peek(Account.of(policy)) == expected)
    settlements = [Settlement("busy", one.metadata["lease_id"], Used(10)) for one in admitted]
    for start in range(0, len(settlements), 32):
        assert set(sidecar.budgets.settle(settlements[start : start + 32])) == {Settled.SETTLED}
    assert sidecar.peek(Account.of(policy))[0] == 1_000_000 - 10 * len(admitted)
    eventually(lambda: in_flight(own_valkey, "busy") == 0)


def test_closing_answers_everybody_who_waits(own_valkey: Valkey, open_slice: OpenSlice) -> None:
    sidecar = warmed(open_slice(own_valkey.url, timeout=1.0))
    calls = [sidecar.start(ask(POLICY)) for _ in range(10)]
    sidecar.committer.close()
    assert all(call.told().ok for call in calls)
    check_denied(sidecar.tell(ask(POLICY)))


def in_flight(valkey: Valkey, tenant_id: str = "acme") -> int:
    with redis.Redis.from_url(valkey.url) as client:
        return int(client.zcard(f"tollkeeper:leases:{{{tenant_id}}}"))
