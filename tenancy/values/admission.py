"""How a request was admitted: the same word in ratelimit's answer, in the ledger's column and in its reports."""

from enum import StrEnum


class Admission(StrEnum):
    """`fast`: reserved from every budget, with a lease; `queued`: the same, after it had waited for room.  `local` and
    `unmetered`: let through by a failure mode while Redis was away, charged afterwards.  `refused`: it never ran.
    `cached`: nor did this, since its answer was kept; it has a lease, as `fast` has."""

    FAST = "fast"
    QUEUED = "queued"
    LOCAL = "local"
    UNMETERED = "unmetered"
    REFUSED = "refused"
    CACHED = "cached"
