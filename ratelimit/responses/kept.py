"""A kept answer, where it is kept, and the ticket with which Envoy brings it.  Pure.

An answer outlives the process that kept it: the first byte of a stored one is its format, and an unknown format counts
as absent.
"""

import json
import zlib
from typing import NamedTuple

from tenancy.values.seal import Seal

Header = tuple[str, str]
FORM = b"1"
# a low level: little time for most of the gain, as answers are text
LEVEL = 1
MAX_HEAD = 65_536
MOST = 4 * 1_048_576  # of an answer, when it is read again; more than was ever kept
TICKET = 7  # fields
BETWEEN = "|"


class Place(NamedTuple):
    """Where an answer is kept.  `owner`: who its bytes are counted for; one owner's answers lie in one slot of a
    cluster.  `name`: stands for everything that the answer depends on."""

    owner: str
    name: str


class Kept(NamedTuple):
    """`at_ms`: when it was kept, since 1970.  `headers`: those of the answer that hold at any time."""

    at_ms: int
    headers: tuple[Header, ...]
    body: bytes

    def dump(self) -> bytes:
        head = json.dumps([self.at_ms, self.headers], separators=(",", ":")).encode()
        return FORM + zlib.compress(head + b"\n" + self.body, LEVEL)

    @staticmethod
    def load(stored: bytes) -> "Kept | None":
        """None for what this version cannot read."""
        try:
            if stored[:1] != FORM:
                return None
            head, newline, body = zlib.decompressobj().decompress(stored[1:], MOST + MAX_HEAD).partition(b"\n")
            at_ms, headers = json.loads(head)
            return Kept(int(at_ms), tuple((str(name), str(text)) for name, text in headers), body) if newline else None
        except (ValueError, TypeError, zlib.error):
            return None


class Ticket(NamedTuple):
    """The permission to keep the answer of one request: it goes to Envoy with the decision, and comes back with the
    answer."""

    place: Place
    lease_id: str
    model: str
    ttl_seconds: int
    max_bytes: int

    def dump(self, seal: Seal) -> str:
        owner, name = self.place
        text = BETWEEN.join((owner, name, self.lease_id, str(self.ttl_seconds), str(self.max_bytes), self.model))
        return f"{seal.of(text)}{BETWEEN}{text}"

    @staticmethod
    def load(text: str, seal: Seal) -> "Ticket | None":
        """None if no `dump` with one of these keys wrote it."""
        mark, _, said = text.partition(BETWEEN)
        fields = said.split(BETWEEN, TICKET - 2)
        if len(fields) != TICKET - 1 or not seal.fits(mark, said):
            return None
        owner, name, lease_id, ttl_seconds, max_bytes, model = fields
        return Ticket(Place(owner, name), lease_id, model, int(ttl_seconds), int(max_bytes))


def read_answer(message: bytes) -> "tuple[str, tuple[Header, ...], bytes] | None":
    """What Envoy brings (envoy/lua/cache/kept_copy.lua): the ticket in the first line, a header in each further one, an
    empty line, the body.  None for anything else."""
    head, between, body = message.partition(b"\n\n")
    if not between or len(head) > MAX_HEAD or not body:
        return None
    try:
        ticket, *lines = head.decode().split("\n")
    except UnicodeDecodeError:
        return None
    headers = [line.partition(":") for line in lines]
    return ticket, tuple((name, text) for name, _, text in headers), body
