#!/bin/bash
# Two public price lists of the same month put a factor of 2 to 5 on the same request.
#
# genai-prices 0.2.3 (its function calc_price) and the list within litellm 1.110.2
# (litellm/model_prices_and_context_window_backup.json, read as it is, since that package needs dozens of others), both
# of November 2026.  Their formats differ, as one expects; what a good engineer expects as well is that they agree on
# what the large providers publish.  For OpenAI's and Anthropic's plain input and output they do.  Seen here, in dollars:
#
#   claude-sonnet-4-5, 300,000 tokens in     1.80 and 0.90    only one knows the prices of more than 200,000 tokens
#   mistral-large-latest, 100,000 in         0.20 and 0.05    the name stands for another model in each
#   grok-code-fast-1, 100,000 in             0.02 and 0.10
#   deepseek-reasoner, a million out         2.19 and 0.42
#
# A tool that takes prices from a list should say from which, and show what it would change before it does.
#
# Exits non-zero if one of these pairs is another one by now.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet genai-prices==0.2.3
"$place/venv/bin/pip" install --quiet --no-deps --target "$place/litellm" litellm==1.110.2
"$place/venv/bin/python" - "$place/litellm/litellm/model_prices_and_context_window_backup.json" <<'PYTHON'
import json
import sys
from decimal import Decimal
from pathlib import Path

from genai_prices import Usage, calc_price

LIST = json.loads(Path(sys.argv[1]).read_text(), parse_float=Decimal)
MILLION = 1_000_000
CASES = [  # model and provider there, name here, tokens in and out, dollars there and here
    ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5", 300_000, 0, "1.80", "0.90"),
    ("mistral-large-latest", "mistral", "mistral/mistral-large-latest", 100_000, 0, "0.2", "0.05"),
    ("grok-code-fast-1", "x-ai", "xai/grok-code-fast-1", 100_000, 0, "0.02", "0.1"),
    ("deepseek-reasoner", "deepseek", "deepseek-reasoner", 0, MILLION, "2.19", "0.42"),
]


def listed(name: str, tokens_in: int, tokens_out: int) -> Decimal:
    """By the list alone; its prices for long input have names of their own, which are looked for."""
    fields = LIST[name]
    long = [field for field in fields if field.startswith("input_cost_per_token_above_")]
    assert tokens_in <= 100_000 or not long, (name, long)
    return tokens_in * fields["input_cost_per_token"] + tokens_out * fields["output_cost_per_token"]


changed = False
for model, provider, name, tokens_in, tokens_out, there, here in CASES:
    usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
    found = calc_price(usage, model_ref=model, provider_id=provider).total_price, listed(name, tokens_in, tokens_out)
    print(f"{model}: genai-prices {found[0].normalize():f}, litellm {found[1].normalize():f}")
    changed |= found != (Decimal(there), Decimal(here))
sys.exit(changed)
PYTHON
