"""Both logs say the same of a request, and neither is believed blindly."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesslog.entry import decision_of, usage_of
from accesslog.line import Garbage, find_lease_id, read_line
from accesslog.service import read_entry
from ratelimit.lease_id import is_lease_id
from tests.accesslog.entries import CHAT_USAGE, decision, entry, line, proto

LEASE_ID = "01936b3f-6c00-7abc-8def-0123456789ab"

ENTRIES: dict[str, dict[str, Any]] = {
    "chat": entry(decision(lease_id=LEASE_ID), CHAT_USAGE),
    "no usage": entry(decision(lease_id=LEASE_ID), None),
    "stream": entry(decision(lease_id=LEASE_ID), {"stream": "true"}, content_type="text/event-stream; charset=utf-8"),
    "left before the answer": entry(
        decision(lease_id=LEASE_ID), {"stream": "true"}, status=0, content_type=None, response_flags="DC", ttft_ms=None
    ),
    "reset by the client": entry(decision(lease_id=LEASE_ID), None, response_flags="DR"),
    "upstream away": entry(decision(lease_id=LEASE_ID), None, status=503, response_flags="UF", ttft_ms=None),
    "garbage usage": entry(decision(lease_id=LEASE_ID), {"prompt_tokens": -4, "completion_tokens": 5}),
    "fractions": entry(decision(lease_id=LEASE_ID, queue_ms=1.5), {"prompt_tokens": 4.0, "completion_tokens": 5.0}),
    "refused": entry(
        decision(lease_id=LEASE_ID, admission="refused", denied="429", limit="tenant:tokens:60s"), None, status=429
    ),
    "without a lease": entry(
        decision(lease_id=LEASE_ID, admission="local", limits='[["tenant","tokens",5,60,""]]'), None
    ),
    "tenant's own metadata": entry(decision(lease_id=LEASE_ID), {"model": "x", "max_tokens": "12", **CHAT_USAGE}),
    "not text": entry(decision(lease_id=LEASE_ID, model=None, inference=None, limit=3), {"input_tokens": True}),
    "odd text": entry(decision(lease_id=LEASE_ID, model="a\0b\u00e9\U0001f600"), None, path="/v1/\0\u00e9"),
    "method of its own": entry(decision(lease_id=LEASE_ID), None, method="ODD"),
    "nothing decided": entry(None, CHAT_USAGE),
    "no lease id": entry(decision(lease_id=""), None),
    "no tenant": entry(decision(lease_id=LEASE_ID, tenant_id=""), None),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_both_logs_say_the_same(name: str) -> None:
    fields = ENTRIES[name]
    assert read_line(line(fields)) == read_entry(proto(fields))


@pytest.mark.parametrize("name", ["nothing decided", "no lease id", "no tenant"])
def test_a_request_that_was_not_decided_is_no_entry(name: str) -> None:
    assert read_line(line(ENTRIES[name])) is None


def test_an_entry_holds_what_the_log_said() -> None:
    found = read_line(line(ENTRIES["chat"]))
    assert found is not None
    assert (found.decision.lease_id, found.decision.tenant_id, found.usage) == (LEASE_ID, "acme", CHAT_USAGE)
    assert (found.status, found.bytes_in, found.bytes_out, found.total_ms, found.ttft_ms) == (200, 180, 640, 45, 12)
    assert not found.streamed
    assert not found.aborted


@pytest.mark.parametrize("value", ["-", None])
def test_the_file_log_may_write_either_sign_for_nothing(value: str | None) -> None:
    found = read_line(line(entry(decision(), value and {}, request_id=value, content_type=value, ttft_ms=value)))  # type: ignore[arg-type]
    assert found is not None
    assert (found.request_id, found.streamed, found.ttft_ms) == ("", False, None)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"a":' * 100_000, line(ENTRIES["chat"])[:200]],
)
def test_what_envoy_did_not_write_is_garbage(data: bytes) -> None:
    with pytest.raises(Garbage):
        read_line(data)


def test_invalid_utf8_costs_only_the_text_it_is_in() -> None:
    data = line(ENTRIES["chat"]).replace(b"/v1/chat", b"/\xff\xfe/chat")
    found = read_line(data)
    assert found is not None
    assert found.path == "/\ufffd\ufffd/chat/completions"


@pytest.mark.parametrize("value", [-1, -0.5, 1e13, float("nan"), float("inf"), "12", True, [1], {}])
def test_usage_with_one_implausible_count_is_no_usage(value: object) -> None:
    assert usage_of({"prompt_tokens": value, "completion_tokens": 5, "model": "x"}) == {}


def test_a_lease_id_is_found_without_parsing() -> None:
    assert find_lease_id(line(ENTRIES["chat"])) == LEASE_ID


def test_a_client_cannot_write_a_lease_id_into_the_line() -> None:
    forged = f'"lease_id":"{LEASE_ID}"'
    data = line(entry(None, {"model": forged}, path=f"/{forged}", request_id=forged))
    assert find_lease_id(data) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 36,
        LEASE_ID.upper(),
        LEASE_ID + "\n",
        "01936b3f-6c00-4abc-8def-0123456789ab",  # version 4
        "01936b3f-6c00-7abc-cdef-0123456789ab",  # another variant
        "00000000-0000-7abc-8def-0123456789ab",  # 1970
        "ffffffff-ffff-7abc-8def-0123456789ab",  # the year 10889
    ],
)
def test_other_ids_are_no_lease_ids(text: str) -> None:
    assert not is_lease_id(text)
    assert decision_of(decision(lease_id=text)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(ENTRIES["chat"])), JSON))
def test_no_line_breaks_the_reader(changes: dict[str, Any]) -> None:
    read_line(line({**ENTRIES["chat"], **changes}))


@given(st.dictionaries(st.sampled_from(sorted(decision())), JSON))
def test_no_decision_breaks_the_reader(changes: dict[str, Any]) -> None:
    found = read_line(line(entry({**decision(), **changes}, CHAT_USAGE)))
    assert found is None or found.decision.reserved_tokens >= 0
