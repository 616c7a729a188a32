"""What is stored of an answer, and the ticket that brings it."""

import zlib

import pytest

from ratelimit.responses.kept import FORM, Kept, Place, Ticket, read_answer
from tenancy.values.seal import DECISION, KEY_BYTES, RESPONSE, Seal

KEPT = Kept(
    1_795_230_000_000, (("content-type", "text/event-stream"), ("x-a", "b:c")), b'data: {"a":\n\n\0\xff"}\n\n' * 99
)
SEAL = Seal([b"k" * KEY_BYTES], RESPONSE)
TICKET = Ticket(Place("tenant", "ab" * 32), "0198c1a1-0000-7000-8000-000000000000", "org/model|x:tag", 300, 1000)


def test_an_answer_comes_back_as_it_was_and_smaller() -> None:
    stored = KEPT.dump()
    assert Kept.load(stored) == KEPT
    assert len(stored) < len(KEPT.body) / 5


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"2" + KEPT.dump()[1:],
        KEPT.dump()[:40],
        FORM + zlib.compress(b"no head"),
        FORM + zlib.compress(b"[1]\nbody"),
        FORM + zlib.compress(b'{"a":1}\nbody'),
    ],
    ids=["empty", "another form", "cut", "no head", "a short head", "another head"],
)
def test_what_cannot_be_read_is_not_there(stored: bytes) -> None:
    assert Kept.load(stored) is None


def test_a_ticket_is_believed_from_who_wrote_it_alone() -> None:
    text = TICKET.dump(SEAL)
    assert Ticket.load(text, SEAL) == TICKET
    other_tenant = text.replace("|tenant|", "|other|")
    assert other_tenant != text
    for forged in (other_tenant, text.replace("|300|", "|999|"), text + "x", text[1:], "", "|||||||"):
        assert Ticket.load(forged, SEAL) is None
    for seal in (Seal([b"j" * KEY_BYTES], RESPONSE), Seal([b"k" * KEY_BYTES], DECISION)):
        assert Ticket.load(text, seal) is None


def test_an_answer_is_read_as_envoy_brings_it() -> None:
    assert read_answer(b"ticket\na:b\nc:d:e\n\nbody\n\nmore") == ("ticket", (("a", "b"), ("c", "d:e")), b"body\n\nmore")
    assert read_answer(b"ticket\n\n{}") == ("ticket", (), b"{}")
    for wrong in (b"", b"ticket", b"ticket\na:b\n", b"ticket\n\n", b"\xff\n\nbody", b"t" * 70_000 + b"\n\nbody"):
        assert read_answer(wrong) is None
