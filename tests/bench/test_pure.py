"""The harness's arithmetic and its reading of other programs' words, on literal tables."""

from dataclasses import asdict

import pytest

from bench.against import figures_of, table
from bench.figures import Figure, Measure, Report, Table, percentile, short
from bench.h2load import read
from bench.parts.profile import by_own_frame
from bench.poisson import is_whole
from bench.stage import decisions, gained

H2LOAD = """
finished in 2.50s, 4000.00 req/s, 3.17MB/s
requests: 10000 total, 10000 started, 10000 done, 9998 succeeded, 2 failed, 0 errored, 0 timeout
status codes: 9990 2xx, 0 3xx, 8 4xx, 0 5xx
traffic: 15.08KB (15438) total, 171B (171) headers (space savings 93.40%), 13.47KB (13792) data
"""


def test_a_figure_is_the_median_with_least_and_greatest() -> None:
    assert Figure.of([3.0, 1.0, 2.0]) == Figure(2.0, 1.0, 3.0)


def test_a_ratio_is_taken_round_by_round() -> None:
    assert Figure.ratio([10.0, 40.0], [5.0, 10.0]) == Figure(3.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("value", "target", "at_most", "met"),
    [(6.0, 6.0, False, True), (5.9, 6.0, False, False), (0.5, 0.5, True, True), (0.6, 0.5, True, False)],
)
def test_a_measure_is_met_on_its_target(value: float, target: float, at_most: bool, met: bool) -> None:
    assert Measure("m", Figure.of([value]), target, at_most).met is met


def test_a_wrong_answer_is_noted() -> None:
    report = Report("title", "how")
    report.check("same", 1, 1)
    report.check("other", 1, 2)
    assert report.wrong == ["other: 1, not 2"]


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (1.234, "1.23"), (12.34, "12.3"), (12345.6, "12,346")])
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert short(value) == text


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([1.0, 2.0, 3.0, 4.0], share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 3.0, 4.0, 4.0]


def test_h2load_is_read() -> None:
    load = read(H2LOAD)
    assert (load.seconds, load.ok, load.failed, load.data_bytes, load.rate) == (2.5, 9990, 10, 13792, 3996.0)


def test_what_is_not_h2load_is_an_error() -> None:
    with pytest.raises(ValueError, match="h2load says"):
        read("connection refused")


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", False),
    ],
)
def test_an_answer_is_whole_with_its_body(answer: bytes, whole: bool) -> None:
    assert is_whole(answer) is whole


def test_decisions_are_counted_between_two_scrapes() -> None:
    name = 'tollkeeper_authz_decisions_total{outcome="%s"}'
    before, after = ({name % "allowed": n, name % "missing": 1.0, "other": 5.0} for n in (2.0, 7.0))
    assert gained(decisions(before, "authz"), decisions(after, "authz")) == {"allowed": 5}


def test_a_sample_counts_for_the_innermost_frame_that_is_ours() -> None:
    samples = [
        "serve (serving/completion_queue/engine.py:80);check (authz/service.py:70);x (re.py:1) 3",
        "serve (serving/completion_queue/engine.py:80);<genexpr> (authz/service.py:71) 2",
        "run (threading.py:9) 1",
    ]
    found = {"authz/service.py check": 3, "authz/service.py <genexpr>": 2, "others": 1}
    assert by_own_frame(samples) == found


def test_every_number_of_a_report_is_a_figure() -> None:
    report = Report("title", "how", [Measure("ours ÷ theirs", Figure.of([6.5, 7.0]), target=6.0)])
    rows = [["ours", "12,345 (12,000 – 13,000)", "1.05 / 20.3, 2 failed"], ["theirs", "–", "saturated"]]
    report.tables.append(Table(["32 connections", "requests/s", "p50 / p99 ms"], rows))
    assert figures_of(asdict(report)) == {
        "ours ÷ theirs": 6.75,
        "32 connections ours, requests/s": 12345.0,
        "32 connections ours, p50 / p99 ms [1]": 1.05,
        "32 connections ours, p50 / p99 ms [2]": 20.3,
    }


def test_figures_of_two_trees_are_compared_round_by_round() -> None:
    ours = [{"calls/s": 90.0, "dropped": 0.0, "new": 1.0}, {"calls/s": 220.0, "dropped": 0.0, "new": 1.0}]
    theirs = [{"calls/s": 100.0, "dropped": 0.0}, {"calls/s": 200.0, "dropped": 0.0}]
    found = table({"this tree": ours, "abc123": theirs})
    assert found.header == ["figure", "this tree", "abc123", "ratio (min – max)"]
    assert found.rows == [["calls/s", "155", "150", "1.00 (0.90 – 1.10)"], ["dropped", "0", "0", "–"]]
