"""What a request is charged: the table of usage.py, row by row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesslog.entry import LogEntry
from accesslog.line import read_line
from accesslog.usage import Usage, usage_of
from ledger.row import UsageSource
from tests.accesslog.entries import decision, entry, line

REPORTED, ESTIMATED, NONE = UsageSource.REPORTED, UsageSource.ESTIMATED, UsageSource.NONE
SSE = "text/event-stream"


def finished(usage: dict[str, Any] | None = None, decided: dict[str, Any] | None = None, **changes: Any) -> LogEntry:
    found = read_line(line(entry(decision(**decided or {}), usage, **changes)))
    assert found is not None
    return found


REPORTS: dict[str, tuple[dict[str, Any], tuple[int, int, int, int]]] = {
    "OpenAI chat": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 30,
            "prompt_cached_tokens": 64,
            "completion_reasoning_tokens": 20,
        },
        (100, 30, 64, 20),
    ),
    "OpenAI chat without details": ({"prompt_tokens": 100, "completion_tokens": 30}, (100, 30, 0, 0)),
    "OpenAI embeddings": ({"prompt_tokens": 8}, (8, 0, 0, 0)),
    "OpenAI responses": (
        {"input_tokens": 36, "output_tokens": 87, "input_cached_tokens": 16, "output_reasoning_tokens": 40},
        (36, 87, 16, 40),
    ),
    "Anthropic": ({"input_tokens": 10, "output_tokens": 5}, (10, 5, 0, 0)),
    "Anthropic with its cache, on top of the input": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 200,
        },
        (1210, 5, 1000, 0),
    ),
    "a gateway that mixes names": (
        {"prompt_tokens": 1210, "completion_tokens": 5, "cache_read_input_tokens": 1000, "input_tokens": 7},
        (1210, 5, 1000, 0),
    ),
    "zero": ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, 0, 0)),
    "more cached than there was": (
        {"prompt_tokens": 5, "completion_tokens": 1, "prompt_cached_tokens": 9, "completion_reasoning_tokens": 9},
        (5, 1, 5, 1),
    ),
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("status", [200, 500])
def test_reported_usage_is_taken(name: str, status: int) -> None:
    report, tokens = REPORTS[name]
    assert usage_of(finished(report, status=status)) == Usage(*tokens, REPORTED)


# decision: input_estimate 20, output_cap 80
OTHERS: dict[str, tuple[LogEntry, Usage]] = {
    "refused": (finished(None, {"admission": "refused", "denied": "429"}, status=429), Usage(0, 0, 0, 0, NONE)),
    "refused, and usage from somewhere": (
        finished({"prompt_tokens": 5, "completion_tokens": 5}, {"admission": "refused", "denied": "403"}, status=403),
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
        Usage(20, 10, 0, 0, ESTIMATED),
    ),
    "client left before an answer": (
        finished(status=0, content_type=None, bytes_out=0, response_flags="DC"),
        Usage(20, 0, 0, 0, ESTIMATED),
    ),
    "client left a failure": (finished(status=500, bytes_out=40, response_flags="DC"), Usage(20, 10, 0, 0, ESTIMATED)),
    "no status": (finished(status=0, bytes_out=0), Usage(20, 0, 0, 0, ESTIMATED)),
    "redirect": (finished(status=307), Usage(0, 0, 0, 0, NONE)),
    "not inference": (finished(None, {"inference": False}, bytes_out=4000), Usage(0, 0, 0, 0, NONE)),
    "not inference, aborted": (finished(None, {"inference": False}, response_flags="DC"), Usage(0, 0, 0, 0, NONE)),
    "garbage": (
        finished({"prompt_tokens": "12", "completion_tokens": 3}, bytes_out=40),
        Usage(20, 10, 0, 0, ESTIMATED),
    ),
    "Anthropic stream left after its first event": (
        finished({"input_tokens": 50, "output_tokens": 1}, content_type=SSE, bytes_out=4000, response_flags="DC"),
        Usage(50, 20, 0, 0, ESTIMATED),
    ),
    "Anthropic stream left after its last event": (
        finished({"input_tokens": 50, "output_tokens": 40}, content_type=SSE, bytes_out=4000, response_flags="DC"),
        Usage(50, 40, 0, 0, REPORTED),
    ),
    "OpenAI stream left after its usage": (
        finished({"prompt_tokens": 50, "completion_tokens": 1}, content_type=SSE, bytes_out=4000, response_flags="DC"),
        Usage(50, 1, 0, 0, REPORTED),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_usage_without_a_report(name: str) -> None:
    found, usage = OTHERS[name]
    assert usage_of(found) == usage


COUNTS = st.integers(0, 10**12)


@given(
    usage=st.dictionaries(
        st.sampled_from(
            ["prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "cache_read_input_tokens"]
        ),
        COUNTS,
    ),
    status=st.integers(0, 599),
    aborted=st.booleans(),
    streamed=st.booleans(),
    bytes_out=COUNTS,
    estimate=COUNTS,
    cap=COUNTS,
)
def test_usage_is_never_negative_and_an_estimate_keeps_to_the_cap(
    usage: dict[str, int], status: int, aborted: bool, streamed: bool, bytes_out: int, estimate: int, cap: int
) -> None:
    found = finished(usage, {"input_estimate": estimate, "output_cap": cap}, status=status, bytes_out=bytes_out)
    found = found._replace(aborted=aborted, streamed=streamed)
    used = usage_of(found)
    assert min(used.input_tokens, used.output_tokens, used.cached_tokens, used.reasoning_tokens) >= 0
    assert used.cached_tokens <= used.input_tokens
    assert used.reasoning_tokens <= used.output_tokens
    assert used.source is not NONE or used[:2] == (0, 0)
    if used.source is ESTIMATED and cap:
        assert used.output_tokens <= max(cap, usage.get("output_tokens", 0))
