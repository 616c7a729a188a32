from pathlib import Path

import pytest
from structlog.testing import capture_logs

from accesslog.leases.watch import FILE_SECONDS, SILENT_REQUESTS, SILENT_SECONDS, LogWatch
from accesslog.metrics import STREAM, AccessLogMetrics


class Watched:
    """A watch of counts that the test sets."""

    def __init__(self, log_file: Path | None, lines: int | None = 0) -> None:
        self.decided = self.heard = 0
        self.lines = lines
        self.metrics = AccessLogMetrics()
        self.watch = LogWatch(
            log_file,
            self.metrics,
            decided=lambda: self.decided,
            heard=lambda: self.heard,
            lines=lambda: self.lines,
        )

    def look(self, now: float) -> list[str]:
        self.watch.look(now)
        return list(self.watch.warnings)

    def gauge(self, name: str) -> float:
        families = [family for member in self.metrics.members() for family in member.collect()]
        return float(next(each for each in families if each.name.endswith(name)).samples[0].value)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.jsonl"
    path.touch()
    return path


def test_requests_of_which_no_log_tells_are_noticed_until_one_does(log: Path) -> None:
    watched = Watched(log)
    assert watched.look(0.0) == []
    watched.decided = SILENT_REQUESTS
    assert watched.look(1.0) == []
    assert watched.look(SILENT_SECONDS - 0.1) == []
    (warning,) = watched.look(SILENT_SECONDS + 5.0)
    assert f"no log entry for {SILENT_SECONDS + 5:.0f} s, in which {SILENT_REQUESTS} requests began" in warning
    assert (watched.gauge("silent_seconds"), watched.gauge("unheard_requests")) == (15.0, SILENT_REQUESTS)
    assert watched.gauge("warnings") == 1
    watched.heard = 1
    assert watched.look(SILENT_SECONDS + 6.0) == []
    assert watched.gauge("silent_seconds") == watched.gauge("warnings") == 0


def test_what_stays_wrong_is_logged_once_however_its_figures_change(log: Path) -> None:
    watched = Watched(log)
    watched.look(0.0)
    watched.decided = SILENT_REQUESTS
    with capture_logs() as logged:
        said = {text for second in range(60) for text in watched.look(float(second))}
        watched.heard = 1
        assert watched.look(60.0) == []
        watched.decided *= 2
        assert watched.look(61.0) == []
        watched.look(61.0 + SILENT_SECONDS)
    assert len(said) > 1
    assert [each["event"].partition(" for")[0] for each in logged] == ["no log entry"] * 2


def test_few_requests_may_take_long_and_none_need_no_entry(log: Path) -> None:
    watched = Watched(log)
    watched.look(0.0)
    assert watched.look(1000.0) == []
    assert watched.gauge("silent_seconds") == 0
    watched.decided = SILENT_REQUESTS - 1
    assert watched.look(2000.0) == []
    assert watched.gauge("silent_seconds") == 1000.0


def test_without_a_file_log_the_risk_is_told(tmp_path: Path) -> None:
    (warning,) = Watched(None).look(0.0)
    assert "TOLLKEEPER_ACCESS_LOG_FILE" in warning
    (warning,) = Watched(tmp_path / "access.jsonl").look(0.0)
    assert f"{tmp_path}/access.jsonl is not there" in warning
    assert Watched(tmp_path / "access.jsonl", lines=None).look(0.0) == []  # another process reads it


def test_a_file_that_does_not_grow_while_requests_end_is_told(log: Path) -> None:
    watched = Watched(log)
    watched.look(0.0)
    watched.metrics.entries.add(STREAM)
    assert watched.look(1.0) == []
    (warning,) = watched.look(FILE_SECONDS + 1.0)
    assert "has had no new line for a minute" in warning
    watched.lines = 1
    assert watched.look(FILE_SECONDS + 2.0) == []
    assert watched.look(10 * FILE_SECONDS) == []
