"""What a request is expected to be charged, briefly."""

from accesslog.usage import Usage
from ledger.row import UsageSource


def reported(input_tokens: int, output_tokens: int, cached: int = 0, reasoning: int = 0, **parts: int) -> Usage:
    return Usage(input_tokens, output_tokens, cached, reasoning, UsageSource.REPORTED, **parts)


def estimated(input_tokens: int, output_tokens: int, cached: int = 0, reasoning: int = 0, **parts: int) -> Usage:
    return Usage(input_tokens, output_tokens, cached, reasoning, UsageSource.ESTIMATED, **parts)
