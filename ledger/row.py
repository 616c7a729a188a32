"""What one request used, as the ledger keeps it, made safe for a database before it is queued.  Pure.

Everything that a client can put into a row is cut and cleaned here: one bad row must not hold up the batch it is in.
The cost is added in cost.py, when the row is written.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

TEXT_MAX = 512  # characters; longer than any id or model name, and a path that long is an attack


class UsageSource(StrEnum):
    """Where the numbers of a row come from.  RESERVED: no log entry came, the reservation stands for the usage."""

    REPORTED = "reported"
    ESTIMATED = "estimated"
    RESERVED = "reserved"
    NONE = "none"


class UsageRow(NamedTuple):
    """The columns of the ledger but for the costs.  `ts` is the time within `id`, so that the same request has the same
    primary key whichever log brought it."""

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


def clean(value: str) -> str:
    """Text that a database takes: no NUL, no half of a surrogate pair, at most TEXT_MAX characters."""
    if len(value) > TEXT_MAX:
        value = value[:TEXT_MAX]
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value if value.isascii() else value.encode(errors="replace").decode()


def is_final(row: UsageRow) -> bool:
    """Whether the row tells what happened; one that only repeats the reservation gives way to it."""
    return row.usage_source != UsageSource.RESERVED
