"""What the port of kept answers promises: the oracle and Redis, alone and as a cluster."""

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import redis

from ratelimit.budgets.port import BudgetsUnavailable
from ratelimit.responses.kept import Place
from ratelimit.responses.names import answer_key, owner_keys
from ratelimit.responses.port import Look, Responses, Told, Turn
from ratelimit.responses.redis import RedisResponses
from store.redis import open_redis
from tests.cluster import Cluster
from tests.ratelimit.responses.memory import BESIDE, MemoryResponses
from tollkeeper.up.process import free_port

CLAIM_SECONDS = 0.3
MOST = 10_000
_numbers = itertools.count()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture(params=["memory", "redis", "cluster"])
def store(request: pytest.FixtureRequest) -> Iterator[Responses]:
    if request.param == "memory":
        yield MemoryResponses(CLAIM_SECONDS)
        return
    url = request.getfixturevalue("valkey" if request.param == "redis" else "cluster").url
    found = RedisResponses(partial(open_redis, url, timeout=5.0), CLAIM_SECONDS)
    yield found
    found.close()


@pytest.fixture
def place() -> Callable[[str], Place]:
    """By name, of an owner of the test's own."""
    owner = f"owner-{next(_numbers)}"
    return lambda name: Place(owner, name)


def wait(passed: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not passed():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_runs_and_the_others_wait_for_it(store: Responses, place: Callable[[str], Place]) -> None:
    here, there = place("here"), place("there")
    looks = [Look(here, "first"), Look(here, "second"), Look(there, "third")]
    assert store.look(looks) == [Turn.RUN, Turn.WAIT, Turn.RUN]
    assert store.look([Look(here, "first")]) == [Turn.RUN]  # asked again
    assert store.look([Look(here, "", claims=False)]) == [Turn.WAIT]
    assert store.keep(here, "first", b"\0answer", 60, MOST) == Told(True, 0, 7 + BESIDE)
    assert store.look([Look(here, "second"), Look(there, "fourth")]) == [b"\0answer", Turn.WAIT]


def test_a_claim_ends_by_itself_or_by_who_has_it(store: Responses, place: Callable[[str], Place]) -> None:
    here = place("here")
    store.look([Look(here, "first")])
    store.release(here, "another")
    assert store.look([Look(here, "", claims=False)]) == [Turn.WAIT]
    store.release(here, "first")
    assert store.look([Look(here, "", claims=False)]) == [Turn.RUN]
    assert store.look([Look(here, "second"), Look(here, "third")]) == [Turn.RUN, Turn.WAIT]
    wait(lambda: store.look([Look(here, "third")]) == [Turn.RUN])
    store.release(here, "second")  # late
    assert store.look([Look(here, "fourth")]) == [Turn.WAIT]


def test_owners_are_apart(store: Responses) -> None:
    one, other = (Place(f"owner-{next(_numbers)}", "same") for _ in range(2))
    store.keep(one, "", b"of one", 60, MOST)
    assert store.look([Look(one, "a"), Look(other, "b")]) == [b"of one", Turn.RUN]
    assert store.keep(other, "", b"of other", 60, MOST).size == 8 + BESIDE
    assert store.look([Look(one, "a"), Look(other, "b")]) == [b"of one", b"of other"]


def test_an_answer_ends_with_its_time_and_its_bytes_come_back(store: Responses, place: Callable[[str], Place]) -> None:
    store.keep(place("short"), "", b"a", 1, MOST)
    assert store.keep(place("long"), "", b"b", 60, MOST).size == 2 * (1 + BESIDE)
    wait(lambda: store.look([Look(place("short"), "", claims=False)]) == [Turn.RUN])
    wait(lambda: store.keep(place("third"), "", b"c", 60, MOST).size == 2 * (1 + BESIDE))
    assert store.look([Look(place("long"), "")]) == [b"b"]


def test_what_was_not_used_for_longest_goes_first(store: Responses, place: Callable[[str], Place]) -> None:
    kept = [store.keep(place(name), "", b"x" * 600, 60, 2500) for name in ("a", "b", "c")]
    assert kept[-1] == Told(True, 1, 2000)
    time.sleep(0.002)  # the store's clock counts milliseconds
    store.look([Look(place("b"), "")])
    assert store.keep(place("d"), "", b"x" * 600, 60, 2500) == Told(True, 1, 2000)
    found = store.look([Look(place(name), "z", claims=False) for name in "abcd"])
    assert [each is not Turn.RUN for each in found] == [False, True, False, True]


def test_one_that_is_kept_anew_counts_once_and_one_that_is_too_large_not_at_all(
    store: Responses, place: Callable[[str], Place]
) -> None:
    for text in (b"one", b"other"):
        told = store.keep(place("a"), "", text, 60, MOST)
    assert told == Told(True, 0, 5 + BESIDE)
    store.look([Look(place("b"), "first")])
    assert store.keep(place("b"), "first", b"x" * MOST, 60, MOST) == Told(False, 0, 5 + BESIDE)
    assert store.look([Look(place("a"), ""), Look(place("b"), "", claims=False)]) == [b"other", Turn.RUN]


def test_what_is_no_answer_fails_no_other(redis_url: str) -> None:
    """Whoever put it there; the batch is that of all tenants."""
    store, name = RedisResponses(lambda: open_redis(redis_url, timeout=5)), "n" * 64
    for owner in ("good", "spoilt", "unordered"):
        assert store.keep(Place(owner, name), "lease", b"1x", 60, 10_000).kept
    with redis.Redis.from_url(redis_url) as client:
        for key in (answer_key("spoilt", name), owner_keys("unordered").used):
            client.delete(key)
            client.hset(key, "a", "b")
    looks = [Look(Place(owner, name), "other") for owner in ("spoilt", "unordered", "good")]
    assert store.look(looks) == [Turn.RUN, b"1x", b"1x"]


def test_a_store_that_is_away_says_so() -> None:
    away = RedisResponses(partial(open_redis, f"redis://127.0.0.1:{free_port()}", timeout=0.2))
    for ask in (
        lambda: away.look([Look(Place("o", "n"), "")]),
        lambda: away.keep(Place("o", "n"), "", b"", 1, MOST),
        lambda: away.release(Place("o", "n"), ""),
    ):
        with pytest.raises(BudgetsUnavailable):
            ask()
