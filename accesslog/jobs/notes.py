"""What a job keeps of its row, and what a report that came too early keeps of itself: JSON, written and read here
alone.  Pure.

Jobs outlive versions: fields are only ever added, each with a default; a field that is not known is passed over.
"""

import json
from typing import Any

from msgspec.structs import asdict

from accesslog.jobs.seen import Read
from accesslog.usage import Usage
from ledger.row import UsageRow, UsageSource
from ratelimit.budgets.jobs import Known
from tenancy.values.lease_id import is_lease_id, lease_time


def dump_row(row: UsageRow) -> str:
    """Without `ts`, which is in the id."""
    return _dump({name: value for name, value in row._asdict().items() if name != "ts"})


def load_row(text: str) -> UsageRow | None:
    """None if it cannot be read."""
    try:
        fields = json.loads(text)
        if not is_lease_id(fields["id"]):
            return None
        known = {name: value for name, value in fields.items() if name in UsageRow._fields}
        return UsageRow(ts=lease_time(known["id"]), **known)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def dump_read(read: Read, by: str) -> str:
    return _dump({**read._asdict(), "usage": asdict(read.usage), "by": by})


def load_read(text: str) -> tuple[Read, str] | None:
    """The report, and the lease id of its reader.  None if it cannot be read."""
    try:
        fields = json.loads(text)
        usage = {name: value for name, value in fields["usage"].items() if name in Usage.__struct_fields__}
        usage["source"] = UsageSource(usage["source"])
        read = Read(fields["name"], Known(fields["known"]), Usage(**usage), fields["other_name"], fields["model"])
        return read, fields["by"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
