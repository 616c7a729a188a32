"""What a request is charged: the table of usage.py, row by row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from accesslog.entry import LogEntry
from accesslog.formats import FORMATS, paths_of
from accesslog.usage import Usage, usage_of
from ledger.row import UsageSource
from tests.accesslog.entries import finished, reports

REPORTED, ESTIMATED, NONE = UsageSource.REPORTED, UsageSource.ESTIMATED, UsageSource.NONE
SSE = "text/event-stream"


# What formats.py says of each format is tried in tests/formats; here is how counts add up.
REPORTS: dict[str, tuple[str, Usage]] = {
    "parts": (
        "usage.prompt_tokens=100 usage.completion_tokens=30 usage.total_tokens=130"
        " usage.prompt_tokens_details.cached_tokens=64 usage.completion_tokens_details.reasoning_tokens=20"
        " usage.prompt_tokens_details.audio_tokens=7 usage.completion_tokens_details.audio_tokens=3",
        Usage(100, 30, 64, 20, REPORTED, audio_input=7, audio_output=3),
    ),
    "no parts": ("usage.prompt_tokens=100 usage.completion_tokens=30", Usage(100, 30, 0, 0, REPORTED)),
    "reasoning in the total alone": (
        "usage.prompt_tokens=32 usage.completion_tokens=9 usage.total_tokens=241"
        " usage.completion_tokens_details.reasoning_tokens=200",
        Usage(32, 209, 0, 200, REPORTED),
    ),
    "a cache in the total alone": (
        "usage.prompt_tokens=10 usage.completion_tokens=5 usage.total_tokens=1015 usage.cache_read_input_tokens=1000",
        Usage(1010, 5, 1000, 0, REPORTED),
    ),
    "a total that is too low": (
        "usage.prompt_tokens=10 usage.completion_tokens=5 usage.total_tokens=3",
        Usage(10, 5, 0, 0, REPORTED),
    ),
    "nothing but a total": ("usage.total_tokens=8", Usage(8, 9, 0, 0, ESTIMATED)),
    "a cache beside the input": (
        "usage.input_tokens=10 usage.output_tokens=5"
        " usage.cache_read_input_tokens=1000 usage.cache_creation_input_tokens=200",
        Usage(1210, 5, 1000, 0, REPORTED, cache_write_5m=200),
    ),
    "a cache by its time": (
        "usage.input_tokens=10 usage.output_tokens=5 usage.cache_creation_input_tokens=200"
        " usage.cache_creation.ephemeral_5m_input_tokens=50 usage.cache_creation.ephemeral_1h_input_tokens=150",
        Usage(210, 5, 0, 0, REPORTED, cache_write_5m=50, cache_write_1h=150),
    ),
    "two formats at once": (
        "usage.prompt_tokens=1210 usage.completion_tokens=5 usage.cache_read_input_tokens=1000 usage.input_tokens=7",
        Usage(1210, 5, 1000, 0, REPORTED),
    ),
    "zeros": ("usage.prompt_tokens=0 usage.completion_tokens=0", Usage(20, 9, 0, 0, ESTIMATED)),
    "more in parts than there was": (
        "usage.prompt_tokens=5 usage.completion_tokens=1 usage.prompt_tokens_details.cached_tokens=9"
        " usage.completion_tokens_details.reasoning_tokens=9",
        Usage(9, 9, 9, 9, REPORTED),
    ),
    "no input": ("usage.completion_tokens=30", Usage(20, 30, 0, 0, ESTIMATED)),
    "no output": ("usage.prompt_tokens=8", Usage(8, 9, 0, 0, ESTIMATED)),
    "far more output than was asked for": (
        "usage.prompt_tokens=8 usage.completion_tokens=1000000",
        Usage(8, 9, 0, 0, ESTIMATED),
    ),
    "somewhat more output than was asked for": (
        "usage.prompt_tokens=8 usage.completion_tokens=300",
        Usage(8, 300, 0, 0, REPORTED),
    ),
    "more input than any model takes": (
        "usage.prompt_tokens=100000001 usage.completion_tokens=3",
        Usage(20, 3, 0, 0, ESTIMATED),
    ),
}


# decision: input_estimate 20, output_cap 80
@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("status", [200, 500])
def test_reported_usage_is_taken(name: str, status: int) -> None:
    text, usage = REPORTS[name]
    assert usage_of(finished(reports(text), status=status)) == usage


def test_a_report_without_output_of_an_answer_without_text_is_whole() -> None:
    """Embeddings."""
    found = finished({"usage": "usage.prompt_tokens=8", "ended": "done"}, {"output_cap": 0}, bytes_out=54_000_000)
    assert usage_of(found) == Usage(8, 0, 0, 0, REPORTED)


# decision: input_estimate 20, output_cap 80
OTHERS: dict[str, tuple[LogEntry, Usage]] = {
    "refused": (finished(None, {"admission": "refused", "denied": "429"}, status=429), Usage(0, 0, 0, 0, NONE)),
    "refused, and usage from somewhere": (
        finished(reports("usage.prompt_tokens=5"), {"admission": "refused", "denied": "403"}, status=403),
        Usage(0, 0, 0, 0, NONE),
    ),
    "upstream failed": (finished(status=500, bytes_out=4000), Usage(0, 0, 0, 0, NONE)),
    "upstream refused": (finished(status=429), Usage(0, 0, 0, 0, NONE)),
    "no upstream": (finished(status=503, response_flags="UF"), Usage(0, 0, 0, 0, NONE)),
    "plain answer": (finished(bytes_out=101), Usage(20, 26, 0, 0, ESTIMATED)),
    "plain answer, capped": (finished(bytes_out=4000), Usage(20, 80, 0, 0, ESTIMATED)),
    "plain answer, no cap": (finished(None, {"output_cap": 0}, bytes_out=4000), Usage(20, 1000, 0, 0, ESTIMATED)),
    "empty answer": (finished(bytes_out=0), Usage(20, 0, 0, 0, ESTIMATED)),
    "stream": (finished(content_type=SSE, bytes_out=2001), Usage(20, 11, 0, 0, ESTIMATED)),
    "client left the stream": (
        finished(content_type=SSE, bytes_out=2000, response_flags="DC"),
        Usage(20, 45, 0, 0, ESTIMATED),
    ),
    "client left before an answer": (
        finished(status=0, content_type=None, bytes_out=0, response_flags="DC"),
        Usage(20, 45, 0, 0, ESTIMATED),
    ),
    "client left a failure": (finished(status=500, bytes_out=40, response_flags="DC"), Usage(20, 10, 0, 0, ESTIMATED)),
    "no status": (finished(status=0, bytes_out=0), Usage(20, 45, 0, 0, ESTIMATED)),
    "drawn, without a word of its use": (
        finished({"ended": "done"}, {"output_cap": 0, "kind": "draws"}, bytes_out=4000),
        Usage(20, 80, 0, 0, ESTIMATED),
    ),
    "redirect": (finished(status=307), Usage(0, 0, 0, 0, NONE)),
    "not inference": (finished(None, {"inference": False}, bytes_out=4000), Usage(0, 0, 0, 0, NONE)),
    "not inference, aborted": (finished(None, {"inference": False}, response_flags="DC"), Usage(0, 0, 0, 0, NONE)),
    "not inference, and usage of an earlier answer": (
        finished(reports("usage.input_tokens=900 usage.output_tokens=4100"), {"inference": False, "kind": "stored"}),
        Usage(0, 0, 0, 0, NONE),
    ),
    "a response in the background": (
        finished({"ended": "done", "answer_id": "r1", "answer_status": "queued"}, bytes_out=900),
        Usage(20, 80, 0, 0, ESTIMATED),
    ),
    "a response in the background, of no bound": (
        finished({"ended": "done", "answer_id": "r1", "answer_status": "queued"}, {"output_cap": 0}, bytes_out=900),
        Usage(20, 80, 0, 0, ESTIMATED),
    ),
    "a response in the background, with zeros": (
        finished(reports("usage.input_tokens=0 usage.output_tokens=0") | {"events": 0, "answer_status": "in_progress"}),
        Usage(20, 80, 0, 0, ESTIMATED),
    ),
    "a stream that goes on in the background": (
        finished(
            {"background": "true", "events": 3, "text_bytes": 12},
            {"output_cap": 0},
            content_type=SSE,
            response_flags="DC",
        ),
        Usage(20, 80, 0, 0, ESTIMATED),
    ),
    "a stream in the background, seen beyond what was reserved": (
        finished(
            {"background": "true", "events": 300, "text_bytes": 1200},
            {"output_cap": 0},
            content_type=SSE,
            response_flags="DC",
        ),
        Usage(20, 300, 0, 0, ESTIMATED),
    ),
    "a stream in the background, whole": (
        finished(
            reports("usage.input_tokens=9 usage.output_tokens=3")
            | {"background": "true", "answer_status": "completed"},
            content_type=SSE,
        ),
        Usage(9, 3, 0, 0, REPORTED),
    ),
    "a response that failed to begin in the background": (
        finished({"background": "true", "answer_status": "queued"}, status=500),
        Usage(0, 0, 0, 0, NONE),
    ),
    "garbage": (
        finished({"usage": "usage.prompt_tokens=x"}, bytes_out=40),
        Usage(20, 10, 0, 0, ESTIMATED),
    ),
    "plain answer, text seen": (
        finished({"events": 1, "text_bytes": 90, "ended": "done"}, bytes_out=4000),
        Usage(20, 20, 0, 0, ESTIMATED),
    ),
    "an answer that could not be read": (finished({"ended": "unread"}, bytes_out=40), Usage(20, 80, 0, 0, ESTIMATED)),
    "vectors": (finished({"ended": "done"}, {"output_cap": 0}, bytes_out=54_000_000), Usage(20, 0, 0, 0, ESTIMATED)),
    "speech": (
        finished(None, {"output_cap": 0, "kind": "speaks"}, content_type="audio/mpeg", bytes_out=400_000),
        Usage(20, 500, 0, 0, ESTIMATED, audio_output=500),
    ),
    "speech, capped": (
        finished(content_type="audio/mpeg", bytes_out=400_000),
        Usage(20, 80, 0, 0, ESTIMATED, audio_output=80),
    ),
    "an image": (finished(content_type="image/png", bytes_out=400_000), Usage(20, 0, 0, 0, ESTIMATED)),
    "stream, a token an event": (
        finished({"events": 70, "text_bytes": 300}, content_type=SSE, bytes_out=90_000),
        Usage(20, 70, 0, 0, ESTIMATED),
    ),
    "stream, many tokens an event": (
        finished({"events": 5, "text_bytes": 225}, content_type=SSE, bytes_out=90_000),
        Usage(20, 50, 0, 0, ESTIMATED),
    ),
    "stream, more events than the request allowed": (
        finished({"events": 100, "text_bytes": 300}, content_type=SSE, bytes_out=90_000),
        Usage(20, 100, 0, 0, ESTIMATED),
    ),
    "stream, more text than the request allowed": (
        finished({"events": 5, "text_bytes": 4500}, content_type=SSE, bytes_out=90_000),
        Usage(20, 80, 0, 0, ESTIMATED),
    ),
}

PLACEHOLDER = "message.usage.input_tokens=50 message.usage.output_tokens=1"
SEEN = {"usage": PLACEHOLDER, "events": 30, "text_bytes": 120}
# A stream that reports its output first as a placeholder, 30 events of which were seen.
CUTS: dict[str, tuple[dict[str, Any], dict[str, Any], Usage]] = {
    "complete": (
        {"usage": "usage.input_tokens=50 usage.output_tokens=20", "ended": "done"},
        {},
        Usage(50, 20, 0, 0, REPORTED),
    ),
    "the client left": ({}, {"response_flags": "DC"}, Usage(50, 30, 0, 0, ESTIMATED)),
    "the server cut it": ({}, {"response_flags": "UC"}, Usage(50, 30, 0, 0, ESTIMATED)),
    "Envoy cut it": ({}, {"response_flags": "SI"}, Usage(50, 30, 0, 0, ESTIMATED)),
    "an error ended it": ({"ended": "error"}, {}, Usage(50, 30, 0, 0, ESTIMATED)),
    "it just ended": ({}, {}, Usage(50, 30, 0, 0, ESTIMATED)),
    "the client left after more was reported": (
        {"usage": "usage.input_tokens=50 usage.output_tokens=40"},
        {"response_flags": "DC"},
        Usage(50, 40, 0, 0, REPORTED),
    ),
    "labelled as JSON": ({}, {"content_type": "application/json"}, Usage(50, 30, 0, 0, ESTIMATED)),
}


@pytest.mark.parametrize(("answer", "changes", "usage"), CUTS.values(), ids=CUTS.keys())
def test_an_incomplete_stream_is_charged_what_was_seen(
    answer: dict[str, Any], changes: dict[str, Any], usage: Usage
) -> None:
    found = finished(SEEN | answer, **{"content_type": SSE, "bytes_out": 6000, **changes})
    assert usage_of(found) == usage


@pytest.mark.parametrize("name", OTHERS)
def test_usage_without_a_report(name: str) -> None:
    found, usage = OTHERS[name]
    assert usage_of(found) == usage


COUNTS = st.integers(0, 10**12)


@given(
    counts=st.dictionaries(st.sampled_from(sorted({path for form in FORMATS for path in paths_of(form)})), COUNTS),
    events=COUNTS,
    text_bytes=COUNTS,
    ended=st.sampled_from(["", "done", "error"]),
    status=st.integers(0, 599),
    aborted=st.booleans(),
    streamed=st.booleans(),
    bytes_out=COUNTS,
    estimate=COUNTS,
    cap=COUNTS,
)
def test_usage_is_never_negative_and_an_estimate_keeps_to_the_cap(
    counts: dict[str, int],
    events: int,
    text_bytes: int,
    ended: str,
    status: int,
    aborted: bool,
    streamed: bool,
    bytes_out: int,
    estimate: int,
    cap: int,
) -> None:
    answer = {"usage": " ".join(f"{path}={count}" for path, count in counts.items()), "ended": ended}
    found = finished(
        {**answer, "events": events, "text_bytes": text_bytes},
        {"input_estimate": estimate, "output_cap": cap},
        status=status,
        bytes_out=bytes_out,
    )
    used = usage_of(replace(found, aborted=aborted, streamed=streamed))
    assert min(part for part in astuple(used) if isinstance(part, int)) >= 0
    assert used.cached_tokens + used.cache_write_5m + used.cache_write_1h <= used.input_tokens
    assert max(used.reasoning_tokens, used.audio_output, used.image_output) <= used.output_tokens
    assert max(used.audio_input, used.image_input) <= used.input_tokens
    assert used.source is not NONE or used.input_tokens + used.output_tokens == 0
    if used.source is ESTIMATED and cap and not counts:
        assert used.output_tokens <= max(cap, events)
