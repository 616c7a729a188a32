"""What passed of an answer, in tokens: text by its events and bytes, sound by its length, images.  Pure.

Speech that is requested as a file reports no usage, and a stream of it only at its end.  What is charged for it is
decided in usage.py.
"""

from math import ceil

from accesslog.answer import UNREAD
from accesslog.entry import LogEntry
from accesslog.formats import SEEN_IMAGES

# Bytes per token of text: English has 5.0 in four vocabularies, Chinese 3.4 to 4.9, JSON 2.5.
TEXT_BYTES_PER_TOKEN = 4.5
# Bytes of text above which an event counts as several tokens; below, as one: Hindi has up to 9.5.
TOKEN_MAX_BYTES = 10
# Bytes per token of a stream whose text was not read: one token an event, wrapped in about this much JSON
# (chat.completion.chunk of OpenAI and vLLM).
STREAM_BYTES_PER_TOKEN = 200
# Plain answers are mostly text, about 4 characters a token in English; other languages have more tokens in the same
# number of bytes, and the JSON around the text has none.
BYTES_PER_TOKEN = 4
_NO_TEXT = frozenset({"audio", "image", "video"})
# As the meter counts them (answer_sound.lua in envoy/lua/metering).
LENGTH, RATE = "sound.length", "sound.bytes_per_second"
# OpenAI's: one each 50 ms.  Gemini has 25.
TOKENS_PER_SECOND = 20
# Bytes a second: MP3 of 128 kbit/s, as gpt-4o-mini-tts makes it; 24,000 samples of 16 bits; Opus of speech.
OF_MP3, OF_SAMPLES, OF_OPUS = 16_000, 48_000, 4_000
# Of an image in a Gemini answer: 1024 by 1024.
IMAGE_TOKENS = 1290
# Sound in base64, of which the meter counts the characters (answer_found.lua).
IN_BASE64 = {"sound.mp3": OF_MP3, "sound.samples": OF_SAMPLES, "sound.opus": OF_OPUS, "sound.flac": OF_SAMPLES // 2}
# Where the format is not known.
RATES = {
    "audio/pcm": OF_SAMPLES,
    "audio/l16": OF_SAMPLES,
    "audio/flac": OF_SAMPLES // 2,
    "audio/ogg": OF_OPUS,
    "audio/opus": OF_OPUS,
    "audio/webm": OF_OPUS,
}


def tokens_seen(entry: LogEntry) -> int:
    """The tokens of text, sound and images that passed."""
    return _text_tokens(entry) + sound_tokens(entry) + image_tokens(entry)


def image_tokens(entry: LogEntry) -> int:
    """The tokens of images that passed among the text."""
    return IMAGE_TOKENS * entry.answer.counts.get(SEEN_IMAGES, 0)


def _text_tokens(entry: LogEntry) -> int:
    events, text_bytes = entry.answer.events, entry.answer.text_bytes
    if text_bytes <= TOKEN_MAX_BYTES * events and (entry.streamed or events > 1):
        return events
    return max(events, round(text_bytes / TEXT_BYTES_PER_TOKEN))


def seen_output(entry: LogEntry) -> int:
    """The output tokens that passed, as far as they were read; no more than the request allowed, but never less than
    there were events."""
    return capped(entry, tokens_seen(entry))


def capped(entry: LogEntry, tokens: int) -> int:
    cap = entry.decision.output_cap
    return min(tokens, max(cap, entry.answer.events)) if cap > 0 else tokens


def estimated_output(entry: LogEntry) -> int:
    """By the text that was seen; if none was read, by the bytes of the answer, unless it contains no text at all."""
    answer = entry.answer
    if answer.events or answer.ended == UNREAD or sound_tokens(entry) or image_tokens(entry):
        return seen_output(entry)
    if entry.media.partition("/")[0] in _NO_TEXT:
        return 0
    if answer.ended == "done" and (answer.counts or not entry.decision.output_cap):
        return 0  # vectors, or counts of something else than tokens
    size = STREAM_BYTES_PER_TOKEN if entry.streamed else BYTES_PER_TOKEN
    return capped(entry, -(-entry.bytes_out // size))


def is_sound(entry: LogEntry) -> bool:
    """Whether the answer as a whole is sound."""
    return entry.media.startswith("audio/")


def sound_tokens(entry: LogEntry) -> int:
    """The tokens of sound that passed."""
    counts = entry.answer.counts
    seconds = entry.bytes_out / _rate(entry) if is_sound(entry) else 0.0
    if not IN_BASE64.keys().isdisjoint(counts):
        seconds += 3 / 4 * sum(counts.get(path, 0) / rate for path, rate in IN_BASE64.items())
    return ceil(TOKENS_PER_SECOND * seconds)


def made_tokens(entry: LogEntry) -> int:
    """The tokens of an answer that is sound: of all of it, if the server declared its length, because it had then made
    it."""
    size = max(entry.bytes_out, entry.answer.counts.get(LENGTH, 0))
    return ceil(TOKENS_PER_SECOND * size / _rate(entry))


def _rate(entry: LogEntry) -> int:
    return entry.answer.counts.get(RATE, 0) or RATES.get(entry.media, OF_MP3)
