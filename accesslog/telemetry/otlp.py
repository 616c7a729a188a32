"""Spans and metrics as OTLP over HTTP, in protobuf: what each receiver must understand."""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, HistogramDataPoint
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar as OtlpExemplar
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as OtlpMetric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from accesslog.telemetry.figures import BOUNDS, UNITS, Distribution, Figures, Series
from accesslog.telemetry.spans import Names, Span, Value, named

SECONDS = 5.0  # to connect, and for each read and write
TRACES, METRICS = "/v1/traces", "/v1/metrics"
SCOPE = "tollkeeper"
_SAMPLED = 1


class NotTaken(Exception):
    """The receiver is away or refuses; the message says how."""


class Receiver:
    """`endpoint`: its URL without `/v1/…`.  For one thread at a time."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], resource: Mapping[str, str]) -> None:
        parts = urlsplit(endpoint)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._headers = {"content-type": "application/x-protobuf", **headers}
        self._resource = Resource(attributes=attributes_of(resource))

    def take_spans(self, spans: Sequence[Span]) -> int:
        """The number of spans that the receiver has taken; NotTaken."""
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add(resource=self._resource)
        group.scope_spans.add(scope=InstrumentationScope(name=SCOPE), spans=map(span_message, spans))
        answer = self._post(TRACES, request.SerializeToString())
        return len(spans) - rejected(answer)

    def take_metrics(self, figures: Figures, since_ns: int, now_ns: int, names: Names) -> None:
        """All of them since the process began; NotTaken."""
        request = ExportMetricsServiceRequest()
        group = request.resource_metrics.add(resource=self._resource)
        metrics = metric_messages(figures.all, since_ns, now_ns, names)
        group.scope_metrics.add(scope=InstrumentationScope(name=SCOPE), metrics=metrics)
        self._post(METRICS, request.SerializeToString())

    def _post(self, path: str, body: bytes) -> bytes:
        connection = (
            HTTPConnection(self._host, self._port, timeout=SECONDS)
            if self._tls is None
            else HTTPSConnection(self._host, self._port, timeout=SECONDS, context=self._tls)
        )
        try:
            connection.request("POST", self._path + path, body, self._headers)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, HTTPException) as error:
            raise NotTaken(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if answer.status // 100 != 2:
            raise NotTaken(f"status {answer.status}")
        return said


def rejected(answer: bytes) -> int:
    """The number of spans that the receiver rejected."""
    try:
        return int(ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
    except DecodeError:  # a success in another format
        return 0


def span_message(span: Span) -> OtlpSpan:
    return OtlpSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id,
        flags=_SAMPLED,
        name=span.name,
        kind=OtlpSpan.SPAN_KIND_CLIENT,  # the conventions call the caller of a model a client
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=attributes_of(span.attributes),
        status=Status(code=Status.STATUS_CODE_ERROR, message=span.error) if span.error else None,
    )


def metric_messages(
    figures: Mapping[Series, Distribution], since_ns: int, now_ns: int, names: Names
) -> Iterable[OtlpMetric]:
    metrics: dict[str, OtlpMetric] = {}
    for series, found in figures.items():
        metric = metrics.setdefault(series.metric, OtlpMetric(name=series.metric, unit=UNITS[series.metric]))
        metric.histogram.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.histogram.data_points.append(_point(series, found, since_ns, now_ns, names))
    return metrics.values()


def _point(series: Series, found: Distribution, since_ns: int, now_ns: int, names: Names) -> HistogramDataPoint:
    said = {
        "gen_ai.operation.name": series.operation,
        "gen_ai.provider.name": series.provider,
        "gen_ai.request.model": series.model,
        "error.type": series.error,
        "gen_ai.token.type": series.token_type,
    }
    return HistogramDataPoint(
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=sum(found.counts),
        sum=found.total,
        bucket_counts=found.counts,
        explicit_bounds=BOUNDS[series.metric],
        attributes=attributes_of(dict(named({name: value for name, value in said.items() if value}, names))),
        exemplars=[
            OtlpExemplar(time_unix_nano=each.at_ns, as_double=each.value, trace_id=each.trace_id, span_id=each.span_id)
            for each in found.exemplars.values()
        ],
    )


def attributes_of(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in values.items()]


def _value(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)
