"""What is charged for what was made and not seen: by the time that passed and the learned speed of the model."""

from typing import Any

import pytest

from accesslog.entry import LogEntry
from accesslog.learned.speeds import Speeds
from accesslog.usage import UNKNOWN_SPEED, Speed, Usage, usage_of
from ledger.row import UsageSource
from tests.accesslog.entries import finished, reports

ESTIMATED, NONE = UsageSource.ESTIMATED, UsageSource.NONE
SSE = "text/event-stream"


LEFT: dict[str, Any] = {"status": 0, "bytes_out": 0, "content_type": None, "response_flags": "DC", "total_ms": 1500}
SPEECH: dict[str, Any] = {"output_cap": 0, "kind": "speaks"}
SPOKEN: dict[str, Any] = {"content_type": "audio/mpeg", "bytes_out": 40_000, "response_flags": "DC", "total_ms": 1500}
UNSEEN: dict[str, tuple[LogEntry, int, int, int]] = {
    # What is charged for the output: of a model that is not known, of one that writes 20 a second, with refunds.
    # decision: 80 reserved for the output
    "a plain answer, left before it began": (finished(**LEFT), 80, 30, 0),
    "left at once": (finished(**LEFT | {"total_ms": 3}), 3, 1, 0),
    "a plain answer, left in its middle": (
        finished({"events": 1, "text_bytes": 45}, response_flags="DC", total_ms=1500), 80, 30, 10
    ),
    "a plain answer, left after its end": (
        finished({"events": 1, "text_bytes": 45, "ended": "done"}, response_flags="DC", total_ms=1500), 10, 10, 10
    ),
    "a stream, left before its first text": (
        finished({"stream": "true"}, content_type=SSE, bytes_out=0, response_flags="DC", total_ms=1500), 80, 30, 0
    ),
    "a stream, left": (
        finished({"events": 5, "text_bytes": 20}, content_type=SSE, response_flags="DC", total_ms=1500), 5, 5, 5
    ),
    "our own timeout": (finished(status=504, response_flags="UT", total_ms=1500), 80, 30, 0),
    "our own idle timeout": (finished(status=504, response_flags="SI", total_ms=1500), 80, 30, 0),
    "an answer that Envoy does not take": (finished(status=502, response_flags="UPE", total_ms=1500), 80, 30, 0),
    "no connection": (finished(status=503, response_flags="UF", total_ms=1500), 0, 0, 0),
    "a failure that the client did not wait for": (finished(status=500, bytes_out=0, response_flags="DC"), 0, 0, 0),
    "an answer that cannot be read": (finished({"ended": "unread"}, total_ms=1500), 80, 30, 80),
    "vectors, left": (finished(None, {"reserved_tokens": 20, "output_cap": 0}, **LEFT), 0, 0, 0),
    "speech, left": (finished({"usage": "sound.length=80000"}, SPEECH, **SPOKEN), 100, 100, 50),
    "speech of no known length, left": (finished(None, SPEECH, **SPOKEN), 50, 50, 50),
    "speech, left before it began": (finished(None, SPEECH, **LEFT), 80, 30, 0),
    "images, left": (finished(None, {"output_cap": 0, "kind": "draws"}, **LEFT), 80, 80, 0),
}  # fmt: skip


@pytest.mark.parametrize(("found", "unknown", "known", "refunded"), UNSEEN.values(), ids=UNSEEN.keys())
def test_what_was_made_and_not_seen(found: LogEntry, unknown: int, known: int, refunded: int) -> None:
    assert usage_of(found).output_tokens == unknown
    assert usage_of(found, Speed(20.0)).output_tokens == known
    assert usage_of(found, refunds=True).output_tokens == refunded
    assert usage_of(found).source is (ESTIMATED if found.status < 500 or found.given_up or found.aborted else NONE)


def test_what_a_model_thinks_in_secret_is_charged_by_the_time() -> None:
    usage = {"usage": "message.usage.input_tokens=50 message.usage.output_tokens=1", "events": 5, "text_bytes": 20}
    found = finished(usage, content_type=SSE, response_flags="DC", total_ms=1500)
    assert usage_of(found, Speed(20.0, shown=0.2)) == Usage(50, 30, 0, 0, ESTIMATED)
    assert usage_of(found, Speed(20.0, shown=0.9)) == Usage(50, 6, 0, 0, ESTIMATED)
    assert usage_of(found, Speed(20.0, shown=0.9), refunds=True) == Usage(50, 5, 0, 0, ESTIMATED)


def test_results_that_were_not_reported_are_as_long_as_the_one_that_was_within_what_was_allowed() -> None:
    report = "usage.prompt_tokens=30 usage.completion_tokens=9 results.unreported=3"
    assert usage_of(finished(reports(report))) == Usage(30, 36, 0, 0, ESTIMATED)
    assert usage_of(finished(reports(report), {"output_cap": 20})) == Usage(30, 20, 0, 0, ESTIMATED)
    seen = reports(report) | {"text_bytes": 270}
    assert usage_of(finished(seen)) == Usage(30, 60, 0, 0, ESTIMATED)


def taught(*answers: tuple[int, int, int], models: int = 1000, model: str = "m") -> Speeds:
    """`answers`: reported output, events, milliseconds."""
    speeds = Speeds(models)
    for output, events, ms in answers:
        usage = {"usage": f"usage.prompt_tokens=9 usage.completion_tokens={output}", "events": events, "ended": "done"}
        found = finished(usage, {"model": model}, content_type=SSE, total_ms=ms)
        speeds.learn(found, usage_of(found))
    return speeds


def test_speed_is_learned_from_whole_reported_answers() -> None:
    assert taught(*[(100, 100, 2000)] * 19).of("m") == UNKNOWN_SPEED
    tokens_per_second, shown = taught(*[(100, 50, 1000), (100, 50, 4000)] * 10).of("m")
    assert (round(tokens_per_second, 6), round(shown, 6)) == (50, 0.5)
    assert taught(*[(100, 100, 2000)] * 20).of("other") == UNKNOWN_SPEED
    assert taught(*[(15, 15, 2000)] * 20).of("m") == UNKNOWN_SPEED  # too little
    assert taught(*[(100, 100, 0)] * 20).of("m") == UNKNOWN_SPEED


def test_speeds_of_so_many_models_are_kept() -> None:
    speeds = taught(*[(100, 100, 2000)] * 20, models=2)
    for model in ("a", "b"):
        found = finished(reports("usage.prompt_tokens=9 usage.completion_tokens=90"), {"model": model})
        speeds.learn(found, usage_of(found))
    assert speeds.of("m") == UNKNOWN_SPEED
