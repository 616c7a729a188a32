"""Reports whose rows are not summed up yet and take too long to read: they say so, in time, and when to come back."""

import time
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ledger.cover import EPOCH, HOUR
from ledger.postgres.roller import LOCK_OF_HOURS
from tests.admin.conftest import Admin
from tests.admin.problems import refused

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = [BEGIN + n * HOUR for n in range(5)]
MARCH = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
INSERT = """
INSERT INTO usage (id, ts, tenant_id, key_id, user_id, model, admission, usage_source, status, input_tokens)
VALUES ($1, $2, 'acme', 'k1', '', 'm', 'fast', 'reported', 200, 10)
"""


@pytest.mark.parametrize("path", ["/usage", "/usage/keys", "/usage/series?bucket=day", "/costs"])
async def test_a_report_says_how_much_is_not_summed_up_yet(admin: Admin, path: str) -> None:
    connection = await asyncpg.connect(admin.database_url)
    await connection.execute(
        "CREATE TABLE usage_2026_03 PARTITION OF usage FOR VALUES FROM ('2026-03-01Z') TO ('2026-04-01Z')"
    )
    for hour in HOURS:  # kept from the roller, which takes each under this lock
        await connection.execute("SELECT pg_advisory_lock($1, $2)", LOCK_OF_HOURS, (hour - EPOCH) // HOUR)
        await connection.execute(INSERT, uuid.uuid4(), hour + timedelta(minutes=5))
    assert admin.http.get(path, params=MARCH).status_code == 200
    async with connection.transaction():
        await connection.execute("LOCK TABLE usage_2026_03 IN ACCESS EXCLUSIVE MODE")  # rows take for ever
        began = time.monotonic()
        answer = admin.http.get(path, params=MARCH)
        assert time.monotonic() - began < 2
        assert "5 hours of usage are not summed up yet" in refused(answer, 503)["detail"]
        assert answer.headers["retry-after"] == "30"
    assert admin.http.get(path, params=MARCH).status_code == 200
    await connection.close()
