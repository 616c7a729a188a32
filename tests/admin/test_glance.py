"""What counts as wrong at a glance."""

import pytest

from admin.commands.queries.glance import RefusedBy, findings
from admin.commands.queries.live import Live
from ratelimit.fleet.report import Aged, Report


def sidecar(age: float = 0.5, *, redis: bool = True, version: str = "1") -> Aged:
    report = Report("s", "h", version, "2026-01-01T00:00:00Z", 0, 0, None, "", 0, 0, 0, 0, redis)
    return Aged(report, age)


def refused(denied_by: str, status: int = 429) -> RefusedBy:
    return RefusedBy(denied_by, status, 7, 1)


WELL = [sidecar()]
CASES: list[tuple[list[Aged], int, int, list[RefusedBy], list[tuple[str, bool, int]]]] = [
    # sidecars, in flight, queued, refused, what is found
    (WELL, 3, 0, [refused("tenant:tokens:60s")], []),
    ([], 0, 0, [], [("no_sidecar", True, 1)]),
    ([sidecar(), sidecar(3.5)], 0, 0, [], [("silent", True, 1)]),
    ([sidecar(redis=False)] * 2, 0, 0, [], [("no_redis", True, 2)]),
    ([sidecar(), sidecar(version="2")], 0, 0, [], [("versions", False, 2)]),
    (WELL, 0, 0, [refused("unavailable", 503)], [("undecided", True, 7)]),
    (WELL, 10, 0, [refused("tenant:in_flight")], [("full", False, 10), ("crowded", False, 7)]),
    (WELL, 10, 0, [refused("model:in_flight")], [("full", True, 10), ("crowded", False, 7)]),
    (WELL, 0, 2, [refused("tenant:in_flight")], [("crowded", False, 7), ("queued", False, 2)]),
    (
        [sidecar(4, version="2"), sidecar()],
        0,
        1,
        [],
        [("silent", True, 1), ("versions", False, 2), ("queued", False, 1)],
    ),
]


@pytest.mark.parametrize(("sidecars", "in_flight", "queued", "refusals", "found"), CASES)
def test_what_is_to_be_looked_at(
    sidecars: list[Aged],
    in_flight: int,
    queued: int,
    refusals: list[RefusedBy],
    found: list[tuple[str, bool, int]],
) -> None:
    running = Live(in_flight, queued, [], [], sidecars)
    listed = findings(running, 10, refusals, [])
    assert [(each.what, each.severe, each.count) for each in listed] == found
