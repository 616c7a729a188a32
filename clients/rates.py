"""The headers that show a client its limits: OpenAI's, Anthropic's on Anthropic's paths, or the IETF draft's.

`x-ratelimit-*` as OpenAI documents it; `anthropic-ratelimit-*` as Anthropic does; `RateLimit` and `RateLimit-Policy` as
draft-ietf-httpapi-ratelimit-headers-10 defines them (structured fields, RFC 9651).
"""

from collections.abc import Sequence
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


_VENDOR, _IETF, _ANTHROPIC = RateHeaders.VENDOR, RateHeaders.IETF, Api.ANTHROPIC


class Rate(NamedTuple):
    """One unit that is limited, and the names of its headers: limit, remaining, reset.  Made once a limit.

    `unit` as in header names: `tokens`, `input-tokens`, `requests`, …; `limit` as text, since costs are decimals.
    """

    unit: str
    limit: str
    window_seconds: int
    openai: tuple[str, str, str]
    anthropic: tuple[str, str, str]

    @staticmethod
    def of(unit: str, limit: str, window_seconds: int) -> "Rate":
        return Rate(unit, limit, window_seconds, *_names(unit))


@lru_cache(64)
def _names(unit: str) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    openai = (f"x-ratelimit-limit-{unit}", f"x-ratelimit-remaining-{unit}", f"x-ratelimit-reset-{unit}")
    anthropic = f"anthropic-ratelimit-{unit}"
    return openai, (f"{anthropic}-limit", f"{anthropic}-remaining", f"{anthropic}-reset")


Level = tuple[Rate, str, int]
"""What is left of it, as text, and the milliseconds until nothing is spent any more."""


def rate_headers(levels: Sequence[Level], api: Api, family: RateHeaders, now_ms: int) -> list[Header]:
    """`now_ms` since 1970, for APIs whose resets are points in time."""
    headers: list[Header] = []
    if family is not _IETF:
        if api is _ANTHROPIC:
            for rate, left, reset_ms in levels:
                limit, remaining, reset = rate.anthropic
                seconds = -(-(now_ms + reset_ms) // MS_PER_SECOND)
                headers += ((limit, rate.limit), (remaining, left), (reset, _time(seconds)))
        else:
            for rate, left, reset_ms in levels:
                limit, remaining, reset = rate.openai
                headers += ((limit, rate.limit), (remaining, left), (reset, duration(reset_ms)))
    if family is not _VENDOR:
        headers += _ietf(levels)
    return headers


def duration(ms: int) -> str:
    """The format of OpenAI's `x-ratelimit-reset-*`: `20ms`, `1.5s`, `6m0s`, `1h0m12s`; whole seconds from a minute
    on."""
    if ms < MS_PER_SECOND:
        return f"{ms}ms"
    if ms < 60 * MS_PER_SECOND:
        return f"{ms / MS_PER_SECOND:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, seconds = divmod(-(-ms // MS_PER_SECOND), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s"


@lru_cache(1024)
def _time(seconds: int) -> str:
    """RFC 3339."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _ietf(levels: Sequence[Level]) -> list[Header]:
    """A list in each field, in whole units: the draft has no fractions."""
    policies: list[str] = []
    limits: list[str] = []
    for rate, left, reset_ms in levels:
        policies.append(f'"{rate.unit}";q={int(float(rate.limit))};w={rate.window_seconds}')
        limits.append(f'"{rate.unit}";r={int(float(left))};t={-(-reset_ms // MS_PER_SECOND)}')
    return [("ratelimit-policy", ", ".join(policies)), ("ratelimit", ", ".join(limits))] if limits else []
