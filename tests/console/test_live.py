"""What sidecars report, as the overview, the groups and the capacity show it: on reports that really lie in Redis."""

import re

from ratelimit.fleet.report import TenantLoad
from tests.admin.conftest import Admin
from tests.admin.resources.test_runtime import leave
from tests.console.conftest import Visitor, text_of
from tests.ratelimit.reported import report


def rows_of(page: str) -> list[str]:
    return [re.sub(r"(<[^>]*>|\s)+", " ", row).strip() for row in re.findall(r"<tr>.*?</tr>", page, re.S)]


def test_who_runs_who_waits_and_who_had_how_much(owner: Visitor, admin: Admin, redis_url: str) -> None:
    admin.post("/fairshare/groups", name="batch", weight=300).raise_for_status()
    ann, bob = admin.tenant("ann")["id"], admin.tenant("bob", fairshare_group="batch")["id"]
    waits, runs = TenantLoad(ann, "default", 100, 6, 2, 750, 2.46), TenantLoad(bob, "batch", 100, 2, 0, 250)
    admin.http.put("/capacity", json={"max_in_flight": 8}).raise_for_status()
    version = admin.http.get("/capacity").json()["version"]
    leave(redis_url, report("first", waits, runs, max_in_flight=8, capacity_version=version))

    overview = owner.get("/console/live")
    text = text_of(overview)
    assert "In flight 8 of 8 Queued 2 first for 2.5 s" in text
    assert "2 requests queued The first has waited for 2.5 s; weights decide whose turn is next." in text
    assert "The service is at capacity" in text
    assert 'class="state warn"' in overview.text  # nobody was refused for it
    rows = rows_of(overview.text)
    assert "ann default 100 6 2 2.5 s 25% 75% 75%" in rows
    assert "bob batch 100 2 0 – 75% 25% 25%" in rows
    (sidecar,) = [row for row in rows if row.startswith("first ")]
    assert re.fullmatch(r"first host 1 8 of 8 8 3 reached \d+\.\d s ago", sidecar)

    groups = rows_of(owner.get("/console/groups/live").text)
    assert groups[1:] == ["batch 300 2 0 – 75% 25% 25%", "default 100 6 2 2.5 s 25% 75% 75%"]
    assert "first 8 8 that of each sidecar 1 in force" in rows_of(owner.get("/console/capacity/live").text)
