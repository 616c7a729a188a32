"""What a finished request used: from the model server's report, or estimated when there is none.  Pure.

The rules, first match wins; an estimate errs towards charging, because a client chooses when to leave.

| request                                            | source    | tokens                                         |
|----------------------------------------------------|-----------|------------------------------------------------|
| refused                                            | none      | 0                                              |
| usage reported                                     | reported  | as reported                                    |
| failed (status from 400) and the client stayed     | none      | 0                                              |
| inference; 2xx, or the client left, or no status   | estimated | input estimate + output by the bytes sent      |
| anything else                                      | none      | 0                                              |

Exception to the second rule: Anthropic's streams report a placeholder of the output first and the real number last, so
a client that leaves in between is charged the estimate if it is higher.
"""

from collections.abc import Mapping
from typing import NamedTuple

from accesslog.entry import LogEntry
from ledger.row import UsageSource
from tenancy.values.admission import Admission

# Streams carry one token an event, wrapped in about this much JSON (chat.completion.chunk of OpenAI and vLLM).
STREAM_BYTES_PER_TOKEN = 200
# Plain answers are mostly text, about 4 characters a token in English; other languages have more tokens in the same
# number of bytes, and the JSON around the text has none.
BYTES_PER_TOKEN = 4


class Usage(NamedTuple):
    """LLM tokens.  `cached_tokens` are part of the input, `reasoning_tokens` of the output."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    source: UsageSource


class _Dialect(NamedTuple):
    """The names under which one family of APIs reports: input is the sum, cached the highest of what is present."""

    input: tuple[str, ...]
    output: str
    cached: tuple[str, ...]
    reasoning: str
    placeholder: bool  # whether a stream's first events report an output that is not yet final


_CHAT = _Dialect(  # OpenAI chat, completions, embeddings
    input=("prompt_tokens",),
    output="completion_tokens",
    cached=("prompt_cached_tokens", "cache_read_input_tokens"),
    reasoning="completion_reasoning_tokens",
    placeholder=False,
)
_INPUT = _Dialect(  # OpenAI Responses; Anthropic, whose cache counts come on top of its input
    input=("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    output="output_tokens",
    cached=("input_cached_tokens", "cache_read_input_tokens"),
    reasoning="output_reasoning_tokens",
    placeholder=True,
)
_NOTHING = Usage(0, 0, 0, 0, UsageSource.NONE)


def usage_of(entry: LogEntry) -> Usage:
    """What the request is charged, and where the numbers come from."""
    if entry.decision.admission == Admission.REFUSED or entry.decision.denied:
        return _NOTHING
    dialect = _dialect(entry.usage)
    if dialect is not None:
        return _reported(entry, dialect)
    if entry.status >= 400 and not entry.aborted:
        return _NOTHING
    if entry.decision.inference and (entry.aborted or entry.status == 0 or 200 <= entry.status < 300):
        return Usage(entry.decision.input_estimate, _estimated_output(entry), 0, 0, UsageSource.ESTIMATED)
    return _NOTHING


def _dialect(usage: Mapping[str, int]) -> _Dialect | None:
    if "prompt_tokens" in usage or "completion_tokens" in usage:
        return _CHAT
    if "input_tokens" in usage or "output_tokens" in usage:
        return _INPUT
    return None


def _reported(entry: LogEntry, dialect: _Dialect) -> Usage:
    get = entry.usage.get
    input_tokens = sum(get(name, 0) for name in dialect.input)
    output_tokens = get(dialect.output, 0)
    source = UsageSource.REPORTED
    if dialect.placeholder and entry.aborted and entry.streamed:
        estimate = _estimated_output(entry)
        if estimate > output_tokens:
            output_tokens, source = estimate, UsageSource.ESTIMATED
    return Usage(
        input_tokens,
        output_tokens,
        min(input_tokens, max(get(name, 0) for name in dialect.cached)),
        min(output_tokens, get(dialect.reasoning, 0)),
        source,
    )


def _estimated_output(entry: LogEntry) -> int:
    """Rounded up; never more than the request allowed."""
    size = STREAM_BYTES_PER_TOKEN if entry.streamed else BYTES_PER_TOKEN
    tokens = -(-entry.bytes_out // size)
    cap = entry.decision.output_cap
    return min(tokens, cap) if cap > 0 else tokens
