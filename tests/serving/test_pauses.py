"""What a long collection leaves is not looked at again."""

import gc
from collections.abc import Callable, Iterator

import pytest

from serving.pauses import ShortPauses


@pytest.fixture
def begin() -> Iterator[Callable[[float], ShortPauses]]:
    begun: list[ShortPauses] = []

    def start(long_seconds: float) -> ShortPauses:
        begun.append(ShortPauses(long_seconds))
        begun[-1].begin()
        return begun[-1]

    yield start
    for pauses in begun:
        pauses.end()
    gc.unfreeze()


def observed(pauses: ShortPauses) -> float:
    (family,) = pauses.seconds.collect()
    return next(sample.value for sample in family.samples if sample.name.endswith("_count"))


def test_what_exists_at_the_beginning_is_set_aside(begin: Callable[[float], ShortPauses]) -> None:
    before = gc.get_freeze_count()
    begin(0.0)
    assert gc.get_freeze_count() > before


@pytest.mark.parametrize(("long_seconds", "set_aside"), [(0.0, True), (60.0, False)])
def test_what_survives_a_long_collection_is_set_aside(
    begin: Callable[[float], ShortPauses], long_seconds: float, set_aside: bool
) -> None:
    pauses = begin(long_seconds)
    before = gc.get_freeze_count()
    alive = [[number] for number in range(10_000)]
    gc.collect(1)
    assert gc.get_freeze_count() <= before  # not a full one
    gc.collect()
    assert (gc.get_freeze_count() >= before + len(alive)) is set_aside
    assert observed(pauses) == 1


def test_what_was_set_aside_is_freed_when_nobody_holds_it(begin: Callable[[float], ShortPauses]) -> None:
    begin(0.0)
    alive = [[number] for number in range(10_000)]
    gc.collect()
    count = gc.get_freeze_count()
    del alive
    assert gc.get_freeze_count() <= count - 10_000
