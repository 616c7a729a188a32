import pytest

from accesslog.streams import GRACE_SECONDS, HEARD_SECONDS, MOST_NAMES, Gone, Streams
from tenancy.values.lease_id import NO_ENVOY, mint_lease_id

ONE, OTHER = "1a2b", "3c4d"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def streams(clock: Clock) -> Streams:
    return Streams(clock)


def stream(streams: Streams, envoy: str) -> int:
    number = streams.opened()
    streams.brought(number, mint_lease_id(1, envoy))
    return number


def test_an_envoy_whose_streams_are_all_cut_is_gone(streams: Streams, clock: Clock) -> None:
    first, second = stream(streams, ONE), stream(streams, ONE)
    stream(streams, OTHER)
    clock.now += 10
    streams.ended(first, ok=False)
    clock.now += 1
    streams.ended(second, ok=False)
    assert streams.here() == [OTHER]
    assert streams.gone() == []
    clock.now += GRACE_SECONDS
    assert streams.gone() == [Gone(ONE, 1011.0)]
    assert streams.gone() == []


@pytest.mark.parametrize("again", [False, True])
def test_an_envoy_with_a_stream_left_or_opened_again_is_there(streams: Streams, clock: Clock, again: bool) -> None:
    cut = stream(streams, ONE)
    if not again:
        stream(streams, ONE)
    streams.ended(cut, ok=False)
    clock.now += 1
    if again:
        stream(streams, ONE)
    clock.now += GRACE_SECONDS
    assert streams.gone() == []


@pytest.mark.parametrize(("heard_after", "gone"), [(HEARD_SECONDS - 0.1, 1), (HEARD_SECONDS, 0)])
def test_what_was_said_elsewhere_before_the_cut_was_seen_there_does_not_count(
    streams: Streams, clock: Clock, heard_after: float, gone: int
) -> None:
    cut = stream(streams, ONE)
    streams.ended(cut, ok=False)
    clock.now += heard_after
    streams.heard([ONE, OTHER])
    clock.now += GRACE_SECONDS - heard_after
    assert len(streams.gone()) == gone


def test_of_envoys_without_a_name_an_older_stream_left_tells_nothing(streams: Streams, clock: Clock) -> None:
    cut, left = stream(streams, NO_ENVOY), stream(streams, NO_ENVOY)
    clock.now += 1
    streams.ended(cut, ok=False)
    clock.now += GRACE_SECONDS
    assert streams.gone() == []
    streams.ended(left, ok=False)
    clock.now += 1
    stream(streams, NO_ENVOY)  # of the one that was started in its place
    clock.now += GRACE_SECONDS
    assert streams.gone() == [Gone(NO_ENVOY, 1001.0 + GRACE_SECONDS)]


def test_a_stream_that_its_envoy_ends_or_that_brought_nothing_says_nothing(streams: Streams, clock: Clock) -> None:
    streams.ended(stream(streams, ONE), ok=True)
    streams.ended(streams.opened(), ok=False)
    clock.now += GRACE_SECONDS
    assert streams.gone() == []


def test_of_one_stream_the_latest_names_are_known(streams: Streams) -> None:
    """The version before put chance where the name is."""
    number = streams.opened()
    for name in range(100, 100 + MOST_NAMES + 1):
        streams.brought(number, mint_lease_id(1, f"{name:04d}"))
    assert streams.here() == [f"{name:04d}" for name in range(101, 100 + MOST_NAMES + 1)]
