"""The stub model's arithmetic: what a prompt counts, what a reply says, and the usage of the two.  Pure.

One token is one run of word characters or one other character that is not space: `Hello, world!` is 4.  A prompt counts
the tokens of its texts and nothing else (no role, no separator, no picture); an integer in a token array counts one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stub_model.options import StubOptions

PIECE = re.compile(r"\w+|[^\w\s]")
WORDS = re.findall(r"\w+", "the quick brown fox jumps over a lazy dog while seven wizards pack my box with liquor")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one request. `output` includes `reasoning`; `input` includes `cached` and `cache_creation`."""

    input: int
    output: int
    cached: int
    cache_creation: int
    reasoning: int


def count(value: object) -> int:
    """Tokens of a text, a content part, a message, a token array, or a list of any of these."""
    if isinstance(value, str):
        return len(PIECE.findall(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return 1
    if isinstance(value, list):
        return sum(count(item) for item in value)
    if isinstance(value, dict):
        return count(value.get("content") or value.get("text") or "")
    return 0


def words(number: int) -> list[str]:
    """`number` tokens of text; joined they count `number` again."""
    return [(" " if index else "") + WORDS[index % len(WORDS)] for index in range(number)]


def pieces(number: int, size: int) -> Iterator[tuple[str, int]]:
    """The same text in pieces of `size` tokens, each with what it counts."""
    all_words = words(number)
    for start in range(0, number, size):
        piece = all_words[start : start + size]
        yield "".join(piece), len(piece)


def visible(options: StubOptions, maximum: int | None) -> int:
    """Tokens of the reply's text: reasoning takes from the maximum first."""
    if maximum is None:
        return options.tokens
    return min(options.tokens, maximum - reasoning(options, maximum))


def reasoning(options: StubOptions, maximum: int | None) -> int:
    return options.reasoning_tokens if maximum is None else min(options.reasoning_tokens, maximum)


def usage_of(options: StubOptions, prompt: int, maximum: int | None, replies: int = 1) -> Usage:
    cached = min(options.cached_tokens, prompt)
    hidden = reasoning(options, maximum) * replies
    return Usage(
        input=prompt,
        output=visible(options, maximum) * replies + hidden,
        cached=cached,
        cache_creation=min(options.cache_creation_tokens, prompt - cached),
        reasoning=hidden,
    )
