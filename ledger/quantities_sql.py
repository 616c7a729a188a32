"""Quantities of each kind as a store adds them up: `quantities_of` of cost.py, in SQL that each store speaks.  Pure."""

from collections.abc import Callable, Sequence

from ledger.cost import Cost
from tenancy.values.prices import Rates

_OF_INPUT = ("cache_write_1h", "cache_write_5m", "audio_input", "image_input")
_OF_OUTPUT = ("audio_output", "image_output")


def sums_of_kinds(part: Callable[[str], str]) -> list[str]:
    """The expressions for the fields of Rates and then of Cost.  `part`: the expression for one of PARTS."""
    found = {
        "cached": "cached_tokens",
        "image": part("images"),
        "search": part("searches"),
        "request": "CASE usage_source WHEN 'none' THEN 0 ELSE 1 END",
    }
    found |= _divided("input_tokens - cached_tokens", "input", [(kind, part(kind)) for kind in _OF_INPUT])
    of_output = [*((kind, part(kind)) for kind in _OF_OUTPUT), ("reasoning", "reasoning_tokens")]
    found |= _divided("output_tokens", "output", of_output)
    return [*(f"sum({found[kind]})" for kind in Rates._fields), *(f"sum({name}_cost)" for name in Cost._fields)]


def _divided(whole: str, left: str, kinds: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Each kind takes of the whole what those before it leave; `left` is what no kind takes."""
    found, taken = {}, "0"
    for number, (kind, _) in enumerate(kinds, 1):
        so_far = f"least({whole}, {' + '.join(expression for _, expression in kinds[:number])})"
        found[kind] = f"{so_far} - {taken}"
        taken = so_far
    return {**found, left: f"{whole} - {taken}"}
