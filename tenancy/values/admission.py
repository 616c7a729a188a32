"""How a request was admitted: the same word in ratelimit's answer, in the ledger's column and in its reports."""

from enum import StrEnum


class Admission(StrEnum):
    """`fast`: reserved from every budget, with a lease; `queued`: the same, after waiting for room.  `local` and
    `unmetered`: admitted by a failure mode while Redis was away, and charged afterwards.  `refused`: it never ran.
    `cached`: it did not run either, because the response cache answered; it has a lease, like `fast`."""

    FAST = "fast"
    QUEUED = "queued"
    LOCAL = "local"
    UNMETERED = "unmetered"
    REFUSED = "refused"
    CACHED = "cached"
