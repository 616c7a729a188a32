"""One tiny round on the real servers: it measures something, and finds no answer wrong."""

from bench.parts import ledger
from bench.rounds import Plan


def test_a_tiny_round_of_the_ledger_finds_every_request_once() -> None:
    report = ledger.run(Plan(rounds=1, seconds=0.03))
    assert report.wrong == []
    assert report.tables[0].rows
