"""The page of a tenant's month: the figures of the API's statement."""

from datetime import UTC, datetime

from tests.admin.conftest import Admin
from tests.console.conftest import Visitor, text_of
from tests.console.test_pages import NASTY, used


def test_a_month_is_shown_with_what_it_cost(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant("Stated <b>")
    key = admin.key(tenant["id"], NASTY)["key"]["id"]
    of = {"tenant_id": tenant["id"], "key_id": key}
    used(admin, {**of, "model": NASTY}, {**of, "key_id": "gone", "model": "other"}, hours_ago=0)
    where = f"/console/tenants/{tenant['id']}"
    assert f'href="{where}/statement"' in owner.get(where).text
    page = owner.get(f"{where}/statement")
    text = text_of(page)
    stated = admin.http.get(f"/tenants/{tenant['id']}/statement").json()
    assert len(stated["lines"]) == 2
    for shown in (stated["number"], f"{stated['total']['cost']} USD", "not over yet", "deleted gone"):
        assert shown in text
    assert [each["kind"] for each in stated["charges"]] == ["input", "output", "input"] * 2
    assert "By kind and price" in text
    assert "not known" in text  # the rows were written with costs, and no prices
    assert NASTY not in page.text
    assert NASTY.replace("<", "&lt;").replace(">", "&gt;") in text


def test_months_lead_to_the_ones_beside_them(owner: Visitor, admin: Admin) -> None:
    where = f"/console/tenants/{admin.tenant('month by month')['id']}/statement"
    past = owner.get(where, month="2026-03")
    assert "Nothing was used in this month." in text_of(past)
    assert all(f"{where}?month={month}" in past.text for month in ("2026-02", "2026-04"))
    assert f"{where}?month={datetime.now(UTC).year + 1}" not in owner.get(where).text
    assert "month=2019" not in owner.get(where, month="2020-01").text
    for wrong in ("", "2026-13", "2099-01", NASTY):
        refused = owner.get(where, month=wrong)
        assert refused.status_code == 422
        assert NASTY not in refused.text
    assert owner.get("/console/tenants/nobody/statement").status_code == 404
