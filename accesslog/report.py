"""What an answer reported of its use, in the terms of one format of formats.py.  Pure.

Owns how counts add up; whether they are believed, and what is charged, is usage.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from accesslog.formats import ALIASES, AT_END, FORMATS, INPUT, LEFT_OUT, SEARCHES, STARTS, WRAPPERS, Format

MAX_DIGITS = 15
LARGEST = 10**MAX_DIGITS
ITERATIONS = "usage.iterations."
MAX_SEARCHES = 10**6
MOST_KEPT = 1024  # what a server says of its use has always the same paths


class Parts(NamedTuple):
    """Of the input: read from a cache, written into one for 5 minutes or 1 hour, audio, images.  Of the output:
    reasoning, audio, images."""

    cached_tokens: int
    cache_write_5m: int
    cache_write_1h: int
    reasoning_tokens: int
    audio_input: int
    audio_output: int
    image_input: int
    image_output: int


NO_PARTS = Parts(0, 0, 0, 0, 0, 0, 0, 0)


class Report(Struct, frozen=True):
    """LLM tokens; None: not reported."""

    format: Format
    input_tokens: int | None
    output_tokens: int | None
    parts: Parts


def read_counts(text: str, most: int) -> dict[str, int]:
    """The counts up to `most` in what the answer meter wrote, `path=count path=count`, without wrappers."""
    counts: dict[str, int] = {}
    skipped = _outdated(text) if STARTS in text else ()
    for pair in text.split():
        path, _, digits = pair.rpartition("=")
        if not path or not digits.isdecimal() or len(digits) > MAX_DIGITS or not digits.isascii() or path in skipped:
            continue
        number, path = int(digits), _bare(path)
        if number <= most and number >= counts.get(path, 0):
            counts[path] = number
    if ITERATIONS in text:
        _add_left_out(counts)
    return counts


@lru_cache(MOST_KEPT)
def _bare(path: str) -> str:
    """Without a wrapper around it, and by the name that formats.py has."""
    first, _, rest = path.partition(".")
    path = rest if first in WRAPPERS and rest else path
    return ALIASES.get(path, path)


def _outdated(text: str) -> tuple[str, ...]:
    """What a stream said of its input at its start, if its end said it again, and of no less.  Some servers call at
    first all of it uncached, and know at the end what came from their cache: both together would be twice the input."""
    counts = read_counts(text.replace(STARTS, "start."), LARGEST)
    at_start = sum(counts.get(f"start.{name}", 0) for name in INPUT)
    at_end = sum(counts.get(AT_END + name, 0) for name in INPUT)
    return tuple(STARTS + name for name in INPUT) if at_end >= at_start else ()


def _add_left_out(counts: dict[str, int]) -> None:
    """Adds what a message's own counts leave out."""
    for prefix in LEFT_OUT:
        for name in (*INPUT, "output_tokens"):
            if more := counts.get(prefix + name):
                counts[AT_END + name] = counts.get(AT_END + name, 0) + more


def report_of(counts: Mapping[str, int]) -> Report | None:
    """None if no format is meant."""
    reader = _reader_of(tuple(counts))
    return None if reader is None else _report(*reader, counts)


def searches_of(counts: Mapping[str, int]) -> int:
    """The searches that the provider made, at most as many as anybody would believe."""
    return min(max(counts.get(path, 0) for path in SEARCHES), MAX_SEARCHES)


# A report is made of a list with a place for each field of Format, from `input` to `image_output`.
_FIRST, _END = Format._fields.index("input"), Format._fields.index("marks")
_BESIDE_INPUT, _BESIDE_OUTPUT, _CACHED, _WRITTEN = 3, 4, 5, 6
_ADDED = frozenset({_BESIDE_INPUT, _BESIDE_OUTPUT})


def _marks(form: Format) -> frozenset[str]:
    return frozenset(form.marks or (*form.input, *form.output, *((form.total,) if form.total else ())))


def _places(form: Format) -> dict[str, tuple[int, ...]]:
    """The places that a path's count goes to; some count as two things."""
    places: dict[str, tuple[int, ...]] = {}
    for place, field in enumerate(form[_FIRST:_END]):
        for path in (field,) if isinstance(field, str) else field:
            places[path] = (*places.get(path, ()), place)
    return places


_READERS = tuple((_marks(form), form, _places(form)) for form in FORMATS)


@lru_cache(MOST_KEPT)
def _reader_of(paths: tuple[str, ...]) -> tuple[Format, list[tuple[str, int]]] | None:
    """The format that is meant, and the paths with the places that their counts go to."""
    for marks, form, places in _READERS:
        if not marks.isdisjoint(paths):
            return form, [(path, place) for path in paths for place in places.get(path, ())]
    return None


def _report(form: Format, places: Iterable[tuple[str, int]], counts: Mapping[str, int]) -> Report:
    found: list[int | None] = [None] * (_END - _FIRST)
    for path, place in places:
        count, before = counts[path], found[place]
        if before is None:
            found[place] = count
        elif place in _ADDED:
            found[place] = before + count
        elif count > before:
            found[place] = count
    input_tokens, output_tokens, total, more_input, more_output, *parts = found
    if more_input:
        input_tokens = (input_tokens or 0) + more_input
    if more_output:
        output_tokens = (output_tokens or 0) + more_output
    if total is not None:
        in_cache = (found[_CACHED] or 0) + (found[_WRITTEN] or 0)
        input_tokens, output_tokens = _with_total(input_tokens, output_tokens, total, in_cache)
    if not any(parts):
        return Report(form, input_tokens, output_tokens, NO_PARTS)
    read = _parts(parts)
    return Report(form, *_whole(input_tokens, output_tokens, read), read)


def _whole(input_tokens: int | None, output_tokens: int | None, parts: Parts) -> tuple[int | None, int | None]:
    """No less than the parts: some servers leave out of the whole what came from their cache, or what was thought."""
    in_cache = parts.cached_tokens + parts.cache_write_5m + parts.cache_write_1h
    if input_tokens is not None and in_cache > input_tokens:
        input_tokens = in_cache
    if output_tokens is not None and parts.reasoning_tokens > output_tokens:
        output_tokens = parts.reasoning_tokens
    return input_tokens, output_tokens


def _parts(parts: Sequence[int | None]) -> Parts:
    cached, written, five_minutes, one_hour, *others = (part or 0 for part in parts)
    return Parts(cached, max(written - one_hour, five_minutes), one_hour, *others)


def _with_total(
    input_tokens: int | None, output_tokens: int | None, total: int, in_cache: int
) -> tuple[int | None, int | None]:
    """What is in the total alone was used too: all of it as input where nothing else is said, as of embeddings and
    reranks; else as output, as xAI's reasoning; unless it is just what was in the cache."""
    if input_tokens is None and output_tokens is None:
        return total, None
    rest = total - (input_tokens or 0) - (output_tokens or 0)
    if rest <= 0:
        return input_tokens, output_tokens
    if input_tokens is None or rest == in_cache:
        return (input_tokens or 0) + rest, output_tokens
    return input_tokens, (output_tokens or 0) + rest
