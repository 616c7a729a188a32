"""A finished request as a span, by OpenTelemetry's conventions for generative AI.  Pure.

The conventions have renamed some attributes; CURRENT says the names of today, OLD those before, BOTH both, as
OTEL_SEMCONV_STABILITY_OPT_IN has it elsewhere.  No text of a request or an answer is in a span: none is known here.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from accesslog.entry import LogEntry
from accesslog.trace_context import context_of, span_id_of
from clients.api import Api, api_of
from ledger.row import UsageRow, load_parts
from ratelimit.tenants.routes.kind import Kind
from tenancy.values.admission import Admission

Value = str | int | float | bool
NS_PER_MS = 1_000_000
LEAST_ERROR = 400


class Names(StrEnum):
    CURRENT = "current"
    OLD = "old"
    BOTH = "both"


# The old names of renamed attributes, by the new name.
OLD_NAMES = {
    "gen_ai.provider.name": "gen_ai.system",
    "gen_ai.usage.input_tokens": "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.output_tokens": "gen_ai.usage.completion_tokens",
    "openai.response.service_tier": "gen_ai.openai.response.service_tier",
}
# By the API that the client spoke: the access log does not say which provider is behind it.
PROVIDERS = {Api.GEMINI: "gcp.gemini", Api.BEDROCK: "aws.bedrock"}
_EMBEDDINGS, _CHAT, _COMPLETION, _CONTENT, _TOOL = (
    "embeddings", "chat", "text_completion", "generate_content", "execute_tool"
)  # fmt: skip


class Span(NamedTuple):
    """`duration_ms` and `first_ms` (None: no answer) as Envoy measured them; `error`: "" if there was none."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    sampled: bool
    operation: str
    provider: str
    name: str
    start_ns: int
    duration_ms: int
    first_ms: int | None
    model: str
    input_tokens: int
    output_tokens: int
    error: str
    attributes: Mapping[str, Value]

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.duration_ms * NS_PER_MS


def span_of(entry: LogEntry, row: UsageRow, names: Names = Names.CURRENT) -> Span:
    context, api = context_of(entry.traceparent, row.id), api_of(row.path)
    operation = operation_of(row.path.lower(), api, entry.decision.kind)
    provider = PROVIDERS.get(api, api.value)
    asked = row.alias or row.model
    error = str(row.status) if row.status >= LEAST_ERROR else "aborted" if row.aborted else ""
    attributes = {name: value for name, value in _said(entry, row, error) if value not in ("", None)}
    attributes |= {"gen_ai.operation.name": operation, "gen_ai.provider.name": provider}
    return Span(
        context.trace_id,
        span_id_of(row.id),
        context.parent_id,
        context.sampled,
        operation,
        provider,
        f"{row.rpc_method} {row.tool}".strip() or f"{operation} {asked}".strip(),
        entry.started_ns or int(row.ts.timestamp() * 1000) * NS_PER_MS,
        row.total_ms,
        row.ttft_ms,
        asked,
        row.input_tokens,
        row.output_tokens,
        error,
        dict(named(attributes, names)),
    )


def operation_of(path: str, api: Api, kind: str) -> str:
    """The operation, from the path in lower case and the kind of its route."""
    if api is Api.MCP:
        return _TOOL
    if kind in (Kind.EMBEDS, Kind.RERANKS) or path.endswith("/embeddings"):
        return _EMBEDDINGS
    if api in (Api.GEMINI, Api.BEDROCK) or kind in (Kind.DRAWS, Kind.SPEAKS, Kind.TRANSCRIBES):
        return _CONTENT
    return _COMPLETION if path.endswith("/completions") and not path.endswith("/chat/completions") else _CHAT


def named(attributes: Mapping[str, Value], names: Names) -> Iterator[tuple[str, Value]]:
    for name, value in attributes.items():
        old = OLD_NAMES.get(name)
        if old is None or names is not Names.OLD:
            yield name, value
        if old is not None and names is not Names.CURRENT:
            yield old, value


def _said(entry: LogEntry, row: UsageRow, error: str) -> Iterator[tuple[str, Value | None]]:
    ran = row.admission != Admission.REFUSED
    yield "gen_ai.request.model", row.alias or row.model
    yield "gen_ai.response.model", row.model if ran and row.status < LEAST_ERROR else ""
    yield "gen_ai.response.id", entry.answer.id
    yield "gen_ai.request.stream", row.streamed or None
    yield "openai.response.service_tier", row.service_tier
    if ran:
        parts = load_parts(row.parts)
        yield "gen_ai.usage.input_tokens", row.input_tokens
        yield "gen_ai.usage.output_tokens", row.output_tokens
        yield "gen_ai.usage.cache_read.input_tokens", row.cached_tokens or None
        written = parts.get("cache_write_5m", 0) + parts.get("cache_write_1h", 0)
        yield "gen_ai.usage.cache_creation.input_tokens", written or None
        yield "gen_ai.usage.reasoning.output_tokens", row.reasoning_tokens or None
    if row.streamed and row.ttft_ms is not None:
        yield "gen_ai.response.time_to_first_chunk", row.ttft_ms / 1000
    yield "mcp.method.name", row.rpc_method
    yield "gen_ai.tool.name", row.tool
    yield "error.type", error
    yield "http.request.method", row.method
    yield "url.path", row.path
    yield "http.response.status_code", row.status or None
    yield "tollkeeper.tenant.id", row.tenant_id
    yield "tollkeeper.key.id", row.key_id
    yield "tollkeeper.user.id", row.user_id
    yield "tollkeeper.request.id", row.request_id
    yield "tollkeeper.lease.id", row.id
    yield "tollkeeper.admission", row.admission
    yield "tollkeeper.denied_by", row.denied_by
    yield "tollkeeper.queue.duration", row.queue_ms / 1000 if row.queue_ms else None
    yield "tollkeeper.usage.source", row.usage_source
