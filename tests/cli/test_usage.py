"""`tollkeeper usage …`: tables, JSON and CSV of what is in the ledger."""

import csv
import io
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pypdf
import pytest
import typer

from tests.admin.conftest import Admin
from tests.admin.usage.ledger import use
from tests.cli.conftest import Command
from tollkeeper.cli.files.pdf import printable
from tollkeeper.cli.kinds import amount, moment, quantity

MARCH = ("--from", "2026-03-01T00:00:00Z", "--to", "2026-04-01T00:00:00Z")


@pytest.fixture
def march(run: Command, admin: Admin) -> Command:
    """Usage of a tenant, and of one that was deleted, in March 2026."""
    tenant_id = run.json("tenant", "create", "acme")["id"]
    use(admin, "2026-03-01T10:15:30Z", tenant_id, input=100, cached=40, output=10, input_cost="1.5")
    use(admin, "2026-03-02T10:15:30Z", tenant_id, model="small", input=7, output=1, output_cost="0.25")
    use(admin, "2026-03-02T11:00:00Z", "deleted", input=5)
    return run


def test_usage_by_whom_is_asked_for(march: Command) -> None:
    assert sorted(row["input_tokens"] for row in march.json("usage", "show", *MARCH)["usage"]) == [5, 107]
    assert march.json("usage", "show", *MARCH, "--tenant", "acme")["input_tokens"] == 107
    assert march.json("usage", "show", *MARCH, "--tenant", "deleted")["input_tokens"] == 5
    models = march.json("usage", "show", *MARCH, "--tenant", "acme", "--by", "model")["usage"]
    assert {row["model"]: row["input_tokens"] for row in models} == {"big": 100, "small": 7}
    table = march.ok("usage", "show", *MARCH, "--by", "model").out.splitlines()
    assert table[0].split()[:3] == ["model", "requests", "refused"]
    assert [line.split()[0] for line in table[1:]] == ["big", "small"]  # the largest first
    table = march.ok("usage", "show", *MARCH).out.splitlines()
    assert table[0].split()[:2] == ["tenant_name", "tenant_id"]
    assert table[1].split()[0] == "acme"
    assert "deleted" in table[2].split()[:2]
    assert march("usage", "show", "--tenant", "nobody").code == 3
    assert march("usage", "show", "--from", "yesterday").code == 2


def test_a_series_of_several_pages_is_one(march: Command) -> None:
    day = ("--from", "2026-03-02T00:00:00Z", "--to", "2026-03-03T00:00:00Z", "--bucket", "minute")
    points = march.json("usage", "series", *day)["series"]
    assert len(points) == 1440
    assert sum(point["input_tokens"] for point in points) == 12
    rows = list(csv.DictReader(io.StringIO(march.ok("usage", "series", *day, "--csv").out)))
    assert [row["start"] for row in rows] == [point["start"] for point in points]


def test_costs_say_their_total(march: Command) -> None:
    found = march.json("usage", "costs", *MARCH, "--by", "tenant", "--by", "model")
    assert sorted(row["cost"] for row in found["costs"]) == ["0", "0.25", "1.5"]
    assert found["total"]["cost"] == "1.75"
    assert "total cost: 1.75" in march.ok("usage", "costs", *MARCH).err


def test_a_statement_says_what_a_month_cost(march: Command) -> None:
    found = march.json("tenant", "statement", "acme", "--month", "2026-03")
    assert [(line["model"], line["cost"]) for line in found["lines"]] == [("big", "1.5"), ("small", "0.25")]
    assert found["total"]["cost"] == "1.75"
    shown = march.ok("tenant", "statement", "acme", "--month", "2026-03")
    assert shown.out.split()[:3] == ["key_name", "key_id", "model"]
    assert "total: 1.75 USD" in shown.err
    assert "price_version" in shown.out
    assert sum(Decimal(each["cost"]) for each in found["charges"]) == Decimal("1.75")
    assert march("tenant", "statement", "acme", "--month", "March").code == 2


def test_a_statement_is_a_pdf_whatever_its_names_are(
    march: Command, admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Ärzte", "北京"):
        id = march.json("tenant", "create", name)["id"]
        use(admin, "2026-03-02T10:15:30Z", id, model="x" * 200, input=1234567, output_cost="0.0000000001")
    out = tmp_path / "march.pdf"
    shown = {}
    for name in ("acme", "Ärzte", "北京"):
        march.ok("tenant", "statement", name, "--month", "2026-03", "--pdf", str(out))
        (page,) = pypdf.PdfReader(out).pages
        shown[name] = page.extract_text()
    assert "Total: 1.75 USD" in shown["acme"]
    assert all(cost in shown["acme"] for cost in ("1.5 USD", "0.25 USD"))
    assert "Price version" in shown["acme"]
    assert "Tenant: Ärzte (" in shown["Ärzte"]
    assert "Tenant: \\u5317\\u4eac (" in shown["北京"]  # the codes of what the font lacks
    for text in ("1234567", "0.0000000001 USD", "xxx..."):
        assert text in shown["北京"]
    assert list(tmp_path.iterdir()) == [out]
    monkeypatch.setitem(sys.modules, "fpdf", None)  # as where it is not installed
    missing = march("tenant", "statement", "acme", "--month", "2026-03", "--pdf", str(tmp_path / "none.pdf"))
    assert (missing.code, list(tmp_path.iterdir())) == (2, [out])
    assert "pip install 'tollkeeper[pdf]'" in missing.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb\x00", "a\\nb\\x00"), ("1 €", "1 \\u20ac"), ("😀", "\\U0001f600"), ("x" * 121, "x" * 120 + "...")],
)
def test_what_a_pdf_shows_of_a_text(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_prompt_caches(march: Command) -> None:
    rows = march.json("usage", "cache", *MARCH, "--tenant", "acme")["cache"]
    assert {row["model"]: row["cached_tokens"] for row in rows} == {"big": 40, "small": 0}
    assert "cached_share" in march.ok("usage", "cache", *MARCH).out


def test_csv_is_the_api_s_own(march: Command) -> None:
    (row,) = csv.DictReader(io.StringIO(march.ok("usage", "show", *MARCH, "--tenant", "acme", "--csv").out))
    assert row["input_tokens"] == "107"


@pytest.mark.parametrize(("text", "ago"), [("90m", timedelta(minutes=90)), ("7d", timedelta(days=7))])
def test_times_may_be_so_long_ago(text: str, ago: timedelta) -> None:
    then = datetime.fromisoformat(moment(text))
    assert abs(datetime.now(UTC) - then - ago) < timedelta(minutes=1)


def test_too_long_ago_is_a_bad_option() -> None:
    with pytest.raises(typer.BadParameter):
        moment("999999w")
    assert moment("2026-01-01T00:00:00Z") == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(("text", "number"), [("500000", 500_000), ("500_000", 500_000), ("2M", 2 * 10**6), ("0", 0)])
def test_an_amount_is_what_it_says(text: str, number: int) -> None:
    assert (amount(text), quantity(f"-{text}")) == (number, -number)


@pytest.mark.parametrize("text", ["1e3", "1_0", "_5", "5_", "1__000", "1.5k", "+5", " 5", "٣", "１２", "0x10", ""])
def test_an_amount_that_could_mean_something_else_is_a_bad_option(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        amount(text)
