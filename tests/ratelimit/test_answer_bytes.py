"""An answer's bytes are what protobuf reads of them, and no others."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from protos.envoy.config.core.v3.base_pb2 import HeaderValue
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse
from ratelimit.answer_bytes import serialize

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_-", min_size=1, max_size=200)
VALUES = st.one_of(st.text(max_size=300), st.integers(-(2**53), 2**53), st.booleans())
HEADERS = st.lists(st.tuples(NAMES, st.text(max_size=200)), max_size=4)
CODES = {True: RateLimitResponse.OK, False: RateLimitResponse.OVER_LIMIT, None: RateLimitResponse.UNKNOWN}


def by_protobuf(
    ok: bool | None,
    fields: dict[str, Any],
    headers: list[tuple[str, str]],
    body: bytes,
    both_ways: list[tuple[str, str]],
) -> RateLimitResponse:
    metadata = Struct()
    metadata.update({name: value for name, value in fields.items() if value})
    return RateLimitResponse(
        overall_code=CODES[ok],
        raw_body=body,
        response_headers_to_add=[HeaderValue(key=name, value=value) for name, value in [*headers, *both_ways]],
        request_headers_to_add=[HeaderValue(key=name, value=value) for name, value in both_ways],
        dynamic_metadata=metadata if metadata.fields else None,
    )


@given(st.sampled_from([*CODES]), st.dictionaries(NAMES, VALUES, max_size=6), HEADERS, st.binary(max_size=400), HEADERS)
def test_protobuf_reads_what_it_would_have_written(
    ok: bool | None,
    fields: dict[str, Any],
    headers: list[tuple[str, str]],
    body: bytes,
    both_ways: list[tuple[str, str]],
) -> None:
    message = serialize(ok, fields.items(), headers, body, both_ways)
    assert RateLimitResponse.FromString(message) == by_protobuf(ok, fields, headers, body, both_ways)


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 129, 16383, 16384, 20000])
def test_a_text_of_any_length(size: int) -> None:
    message = serialize(True, [("limits", "x" * size)], [("x-long", "y" * size)], b"z" * size)
    assert RateLimitResponse.FromString(message) == by_protobuf(
        True, {"limits": "x" * size}, [("x-long", "y" * size)], b"z" * size, []
    )


def test_parts_merge() -> None:
    head = serialize(None, [("tenant_id", "t")], (), b"")
    whole = RateLimitResponse.FromString(head + serialize(False, [("limit", "tenant:tokens")], [("a", "b")], b"no"))
    assert whole == by_protobuf(False, {"tenant_id": "t", "limit": "tenant:tokens"}, [("a", "b")], b"no", [])
