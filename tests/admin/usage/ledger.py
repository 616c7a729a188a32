"""Rows of the ledger as the tests of the reports write them."""

import csv
import io
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.admin.conftest import Admin

REPORTS = ["/usage", "/usage/keys", "/usage/models", "/usage/series", "/usage/series/tenants", "/usage/cache", "/costs"]
INSERT = """
INSERT INTO usage (id, ts, tenant_id, key_id, user_id, model, admission, usage_source, status, input_tokens,
                   cached_tokens, output_tokens, input_cost, cached_cost, output_cost)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'reported', 200, $8, $9, $10, $11::text::numeric, $12::text::numeric,
        $13::text::numeric)
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def use(admin: Admin, time: str, tenant: str = "acme", **more: Any) -> None:
    """A request in the ledger."""
    row = {
        "key": "k1",
        "user": "",
        "model": "big",
        "admission": "fast",
        "input": 10,
        "cached": 0,
        "output": 5,
        "input_cost": "0",
        "cached_cost": "0",
        "output_cost": "0",
        **more,
    }
    month = at(time).strftime("%Y-%m-01Z")
    admin.query(
        f"CREATE TABLE IF NOT EXISTS usage_{at(time):%Y_%m} PARTITION OF usage"
        f" FOR VALUES FROM ('{month}') TO (timestamptz '{month}' + interval '1 month')"
    )
    admin.query(INSERT, uuid.uuid4(), at(time), tenant, *row.values())


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


MARCH = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
