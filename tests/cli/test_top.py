"""`tollkeeper fairshare top`, on reports that really lie in Redis, once and in a terminal."""

import os
import pty
import signal
import subprocess
import sys
import time

from ratelimit.fleet.report import TenantLoad
from tests.admin.conftest import TOKEN, Admin
from tests.admin.resources.test_runtime import leave
from tests.cli.conftest import Command
from tests.ratelimit.reported import report
from tollkeeper.cli.nouns.fairshare_top import rows_of


def test_one_frame_for_scripts(run: Command, admin: Admin, redis_url: str) -> None:
    assert "0 in flight, 0 queued, 0 sidecars" in run.ok("fairshare", "top", "--once").out
    admin.post("/fairshare/groups", name="research", weight=300).raise_for_status()
    ann, bob = admin.tenant("ann")["id"], admin.tenant("[b]bob\u202e", weight=300)["id"]
    eve = admin.tenant("eve", fairshare_group="research")["id"]
    waits, runs = TenantLoad(ann, "default", 100, 6, 1, 500, 2.46), TenantLoad(bob, "default", 300, 1, 0, 100)
    others = TenantLoad(eve, "research", 1, 1, 0, 150), TenantLoad("gone", "default", 7, 2, 0, 250)
    leave(redis_url, report("a", waits, runs, *others))
    head, _, titles, *lines = run.ok("fairshare", "top", "--once").out.splitlines()
    assert head.startswith("10 in flight, 1 queued, 1 sidecar, reported ")
    assert titles.split("  ")[0] == "group / tenant"
    assert [line.split() for line in lines] == [
        ["default", "100", "25.0%", "85.0%", "9", "1", "2.5", "s"],
        ["ann", "100", "6.1%", "50.0%", "6", "1", "2.5", "s"],
        ["gone", "7", "0.4%", "25.0%", "2", "0", "-"],
        ["[b]bob?", "300", "18.4%", "10.0%", "1", "0", "-"],
        ["research", "300", "75.0%", "15.0%", "1", "0", "-"],
        ["eve", "100", "75.0%", "15.0%", "1", "0", "-"],
    ]
    assert [line.startswith("  ") for line in lines] == [False, True, True, True, False, True]
    assert run.json("fairshare", "top", "--once")["in_flight"] == 10


def test_what_was_got_and_how_long_the_first_has_waited_once_the_api_says_it() -> None:
    known = {"weight": 1, "entitled_share": 0.5, "share": 0.1, "in_flight": 1, "queued": 2}
    group = {"name": "g", **known, "got_share": 0.25, "oldest_wait_seconds": 3.21}
    tenant = {"tenant_id": "t", "name": None, "fairshare_group": "g", **known, "got_share": 0.0}
    first, second = rows_of({"groups": [group], "tenants": [tenant]})
    assert (first["got"], first["oldest wait"]) == ("25.0%", "3.2 s")
    assert (second["group / tenant"], second["got"], second["oldest wait"]) == ("  t", "0.0%", "-")


def test_a_terminal_follows_until_it_is_interrupted(admin: Admin, redis_url: str) -> None:
    tenants = [TenantLoad(admin.tenant(f"team-{number}")["id"], "default", 100, 9 - number) for number in range(9)]
    leave(redis_url, report("a", *tenants[:8]))
    here, there = pty.openpty()
    environment = {**os.environ, "TOLLKEEPER_API_URL": admin.url, "TOLLKEEPER_ADMIN_TOKEN": TOKEN}
    environment |= {"COLUMNS": "100", "LINES": "10", "TERM": "xterm"}
    command = [sys.executable, "-m", "tollkeeper", "fairshare", "top", "--every", "0.5"]
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment)
    os.close(there)
    try:
        seen = _read(here, "44 in flight", "team-4", "… and 3 more")
        assert "team-5" not in seen
        leave(redis_url, report("a", tenants[8]))
        _read(here, "1 in flight", "team-8")
        process.send_signal(signal.SIGINT)
        _read(here, "\x1b[?1049l")  # the screen that was there before
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(here)


def _read(terminal: int, *wanted: str) -> str:
    seen, deadline = "", time.monotonic() + 60
    while not all(each in seen for each in wanted):
        assert time.monotonic() < deadline, seen
        seen += os.read(terminal, 65_536).decode(errors="replace")
    return seen
