"""The ledger row of a finished request.  Pure."""

from accesslog.entry import LogEntry
from accesslog.usage import Usage
from ledger.row import UsageRow, clean
from ratelimit.lease_id import lease_time


def row_of(entry: LogEntry, usage: Usage) -> UsageRow:
    """The row of a finished request."""
    decision = entry.decision
    return UsageRow(
        decision.lease_id,
        lease_time(decision.lease_id),
        clean(entry.request_id),
        clean(decision.tenant_id),
        clean(decision.key_id),
        clean(decision.user_id),
        clean(decision.end_user_id),
        clean(decision.model),
        clean(decision.admission),
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        decision.reserved_tokens,
        usage.source,
        min(entry.status, 999),
        clean(decision.limit),
        entry.streamed,
        entry.aborted,
        entry.method,
        clean(entry.path),
        entry.total_ms,
        entry.ttft_ms,
        decision.queue_ms,
        entry.bytes_in,
        entry.bytes_out,
    )
