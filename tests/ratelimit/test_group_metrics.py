"""What is counted of groups: bounded in labels, and never going back."""

from ratelimit.fleet.gap import gap_of
from ratelimit.fleet.report import GroupLoad
from ratelimit.group_metrics import MOST, OTHERS, GroupMetrics
from tests.ratelimit.reported import report


def test_labels_are_bounded_and_nothing_is_lost() -> None:
    metrics = GroupMetrics()
    metrics.had({(f"group-{number}", "t"): 1 for number in range(1000)})
    for number in range(1000):
        metrics.waited(f"group-{number}", 1.0)
    metrics.wait({f"group-{number}": 1 for number in range(1000)})
    assert (len(metrics.served.counts), sum(metrics.served.counts.values())) == (MOST, 1000)
    assert metrics.served.counts[OTHERS] == 1000 - (MOST - 1)
    (family,) = metrics.wait_seconds.collect()
    counts = {each.labels["group"]: each.value for each in family.samples if each.name.endswith("_count")}
    assert (len(counts), sum(counts.values())) == (MOST, 1000)
    assert (len(metrics.queued) <= MOST + 1, sum(metrics.queued.values())) == (True, 1000)


def test_what_was_estimated_too_high_is_not_counted_twice() -> None:
    metrics = GroupMetrics()
    for service, total in ((500, 500), (-480, 500), (100, 500), (400, 520)):
        metrics.had({("a", "t"): service})
        assert metrics.served.counts["a"] == total


def test_the_gap_is_of_who_waits() -> None:
    reports = [
        report("1", groups=(GroupLoad("paid", 3, 1, served=600), GroupLoad("free", 1, 0, served=100))),
        report("2", groups=(GroupLoad("free", 1, 0, served=300),)),
    ]
    assert gap_of(reports, {"paid": 300, "free": 100}) == 0.75 - 0.6
    assert gap_of(reports, {"paid": 100, "free": 100}) == 0.0
    assert gap_of(reports[1:], {"paid": 300, "free": 100}) == 0.0
    assert gap_of([], {}) == 0.0
