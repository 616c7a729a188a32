"""Spans and metrics of requests: whose trace, which names, what is bounded, and what a receiver that is away costs."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, mcp_attributes, openai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, http_attributes, url_attributes

from accesslog.metrics import DROPPED, EXPORTED, UNSAMPLED, AccessLogMetrics
from accesslog.row import row_of
from accesslog.telemetry.exporter import Exporter
from accesslog.telemetry.figures import MAX_SERIES, UNITS, Figures
from accesslog.telemetry.otlp import Receiver
from accesslog.telemetry.spans import OLD_NAMES, Names, Span, span_of
from accesslog.trace_context import context_of
from accesslog.usage import usage_of
from tests.accesslog.entries import CHAT_USAGE, finished
from tests.otlp import Collector, collector
from tollkeeper.up.process import free_port

LEASE = "01900000-0000-7000-8000-000000000001"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def known(*modules: ModuleType) -> dict[str, str]:
    """What the conventions call it, with what they say of the name."""
    found = {}
    for module in modules:
        lines = inspect.getsource(module).split("\n\n")
        for text in lines:
            rest = text.partition(": Final = ")[2]
            if rest:
                found[rest.split('"')[1]] = rest
    return found


def span(names: Names = Names.CURRENT, traceparent: str = "", **changes: Any) -> Span:
    entry = replace(finished(CHAT_USAGE, **changes), traceparent=traceparent, started_ns=1_700_000_000_000_000_001)
    return span_of(entry, row_of(entry, usage_of(entry)), names)


@pytest.mark.parametrize(
    ("traceparent", "belongs", "sampled"),
    [
        (f"00-{TRACE}-{PARENT}-01", True, True),
        (f"00-{TRACE}-{PARENT}-00", True, False),
        (f"cc-{TRACE}-{PARENT}-03-what-is-new", True, True),
        (f"00-{TRACE}-{PARENT}-01-more", False, True),
        (f"ff-{TRACE}-{PARENT}-01", False, True),
        (f"00-{'0' * 32}-{PARENT}-01", False, True),
        (f"00-{TRACE}-{'0' * 16}-01", False, True),
        (f"00-{TRACE.upper()}-{PARENT}-01", False, True),
        (f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01", False, True),
        ("", False, True),
        ("é" * 55, False, True),
    ],
)
def test_a_request_belongs_to_the_trace_that_its_header_names(traceparent: str, belongs: bool, sampled: bool) -> None:
    found = context_of(traceparent, LEASE)
    assert found.sampled is sampled
    assert (found.trace_id.hex(), found.parent_id.hex()) == (
        (TRACE, PARENT) if belongs else (LEASE.replace("-", ""), "")
    )


def test_every_name_is_one_of_the_conventions_and_each_old_one_is_deprecated_for_its_new_one() -> None:
    conventions = known(
        gen_ai_attributes, mcp_attributes, openai_attributes, error_attributes, http_attributes, url_attributes
    )
    both = span(Names.BOTH, decided={"rpc_method": "tools/call", "tool": "t", "alias": "a"}, status=500).attributes
    assert {name for name in both if not name.startswith("tollkeeper.")} <= conventions.keys()
    for new, old in OLD_NAMES.items():
        assert new in conventions
        assert f"Replaced by `{new}`" in conventions[old]
    assert set(UNITS) <= known(gen_ai_metrics).keys()


def test_the_names_of_today_or_those_before() -> None:
    same = {"lease_id": LEASE}
    current, old, both = (span(names, decided=same).attributes for names in Names)
    assert (current["gen_ai.usage.input_tokens"], current["gen_ai.provider.name"]) == (12, "openai")
    assert (old["gen_ai.usage.prompt_tokens"], old["gen_ai.system"]) == (12, "openai")
    assert not set(OLD_NAMES) & old.keys()
    assert not set(OLD_NAMES.values()) & current.keys()
    assert both == {**current, **old}


@pytest.mark.parametrize(
    ("changes", "name", "error"),
    [
        ({}, "chat mock-model", ""),
        ({"path": "/v1/embeddings", "decided": {"kind": "embeds"}}, "embeddings mock-model", ""),
        ({"path": "/v1/completions", "decided": {"alias": "fast"}}, "text_completion fast", ""),
        ({"path": "/v1beta/models/g:generateContent"}, "generate_content mock-model", ""),
        ({"path": "/mcp/x", "decided": {"rpc_method": "tools/call", "tool": "add"}}, "tools/call add", ""),
        (
            {"status": 429, "decided": {"denied": "429", "admission": "refused", "limit": "day"}},
            "chat mock-model",
            "429",
        ),
        ({"status": 502}, "chat mock-model", "502"),
    ],
)
def test_a_span_says_what_was_done_and_what_went_wrong(changes: dict[str, Any], name: str, error: str) -> None:
    found = span(**changes)
    assert (found.name, found.error, found.attributes.get("error.type", "")) == (name, error, error)
    assert (found.start_ns, found.end_ns - found.start_ns) == (1_700_000_000_000_000_001, 45_000_000)


def test_models_that_clients_make_up_do_not_make_series_without_end() -> None:
    figures = Figures()
    for number in range(2 * MAX_SERIES):
        figures.add(span(decided={"model": f"m-{number}"}))
    assert len(figures.all) <= MAX_SERIES + 10
    assert sum(sum(each.counts) for series, each in figures.all.items() if series.metric.endswith("duration")) == 2000


@pytest.fixture
def receiver() -> Iterator[Collector]:
    with collector() as running:
        yield running


async def test_one_that_cannot_be_told_of_costs_no_other_its_span(receiver: Collector) -> None:
    metrics, entry = AccessLogMetrics(), finished(CHAT_USAGE)
    exporter, row = Exporter(Receiver(receiver.url, {}, {}), metrics, Names.CURRENT), row_of(entry, usage_of(entry))
    for odd in (row, row._replace(id="no-lease"), row._replace(user_id="\ud800"), row._replace(status=2**63), row):
        exporter.offer(entry, odd)
    assert await exporter.flush()
    assert metrics.spans.counts == {EXPORTED: 2, DROPPED: 3, UNSAMPLED: 0}
    assert len(receiver.spans()) == 2


async def test_what_finds_no_receiver_or_no_room_is_dropped_and_counted(receiver: Collector) -> None:
    metrics, entry = AccessLogMetrics(), finished(CHAT_USAGE)
    away = Exporter(Receiver(f"http://127.0.0.1:{free_port()}", {}, {}), metrics, Names.CURRENT, most=3)
    row = row_of(entry, usage_of(entry))
    for _ in range(5):
        away.offer(entry, row)
    assert metrics.spans.counts[DROPPED] == 2
    assert not await away.flush()
    assert metrics.spans.counts == {EXPORTED: 0, DROPPED: 5, UNSAMPLED: 0}
    there = Exporter(Receiver(receiver.url, {"x-token": "s3cret"}, {"service.name": "t"}), metrics, Names.CURRENT)
    there.offer(replace(entry, traceparent=f"00-{TRACE}-{PARENT}-00"), row)
    there.offer(entry, row)
    assert await there.flush()
    assert metrics.spans.counts == {EXPORTED: 1, DROPPED: 5, UNSAMPLED: 1}
    assert ([each.name for each in receiver.spans()], receiver.headers["x-token"]) == (["chat mock-model"], "s3cret")
    receiver.status = 503
    there.offer(entry, row)
    assert not await there.flush()
    assert metrics.spans.counts[DROPPED] == 6
