"""Takes the picture of the console that the README shows.

    python -m tests.console.picture docs/operate/console.png

On a real stack: some tenants that run requests and are refused now, and a day of usage that is put into the ledger.
"""

import asyncio
import math
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ledger.cost import Cost, PricedRow
from ledger.postgres.ledger import PostgresLedger
from store.postgres import open_postgres
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog import entries
from tests.conftest import public_directory
from tests.console.browser import running
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

SIZE = {"width": 1180, "height": 1000}
HOUR = 3600
WEEK = 7 * 24 * HOUR
TENANTS: dict[str, dict[str, Any]] = {
    "Support bot": {"tokens_per_minute": 2_000_000, "weight": 300},
    "Search": {"tokens_per_minute": 900_000, "weight": 200},
    "Notebook users": {"tokens_per_minute": 400_000, "weight": 100},
    "Nightly evals": {"tokens_per_minute": 300, "weight": 50, "fairshare_group": "batch"},
}
RUNNING = (5, 3, 2, 0)  # requests of each at the moment of the picture
REFUSED = 9  # of the last one, at least


def main() -> None:
    with public_directory() as directory:
        stack = Deployment(directory / "stack")
        try:
            who = prepare(stack)
            taken = threading.Event()
            with ThreadPoolExecutor(sum(RUNNING) + 1) as threads:
                for each, number in zip(who, RUNNING, strict=True):
                    for _ in range(number):
                        threads.submit(keep_asking, stack, each, taken, {"x-stub-delay-ms": "3000"})
                threads.submit(keep_asking, stack, who[-1], taken, {}, pause=0.1, max_tokens=40)
                try:
                    wait_for(lambda: busy(stack.admin.get("/stats").json()) or None, "requests, and refusals")
                    take(stack, Path(sys.argv[1]))
                finally:
                    taken.set()
        finally:
            stack.close()


def busy(stats: dict[str, Any]) -> bool:
    return bool(stats["in_flight"] >= sum(RUNNING) and stats["refused"] >= REFUSED)


def keep_asking(
    stack: Deployment,
    who: Credential,
    until: threading.Event,
    headers: dict[str, str],
    *,
    pause: float = 0,
    **body: Any,
) -> None:
    """One request after the other, so that there is something to see however slow the machine is."""
    while not until.wait(pause):
        stack.chat(who, headers, **body)


def prepare(stack: Deployment) -> list[Credential]:
    stack.admin.post("/models", json={"name": MODEL, "input_price": "3", "output_price": "15"})
    stack.admin.post("/fairshare/groups", json={"name": "batch", "weight": 50})
    stack.admin.put("/capacity", json={"max_in_flight": 64})
    who = [stack.tenant(name=name, **fields) for name, fields in TENANTS.items()]
    asyncio.run(fill(stack.database_url, [each.tenant_id for each in who]))
    return who


async def fill(url: str, tenants: list[str]) -> None:
    """A day of usage with a busy afternoon, and the same a week ago."""
    drawn, now, rows = random.Random(7), time.time(), []
    for back in range(0, 24 * HOUR, 90):
        for begin in (now - back, now - back - WEEK):
            hour = begin % (24 * HOUR) / HOUR
            busy = 1 + math.sin((hour - 9) / 24 * 2 * math.pi)
            tokens_in, tokens_out = (int(drawn.uniform(0.5, 1.5) * busy * each) for each in (9_000, 3_500))
            row = entries.row(lease_id=mint_lease_id(int(begin * 1000)))._replace(
                tenant_id=drawn.choice(tenants), input_tokens=tokens_in, output_tokens=tokens_out, status=200
            )
            rows.append(PricedRow(row, Cost(tokens_in * 3 * 10**4, 0, tokens_out * 15 * 10**4)))
    async with open_postgres(url, timeout=20) as pool:
        for at in range(0, len(rows), 500):
            await PostgresLedger(pool).append(rows[at : at + 500])


def take(stack: Deployment, path: Path) -> None:
    with running() as browser:
        page = browser.new_page(viewport=SIZE, color_scheme="light", base_url=f"http://{stack.admin_address}")  # type: ignore[arg-type] # as it says
        page.goto("/console/sign-in")
        page.get_by_label("Admin token").fill(DEV_ADMIN_TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_url("**/console")
        time.sleep(2.5)  # until the sidecar has reported what it runs
        page.reload()
        page.screenshot(path=path, full_page=True)
        print(f"{path}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
