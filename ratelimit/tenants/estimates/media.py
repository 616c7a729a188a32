"""What images, speech and files cost in tokens, before the model server says so.  Pure; no I/O.

Constants are the providers' documented ones; where providers differ, between them.
"""

from enum import StrEnum
from math import ceil

from ratelimit.tenants.body import Sizes

# OpenAI tiles: shrunk to 2048 square, then to a short side of 768; 85 and 170 a tile of 512.
SQUARE, SHORT_SIDE, TILE, TILE_BASE, TILE_TOKENS = 2048, 768, 512, 85, 170
# Anthropic: pixels / 750, shrunk to a long side of 1568 pixels and about 1600 tokens.
LONG_SIDE, PIXELS_PER_TOKEN, MAX_IMAGE_TOKENS = 1568, 750, 1600
# Gemini: 258 a crop.
CROP_TOKENS, CROP_SMALL, MAX_CROPS = 258, 384, 16
# Assumed for an image whose header does not give its size: a phone's photo, as the formulas have it.
UNKNOWN_IMAGE = 1200
# Whisper-like encoders and Gemini's 32 tokens a second; OpenAI counts 10.
AUDIO_TOKENS_PER_SECOND = 16
SPEECH_TOKENS_PER_SECOND = 4  # of the text that comes out of it: 160 words a minute
# For speech output, per token of its text: 3.4 of these a second, and 20 tokens of sound.
SPOKEN_TOKENS = 6
AUDIO_BYTES_PER_SECOND = 8_000  # MP3 of speech at 64 kbit/s
VIDEO_TOKENS_PER_SECOND = 300  # Gemini: one frame of 258 a second, and its sound
VIDEO_BYTES_PER_SECOND = 250_000
FILE_BYTES_PER_TOKEN = 40  # a PDF page of 60 kB is some 1,500 tokens of text and image
# Output tokens of an image drawn, by quality: OpenAI's for 1024 × 1024, half as much again for the other sizes.
DRAWN = {"low": 272, "medium": 1056, "standard": 1056, "high": 4160, "hd": 4160}
DRAWN_BY_DEFAULT = 1056


def tiled_tokens(width: int, height: int) -> int:
    """Tokens by OpenAI's formula for `detail: high`."""
    scale = min(1.0, SQUARE / max(width, height))
    scale = min(scale, SHORT_SIDE / min(width, height))
    return TILE_BASE + TILE_TOKENS * ceil(width * scale / TILE) * ceil(height * scale / TILE)


def area_tokens(width: int, height: int) -> int:
    """Tokens by Anthropic's formula."""
    scale = min(1.0, LONG_SIDE / max(width, height))
    return min(max(1, ceil(width * scale * height * scale / PIXELS_PER_TOKEN)), MAX_IMAGE_TOKENS)


def cropped_tokens(width: int, height: int) -> int:
    """Tokens by Gemini's formula: one crop for a small image, else as many as it takes at two thirds of the short
    side."""
    if max(width, height) <= CROP_SMALL:
        return CROP_TOKENS
    crop = min(max(min(width, height) / 1.5, 256), 768)
    return CROP_TOKENS * min(ceil(width / crop) * ceil(height / crop), MAX_CROPS)


class Images(StrEnum):
    """Whose formula holds on a path."""

    TILED = "tiled"
    AREA = "area"
    CROPPED = "cropped"


FORMULAS = {Images.TILED: tiled_tokens, Images.AREA: area_tokens, Images.CROPPED: cropped_tokens}


def images_tokens(formula: Images, count: int, sizes: Sizes) -> int:
    """Images of unknown size count as the mean of the others."""
    known = [FORMULAS[formula](width, height) for width, height in sizes]
    mean = ceil(sum(known) / len(known)) if len(known) else UNKNOWN_IMAGE
    return sum(known) + max(0, count - len(known)) * mean


def audio_seconds(audio_ms: int, audio_bytes: int) -> float:
    return audio_ms / 1000 + audio_bytes / AUDIO_BYTES_PER_SECOND


def drawn_tokens(size: str, quality: str) -> int:
    """The output tokens of one image."""
    tokens = DRAWN.get(quality, DRAWN_BY_DEFAULT)
    return tokens if size in ("", "auto", "1024x1024", "512x512", "256x256") else tokens * 3 // 2
