"""`tollkeeper usage export`: one file of many pages, whole or not at all."""

import csv
import io
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tenancy.values.lease_id import mint_lease_id
from tests.admin.conftest import Admin
from tests.admin.usage.test_explain import model, write
from tests.admin.usage.test_export import used
from tests.cli.conftest import Command
from tests.proxy import TcpProxy

MARCH = ("--from", "2026-03-01T00:00:00Z", "--to", "2026-04-01T00:00:00Z")
REQUESTS = 5003  # more than the API gives at once


@pytest.fixture
def many(run: Command, admin: Admin) -> Command:
    model(admin, "big", input_price="2.5")
    at = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
    one = used("2026-03-01T12:00", model="big", input_tokens=3)
    write(admin, *(one._replace(id=mint_lease_id(at), key_id=f"k{number % 2}") for number in range(REQUESTS)))
    return run


def test_all_pages_are_one_file(many: Command, tmp_path: Path) -> None:
    total = Decimal(many.json("usage", "costs", *MARCH)["total"]["cost"])
    out = tmp_path / "usage.parquet"
    many.ok("usage", "export", *MARCH, "--schema", "rows", "--format", "parquet", "--out", str(out))
    table = pq.read_table(out)
    assert (table.num_rows, len(set(table.column("id").to_pylist()))) == (REQUESTS, REQUESTS)
    assert sum(table.column("cost").to_pylist()) == total == Decimal("0.0375225")
    found = list(csv.DictReader(io.StringIO(many.ok("usage", "export", *MARCH).out, newline="")))
    assert sum(int(each["x_Requests"]) for each in found if each["SkuMeter"] == "Input tokens") == REQUESTS
    assert sum(Decimal(each["BilledCost"]) for each in found) == total
    assert not any(each["BilledCost"] == "BilledCost" for each in found)
    assert list(tmp_path.iterdir()) == [out]


def test_what_fails_leaves_no_part_of_a_file(run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "usage.csv"
    out.write_text("the one of yesterday")
    refused = run("usage", "export", *MARCH, "--out", str(out), TOLLKEEPER_ADMIN_TOKEN="wrong-token")
    assert (refused.code, list(tmp_path.iterdir()), out.read_text()) == (5, [out], "the one of yesterday")
    assert run("usage", "export", *MARCH, "--out", str(tmp_path / "there/is/none.csv")).code == 1
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    missing = run("usage", "export", *MARCH, "--format", "parquet", "--out", str(out))
    assert (missing.code, out.read_text()) == (2, "the one of yesterday")
    assert "pip install 'tollkeeper[parquet]'" in missing.err


def test_a_page_is_asked_for_again_while_the_api_is_away(
    many: Command, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = TcpProxy(int(admin.url.rpartition(":")[2]))
    proxy.cut()
    monkeypatch.setattr("tollkeeper.cli.files.export.sleep", lambda _: proxy.restore())  # it comes back in the pause
    try:
        ran = many("usage", "export", *MARCH, TOLLKEEPER_API_URL=f"http://127.0.0.1:{proxy.port}")
    finally:
        proxy.close()
    assert (ran.code, ran.out.startswith("BilledCost,")) == (0, True)
    assert "asking again in 1 s" in ran.err


def test_wrong_options_are_named(run: Command) -> None:
    assert run("usage", "export", "--schema", "focus-9").code == 2
    assert run("usage", "export", "--format", "xlsx").code == 2
    assert run("usage", "export", "--tenant", "nobody", *MARCH).code == 3
