"""Envoy's access log service: entries of the stream as LogEntry, handed to the pipeline on the spot.

Runs in the engine's thread, so nothing here waits.  An entry that finds no room is dropped: the file log has it too. If
an entry cannot be read, each entry of its message is read by itself, so that the others are kept.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import TypeAlias

import structlog
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct, Value
from msgspec.structs import replace

from accesslog.answer import METER_FIELDS, OLD_FIELDS, answer_of, text
from accesslog.denied import GUARD_NAMESPACE, denied_of, is_denied
from accesslog.entry import (
    AUTHZ_NAMESPACE,
    DECISION_FIELDS,
    DECISION_NAMESPACE,
    UNDECIDED_FIELDS,
    USAGE_NAMESPACE,
    LogEntry,
    Undecided,
    decision_in,
    decision_of,
    is_aborted,
    is_given_up,
    is_streamed,
    lease_id_of,
    media_of,
    undecided_of,
)
from accesslog.metrics import STREAM, AccessLogMetrics
from accesslog.pipeline import Pipeline
from accesslog.streams import Streams
from accesslog.trace_context import MAX_TRACEPARENT
from ledger.denials import Denial
from protos.envoy.config.core.v3.base_pb2 import RequestMethod
from protos.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType, HTTPAccessLogEntry, ResponseFlags
from protos.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from ratelimit.tenants.sealed import DECISION
from serving.call import ClientStream, Method, StreamSink
from serving.messages import parts, read
from tenancy.values.denied import DENIED_FIELDS
from tenancy.values.seal import Seal

PATH = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

_METHODS = {number: name for name, number in RequestMethod.items()} | {RequestMethod.METHOD_UNSPECIFIED: "OTHER"}
# Only the entry of the request's end settles it: there are others of its course, and an operator may have switched on
# those of its start.
_ENDS = frozenset({AccessLogType.NotSet, AccessLogType.DownstreamEnd})
_COURSE = AccessLogType.DownstreamPeriodic  # the request still runs
# By the field of Envoy's message, what its file log calls them.
_FLAGS = {
    "downstream_connection_termination": "DC",
    "downstream_remote_reset": "DR",
    "upstream_connection_termination": "UC",
    "upstream_remote_reset": "UR",
    "upstream_protocol_error": "UPE",
    "upstream_request_timeout": "UT",
    "stream_idle_timeout": "SI",
    "duration_timeout": "DT",
    "upstream_max_stream_duration_reached": "UMSDR",
    "local_reset": "LR",
}
# The numbers of the fields that lead from a message to its entries.
_LOG_ENTRY = (
    StreamAccessLogsMessage.HTTP_LOGS_FIELD_NUMBER,
    StreamAccessLogsMessage.HTTPAccessLogEntries.LOG_ENTRY_FIELD_NUMBER,
)
_NANOS_PER_MS, _NANOS_PER_S = 1_000_000, 1_000_000_000

Deny: TypeAlias = Callable[[HTTPAccessLogEntry, bool], None]

log = structlog.get_logger(__name__)


class AccessLogService:
    """`methods` go to the engine.  `denied` is told, in its thread, of what was refused without a decision; `denials`
    is the seal of what authz says of that.  `traced`: whether entries are to have what telemetry needs."""

    def __init__(
        self,
        pipeline: Pipeline,
        metrics: AccessLogMetrics,
        streams: Streams | None = None,
        denials: Seal | None = None,
        denied: Callable[[Denial], object] | None = None,
        traced: bool = False,
    ) -> None:
        self._pipeline, self._metrics, self._streams = pipeline, metrics, streams or Streams(time.time)
        self._denials, self._denied, self._traced = denials, denied, traced

    def methods(self) -> list[Method]:
        return [ClientStream(PATH, self._open)]

    def _open(self) -> StreamSink:
        return _Stream(self._pipeline, self._metrics, self._streams, self._deny, self._traced)

    def _deny(self, log_entry: HTTPAccessLogEntry, begun: bool) -> None:
        if self._denials is None or self._denied is None:
            return
        if (denial := read_denial(log_entry, self._denials, begun)) is not None:
            self._denied(denial)


class _Stream:
    """The stream of one Envoy worker, which lasts as long as both processes."""

    def __init__(
        self, pipeline: Pipeline, metrics: AccessLogMetrics, streams: Streams, deny: Deny, traced: bool
    ) -> None:
        self._deny, self._traced = deny, traced
        self._sift, self._accept, self._renew = pipeline.sift, pipeline.accept, pipeline.renew
        self._metrics, self._streams = metrics, streams
        self._number: int | None = None  # once it has brought an entry
        self._failed = False

    def receive(self, message: bytes) -> None:
        if self._number is None:
            self._number = self._streams.opened()
        try:
            self._take(message, self._number)
        except Exception:  # raised again: noted here, because the stream then ends by our doing
            self._failed = True
            raise

    def _take(self, message: bytes, number: int) -> None:
        for log_entry in self._log_entries(message):
            kind = log_entry.common_properties.access_log_type
            if kind not in _ENDS and kind != _COURSE:
                continue
            try:
                self._take_one(log_entry, number, ends=kind != _COURSE)
            except Exception as error:  # the other entries of the message must not suffer
                self._metrics.failures.add()
                log.error("an entry of the stream cannot be taken", exc_info=error)

    def _take_one(self, log_entry: HTTPAccessLogEntry, number: int, *, ends: bool) -> None:
        entry = read_entry(log_entry)
        if entry is None:
            if ends:
                self._metrics.no_decision.add()
                self._deny(log_entry, False)
        elif (believed := self._sift(entry)) is not None:
            self._streams.brought(number, lease_id_of(believed))
            if ends:
                if self._traced and isinstance(believed, LogEntry):
                    believed = replace(believed, started_ns=_started_ns(log_entry))
                self._accept(believed, STREAM)
                if isinstance(believed, Undecided):
                    self._deny(log_entry, True)
            elif isinstance(believed, LogEntry):
                self._renew(believed)

    def _log_entries(self, message: bytes) -> Iterable[HTTPAccessLogEntry]:
        try:
            return StreamAccessLogsMessage.FromString(message).http_logs.log_entry
        except DecodeError:
            return [each for part in parts(message, *_LOG_ENTRY) if (each := self._log_entry(part)) is not None]

    def _log_entry(self, part: bytes) -> HTTPAccessLogEntry | None:
        try:
            return read(HTTPAccessLogEntry, part)
        except DecodeError:
            self._metrics.unreadable.add()
            return None

    def finish(self, ok: bool) -> bytes:
        if self._number is not None:
            self._streams.ended(self._number, ok or self._failed)
        return StreamAccessLogsResponse().SerializeToString()


def read_entry(log_entry: HTTPAccessLogEntry) -> LogEntry | Undecided | None:
    """Undecided if no decision of ratelimit reached Envoy; None if authz did not let the request go on."""
    common, request, response = log_entry.common_properties, log_entry.request, log_entry.response
    metadata = common.metadata.filter_metadata
    decision, undecided, whole = None, None, ""
    if DECISION_NAMESPACE in metadata:
        fields = metadata[DECISION_NAMESPACE].fields
        if whole := fields[DECISION].string_value if DECISION in fields else "":
            decision = decision_in(whole)
        else:
            decision = decision_of(_plain(metadata[DECISION_NAMESPACE], DECISION_FIELDS))
    if AUTHZ_NAMESPACE in metadata:
        begun = metadata[AUTHZ_NAMESPACE]
        if decision is None or begun.fields["lease_id"].string_value != decision.lease_id:
            undecided = undecided_of(_plain(begun, UNDECIDED_FIELDS), decision)
    if decision is None:
        return undecided
    usage: dict[str, object] = {}
    if USAGE_NAMESPACE in metadata:
        said = metadata[USAGE_NAMESPACE]
        usage = _plain(said, METER_FIELDS)
        if "usage" not in usage:
            usage |= _plain(said, OLD_FIELDS)
    media, status = media_of(response.response_headers.get("content-type", "")), response.response_code.value
    flags = _flags(common.response_flags)
    return LogEntry(
        decision=decision,
        answer=answer_of(usage),
        request_id=request.request_id,
        method=_METHODS.get(request.request_method, "OTHER"),
        path=(request.original_path or request.path).partition("?")[0],
        status=status,
        media=media,
        streamed=is_streamed(media, text(usage.get("stream"))),
        aborted=is_aborted(flags, status),
        bytes_in=request.request_body_bytes,
        bytes_out=response.response_body_bytes,
        total_ms=common.duration.seconds * 1000 + common.duration.nanos // _NANOS_PER_MS,
        ttft_ms=_first_byte_ms(log_entry),
        given_up=is_given_up(flags, status),
        undecided=undecided,
        traceparent=headers["traceparent"][:MAX_TRACEPARENT]
        if "traceparent" in (headers := request.request_headers)
        else "",
        said=whole,
    )


def read_denial(log_entry: HTTPAccessLogEntry, seal: Seal, begun: bool) -> Denial | None:
    """The denial in an entry without a decision, if the entry is of a refusal.  `begun`: see denied_of."""
    common, request, response = log_entry.common_properties, log_entry.request, log_entry.response
    metadata, status = common.metadata.filter_metadata, response.response_code.value
    if not is_denied(status, response.response_code_details, guarded=GUARD_NAMESPACE in metadata):
        return None
    said = _plain(metadata[AUTHZ_NAMESPACE], DENIED_FIELDS) if AUTHZ_NAMESPACE in metadata else {}
    denied = denied_of(said, response.response_code_details, seal, begun=begun)
    return Denial(
        ts=common.start_time.ToDatetime(UTC),
        request_id=request.request_id,
        reason=denied.reason,
        status=status,
        key_prefix=denied.key_prefix,
        tenant_id=denied.tenant_id,
        key_id=denied.key_id,
        method=_METHODS.get(request.request_method, "OTHER"),
        path=(request.original_path or request.path).partition("?")[0],
    )


def _plain(struct: Struct, names: Iterable[str]) -> dict[str, object]:
    """Text and numbers first, without asking which of the kinds a value is: they are nearly all."""
    fields = struct.fields
    return {
        name: (value := fields[name]).string_value or value.number_value or _rare(value)
        for name in names
        if name in fields
    }


def _rare(value: Value) -> object:
    kind = value.WhichOneof("kind")
    if kind == "bool_value":
        return value.bool_value
    return {"string_value": "", "number_value": 0.0}.get(kind or "")


def _flags(flags: ResponseFlags) -> list[str]:
    """The flags that are set; nearly all requests have none."""
    if not flags.ByteSize():
        return []
    return [name for field, name in _FLAGS.items() if getattr(flags, field)]


def _started_ns(log_entry: HTTPAccessLogEntry) -> int:
    started = log_entry.common_properties.start_time
    return started.seconds * _NANOS_PER_S + started.nanos


def _first_byte_ms(log_entry: HTTPAccessLogEntry) -> int | None:
    common = log_entry.common_properties
    if not common.HasField("time_to_first_upstream_rx_byte"):
        return None
    duration = common.time_to_first_upstream_rx_byte
    return duration.seconds * 1000 + duration.nanos // _NANOS_PER_MS
