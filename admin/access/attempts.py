"""Failed sign-ins: somebody who guesses has to wait longer each time; the account's owner does not.

Three counts: by account and address together, by address, by account.  The first applies to everybody.  The other two
do not apply to a sign-in from an address from which the account was signed into before: so others who guess, from
wherever, do not keep its owner out.  No wait is longer than CAP_SECONDS, and nothing is ever locked.  Each process
counts by itself.
"""

import ipaddress
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cachetools import TTLCache

REMEMBERED_SECONDS = 900
REMEMBERED = 20_000
FIRST_SECONDS, CAP_SECONDS = 4.0, 60.0
FREE_OF_PAIR, FREE_OF_ACCOUNT, FREE_OF_ADDRESS = 5, 20, 50


@dataclass(slots=True)
class Count:
    """The number of attempts, and from when on the next one is accepted."""

    attempts: int = 0
    not_before: float = 0.0


class Attempts:
    """An attempt counts as failed from its beginning on, so that many at once do not slip through; a success takes it
    back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: TTLCache[tuple[str, str], Count] = TTLCache(REMEMBERED, REMEMBERED_SECONDS, clock)

    def begin(self, email: str, address: str, *, known: bool) -> float:
        """How many seconds to wait before the next attempt; 0: this one is counted, and may go on."""
        now = self._clock()
        counts = [*self._of(email, address, known)]
        wait = max(count.not_before - now for count, _ in counts)
        if wait > 0:
            return wait
        for count, free in counts:
            count.attempts += 1
            if (beyond := count.attempts - free) >= 0:
                count.not_before = now + min(CAP_SECONDS, FIRST_SECONDS * 2.0 ** min(beyond, 10))
        return 0.0

    def succeeded(self, email: str, address: str, *, known: bool) -> None:
        """Forgets what was counted of the account from this address, and this attempt in the other counts: no more, or
        guesses could be hidden between sign-ins to an account of one's own."""
        self._counts.pop((email, address), None)
        for count, _ in () if known else [*self._of(email, address, known)][1:]:
            count.attempts = max(0, count.attempts - 1)

    def _of(self, email: str, address: str, known: bool) -> Iterator[tuple[Count, int]]:
        yield self._count(email, address), FREE_OF_PAIR
        if not known:
            yield self._count(email, ""), FREE_OF_ACCOUNT
            yield self._count("", address), FREE_OF_ADDRESS

    def _count(self, email: str, address: str) -> Count:
        key = (email, address)
        count = self._counts.get(key) or Count()
        self._counts[key] = count  # remembered from its last attempt on
        return count


def network_of(address: str) -> str:
    """The network that one guesser controls: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
