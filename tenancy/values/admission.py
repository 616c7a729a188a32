"""How a request was admitted: one word from the answer of ratelimit to the ledger's column and its reports."""

from enum import StrEnum


class Admission(StrEnum):
    """`fast`: reserved from every budget, with a lease.  `local` and `unmetered`: by a failure mode, charged
    afterwards.  `refused`: it never ran."""

    FAST = "fast"
    LOCAL = "local"
    UNMETERED = "unmetered"
    REFUSED = "refused"
