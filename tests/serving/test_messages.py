"""Messages in which some text is no UTF-8."""

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import ListValue, Struct
from hypothesis import given
from hypothesis import strategies as st

from protos.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from serving.messages import MAX_DEPTH, SUBSTITUTE, parts, read

MARK = "0123456789"  # stands for bytes of the same number until the message is serialized


def nested(text: str) -> Struct:
    struct = Struct()
    struct.update({"plain": "text \u00e9", "number": 1.5, text: {"list": [text, True, {"deep": text}]}})
    return struct


@given(st.binary(min_size=len(MARK), max_size=len(MARK)))
def test_text_of_any_bytes_is_read_with_a_substitute_for_each_that_is_none(broken: bytes) -> None:
    found = read(Struct, nested(MARK).SerializeToString().replace(MARK.encode(), broken))
    (text,) = [name for name in found.fields if name not in ("plain", "number")] or ["plain"]
    assert found["plain"] == "text \u00e9"
    assert found["number"] == 1.5
    assert len(text.encode()) == len(MARK)
    assert found == nested(text)
    assert text == (broken.decode() if is_text(broken) else text)


def is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_what_is_text_stays_beside_what_is_none() -> None:
    message = CheckRequest(attributes={"request": {"http": {"path": f"/\u00e9{MARK}", "headers": {"a": "b"}}}})
    found = read(CheckRequest, message.SerializeToString().replace(MARK.encode(), b"\xff123\xc3(\xed\xa0\x80 "))
    http = found.attributes.request.http
    assert http.path == f"/\u00e9{SUBSTITUTE}123{SUBSTITUTE}({SUBSTITUTE * 3} "
    assert dict(http.headers) == {"a": "b"}


@pytest.mark.parametrize("message", [b"\xff\xff", b"\x0a\x7f", b"\x0a\x02\x0a\x7f", b"\x0b", b"\x0a" + b"\xff" * 12])
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(DecodeError):
        read(Struct, message)
    with pytest.raises(DecodeError):
        list(parts(message, 1, 1))


def test_a_message_that_is_nested_too_deeply_is_refused() -> None:
    message = b"\x0a\x03\x1a\x01\xff"
    for _ in range(MAX_DEPTH):
        message = (
            ListValue(values=[]).SerializeToString()
            + b"\x0a"
            + size(len(message) + 2)
            + b"\x32"
            + size(len(message))
            + message
        )
    with pytest.raises(DecodeError):
        read(ListValue, message)


def size(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + size(number >> 7)


def test_parts_are_found_one_by_one() -> None:
    message = CheckRequest(attributes={"request": {"time": {"seconds": 5}, "http": {"path": "/a"}}})
    http = message.attributes.request.http.SerializeToString()
    assert list(parts(message.SerializeToString(), 1, 4, 2)) == [http]
    assert list(parts(message.SerializeToString() * 2, 1, 4, 2)) == [http, http]
    assert list(parts(message.SerializeToString(), 2)) == []
