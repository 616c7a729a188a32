"""The headers that show a client its limits: OpenAI's, Anthropic's on Anthropic's paths, or the IETF draft's.

`x-ratelimit-*` as OpenAI documents it; `anthropic-ratelimit-*` as Anthropic does; `RateLimit` and `RateLimit-Policy` as
draft-ietf-httpapi-ratelimit-headers-10 defines them (structured fields, RFC 9651).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
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
    for rate in rates:
        if family is not RateHeaders.IETF:
            headers += _anthropic(rate, now_ms) if api is Api.ANTHROPIC else _openai(rate)
        if family is not RateHeaders.VENDOR:
            headers += _ietf(rate)
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


def _openai(rate: Rate) -> list[Header]:
    return [
        (f"x-ratelimit-limit-{rate.unit}", rate.limit),
        (f"x-ratelimit-remaining-{rate.unit}", rate.remaining),
        (f"x-ratelimit-reset-{rate.unit}", duration(rate.reset_ms)),
    ]


def _anthropic(rate: Rate, now_ms: int) -> list[Header]:
    reset = datetime.fromtimestamp(-(-(now_ms + rate.reset_ms) // MS_PER_SECOND), UTC)
    return [
        (f"anthropic-ratelimit-{rate.unit}-limit", rate.limit),
        (f"anthropic-ratelimit-{rate.unit}-remaining", rate.remaining),
        (f"anthropic-ratelimit-{rate.unit}-reset", f"{reset:%Y-%m-%dT%H:%M:%SZ}"),
    ]


def _ietf(rate: Rate) -> list[Header]:
    """Whole units: the draft knows no fractions."""
    limit, remaining = (int(float(text)) for text in (rate.limit, rate.remaining))
    seconds = -(-rate.reset_ms // MS_PER_SECOND)
    return [
        ("ratelimit-policy", f'"{rate.unit}";q={limit};w={rate.window_seconds}'),
        ("ratelimit", f'"{rate.unit}";r={remaining};t={seconds}'),
    ]
