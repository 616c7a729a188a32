"""What the stub model can be told: once for the server, and per request in `x-stub-*` headers.

Owns the knobs and their validation.  What the knobs do belongs to `app` and the shapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class StubOptions:
    """`mock-model`, and every name that begins with one of `models`, is served; other names are 404."""

    models: tuple[str, ...] = ("mock-model",)
    tokens: int = 16
    """Visible output tokens of a reply, before the request's own maximum."""
    tokens_per_second: float = 0.0
    """Pace of the output; 0 sends all at once."""
    tokens_per_event: int = 1
    """Visible tokens in one streamed event."""
    delay_ms: int = 0
    """Time before the first byte."""
    capacity: int = 0
    """Concurrent requests; 0 is unlimited."""
    over_capacity: Literal["refuse", "wait"] = "refuse"
    failure_rate: float = 0.0
    """Share of requests that fail, spread evenly: 0.25 fails every fourth."""
    failure_status: int = 500
    usage: bool = True
    cached_tokens: int = 0
    """How much of the prompt was read from a cache, at most the prompt."""
    cache_creation_tokens: int = 0
    """Anthropic only: how much of the rest of the prompt was written to the cache."""
    reasoning_tokens: int = 0
    """Output tokens that are counted and not shown; they come out of the maximum first."""
    recorded: int = 200
    """How many requests `GET /stub/requests` remembers."""

    def __post_init__(self) -> None:
        for name in ("tokens", "delay_ms", "capacity", "cached_tokens", "cache_creation_tokens", "reasoning_tokens"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.tokens_per_event < 1 or self.recorded < 1:
            raise ValueError("tokens_per_event and recorded must be at least 1")
        if self.tokens_per_second < 0:
            raise ValueError("tokens_per_second must not be negative")
        if not 0 <= self.failure_rate <= 1:
            raise ValueError("failure_rate must be between 0 and 1")
        if not 400 <= self.failure_status <= 599:
            raise ValueError("failure_status must be an error status, 400 to 599")
        if self.over_capacity not in ("refuse", "wait"):
            raise ValueError("over_capacity must be 'refuse' or 'wait'")


@dataclass(frozen=True, slots=True)
class Reply:
    """The options of one request: the server's, with the request's headers on top."""

    options: StubOptions
    status: int | None = None
    """Answer with this error status instead."""


INTEGERS = {
    "x-stub-tokens": "tokens",
    "x-stub-tokens-per-event": "tokens_per_event",
    "x-stub-cached-tokens": "cached_tokens",
    "x-stub-cache-creation-tokens": "cache_creation_tokens",
    "x-stub-reasoning-tokens": "reasoning_tokens",
    "x-stub-delay-ms": "delay_ms",
}


def for_request(options: StubOptions, headers: Mapping[str, str]) -> Reply:
    """ValueError, naming the header, for a value that cannot be used."""
    changes: dict[str, Any] = {
        field: _number(headers, header) for header, field in INTEGERS.items() if header in headers
    }
    if "x-stub-tokens-per-second" in headers:
        changes["tokens_per_second"] = _number(headers, "x-stub-tokens-per-second", float)
    if headers.get("x-stub-no-usage", "0") not in ("", "0", "false"):
        changes["usage"] = False
    status = int(_number(headers, "x-stub-status")) if "x-stub-status" in headers else None
    if status is not None and not 400 <= status <= 599:
        raise ValueError("x-stub-status must be an error status, 400 to 599")
    return Reply(replace(options, **changes), status)


def _number(headers: Mapping[str, str], header: str, kind: type[int] | type[float] = int) -> float:
    try:
        return kind(headers[header])
    except ValueError:
        raise ValueError(f"{header} must be a number, not {headers[header][:40]!r}") from None
