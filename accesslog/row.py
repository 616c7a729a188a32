"""The ledger row of a finished request, and of one whose end was never seen.  Pure; what it costs is in
ledger/cost.py."""

from collections.abc import Sequence

from accesslog.entry import LogEntry
from accesslog.usage import NO_USAGE, Usage
from ledger.row import UsageRow, UsageSource, clean, cleaned, dump_parts
from ratelimit.budgets.port import Orphan
from ratelimit.tenants.lease import Kept
from ratelimit.tenants.mcp.screening import KIND as MCP
from ratelimit.tenants.routes.kind import Kind
from tenancy.values.admission import Admission
from tenancy.values.lease_id import lease_time

ONE_REQUEST, NO_JOB = 1, ""
_BATCHES = str(Kind.BATCHES)
BATCH = "batch"  # the service tier of a request that a batch began, whatever the server calls it


def row_of(entry: LogEntry, usage: Usage, saved: Usage = NO_USAGE) -> UsageRow:
    """The row of a finished request."""
    decision = entry.decision
    request_id, tenant, key, user, end_user, model, admission, denied_by, path, tier, alias, rpc_method, tool = (
        _texts_of(entry)
    )
    return UsageRow(
        decision.lease_id,
        lease_time(decision.lease_id),
        request_id,
        tenant,
        key,
        user,
        end_user,
        model,
        admission,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        decision.reserved_tokens,
        usage.source,
        min(entry.status, 999),
        denied_by,
        entry.streamed,
        entry.aborted,
        entry.method,
        path,
        entry.total_ms,
        entry.ttft_ms,
        decision.queue_ms,
        entry.bytes_in,
        entry.bytes_out,
        dump_parts(*parts) if any(parts := usage.parts()) else None,
        tier,
        ONE_REQUEST,
        alias,
        NO_JOB,
        rpc_method,
        tool,
        saved.input_tokens,
        saved.output_tokens,
    )


def _texts_of(entry: LogEntry) -> Sequence[str]:
    """Those of its row, in their order."""
    decision = entry.decision
    return cleaned(
        entry.request_id,
        decision.tenant_id,
        decision.key_id,
        decision.user_id,
        decision.end_user_id,
        decision.model,
        decision.admission,
        decision.limit or decision.reason,
        f"/{decision.model}" if decision.kind == MCP else entry.path,  # not as the server has it
        BATCH if decision.kind == _BATCHES else entry.answer.service_tier,
        decision.alias,
        decision.rpc_method,
        decision.tool,
    )


def with_usage(row: UsageRow, usage: Usage, model: str = "") -> UsageRow:
    """The row, once what was used is known.  `model` is for a row without one."""
    return row._replace(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        usage_source=usage.source,
        model=row.model or clean(model),
        parts=dump_parts(*usage.parts()),
    )


def row_of_orphan(orphan: Orphan) -> UsageRow:
    """The reservation as usage: the estimated input, and the rest as output."""
    kept = Kept.read(orphan.kept)
    input_tokens = min(kept.input_estimate, kept.tokens)
    return UsageRow(
        id=orphan.lease_id,
        ts=lease_time(orphan.lease_id),
        request_id="",
        tenant_id=clean(orphan.owner),
        key_id=clean(kept.key_id),
        user_id=clean(kept.user_id),
        end_user_id=clean(kept.end_user_id),
        model=clean(kept.model),
        admission=Admission.FAST,
        input_tokens=input_tokens,
        output_tokens=kept.tokens - input_tokens,
        cached_tokens=0,
        reasoning_tokens=0,
        reserved_tokens=kept.tokens,
        usage_source=UsageSource.RESERVED,
        path=clean(kept.path.partition("?")[0]),
        alias=clean(kept.alias),
        rpc_method=clean(kept.rpc_method),
        tool=clean(kept.tool),
    )
