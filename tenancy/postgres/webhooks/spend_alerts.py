"""Alerts on spending in Postgres."""

from collections.abc import Sequence

from store.postgres import PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.webhooks.spend_alerts import MAX_ALERTS, NewAlert, NoSuchAlert, SpendAlert, TooManyAlerts
from tenancy.postgres.change import lock_tenant
from tenancy.postgres.rows import Rows

COLUMNS = "id, tenant_id, threshold_amount, recipients, subject_prefix, created_at, updated_at"
INSERT = f"""
INSERT INTO spend_alerts (id, tenant_id, threshold_amount, recipients, subject_prefix) VALUES ($1, $2, $3, $4, $5)
RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM spend_alerts WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
OF_TENANT = f"SELECT {COLUMNS} FROM spend_alerts WHERE tenant_id = $1 ORDER BY created_at, id LIMIT {MAX_ALERTS}"
COUNT = "SELECT count(*) FROM spend_alerts WHERE tenant_id = $1"
UPDATE = f"""
UPDATE spend_alerts SET threshold_amount = $2, recipients = $3, subject_prefix = $4, updated_at = now() WHERE id = $1
RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM spend_alerts WHERE id = $1"


class PostgresSpendAlerts:
    """Implements tenancy.directory.webhooks.spend_alerts.SpendAlerts."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(pool, alert_of, NoSuchAlert, target_of=lambda alert: ("spend_alert", alert.id))

    async def create(self, tenant_id: str, new: NewAlert, by: ChangeRequest) -> SpendAlert:
        async with self._rows.transaction(by) as transaction:
            await lock_tenant(transaction.connection, tenant_id)
            if await transaction.connection.fetchval(COUNT, tenant_id) >= MAX_ALERTS:
                raise TooManyAlerts(MAX_ALERTS)
            values = (new.id, tenant_id, new.threshold_amount, new.recipients, new.subject_prefix)
            return await transaction.created("create_spend_alert", await transaction.write(INSERT, *values))

    async def of_tenant(self, tenant_id: str) -> Sequence[SpendAlert]:
        return await self._rows.many(OF_TENANT, tenant_id)

    async def update(self, tenant_id: str, alert_id: str, to: NewAlert, by: ChangeRequest) -> SpendAlert:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(GET, tenant_id, alert_id)
            changed = (to.threshold_amount, to.recipients, to.subject_prefix)
            if (before.threshold_amount, before.recipients, before.subject_prefix) == changed:
                return before
            after = await transaction.write(UPDATE, alert_id, *changed)
            return await transaction.updated("update_spend_alert", before, after)

    async def delete(self, tenant_id: str, alert_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            alert = await transaction.existing(GET, tenant_id, alert_id)
            await transaction.execute(DELETE, alert_id)
            return await transaction.deleted("delete_spend_alert", "spend_alerts", alert)


def alert_of(row: Row) -> SpendAlert:
    return SpendAlert(**{**row, "recipients": tuple(row["recipients"])})
