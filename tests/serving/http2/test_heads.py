"""What a header block means is remembered as long as the table of its connection is what it was, and no longer."""

import random
from contextlib import suppress

import pytest
from hpack import Encoder

from serving.call import Unary
from serving.http2.heads import MAX_KNOWN, BlockReader, Head, Heads, MalformedHead
from tests.serving.conftest import Served
from tests.serving.desk import ECHO, echo
from tests.serving.http2.wire import connected, head, headers, literal, message

FIRST, SECOND = "/service/First", "/service/Second"
HEADS = Heads([Unary(path, echo) for path in (FIRST, SECOND)])
FIELDS = {":method": "POST", ":scheme": "http", ":authority": "a", "te": "trailers", "content-type": "application/grpc"}
NEWEST = b"\xbe"  # the field that was put into the table last
EMPTIED = b"\x20\x3f\xe1\x1f"  # the table shrinks to nothing, and may then have 4,096 bytes again


def kept(name: str, value: str) -> bytes:
    """A field that goes into the table."""
    return b"\x40" + literal(name, value)[1:]


def pathless() -> bytes:
    return head(path=None)


def read(reader: BlockReader, block: bytes) -> Head:
    """As a connection does."""
    return reader.known.get(block) or reader.head(block)


def test_the_same_block_is_read_anew_once_the_table_has_changed() -> None:
    reader = BlockReader(HEADS)
    reader.fields(kept(":path", FIRST))
    again = NEWEST + pathless()
    assert [read(reader, again).path, read(reader, again).path] == [FIRST, FIRST]
    assert list(reader.known) == [again]
    reader.fields(kept(":path", SECOND))
    assert not reader.known
    assert read(reader, again).path == SECOND


@pytest.mark.parametrize(
    "change", [kept(":path", SECOND), EMPTIED + kept(":path", SECOND), kept(":path", SECOND) + literal("te", "gzip")]
)
def test_a_head_that_is_none_changes_the_table_as_any_other(change: bytes) -> None:
    reader = BlockReader(HEADS)
    reader.fields(kept(":path", FIRST))
    again = NEWEST + pathless()
    assert read(reader, again).path == FIRST
    with pytest.raises(MalformedHead):
        reader.head(change)
    assert read(reader, again).path == SECOND


def test_whatever_a_caller_keeps_in_its_table_each_call_is_the_one_that_it_means() -> None:
    remembered = 0
    for seed in range(20):
        drawn, encoder, reader = random.Random(seed), Encoder(), BlockReader(HEADS)
        for _ in range(300):
            path, seconds = drawn.choice((FIRST, SECOND)), drawn.randint(1, 3)
            fields = {**FIELDS, ":path": path, "grpc-timeout": f"{seconds}S"}
            if drawn.random() < 0.05:
                fields["traceparent"] = drawn.randbytes(16).hex()
            if drawn.random() < 0.02:
                encoder.header_table_size = drawn.choice((0, 100, 200, 4096))
            ordered = sorted(fields.items(), key=lambda field: not field[0].startswith(":"))
            block = encoder.encode(ordered, huffman=drawn.random() < 0.5)
            remembered += block in reader.known
            found = read(reader, block)
            assert (found.path, found.timeout) == (path, seconds)
    assert remembered > 1000


def test_what_is_remembered_is_bounded() -> None:
    reader = BlockReader(HEADS)
    for number in range(3 * MAX_KNOWN):
        reader.head(head(FIRST) + literal("x-number", str(number)))
        assert 0 < len(reader.known) <= MAX_KNOWN
    with suppress(MalformedHead):
        reader.head(head(FIRST) + literal("x-long", "x" * 120) * 5)
    assert max(map(len, reader.known)) < 512


def test_calls_from_the_table_are_answered(served: Served) -> None:
    with connected(served.address) as wire:
        wire.begin(follow=False)
        for stream in range(1, 41, 2):
            path = NEWEST if stream > 1 else kept(":path", ECHO)
            wire.send(headers(stream, path + pathless()), message(stream, b"%d" % stream))
            assert wire.answer(stream)[1] == b"%d" % stream
