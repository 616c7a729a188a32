import pytest

from accesslog.streams import GRACE_SECONDS, Streams


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


def test_an_envoy_whose_streams_are_all_cut_is_gone(streams: Streams, clock: Clock) -> None:
    first, second = streams.opened(), streams.opened()
    clock.now += 10
    streams.ended(first, ok=False)
    clock.now += 1
    streams.ended(second, ok=False)
    assert streams.gone_before() is None
    clock.now += 0.5
    streams.opened()  # of the one that was started in its place
    clock.now += GRACE_SECONDS
    assert streams.gone_before() == 1011.0
    assert streams.gone_before() is None


def test_with_an_older_stream_left_nobody_can_tell(streams: Streams, clock: Clock) -> None:
    cut, _ = streams.opened(), streams.opened()
    clock.now += 1
    streams.ended(cut, ok=False)
    clock.now += GRACE_SECONDS
    assert streams.gone_before() is None


def test_a_stream_that_its_envoy_ends_says_nothing(streams: Streams, clock: Clock) -> None:
    streams.ended(streams.opened(), ok=True)
    clock.now += GRACE_SECONDS
    assert streams.gone_before() is None
