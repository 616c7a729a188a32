"""Lease ids: UUIDv7 (RFC 9562), so that an id carries the time of its request.  The text form is canonical.

authz mints one for every request that may go on.  ratelimit takes the lease under it, and both logs bring it, so
whatever was begun under an id is ended even if ratelimit's answer never reached Envoy.  Its last digits name the Envoy
that the request came through, so a request of which only the id is known also ends when that Envoy is gone.
"""

import os
import re
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache

LENGTH = 36
TIMESTAMP_MASK = (1 << 48) - 1
RANDOM_DIGITS = 15  # of one id: 58 random bits, whose first two are of the digit that also holds the variant
ENVOY_DIGITS = 4  # the last of an id: envoy/lua/instance.lua
NO_ENVOY = "0" * ENVOY_DIGITS  # the Envoy is not known
DRAWN = 256  # ids' randomness that is drawn at once: a system call for each id would cost as much as all the rest
VARIANTS = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}

MS_PER_SECOND = 1000
MINUTE_BITS = 16
RECENT_MS = 86_400_000  # how old an id may be when its request comes to ratelimit: an upload may take long

_ENVOY = re.compile(f"[0-9a-f]{{{ENVOY_DIGITS}}}")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# Times outside of which no clock of ours has minted an id; each new month costs the ledger a partition.  As ids begin:
# their text is in the order of their time.
_FIRST = "016f5e66-e800"  # 2020
_END = "03bb2cc3-d800"  # 2100


_drawn: deque[str] = deque()
os.register_at_fork(after_in_child=_drawn.clear)


def mint_lease_id(now_ms: int, envoy: str = NO_ENVOY) -> str:
    """A new id for a request at `now_ms` since 1970 through `envoy`, for which `is_envoy` must hold.  Not a secret, but
    drawn from the system's randomness: processes that were forked from one another must not repeat each other's ids.
    For any thread."""
    try:
        random = _drawn.pop()
    except IndexError:
        random = _draw()
    time = f"{now_ms & TIMESTAMP_MASK:012x}"
    return f"{time[:8]}-{time[8:]}-7{random[1:4]}-{VARIANTS[random[0]]}{random[4:7]}-{random[7:15]}{envoy}"


def _draw() -> str:
    digits = os.urandom(DRAWN * RANDOM_DIGITS // 2).hex()
    each = [digits[start : start + RANDOM_DIGITS] for start in range(0, len(digits), RANDOM_DIGITS)]
    _drawn.extend(each[1:])
    return each[0]


def is_envoy(value: str) -> bool:
    """Whether `value` may be the name that an Envoy gives itself."""
    return _ENVOY.fullmatch(value) is not None


def envoy_of(lease_id: str) -> str:
    """The name of the Envoy through which the request came; NO_ENVOY if that is not known."""
    return lease_id[-ENVOY_DIGITS:]


def is_lease_id(value: str) -> bool:
    """Whether `value` is a UUIDv7 whose time lies between 2020 and 2100."""
    return _UUID7.fullmatch(value) is not None and _FIRST <= value < _END


def is_recent(value: str, now_ms: int) -> bool:
    """Whether `value` is a lease id of about `now_ms`."""
    if not is_lease_id(value):
        return False
    first, end = _surely_recent(now_ms >> MINUTE_BITS)
    return first <= value < end or -RECENT_MS <= lease_ms(value) - now_ms < RECENT_MS


@lru_cache(4)
def _surely_recent(minute: int) -> tuple[str, str]:
    """How ids begin from which on, and to which, all are recent at any time of this minute (of 65 s): to compare texts
    costs less than to read the time in one."""
    earliest, latest = minute << MINUTE_BITS, (minute + 1) << MINUTE_BITS
    first, end = f"{max(0, latest - RECENT_MS):012x}", f"{earliest + RECENT_MS:012x}"
    return f"{first[:8]}-{first[8:]}", f"{end[:8]}-{end[8:]}"


def lease_ms(lease_id: str) -> int:
    """When the lease was minted, in ms since 1970."""
    return int(lease_id[:8] + lease_id[9:13], 16)


def lease_time(lease_id: str) -> datetime:
    """When the lease was minted, as a datetime in UTC."""
    return datetime.fromtimestamp(lease_ms(lease_id) / MS_PER_SECOND, UTC)  # to the microsecond, so exact
