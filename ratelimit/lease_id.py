"""Lease ids: UUIDv7 (RFC 9562), so that an id carries the time of its request.  The text form is canonical."""

import os

RANDOM_BYTES = 10
VERSION = 7 << 76
VARIANT, VARIANT_MASK = 2 << 62, ~(3 << 62)
TIMESTAMP_SHIFT = 80
TIMESTAMP_BITS = 48


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
