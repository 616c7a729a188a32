"""The headers that show a client its limits: OpenAI's, Anthropic's on Anthropic's paths, or the IETF draft's.

`x-ratelimit-*` as OpenAI documents it; `anthropic-ratelimit-*` as Anthropic does; `RateLimit` and `RateLimit-Policy` as
draft-ietf-httpapi-ratelimit-headers-10 defines them (structured fields, RFC 9651).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from clients.api import Api
from clients.errors import MS_PER_SECOND, Header


class RateHeaders(StrEnum):
    """Which families of headers are sent."""

    VENDOR = "vendor"
    IETF = "ietf"
    BOTH = "both"


class Rate(NamedTuple):
    """One unit that is limited.  `unit` as in header names: `tokens`, `input-tokens`, `requests`, …

    `limit` and `remaining` as text, since costs are decimals; `reset_ms` until nothing is spent any more;
    `window_seconds` of the limit.
    """

    unit: str
    limit: str
    remaining: str
    reset_ms: int
    window_seconds: int


def rate_headers(rates: Iterable[Rate], api: Api, family: RateHeaders, now_ms: int) -> list[Header]:
    """`now_ms` since 1970, for the API whose resets are times."""
    headers: list[Header] = []
    if family is not RateHeaders.IETF:
        anthropic = api is Api.ANTHROPIC
        for rate in rates:
            limit, remaining, reset = _names(rate.unit, anthropic)
            resets = _time((now_ms + rate.reset_ms - 1) // MS_PER_SECOND + 1) if anthropic else duration(rate.reset_ms)
            headers += ((limit, rate.limit), (remaining, rate.remaining), (reset, resets))
    if family is not RateHeaders.VENDOR:
        headers += _ietf(rates)
    return headers


def duration(ms: int) -> str:
    """As OpenAI writes `x-ratelimit-reset-*`: `20ms`, `1.5s`, `6m0s`, `1h0m12s`; whole seconds from a minute on."""
    if ms < MS_PER_SECOND:
        return f"{ms}ms"
    if ms < 60 * MS_PER_SECOND:
        return f"{ms / MS_PER_SECOND:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, seconds = divmod(-(-ms // MS_PER_SECOND), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s"


@lru_cache(64)
def _names(unit: str, anthropic: bool) -> tuple[str, str, str]:
    """Of the headers with limit, remaining and reset."""
    form = f"anthropic-ratelimit-{unit}-{{}}" if anthropic else f"x-ratelimit-{{}}-{unit}"
    return form.format("limit"), form.format("remaining"), form.format("reset")


@lru_cache(1024)
def _time(seconds: int) -> str:
    """RFC 3339."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _ietf(rates: Iterable[Rate]) -> list[Header]:
    """A list in each field, in whole units: the draft knows no fractions."""
    policies: list[str] = []
    levels: list[str] = []
    for rate in rates:
        limit, remaining = (int(float(text)) for text in (rate.limit, rate.remaining))
        policies.append(f'"{rate.unit}";q={limit};w={rate.window_seconds}')
        levels.append(f'"{rate.unit}";r={remaining};t={-(-rate.reset_ms // MS_PER_SECOND)}')
    return [("ratelimit-policy", ", ".join(policies)), ("ratelimit", ", ".join(levels))] if levels else []
