"""Reading the audit log in Postgres.  Entries are written by change.py."""

import json

from store.postgres import PostgresPool, Row, reading
from tenancy.directory.audit import EVERYTHING, AuditEntry, AuditFilter, Snapshot

COLUMNS = "id, ts, actor, action, target_type, target_id, before, after, source, request_id"
# By field of AuditFilter.
CONDITIONS = {
    "actor": "actor = ",
    "action": "action = ",
    "target_type": "target_type = ",
    "target_id": "target_id = ",
    "since": "ts >= ",
    "until": "ts < ",
    "organization": "organization = ",
}


class PostgresAuditLog:
    """Implements tenancy.directory.audit.AuditLog."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def newest(
        self, limit: int, before_id: int | None = None, only: AuditFilter = EVERYTHING
    ) -> tuple[AuditEntry, ...]:
        values = [(text, value) for name, text in CONDITIONS.items() if (value := getattr(only, name)) is not None]
        if before_id is not None:
            values.append(("id < ", before_id))
        where = " AND ".join(f"{text}${number}" for number, (text, _) in enumerate(values, 2)) or "true"
        statement = f"SELECT {COLUMNS} FROM audit_log WHERE {where} ORDER BY id DESC LIMIT $1"
        async with reading(self._pool) as connection:
            rows = await connection.fetch(statement, limit, *(value for _, value in values))
        return tuple(_entry(row) for row in rows)


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(**{**row, "before": _snapshot(row["before"]), "after": _snapshot(row["after"])})


def _snapshot(text: str | None) -> Snapshot | None:
    snapshot: Snapshot | None = None if text is None else json.loads(text)
    return snapshot
