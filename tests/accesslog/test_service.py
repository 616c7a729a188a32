"""The access log service over real gRPC, on every engine."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import grpc
import pytest

from accesslog.entry import LogEntry
from accesslog.service import PATH, AccessLogService
from protos.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType
from protos.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from serving.engine import EngineKind
from tests.accesslog.entries import CHAT_USAGE, message, proto
from tests.accesslog.stack import Stack
from tests.serving.conftest import Served, Server


@pytest.fixture(params=["http2", "completion_queue", "threads"])
def served(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> Iterator[Served]:
    kind: EngineKind = request.param
    made = Server(kind, tmp_path)(*AccessLogService(stack.pipeline, stack.metrics).methods())
    yield made
    made.channel.close()
    made.stop()


def test_entries_of_a_stream_are_settled_and_in_the_ledger(served: Served, stack: Stack) -> None:
    entries = stack.admit(500)
    parts = [message(*map(proto, entries[i : i + 50])) for i in range(0, 400, 50)]
    answer = served.stream(PATH, iter([*parts, *(message(proto(fields)) for fields in entries[400:])]))
    assert StreamAccessLogsResponse.FromString(answer.result()) == StreamAccessLogsResponse()
    stack.assert_each_once()


def test_a_stream_that_stays_open_delivers_at_once(served: Served, stack: Stack) -> None:
    closed = Event()

    def messages() -> Iterator[bytes]:
        yield message(proto(stack.admit(1)[0]))
        closed.wait(30)

    call = served.stream(PATH, messages())
    stack.wait_for_rows(1)
    assert not call.done()
    served.channel.close()  # as a killed Envoy
    closed.set()
    stack.assert_each_once()


def test_a_malformed_message_ends_its_stream_only(served: Served, stack: Stack) -> None:
    entries = stack.admit(2)
    broken = served.stream(PATH, iter([message(proto(entries[0])), b"\xff\xff\xff"]))
    with pytest.raises(grpc.RpcError) as caught:
        broken.result()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    served.stream(PATH, iter([message(proto(entries[1]))])).result()
    stack.assert_each_once()


@pytest.mark.parametrize("field", ["request_id", "path", "model", "unknown_name"])
def test_what_one_client_writes_costs_no_other_its_entry(served: Served, stack: Stack, field: str) -> None:
    entries = stack.admit(3)
    bad = {**entries[1], "usage": {**CHAT_USAGE, "unknown_name": "", "x@@y": "z"}}
    if field == "model":
        bad["ratelimit"] = {**bad["ratelimit"], "model": "x@@y"}
    elif field != "unknown_name":
        bad[field] = "x@@y"
    # The text of a decision is ratelimit's own.
    sent = message(*(proto(each, earlier=field == "model") for each in (entries[0], bad, entries[2])))
    served.stream(PATH, iter([sent.replace(b"@@", b"\xff\x80")])).result()
    stack.assert_each_once()
    row = next(row for row in stack.rows() if str(row["id"]) == bad["ratelimit"]["lease_id"])
    if field != "unknown_name":
        assert row[field] == "x\x1a\x1ay"
    assert stack.metrics.unreadable.counts[""] == 0


def test_an_entry_that_cannot_be_read_costs_no_other_its_own(served: Served, stack: Stack) -> None:
    entries = stack.admit(2)
    good = [message(proto(each)) for each in entries]
    unreadable = b"\x12\x04\x0a\x02\x0a\x7f"  # an entry that says it is longer than it is
    served.stream(PATH, iter([good[0] + unreadable + good[1]])).result()
    stack.assert_each_once()
    assert stack.metrics.unreadable.counts[""] == 1


def test_what_is_not_the_end_of_a_decided_request_is_passed_over(served: Served, stack: Stack) -> None:
    (fields,) = stack.admit(1)
    started, undecided, tcp = proto(fields), proto({**fields, "ratelimit": None}), StreamAccessLogsMessage()
    started.common_properties.access_log_type = AccessLogType.DownstreamStart
    tcp.tcp_logs.log_entry.add()
    ended = proto(fields)
    ended.common_properties.access_log_type = AccessLogType.DownstreamEnd
    served.stream(PATH, iter([b"", tcp.SerializeToString(), message(started, undecided, ended)])).result()
    stack.assert_each_once()
    assert stack.metrics.entries.counts["stream"] == 1
    assert stack.metrics.no_decision.counts[""] == 1


def test_a_ledger_that_hangs_does_not_hold_up_the_stream(served: Served, stack: Stack) -> None:
    stack.postgres.freeze()
    stack.redis.freeze()
    sent = [message(*map(proto, stack.admit(500))) for _ in range(4)]
    served.stream(PATH, iter(sent)).result(timeout=10)
    stack.postgres.restore()
    stack.redis.restore()
    stack.assert_each_once()


def test_an_entry_that_fails_within_costs_no_other_its_own(
    served: Served, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours, made for the test: what it is about does not matter."""
    entries = stack.admit(3)
    bad = stack.admitted.pop()["ratelimit"]["lease_id"]
    accept = stack.pipeline.accept

    def failing(entry: LogEntry, source: str) -> bool:
        if entry.decision.lease_id == bad:
            raise ArithmeticError(bad)
        return accept(entry, source)

    monkeypatch.setattr(stack.pipeline, "accept", failing)  # a bug that we do not have yet; all else is real
    served.stream(PATH, iter([message(*map(proto, reversed(entries)))])).result()
    stack.wait_for_rows(2)
    assert bad not in {str(row["id"]) for row in stack.rows()}
    assert stack.metrics.failures.counts[""] == 1
