"""What a request costs in tokens before it runs, by what its route is.  Pure; no I/O."""

from math import ceil

from ratelimit.tenants.body import Body
from ratelimit.tenants.count import MAX_TOKENS
from ratelimit.tenants.estimates.corrections import SCALE
from ratelimit.tenants.estimates.estimate import NOTHING, Estimate
from ratelimit.tenants.estimates.input import input_tokens
from ratelimit.tenants.estimates.media import SPEECH_TOKENS_PER_SECOND, SPOKEN_TOKENS, audio_seconds, drawn_tokens
from ratelimit.tenants.routes.kind import INPUT_ONLY, RUNS_A_MODEL, Kind

_GENERATES, _DRAWS = Kind.GENERATES, Kind.DRAWS


def estimate_request(
    kind: Kind,
    body: Body,
    path: str,
    body_bytes: int,
    default_output: int,
    smallest: int | None,
    factor: int = SCALE,
) -> Estimate:
    """A bound that the request names holds for each of its outputs; `output_cap` is for all of them.

    Without a bound, `default_output` of each is assumed, and the whole is clamped to `smallest`, the least that a
    budget holds; otherwise the request could never be admitted.  `factor`: see corrections.py.
    """
    if kind not in RUNS_A_MODEL:
        return NOTHING
    input_, uncorrected = input_tokens(body, path, body_bytes, factor)
    sound = bool(body.audio_ms or body.audio_bytes)
    if kind in INPUT_ONLY:
        return Estimate(_clamped(input_, smallest), input_, uncorrected=uncorrected)
    if kind is _GENERATES and body.bound is not None:
        cap = body.bound * body.outputs
        return Estimate(input_ + cap, input_, cap, sound=sound, uncorrected=uncorrected, spoken=body.speaks)
    spoken = kind is Kind.SPEAKS or (kind is _GENERATES and body.speaks)
    assumed = min(_assumed(kind, body, input_, default_output), MAX_TOKENS)
    images = body.outputs if kind is _DRAWS else 0
    return Estimate(_clamped(input_ + assumed, smallest), input_, 0, assumed, images, sound, uncorrected, spoken)


def _assumed(kind: Kind, body: Body, input_: int, default_output: int) -> int:
    if kind is Kind.SPEAKS:
        return SPOKEN_TOKENS * input_
    if kind is _DRAWS:
        return drawn_tokens(body.size, body.quality) * body.outputs
    if kind is Kind.TRANSCRIBES:
        return ceil(SPEECH_TOKENS_PER_SECOND * audio_seconds(body.audio_ms, body.audio_bytes))
    of_each = default_output * (1 + SPOKEN_TOKENS) if body.speaks else default_output
    return of_each * body.outputs


def _clamped(tokens: int, smallest: int | None) -> int:
    return tokens if smallest is None else min(tokens, smallest)
