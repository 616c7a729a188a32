"""Both logs say the same of a request, and neither is believed blindly."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from accesslog.answer import UNSEEN, Answer, answer_of
from accesslog.entry import LogEntry, Undecided, decision_of, is_aborted
from accesslog.file_log.earlier import Garbage
from accesslog.file_log.line import find_lease_id, read_line, stands_alone
from accesslog.service import read_entry
from tests.accesslog.entries import CHAT_USAGE, decision, earlier_line, entry, line, metered, proto, said
from tests.tenancy.values.test_lease_id import LEASE_ID, NO_LEASE_IDS

OTHER_ID = LEASE_ID[:-1] + "c"
ENTRIES: dict[str, dict[str, Any]] = {
    "chat": entry(decision(lease_id=LEASE_ID), CHAT_USAGE),
    "no usage": entry(decision(lease_id=LEASE_ID), None),
    "stream": entry(decision(lease_id=LEASE_ID), {"stream": "true"}, content_type="text/event-stream; charset=utf-8"),
    "left before the answer": entry(
        decision(lease_id=LEASE_ID), {"stream": "true"}, status=0, content_type=None, response_flags="DC", ttft_ms=None
    ),
    "cut by the server": entry(
        decision(lease_id=LEASE_ID), CHAT_USAGE, content_type="text/event-stream", response_flags="UC"
    ),
    "reset by the client": entry(decision(lease_id=LEASE_ID), None, response_flags="DR"),
    "upstream away": entry(decision(lease_id=LEASE_ID), None, status=503, response_flags="UF", ttft_ms=None),
    "garbage usage": entry(decision(lease_id=LEASE_ID), {"usage": "x=y usage.prompt_tokens=-4 =5 usage.a"}),
    "fractions": entry(decision(lease_id=LEASE_ID, queue_ms=1.5), {"events": 4.0, "text_bytes": 5.5}),
    "a response": entry(
        decision(lease_id=LEASE_ID), metered(input_tokens=1) | {"answer_id": "resp_1", "answer_status": "completed"}
    ),
    "refused": entry(
        decision(lease_id=LEASE_ID, admission="refused", denied="429", limit="tenant:tokens:60s"), None, status=429
    ),
    "without a lease": entry(
        decision(lease_id=LEASE_ID, admission="local", limits='[["tenant","tokens",5,60,""]]'), None
    ),
    "tenant's own metadata": entry(decision(lease_id=LEASE_ID), {"model": "x", "max_tokens": "12", **CHAT_USAGE}),
    "odd text": entry(decision(lease_id=LEASE_ID, model="a\0b\u00e9\U0001f600"), None, path="/v1/\0\u00e9"),
    "method of its own": entry(decision(lease_id=LEASE_ID), None, method="ODD"),
    "nothing decided": entry(None, CHAT_USAGE),
    "no lease id": entry(decision(lease_id=""), None),
    "no tenant": entry(decision(lease_id=LEASE_ID, tenant_id=""), None),
    "begun": entry(None, None, begun=LEASE_ID, tenant_id="acme"),
    "begun by nobody": entry(None, None, begun=LEASE_ID, tenant_id=""),
    "begun and decided": entry(decision(lease_id=LEASE_ID), CHAT_USAGE, begun=LEASE_ID, tenant_id="acme"),
    "begun twice": entry(decision(lease_id=OTHER_ID), CHAT_USAGE, begun=LEASE_ID, tenant_id="acme"),
    "begun without an id": entry(None, None, begun="x", tenant_id="acme"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_both_logs_say_the_same(name: str) -> None:
    fields = ENTRIES[name]
    found = read_line(line(fields))
    assert found == read_entry(proto(fields))
    earlier = read_line(earlier_line(fields))
    assert earlier == read_entry(proto(fields, earlier=True))
    if isinstance(found, LogEntry):
        assert earlier == replace(found, said="")
    else:
        assert earlier == found


def test_an_envoy_with_earlier_files_may_be_told_the_text() -> None:
    """Its file log then has that among the fields."""
    fields = ENTRIES["chat"]
    assert read_line(
        earlier_line({**fields, "ratelimit": {"decision": said(fields["ratelimit"]), "admission": "fast"}})
    ) == (read_line(line(fields)))


def test_what_the_meter_says_that_is_not_text_is_not_there() -> None:
    fields = entry(decision(lease_id=LEASE_ID, model=None, inference=None, limit=3), {"usage": True, "ended": 1})
    assert read_line(earlier_line(fields)) == read_entry(proto(fields, earlier=True))


@pytest.mark.parametrize("name", ["nothing decided", "no lease id", "no tenant"])
def test_a_request_that_was_not_decided_is_no_entry(name: str) -> None:
    assert read_line(line(ENTRIES[name])) is None


def test_what_was_begun_is_told_unless_the_decision_ends_it() -> None:
    undecided = Undecided(LEASE_ID, "acme")
    assert read_line(line(ENTRIES["begun"])) == undecided
    assert find_lease_id(line(ENTRIES["begun"])) == LEASE_ID
    assert read_line(line(ENTRIES["begun by nobody"])) is None
    found = [read_line(line(ENTRIES[name])) for name in ("begun and decided", "begun twice")]
    assert [each.undecided for each in found if isinstance(each, LogEntry)] == [None, undecided]
    assert find_lease_id(line(ENTRIES["begun twice"])) == OTHER_ID


@pytest.mark.parametrize("kind", ["DownstreamStart", "DownstreamPeriodic"])
def test_a_line_before_the_end_of_a_request_ends_nothing(kind: str) -> None:
    assert read_line(line({**ENTRIES["begun"], "type": kind})) is None
    assert read_line(line({**ENTRIES["chat"], "type": kind})) is None
    assert read_line(line({**ENTRIES["chat"], "type": "DownstreamEnd"})) is not None


def test_an_entry_holds_what_the_log_said() -> None:
    found = read_line(line(ENTRIES["chat"]))
    assert isinstance(found, LogEntry)
    assert (found.decision.lease_id, found.decision.tenant_id) == (LEASE_ID, "acme")
    assert found.answer == Answer(
        {"usage.prompt_tokens": 12, "usage.completion_tokens": 30}, 1, 120, "done", "", "", False
    )
    assert (found.status, found.bytes_in, found.bytes_out, found.total_ms, found.ttft_ms) == (200, 180, 640, 45, 12)
    assert not found.streamed
    assert not found.aborted


@pytest.mark.parametrize("value", ["-", None])
def test_the_file_log_may_write_either_sign_for_nothing(value: str | None) -> None:
    found = read_line(line(entry(decision(), value and {}, request_id=value, content_type=value, ttft_ms=value)))  # type: ignore[arg-type]
    assert isinstance(found, LogEntry)
    assert (found.request_id, found.streamed, found.ttft_ms) == ("", False, None)


GARBAGE = [b"", b"x", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"a":' * 100_000, line(ENTRIES["chat"])[:200]]


@pytest.mark.parametrize("data", [*GARBAGE, b'{"ended":1}'])
def test_what_envoy_did_not_write_is_garbage(data: bytes) -> None:
    with pytest.raises(Garbage):
        read_line(data)


def test_invalid_utf8_costs_only_the_text_it_is_in() -> None:
    data = line(ENTRIES["chat"]).replace(b"/v1/chat", b"/\xff\xfe/chat")
    found = read_line(data)
    assert isinstance(found, LogEntry)
    assert found.path == "/\ufffd\ufffd/chat/completions"


@pytest.mark.parametrize("count", ["-1", "0.5", "1e3", "nan", "", "12x", "1000000000001", "9" * 16, "\u0663"])
def test_what_is_no_count_is_not_there(count: str) -> None:
    """The counts beside it are: a report of which a part is missing is completed (usage.py)."""
    found = answer_of({"usage": f"usage.prompt_tokens={count} usage.completion_tokens=5"})
    assert found.counts == {"usage.completion_tokens": 5}


USAGE = "usage.prompt_tokens=12 usage.completion_tokens=5"
COUNTS = {"usage.prompt_tokens": 12, "usage.completion_tokens": 5}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"usage": f"3,120,done {USAGE}"}, Answer(COUNTS, 3, 120, "done", "", "", False)),
        ({"usage": f"3,120, {USAGE}"}, Answer(COUNTS, 3, 120, "", "", "", False)),
        ({"usage": "1,0,error"}, Answer({}, 1, 0, "error", "", "", False)),
        ({"usage": f"9999999999999,1,done {USAGE}"}, Answer(COUNTS, 0, 1, "done", "", "", False)),
        ({"usage": f"3,120,done {USAGE}", "ended": "unread"}, Answer(COUNTS, 3, 120, "unread", "", "", False)),
        # As the meter of the version before says it.
        (
            {"usage": USAGE, "events": 3, "text_bytes": 120, "ended": "done"},
            Answer(COUNTS, 3, 120, "done", "", "", False),
        ),
    ],
)
def test_what_was_seen_stands_before_the_counts(metadata: dict[str, object], expected: Answer) -> None:
    assert answer_of(metadata) == expected


@pytest.mark.parametrize("value", [-1, -0.5, 1e13, float("nan"), float("inf"), "12", True, [1], {}])
def test_events_that_are_no_count_are_none(value: object) -> None:
    assert answer_of({"events": value, "usage": value}) == Answer({}, 0, 0, "", "", "", False)


def test_counts_are_the_greatest_whatever_wraps_them() -> None:
    text = "message.usage.input_tokens=1500 message.usage.output_tokens=1 usage.input_tokens=0 usage.output_tokens=40"
    assert answer_of({"usage": text}).counts == {"usage.input_tokens": 1500, "usage.output_tokens": 40}


ABORTED = {
    "the client left": ("DC", 200, True),
    "the client left before the answer": ("DC", 0, True),
    "the client reset the stream": ("DR", 200, True),
    "the server's connection ended": ("UC", 200, True),
    "the server reset the stream": ("UR", 200, True),
    "Envoy's time was over": ("DT", 200, True),
    "a stream that stood still": ("SI", 200, True),
    "the server was away": ("UF", 503, False),
    "the server left before its answer, Envoy answered": ("UC", 503, False),
    "Envoy's time was over before the answer": ("UT", 504, False),
    "nothing": ("-", 200, False),
}


@pytest.mark.parametrize(("flag", "status", "aborted"), ABORTED.values(), ids=ABORTED.keys())
def test_an_answer_that_was_cut_is_aborted(flag: str, status: int, aborted: bool) -> None:
    assert is_aborted([flag], status) is aborted


def test_a_lease_id_is_found_without_parsing() -> None:
    assert find_lease_id(line(ENTRIES["chat"])) == LEASE_ID


def test_a_client_cannot_write_a_lease_id_into_the_line() -> None:
    forged = f'"lease_id":"{LEASE_ID}"'
    data = line(entry(None, {"model": forged}, path=f"/{forged}", request_id=forged))
    assert find_lease_id(data) is None


@pytest.mark.parametrize("text", NO_LEASE_IDS)
def test_what_has_no_lease_id_was_not_decided(text: str) -> None:
    assert decision_of(decision(lease_id=text)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


LINE: dict[str, Any] = json.loads(line(ENTRIES["chat"]))


@given(
    st.dictionaries(st.sampled_from(sorted(LINE)), JSON),
    st.dictionaries(st.sampled_from(sorted(ENTRIES["chat"])), JSON),
)
def test_no_line_breaks_the_reader(changes: dict[str, Any], earlier: dict[str, Any]) -> None:
    with suppress(Garbage):
        read_line(json.dumps({**LINE, **changes}).encode())
    read_line(earlier_line({**ENTRIES["chat"], **earlier}))


USUAL = {
    **ENTRIES["chat"],
    "begun": LEASE_ID,
    "traceparent": None,
    "usage": {"usage": "2,140,done usage.prompt_tokens=12 response.usage.completion_tokens=30", "stream": "true"},
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    ["-", "", None, True, "true", 0, 5.0, 2.5, -1, 10**12, 10**13, 2**70, "é", "a?b", OTHER_ID, [], {}]
)


TEXTS = st.text(max_size=20) | st.sampled_from(
    ["-", "", "'", '"', "\\", "a b", "'log':'file'", '"log":"file"', "\n", "\x1f"]
)
OF_OTHERS = ("request_id", "method", "path", "content_type", "traceparent")
FORGED = [
    *("'", '"', "\\"), "','", '","', "\\\",\"", f'"decision":" {{\'log\':\'file\',\'lease_id\':\'{OTHER_ID}\'}}"',
    f'","decision":" {{\'lease_id\':\'{OTHER_ID}\'}}', f'","begun":"{OTHER_ID} ', f"'lease_id':'{OTHER_ID}'",
    "'log':'file'", '"log":"file"', f'"lease_id":"{OTHER_ID}"',
]  # fmt: skip


@given(st.sampled_from(FORGED), st.sampled_from([*OF_OTHERS, "end_user_id", "model"]))
def test_nothing_that_others_write_is_taken_for_what_was_said(forged: str, name: str) -> None:
    plain = {**USUAL, "method": "POST"}
    if name in OF_OTHERS:
        fields = {**plain, name: forged}
    else:
        fields = {**plain, "ratelimit": {**USUAL["ratelimit"], name: forged}}
    data, found = line(fields), read_line(line(fields))
    assert isinstance(found, LogEntry)
    assert (found.decision.lease_id, find_lease_id(data)) == (LEASE_ID, LEASE_ID)
    assert not stands_alone(data)
    assert not data.strip().count(b"\n")
    if name in ("end_user_id", "model"):
        assert getattr(found.decision, name) == forged
    else:
        usual = read_line(line(plain))
        assert isinstance(usual, LogEntry)
        assert (found.decision, found.answer, found.status) == (usual.decision, usual.answer, usual.status)


@given(st.dictionaries(st.sampled_from(OF_OTHERS), TEXTS))
def test_what_others_write_is_read_as_they_wrote_it(texts: dict[str, str]) -> None:
    found = read_line(line({**USUAL, **texts}))
    assert isinstance(found, LogEntry)
    for name in ("request_id", "traceparent"):
        said_of = texts.get(name, USUAL[name] or "")
        assert getattr(found, name) == ("" if said_of == "-" else said_of)


@given(st.dictionaries(st.sampled_from(sorted(decision())), JSON))
def test_no_decision_breaks_the_reader(changes: dict[str, Any]) -> None:
    found = read_line(earlier_line(entry({**decision(), **changes}, CHAT_USAGE)))
    assert found is None or (isinstance(found, LogEntry) and found.decision.reserved_tokens >= 0)


def test_what_the_version_before_wrote_is_read_and_believed() -> None:
    """At an upgrade its lines are still in the file, and its Envoys may still run."""
    old = {"prompt_tokens": 7.0, "completion_tokens": 5, "prompt_cached_tokens": 3, "model": "m", "stream": "true"}
    assert answer_of(old) == Answer(
        {"usage.prompt_tokens": 7, "usage.completion_tokens": 5, "usage.prompt_tokens_details.cached_tokens": 3},
        0, 0, UNSEEN, "", "", False,
    )  # fmt: skip
    assert answer_of({**old, "completion_tokens": "a word"}).counts == {}
