"""What one request used, as the ledger keeps it, made safe for a database before it is queued.  Pure.

Everything that a client can put into a row is cut and cleaned here: one bad row must not hold up the batch it is in.
The cost is added in cost.py, when the row is written.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from tenancy.values.secret import without_secrets

TEXT_MAX = 512  # characters; longer than any id or model name, and a longer path is an attack


class UsageSource(StrEnum):
    """Where the numbers of a row come from.  RESERVED: no log entry came, the reservation stands for the usage."""

    REPORTED = "reported"
    ESTIMATED = "estimated"
    RESERVED = "reserved"
    NONE = "none"


class UsageRow(NamedTuple):
    """The columns of the ledger but for the costs.  `ts` is the time within `id`, so that the same request has the same
    primary key whichever log brought it.  `denied_by` names the limit that refused it, or what else did.  `parts`: what
    `dump_parts` makes of PARTS; `service_tier`: as the model server names it, "" if it does not.
    `requests`: how many it stands for, of which it has the first id, and sums of times and bytes; more than one only of
    requests that were refused alike.  `alias`: the name by which the model was asked for, "" if by its own.
    `job`: what the model server calls the work that goes on after the answer, "" if none does.
    `rpc_method` and `tool`: what was called of an MCP server.  `saved_…`: tokens of an answer from the response cache
    that were not charged."""

    id: str
    ts: datetime
    request_id: str
    tenant_id: str
    key_id: str
    user_id: str
    end_user_id: str
    model: str
    admission: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    reserved_tokens: int
    usage_source: str
    status: int = 0
    denied_by: str = ""
    streamed: bool = False
    aborted: bool = False
    method: str = ""
    path: str = ""
    total_ms: int = 0
    ttft_ms: int | None = None
    queue_ms: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    parts: str | None = None
    service_tier: str = ""
    requests: int = 1
    alias: str = ""
    job: str = ""
    rpc_method: str = ""
    tool: str = ""
    saved_input_tokens: int = 0
    saved_output_tokens: int = 0


# What few requests use: parts of the input, parts of the output, images made, and searches of the provider's.
PARTS = (
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "images",
    "searches",
)


# What reports add up of them.
SUMS_OF_PARTS = {
    "cache_write_tokens": ("cache_write_5m", "cache_write_1h"),
    "audio_tokens": ("audio_input", "audio_output"),
    "image_tokens": ("image_input", "image_output"),
    "images": ("images",),
}


def dump_parts(*quantities: int) -> str | None:
    """A JSON object of those of PARTS that are not 0; None if all are."""
    if not any(quantities):
        return None
    return json.dumps({name: quantity for name, quantity in zip(PARTS, quantities, strict=True) if quantity})


def load_parts(text: str | None) -> dict[str, int]:
    parts: dict[str, int] = {} if text is None else json.loads(text)
    return parts


def clean(value: str) -> str:
    """Text that a database takes: no NUL, no half of a surrogate pair, at most TEXT_MAX characters; and no secret."""
    value = without_secrets(value)
    if len(value) > TEXT_MAX:
        value = value[:TEXT_MAX]
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value if value.isascii() else value.encode(errors="replace").decode()


def cleaned(*values: str) -> Sequence[str]:
    """Each of them, as `clean` makes it.  Nearly always nothing is to be done, which one look at all of them shows."""
    text = "\n".join(values)  # not by nothing: a secret may be known by what is before it
    plain = len(text) <= TEXT_MAX and text.isascii() and "\0" not in text and without_secrets(text) is text
    return values if plain else [clean(value) for value in values]


def is_final(row: UsageRow) -> bool:
    """Whether the row says what happened; one that only repeats the reservation is replaced by such a row."""
    return row.usage_source != UsageSource.RESERVED


def replaces(row: UsageRow, known: UsageRow) -> bool:
    """Whether the row replaces a known one with the same id."""
    if is_final(known):
        return False
    return is_final(row) or row.input_tokens + row.output_tokens > known.input_tokens + known.output_tokens
