"""What the input of a request costs in tokens, from what the meter read of its body.  Pure; no I/O."""

from math import ceil

from ratelimit.tenants.body import Body
from ratelimit.tenants.count import MAX_TOKENS
from ratelimit.tenants.estimates.corrections import SCALE
from ratelimit.tenants.estimates.estimate import input_estimate
from ratelimit.tenants.estimates.media import (
    AUDIO_TOKENS_PER_SECOND,
    FILE_BYTES_PER_TOKEN,
    VIDEO_BYTES_PER_SECOND,
    VIDEO_TOKENS_PER_SECOND,
    Images,
    audio_seconds,
    images_tokens,
)
from ratelimit.tenants.estimates.text import text_tokens

# By what a path has in it, the first that fits: whose images they are.
FORMULAS = (
    ("/messages", Images.AREA),
    ("/converse", Images.AREA),
    ("generatecontent", Images.CROPPED),
    ("predict", Images.CROPPED),
)


def input_tokens(body: Body, path: str, body_bytes: int, factor: int = SCALE) -> tuple[int, int | None]:
    """The tokens of the input, and the same before correction, as in Estimate.

    `body_bytes` is used, at four to a token, for a body that the meter did not read.  `factor`: see corrections.py.
    """
    if not is_measured(body):
        return input_estimate(body_bytes), 0
    text = text_tokens(body.text, body.strings)
    others = _others(body, path)
    corrected = text if factor == SCALE else -(-text * factor // SCALE)
    return min(corrected + others, MAX_TOKENS), 0 if others else None if factor == SCALE else text


def is_measured(body: Body) -> bool:
    """Whether its length does not matter."""
    return body.given and body.valid and body.measured


def _others(body: Body, path: str) -> int:
    """The tokens of everything except text."""
    tokens = body.prompt_ids
    if body.images:
        tokens += images_tokens(_formula(path), body.images, body.sizes)
    if body.audio_ms or body.audio_bytes:
        tokens += ceil(AUDIO_TOKENS_PER_SECOND * audio_seconds(body.audio_ms, body.audio_bytes))
    if body.video_bytes or body.file_bytes:
        tokens += ceil(VIDEO_TOKENS_PER_SECOND * body.video_bytes / VIDEO_BYTES_PER_SECOND)
        tokens += ceil(body.file_bytes / FILE_BYTES_PER_TOKEN)
    return tokens


def _formula(path: str) -> Images:
    lowered = path.lower()
    return next((formula for part, formula in FORMULAS if part in lowered), Images.TILED)
