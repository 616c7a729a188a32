"""Log entries for tests: one description, written the way Envoy writes each of its two logs."""

import json
import time
from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct

from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.row import row_of
from accesslog.usage import usage_of
from ledger.row import UsageRow
from protos.envoy.config.core.v3.base_pb2 import RequestMethod
from protos.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from protos.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from tenancy.values.lease_id import mint_lease_id

METHODS = {"GET": RequestMethod.GET, "POST": RequestMethod.POST, "ODD": RequestMethod.METHOD_UNSPECIFIED}


def metered(**counts: int) -> dict[str, object]:
    """What the answer meter writes of a complete plain answer with these counts below `usage`."""
    usage = " ".join(f"usage.{path}={count}" for path, count in counts.items())
    return {"usage": usage, "events": 1, "text_bytes": 120, "ended": "done"}


CHAT_USAGE = metered(prompt_tokens=12, completion_tokens=30)
CHAT_TOKENS = 42


def decision(**changes: object) -> dict[str, object]:
    """The metadata of an admitted chat request."""
    return {
        "lease_id": mint_lease_id(int(time.time() * 1000)),
        "tenant_id": "acme",
        "key_id": "key_1",
        "user_id": "ann",
        "end_user_id": "",
        "model": "mock-model",
        "admission": "fast",
        "reserved_tokens": 100,
        "input_estimate": 20,
        "output_cap": 80,
        "inference": True,
        "queue_ms": 0,
        **changes,
    }


def entry(
    ratelimit: Mapping[str, object] | None, usage: Mapping[str, object] | None, **changes: object
) -> dict[str, Any]:
    """A line of the file log, as an object."""
    return {
        "type": "DownstreamEnd",
        "start_time": "2026-01-01T00:00:00.000Z",
        "request_id": "req-1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "protocol": "HTTP/1.1",
        "status": 200,
        "response_flags": "-",
        "bytes_in": 180,
        "bytes_out": 640,
        "total_ms": 45,
        "ttft_ms": 12,
        "content_type": "application/json",
        "ratelimit": ratelimit,
        "usage": usage,
        **changes,
    }


def line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def proto(fields: Mapping[str, Any]) -> HTTPAccessLogEntry:
    """The same request as the stream would bring it."""
    log_entry = HTTPAccessLogEntry()
    common, request, response = log_entry.common_properties, log_entry.request, log_entry.response
    for namespace, name in (("envoy.filters.http.ratelimit", "ratelimit"), ("tollkeeper", "usage")):
        if fields[name] is not None:
            struct = Struct()
            struct.update(fields[name])
            common.metadata.filter_metadata[namespace].CopyFrom(struct)
    if fields.get("begun") is not None:
        begun = {"lease_id": fields["begun"], "tenant_id": fields["tenant_id"], "seal": fields.get("begun_seal") or ""}
        common.metadata.filter_metadata["envoy.filters.http.ext_authz"].update(begun)
    flags = fields["response_flags"].split(",")
    common.response_flags.downstream_connection_termination = "DC" in flags
    common.response_flags.downstream_remote_reset = "DR" in flags
    common.response_flags.upstream_connection_termination = "UC" in flags
    common.response_flags.upstream_connection_failure = "UF" in flags
    common.duration.FromMilliseconds(fields["total_ms"])
    if fields["ttft_ms"] is not None:
        common.time_to_first_upstream_rx_byte.FromMilliseconds(fields["ttft_ms"])
    request.request_id = fields["request_id"] or ""
    request.request_method = METHODS[fields["method"]]
    request.path = fields["path"] + "?x=1"
    request.request_body_bytes = fields["bytes_in"]
    response.response_body_bytes = fields["bytes_out"]
    response.response_code.value = fields["status"]
    if fields["content_type"] is not None:
        response.response_headers["content-type"] = fields["content_type"]
    return log_entry


def message(*log_entries: HTTPAccessLogEntry) -> bytes:
    stream = StreamAccessLogsMessage()
    stream.http_logs.log_entry.extend(log_entries)
    return stream.SerializeToString()


def row(**changes: Any) -> UsageRow:
    """`changes` to the decision, or to the row if they name a column."""
    columns = {name: changes.pop(name) for name in list(changes) if name in UsageRow._fields and name not in decision()}
    found = read_line(line(entry(decision(**changes), CHAT_USAGE)))
    assert isinstance(found, LogEntry)
    return row_of(found, usage_of(found))._replace(**columns)


def finished(usage: dict[str, Any] | None = None, decided: dict[str, Any] | None = None, **changes: Any) -> LogEntry:
    found = read_line(line(entry(decision(**decided or {}), usage, **changes)))
    assert isinstance(found, LogEntry)
    return found


def reports(text: str) -> dict[str, Any]:
    """The metadata of a complete plain answer."""
    return {"usage": text, "events": 1, "text_bytes": 40, "ended": "done"}
