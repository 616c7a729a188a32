"""The table of docs/client/formats.md: what the proxy booked of each answer beside what Tollkeeper charges."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from accesslog.usage import Usage
from ledger.row import UsageSource

BOOKED = Path(__file__).parent / "booked.json"
INTRODUCTION = """## The same answers through the LiteLLM proxy

`python -m tests.formats.litellm` installs the proxy (litellm {version} from PyPI, in a temporary environment), puts it in
Tollkeeper's place before the same model server, asks it for each case that it speaks, one after another, and notes what its
callbacks are told: the tokens and the dollars that its database would get. Native routes of model servers and batches are not
among them. In brackets: input + output as Tollkeeper charges them, then as the proxy books them; `~` is an estimate of
Tollkeeper's, whose input is a constant 20 here. Of estimates only the output is compared, and within a tenth: the input is
each one's own, and neither is the truth. Nothing is booked of answers that the proxy itself turned into an error, either.

| | the same | otherwise | nothing |
|---|---|---|---|"""


def section(modules: list[ModuleType]) -> str:
    found = json.loads(BOOKED.read_text())
    rows = [INTRODUCTION.format(version=found["version"])]
    counts = [0, 0, 0]
    for module in modules:
        booked = found["cases"].get(module.__name__.rpartition(".")[2], {})
        cells: tuple[list[str], ...] = ([], [], [])
        for name, (_, charged) in module.CASES.items():
            if name in booked:
                place = _place(charged, booked[name])
                counts[place] += 1
                cells[place].append(name + _numbers(charged, booked[name], place))
        if any(cells):
            about = (module.__doc__ or "").strip().rstrip(".")
            rows.append(f"| {about} | {' | '.join('; '.join(cell) for cell in cells)} |")
    rows += [
        "",
        f"So of {sum(counts)} answers {counts[0]} are booked the same, {counts[1]} otherwise, {counts[2]} not at all.",
    ]
    return "\n".join(rows)


def _place(charged: Usage, booked: dict[str, Any]) -> int:
    """The column."""
    tokens = booked["input_tokens"], booked["output_tokens"]
    if not any(tokens):
        return 1 if booked["dollars"] else 2
    if charged.source is UsageSource.ESTIMATED:
        return 0 if abs(tokens[1] - charged.output_tokens) <= charged.output_tokens / 10 else 1
    return 0 if tokens == (charged.input_tokens, charged.output_tokens) else 1


def _numbers(charged: Usage, booked: dict[str, Any], place: int) -> str:
    if place == 0:
        return ""
    ours = f"{'~' * (charged.source is UsageSource.ESTIMATED)}{charged.input_tokens} + {charged.output_tokens}"
    if place == 2:
        return f" ({ours})"
    theirs = f"{booked['input_tokens']} + {booked['output_tokens']}"
    return f" ({ours}; {theirs if theirs != '0 + 0' else 'dollars alone'})"
