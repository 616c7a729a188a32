"""The metrics of the access log slice."""

from ledger.row import UsageSource
from serving.metrics import Counter, Histogram, MetricSet

STREAM, FILE = "stream", "file"
LOGS = (STREAM, FILE)
ROWS, SETTLEMENTS, JOBS = "rows", "settlements", "jobs"
QUEUES = (ROWS, SETTLEMENTS, JOBS)
FORGED, UNSEALED, UNTIMELY = "forged", "unsealed", "untimely"
DISTRUSTS = (FORGED, UNSEALED, UNTIMELY)
# By Envoy's response code details.
UNANSWERED = {"ext_authz_error": "authz", "rate_limiter_error": "ratelimit"}
EXPORTED, DROPPED, UNSAMPLED = "exported", "dropped", "unsampled"
KEPT, LEFT_OUT = "kept", "left_out"
JOB_EVENTS = ("held", "held_again", "not_held", "more", "over")
REQUEST_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
ROW_BUCKETS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)


class AccessLogMetrics(MetricSet):
    """Counters are made here, gauges when the parts that they read exist (`watch`)."""

    def __init__(self) -> None:
        name = "tollkeeper_accesslog_"
        super().__init__(name)
        sources = [str(source) for source in UsageSource]
        self.settlements = Counter(
            f"{name}settlements",
            "Requests accounted for, by where their usage is from",
            "usage_source",
            sources,
        )
        self.entries = Counter(f"{name}entries", "Log entries that reached us, by log", "log", LOGS)
        self.no_decision = Counter(f"{name}entries_without_decision", "Log entries of requests never decided")
        self.denials = Counter(
            f"{name}denials", "Refusals without a row, kept to be explained or not", "outcome", (KEPT, LEFT_OUT)
        )
        self.unanswered = Counter(
            f"{name}unanswered_requests", "Refused by Envoy, as this did not answer it", "service", UNANSWERED.values()
        )
        self.spans = Counter(
            f"{name}spans", "Requests as spans, for TOLLKEEPER_OTLP_ENDPOINT", "outcome", (EXPORTED, DROPPED, UNSAMPLED)
        )
        self.undecided = Counter(f"{name}undecided_requests", "Requests that ended before their decision reached Envoy")
        self.distrusted = Counter(f"{name}distrusted_entries", "Log entries not believed", "reason", DISTRUSTS)
        self.duplicates = Counter(f"{name}duplicate_entries", "Log entries that were known", "log", LOGS)
        self.dropped = Counter(f"{name}dropped", "Left to the file log, for want of room", "queue", QUEUES)
        self.backfilled = Counter(f"{name}backfilled_entries", "Entries that only the file log brought")
        self.garbage = Counter(f"{name}garbage_lines", "Lines of the file log that cannot be read")
        self.unreadable = Counter(f"{name}unreadable_entries", "Entries of the stream that cannot be read")
        self.renewed = Counter(f"{name}renewed_leases", "Leases renewed, as Envoy said that their request still runs")
        self.orphans = Counter(f"{name}orphaned_leases", "Leases charged as reserved because no entry came")
        self.rows = Counter(f"{name}rows_written", "Rows appended to the ledger")
        self.spooled = Counter(f"{name}rows_spooled", "Rows kept on disk while the ledger was away")
        self.rejected = Counter(f"{name}rows_rejected", "Rows that the ledger will never take")
        self.ledger_errors = Counter(f"{name}ledger_errors", "Batches that the ledger did not take")
        self.settle_errors = Counter(f"{name}settle_errors", "Batches that the budgets did not take")
        self.settled = Counter(f"{name}settled", "Settlements by what was found", "outcome", ("settled", "gone"))
        self.jobs = Counter(f"{name}jobs", "Responses in the background and batches, by event", "event", JOB_EVENTS)
        self.untold = Counter(f"{name}untold", "Lease ids that could not be told to a sibling process")
        self.failures = Counter(f"{name}task_failures", "Unexpected errors in background work")
        self.request_seconds = Histogram(f"{name}request_seconds", "Requests from begin to end", REQUEST_BUCKETS)
        self.first_byte_seconds = Histogram(
            f"{name}first_byte_seconds", "Requests until the model server's first byte", REQUEST_BUCKETS
        )
        self.batch_rows = Histogram(f"{name}batch_rows", "Rows in a ledger batch", ROW_BUCKETS)
