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
    return {"usage": " ".join(["1,120,done", *(f"usage.{path}={count}" for path, count in counts.items())])}


# What the meter says beside its counts, in one text and by itself.
METER = ("stream", "background", "ended", "text_bytes", "usage")
STRINGS = ("answer_file", "answer_id", "answer_model", "answer_status", "service_tier")
EMPTY = (None, "", "-", 0, False)  # is not said
QUOTES = str.maketrans("\"'", "'\"")
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


def earlier_line(fields: Mapping[str, Any]) -> bytes:
    """As an Envoy with the files of the version before writes it."""
    return json.dumps(fields, separators=(",", ":")).encode()


def line(fields: Mapping[str, Any]) -> bytes:
    """As Envoy's JSON formatter writes it: in order, and in ASCII."""
    get = fields.get
    numbers = (get(name) for name in ("status", "response_flags", "bytes_in", "bytes_out", "total_ms", "ttft_ms"))
    ended = _words(get("type"), get("start_time"), get("protocol"), *numbers)
    meter = _metered(get("usage") or {})
    told = {
        **{name: _words(meter.get(name)) for name in STRINGS},
        "begun": _words(get("begun"), get("begun_seal"), get("tenant_id")),
        "content_type": _words(get("content_type")),
        "decision": _words(said(get("ratelimit"))),
        "ended": ended,
        **{name: _words(get(name)) for name in ("method", "path", "request_id", "traceparent")},
        "usage": _words(*(meter.get(name) for name in METER)),
    }
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode()


def said(ratelimit: Mapping[str, Any] | None) -> str | None:
    """The text of a decision, sealed as its field `seal` has it."""
    if ratelimit is None:
        return None
    first = {name: ratelimit[name] for name in ("log", "lease_id") if name in ratelimit}
    fields = {name: value for name, value in {**first, **ratelimit}.items() if name != "seal" and value not in EMPTY}
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).translate(QUOTES)
    return f"{ratelimit.get('seal') or ''} {text}"


def _metered(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the events, if they are told by themselves, in the text where this version has them."""
    if "events" not in usage:
        return usage
    counts = usage["events"], usage.get("text_bytes", 0)
    seen = ",".join([*(str(int(each)) for each in counts), usage.get("ended", "")])
    return {**usage, "usage": f"{seen} {usage.get('usage', '')}", "ended": None, "text_bytes": None}


def _words(*values: Any) -> str:
    return " ".join("-" if value is None else value if type(value) is str else json.dumps(value) for value in values)


def proto(fields: Mapping[str, Any], *, earlier: bool = False) -> HTTPAccessLogEntry:
    """The same request as the stream would bring it.  `earlier`: the decision is told as to an Envoy with the files of
    the version before."""
    log_entry = HTTPAccessLogEntry()
    common, request, response = log_entry.common_properties, log_entry.request, log_entry.response
    text = said(fields["ratelimit"])
    decided: Any = fields["ratelimit"] if earlier else text and {"decision": text}
    for namespace, found in (("envoy.filters.http.ratelimit", decided), ("tollkeeper", fields["usage"])):
        if found is not None:
            struct = Struct()
            struct.update(found)
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
