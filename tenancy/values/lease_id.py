"""Lease ids: UUIDv7 (RFC 9562), so that an id carries the time of its request.  The text form is canonical.

authz mints one for every request that may go on.  ratelimit takes the lease under it, and both logs bring it, so that
what was begun under an id is ended even if Envoy never saw what ratelimit answered.
"""

import os
import re
from datetime import UTC, datetime, timedelta

RANDOM_BYTES = 10
VERSION = 7 << 76
VARIANT, VARIANT_MASK = 2 << 62, ~(3 << 62)
TIMESTAMP_SHIFT = 80
TIMESTAMP_BITS = 48

RECENT_MS = 86_400_000  # how old an id may be when its request comes to ratelimit: an upload may take long

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Times outside of which no clock of ours has minted an id; each new month costs the ledger a partition.  As ids begin:
# their text is in the order of their time.
_FIRST = "016f5e66-e800"  # 2020
_END = "03bb2cc3-d800"  # 2100


def mint_lease_id(now_ms: int) -> str:
    """A new id for a request at `now_ms` since 1970.  Not a secret, but drawn from the system's randomness: processes
    that were forked from one another must not repeat each other's ids."""
    random = int.from_bytes(os.urandom(RANDOM_BYTES), "big") >> 4
    number = (now_ms & (1 << TIMESTAMP_BITS) - 1) << TIMESTAMP_SHIFT | VERSION | random & VARIANT_MASK | VARIANT
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def lowest_at(now_ms: int) -> str:
    """What every id minted from then on sorts after, and every earlier one before."""
    digits = f"{now_ms:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def is_lease_id(value: str) -> bool:
    """Whether `value` is a UUIDv7 whose time lies between 2020 and 2100."""
    return _UUID7.fullmatch(value) is not None and _FIRST <= value < _END


def is_recent(value: str, now_ms: int) -> bool:
    """Whether `value` is a lease id of about `now_ms`."""
    return lowest_at(now_ms - RECENT_MS) <= value < lowest_at(now_ms + RECENT_MS) and is_lease_id(value)


def lease_ms(lease_id: str) -> int:
    """When the lease was minted, in ms since 1970."""
    return int(lease_id[:8] + lease_id[9:13], 16)


def lease_time(lease_id: str) -> datetime:
    """The same as a time."""
    return _EPOCH + timedelta(milliseconds=lease_ms(lease_id))
