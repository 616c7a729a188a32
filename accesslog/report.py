"""What an answer reported of its use, in the terms of one format of formats.py.  Pure.

Owns how counts add up; whether they are believed, and what is charged, is usage.py.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from accesslog.formats import FORMATS, WRAPPERS, Format


class Report(NamedTuple):
    """LLM tokens.  `input_tokens`, `output_tokens` None: not reported.  The other kinds are parts of these two."""

    format: Format
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int
    cache_write_5m: int
    cache_write_1h: int
    reasoning_tokens: int
    audio_input: int
    audio_output: int
    image_input: int
    image_output: int


def read_counts(text: str, most: int) -> dict[str, int]:
    """The counts up to `most` in what the answer meter wrote, `path=count path=count`, without wrappers."""
    counts: dict[str, int] = {}
    for pair in text.split():
        path, _, digits = pair.rpartition("=")
        if not path or not _is_count(digits) or (number := int(digits)) > most:
            continue
        first, _, rest = path.partition(".")
        if first in WRAPPERS and rest:
            path = rest
        if number >= counts.get(path, 0):
            counts[path] = number
    return counts


def _is_count(digits: str) -> bool:
    return len(digits) <= 15 and digits.isascii() and digits.isdigit()


def report_of(counts: Mapping[str, int]) -> Report | None:
    """None if no format is meant."""
    for form in FORMATS:
        if is_meant(form, counts):
            return _report(form, counts)
    return None


def is_meant(form: Format, counts: Mapping[str, int]) -> bool:
    if form.marks:
        return any(path in counts for path in form.marks)
    return any(path in counts for path in (*form.input, *form.output)) or form.total in counts


def _report(form: Format, counts: Mapping[str, int]) -> Report:
    cached, written = _first(form.cached, counts) or 0, _first(form.cache_write, counts) or 0
    reasoning = _first(form.reasoning, counts) or 0
    one_hour = counts.get(form.cache_write_1h, 0)
    five_minutes = max(written - one_hour, counts.get(form.cache_write_5m, 0))
    input_tokens = _sum(_first(form.input, counts), form.beside_input, counts)
    output_tokens = _sum(_first(form.output, counts), form.beside_output, counts)
    total = counts.get(form.total)
    if total is not None:
        input_tokens, output_tokens = _with_total(input_tokens, output_tokens, total, cached + written)
    return Report(
        form,
        input_tokens,
        output_tokens,
        cached,
        five_minutes,
        one_hour,
        reasoning,
        _first(form.audio_input, counts) or 0,
        _first(form.audio_output, counts) or 0,
        _first(form.image_input, counts) or 0,
        _first(form.image_output, counts) or 0,
    )


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


def _first(paths: Sequence[str], counts: Mapping[str, int]) -> int | None:
    """The first path that says more than 0, else 0 if one is there."""
    found = None
    for path in paths:
        count = counts.get(path)
        if count:
            return count
        found = count if found is None else found
    return found


def _sum(count: int | None, beside: Sequence[str], counts: Mapping[str, int]) -> int | None:
    more = sum(counts.get(path, 0) for path in beside)
    return count if not more else (count or 0) + more
