"""How long pages of the console take with 10,000 tenants and a million rows in the ledger: the server, and Chromium.

    python -m bench.parts.console_pages [rows] [tenants] [--keep DIRECTORY]

The ledger is that of usage_10m.py, with more tenants; each has two keys and a limit, three sidecars report fifty
tenants that run something, and the audit log has 20,000 entries.  "Interactive" is Chromium's own
`domContentLoadedEventEnd`, from the click on a link in the console on: the page is there, and its script has run.
The first row is what Chromium takes for a page that needs nothing of the server; what the machine had to do beside it
is said before and after.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import asyncpg
import httpx
from playwright.sync_api import Page

from bench.parts.usage_10m import fill, roll
from ratelimit.fleet.report import GroupLoad, Report, TenantLoad
from ratelimit.fleet.reports_redis import RedisReports
from store.redis import open_redis_async
from tests.admin.conftest import TOKEN, run_admin
from tests.console.browser import chromium, running
from tests.web import NO_TLS
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

ROUNDS = 9
FROM = "/console/groups/default"  # where the link is
REPORTED_FOR_SECONDS = 3600.0
POPULATE = (
    """
    INSERT INTO tenants (id, name, tokens_per_minute, metadata)
    SELECT 'tenant-' || n, 'Team ' || n, 100000, '{"environment": "production"}'
    FROM generate_series(0, $1::integer) AS n
    """,
    """
    INSERT INTO api_keys (id, tenant_id, name, key_hash, key_prefix)
    SELECT 'key-' || n || '-' || k, 'tenant-' || n, 'key ' || k, md5(n || '-' || k) || md5(k || '+' || n),
           'sk_' || md5(n || k::text)
    FROM generate_series(0, $1::integer) AS n, generate_series(0, 1) AS k
    """,
    """
    INSERT INTO limits (id, name, scope, tenant_id, unit, amount, kind, window_seconds, calendar)
    SELECT 'lim_' || substr(md5('l' || n), 1, 16), 'monthly', 'tenant', 'tenant-' || n, 'tokens', 1000000000,
           'fixed_window', 2592000, 'month'
    FROM generate_series(0, $1::integer) AS n
    """,
    """
    INSERT INTO audit_log (actor, action, target_type, target_id, after)
    SELECT 'admin', 'create_tenant', 'tenant', 'tenant-' || n, '{"name": "x", "weight": 100}'
    FROM generate_series(0, 2 * $1::integer) AS n
    """,
)
PAGES = {
    "signing in, to compare with": "/console/sign-in",
    "overview": "/console",
    "overview, its live part": "/console/live",
    "tenants": "/console/tenants",
    "tenants, a part of the name": "/console/tenants?name=99",
    "a tenant": "/console/tenants/tenant-0",
    "a key": "/console/keys/key-0-0",
    "usage, 7 days by tenant": "/console/usage",
    "usage, 30 days by tenant": "/console/usage?period=30d&measure=cost",
    "usage, 30 days by key": "/console/usage?period=30d&by=key",
    "usage, 90 days by model": "/console/usage?period=90d&by=model",
    "usage of a tenant": "/console/usage?tenant=tenant-0&period=30d",
    "a request": "/console/requests?id=req-5",
    "capacity": "/console/capacity",
    "policies": "/console/policies",
    "organizations": "/console/organizations",
    "models": "/console/models",
    "MCP servers": "/console/mcp-servers",
    "groups": "/console/groups",
    "audit": "/console/audit",
}
TIMES = """
(({domContentLoadedEventEnd, loadEventEnd}) => [domContentLoadedEventEnd, loadEventEnd])
(performance.getEntriesByType("navigation")[0])
"""


async def populate(url: str, tenants: int) -> None:
    connection = await asyncpg.connect(url)
    if await connection.fetchval("SELECT count(*) FROM tenants") < tenants:
        for statement in POPULATE:
            await connection.execute(statement, tenants, timeout=120)
        await connection.execute("VACUUM ANALYZE", timeout=600)
    await connection.close()


async def report(url: str) -> None:
    """What three busy sidecars would say."""
    redis = open_redis_async(url, timeout=1)
    reports = RedisReports(redis, REPORTED_FOR_SECONDS)
    loads = tuple(TenantLoad(f"tenant-{n}", "default", 100, 50 - n) for n in range(50))
    for number in range(3):
        of = ("2026-01-01T00:00:00Z", 1275, 0, None, "", 0, 10**6, 10**4, 0, True)
        await reports.leave(
            Report(f"s-{number}", "h", "0.1.0", *of, 50, loads, (GroupLoad("default", 1275),)), short=False
        )
    await redis.aclose()


def median_ms(times: list[float]) -> str:
    return f"{statistics.median(times) * 1000:6.0f} ({max(times) * 1000:.0f})"


def measure(base: str) -> None:
    """Prints, for each page: the server's time, its size, and Chromium's times; medians, and the longest."""
    print(f"{'page':32} {'server ms':>14} {'KB':>6} {'interactive ms':>16} {'loaded ms':>14}")
    with httpx.Client(base_url=base, verify=NO_TLS, timeout=30) as http, running() as browser:
        assert http.post("/console/sign-in", data={"token": TOKEN}).status_code == 303
        page = browser.new_page(base_url=base)
        page.goto("/console/sign-in")
        page.get_by_label("Admin token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_url("**/console")
        for name, path in PAGES.items():
            taken, size = served(http, path)
            seen = [looked_at(page, path) for _ in range(ROUNDS)] if path != "/console/live" else []
            shown = [median_ms([each[at] / 1000 for each in seen]) if seen else "" for at in range(2)]
            print(f"{name:32} {median_ms(taken):>14} {size / 1000:6.1f} {shown[0]:>16} {shown[1]:>14}", flush=True)


def served(http: httpx.Client, path: str) -> tuple[list[float], int]:
    taken, size = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = http.get(path)
        taken.append(time.perf_counter() - began)
        assert answer.status_code in (200, 404), (path, answer.status_code)
        size = len(answer.content)
    return taken, size


def looked_at(page: Page, path: str) -> list[float]:
    page.goto(FROM)
    with page.expect_navigation(wait_until="load"):
        page.evaluate("path => location.assign(path)", path)
    found: list[float] = page.evaluate(TIMES)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("tenants", nargs="?", type=int, default=10_000)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    assert chromium() is not None, "needs a Chromium"
    directory = given.keep or Path(tempfile.mkdtemp(prefix="tollkeeper-bench-"))
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    postgres, valkey = Postgres(directory / "postgres", None), Valkey(directory / "valkey", None)
    try:
        asyncio.run(fill(postgres.url, given.rows, given.tenants))
        asyncio.run(populate(postgres.url, given.tenants))
        asyncio.run(roll(postgres.url))
        asyncio.run(report(valkey.url))
        with run_admin(postgres.url, valkey.url) as admin:
            print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            measure(admin.url)
            print(f"load after: {os.getloadavg()[0]:.1f}")
    finally:
        valkey.stop()
        postgres.stop()


if __name__ == "__main__":
    main()
