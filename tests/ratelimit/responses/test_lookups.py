"""Who looks for an answer: is told, waits, runs; and who keeps one."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from ratelimit.responses.keeper import Keeper
from ratelimit.responses.kept import Kept, Place, Ticket
from ratelimit.responses.lookups import Lookups
from ratelimit.responses.metrics import AWAY, CROWDED, KEPT, TOO_LARGE, UNREADABLE, ResponseMetrics
from ratelimit.responses.redis import RedisResponses
from store.redis import open_redis
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.seal import KEY_BYTES, RESPONSE, Seal
from tests.ratelimit.responses.memory import MemoryResponses
from tests.ratelimit.rls import WaitingCall
from tollkeeper.up.process import free_port

PLACE = Place("owner", "name")
ANSWER = Kept(1, (("a", "b"),), b"body")
SEAL = Seal([b"k" * KEY_BYTES], RESPONSE)
LONG = 60.0


class Told:
    """What one who asked was told."""

    def __init__(self) -> None:
        self.said: list[Kept | None] = []
        self._event = threading.Event()

    def __call__(self, kept: Kept | None) -> None:
        self.said.append(kept)
        self._event.set()

    def wait(self) -> Kept | None:
        assert self._event.wait(10)
        (said,) = self.said
        return said


@pytest.fixture
def store() -> MemoryResponses:
    return MemoryResponses(claim_seconds=LONG)


@pytest.fixture
def metrics() -> ResponseMetrics:
    return ResponseMetrics()


@pytest.fixture
def lookups(store: MemoryResponses, metrics: ResponseMetrics) -> Iterator[Lookups]:
    found = Lookups(store, metrics)
    found.start()
    yield found
    found.close()


def ask(lookups: Lookups, lease_id: str, wait_seconds: float = LONG, place: Place = PLACE) -> Told:
    told = Told()
    assert lookups.ask(place, lease_id, wait_seconds, told) is not None
    return told


def until(passed: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not passed():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_first_runs_and_the_others_get_its_answer(
    lookups: Lookups, store: MemoryResponses, metrics: ResponseMetrics
) -> None:
    assert ask(lookups, "first").wait() is None
    others = [ask(lookups, f"other-{i}") for i in range(50)]
    until(lambda: metrics.waited.counts[""] == 50)
    assert not any(told.said for told in others)
    store.keep(PLACE, "first", ANSWER.dump(), 60, 10**6)
    assert {told.wait() for told in others} == {ANSWER}
    assert ask(lookups, "late").wait() == ANSWER


def test_if_the_first_gives_up_the_others_all_run(
    lookups: Lookups, store: MemoryResponses, metrics: ResponseMetrics
) -> None:
    assert ask(lookups, "first").wait() is None
    others = [ask(lookups, f"other-{i}") for i in range(3)]
    until(lambda: metrics.waited.counts[""] == 3)
    store.release(PLACE, "first")
    assert [told.wait() for told in others] == [None] * 3


def test_one_owner_does_not_take_the_room_of_all_who_wait(store: MemoryResponses, metrics: ResponseMetrics) -> None:
    lookups = Lookups(store, metrics, most_of_one=2)
    lookups.start()
    other = Place("other", "name")
    assert [ask(lookups, "first").wait(), ask(lookups, "first", place=other).wait()] == [None, None]
    waiting = [ask(lookups, f"waits-{i}") for i in range(2)]
    assert ask(lookups, "one too many").wait() is None
    waiting.append(ask(lookups, "of another", place=other))
    until(lambda: metrics.waited.counts[""] == 3)
    for place in (PLACE, other):
        store.keep(place, "first", ANSWER.dump(), 60, 10**6)
    assert [told.wait() for told in waiting] == [ANSWER] * 3
    assert ask(lookups, "first", place=Place("owner", "next")).wait() is None
    ask(lookups, "waits again", place=Place("owner", "next"))
    until(lambda: metrics.waited.counts[""] == 4)
    lookups.close()


def test_nobody_waits_for_longer_than_it_may_and_who_has_left_is_not_told(lookups: Lookups) -> None:
    assert ask(lookups, "first").wait() is None
    left = Told()
    asking = lookups.ask(PLACE, "left", 0.2, left)
    assert asking is not None
    asking.leave()
    assert ask(lookups, "brief", 0.1).wait() is None
    assert ask(lookups, "none", 0.0).wait() is None
    assert ask(lookups, "elsewhere", place=Place("owner", "other")).wait() is None
    assert left.said == []


def test_at_the_end_everybody_runs(store: MemoryResponses, metrics: ResponseMetrics) -> None:
    lookups = Lookups(store, metrics)
    lookups.start()
    assert ask(lookups, "first").wait() is None
    waits = ask(lookups, "second")
    until(lambda: metrics.waited.counts[""] == 1)
    lookups.close()
    assert waits.wait() is None
    assert lookups.ask(PLACE, "third", LONG, Told()) is None


def test_without_redis_everybody_runs_and_after_that_at_once(metrics: ResponseMetrics) -> None:
    away = RedisResponses(partial(open_redis, f"redis://127.0.0.1:{free_port()}", timeout=0.2))
    lookups = Lookups(away, metrics)
    lookups.start()
    try:
        assert ask(lookups, "first").wait() is None
        assert lookups.ask(PLACE, "second", LONG, Told()) is None
        assert metrics.errors.counts[""] == 1
    finally:
        lookups.close()


def test_a_reply_that_nobody_understands_lets_everybody_run(
    lookups: Lookups, store: MemoryResponses, metrics: ResponseMetrics
) -> None:
    store.keep(PLACE, "", b"of another version", 60, 10**6)
    assert ask(lookups, "first").wait() is None
    store.look = lambda looks: 1 / 0  # type: ignore[method-assign, assignment, return-value] # whatever it is
    assert ask(lookups, "second").wait() is None
    assert metrics.failures.counts[""] == 1


def message(lease_id: str, body: bytes = b"body", place: Place = PLACE, seal: Seal = SEAL) -> bytes:
    return f"{Ticket(place, lease_id, 'm', 60, 1000).dump(seal)}\na:b\n\n".encode() + body


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def keeper(store: MemoryResponses, metrics: ResponseMetrics) -> Iterator[Keeper]:
    found = Keeper(store, SEAL, metrics, 10**6, now_ms=now_ms)
    found.start()
    yield found
    found.close()


def test_what_envoy_brings_is_kept_for_who_waits(keeper: Keeper, lookups: Lookups, metrics: ResponseMetrics) -> None:
    lease_id = mint_lease_id(now_ms())
    assert ask(lookups, lease_id).wait() is None
    keeper.claimed(lease_id, PLACE)
    waits = ask(lookups, "other")
    assert keeper.keep(message(lease_id), WaitingCall()) == b""
    kept = waits.wait()
    assert kept is not None
    assert (kept.headers, kept.body) == ((("a", "b"),), b"body")
    assert abs(kept.at_ms - now_ms()) < 60_000
    assert metrics.answers.counts[KEPT] == 1


def test_what_nobody_of_ours_allowed_is_not_kept(keeper: Keeper, metrics: ResponseMetrics) -> None:
    lease_id, old = mint_lease_id(now_ms()), mint_lease_id(now_ms() - 10**9)
    forged = Seal([b"j" * KEY_BYTES], RESPONSE)
    for brought in (b"", b"nonsense", message(lease_id, seal=forged), message(old)):
        keeper.keep(brought, WaitingCall())
    keeper.keep(message(lease_id, b"x" * 1001), WaitingCall())
    assert (metrics.answers.counts[UNREADABLE], metrics.answers.counts[TOO_LARGE]) == (4, 1)
    assert metrics.answers.counts[KEPT] == 0


def test_a_claim_ends_soon_after_its_request_if_no_answer_came(keeper: Keeper, lookups: Lookups) -> None:
    lease_id = mint_lease_id(now_ms())
    assert ask(lookups, lease_id).wait() is None
    keeper.claimed(lease_id, PLACE)
    waits = ask(lookups, "other")
    keeper.over("somebody else's")
    keeper.over(lease_id)
    assert waits.wait() is None


def test_without_redis_or_room_an_answer_is_not_kept(metrics: ResponseMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    away = RedisResponses(partial(open_redis, f"redis://127.0.0.1:{free_port()}", timeout=0.2))
    keeper = Keeper(away, SEAL, metrics, 10**6, now_ms=now_ms)
    keeper.start()
    try:
        keeper.keep(message(mint_lease_id(now_ms())), WaitingCall())
        until(lambda: metrics.answers.counts[AWAY] == 1)
        monkeypatch.setattr("ratelimit.responses.keeper.MAX_BYTES", 3)  # the real bound is 64 MiB
        keeper.keep(message(mint_lease_id(now_ms())), WaitingCall())
        assert metrics.answers.counts[CROWDED] == 1
    finally:
        keeper.close()
