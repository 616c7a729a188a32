"""Makes a data directory for test_upgrade.py: what a version leaves behind that is killed in the middle of its work.

    git worktree add /tmp/before <commit> && python -m venv /tmp/before/.venv
    /tmp/before/.venv/bin/pip install --constraint constraints.txt --editable '/tmp/before[embedded]'
    python -m tests.upgrade.capture /tmp/before/.venv/bin/python tests/upgrade/<commit>

Runs the other version's management API and sidecar on a Postgres and a Valkey of their own, and speaks to them from
outside only, so that it works for any version.  Then writes down, as text: the database, everything in Redis, the
spool, the log file with its checkpoint, and `expected.json`: what that version itself said of all this.
"""

import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import redis

from tenancy.values.lease_id import mint_lease_id
from tests.accesslog.entries import decision, earlier_line, entry
from tests.conftest import public_directory
from tests.upgrade.running import MODEL, Running, wait_for
from tests.upgrade.stores import dump_postgres, dump_redis, save_file
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

WINDOW = {"window_seconds": 366 * 86_400}  # so long that next to nothing comes back while a test runs
LIMITS: tuple[dict[str, Any], ...] = (
    {"name": "tokens", "unit": "tokens", "amount": 5_000_000, "kind": "bucket", **WINDOW},
    {"name": "output", "unit": "output_tokens", "amount": 500_000, "kind": "fixed_window", **WINDOW},
    {"name": "count", "unit": "requests", "amount": 10_000, "kind": "sliding_window", **WINDOW},
    {"name": "spend", "unit": "cost", "amount": "250.00", "kind": "fixed_window", **WINDOW},
    {"name": "calendar", "unit": "tokens", "amount": 5_000_000, "calendar": "month", "time_zone": "Europe/Berlin"},
)
MODELS: tuple[dict[str, Any], ...] = (  # with every decimal that a price may have
    {"name": MODEL, "input_price": "2.50000001", "output_price": "10.00000001", "cached_price": "0.30000003"},
    {"name": "free-model"},
)
USAGE = {"prompt_tokens": 123_400, "completion_tokens": 5_600, "prompt_cached_tokens": 100_000}
REPORTS = (
    "/usage",
    "/usage/keys",
    "/usage/models",
    "/usage/series?bucket=day",
    "/usage/cache",
    "/costs?group_by=model",
)
CHARGED = 777  # by an operator
HISTORY_HOURS = (40 * 24, 3 * 24 + 1, 3 * 24, 26, 25, 3, 2)


def main(python: Path, directory: Path) -> None:
    with public_directory() as place:
        valkey, postgres = Valkey(place / "valkey", None), Postgres(place / "postgres")
        state = place / "state"
        state.mkdir()
        before = Running(state, postgres.url, valkey.url, python)
        client = redis.Redis.from_url(valkey.url, decode_responses=True)
        try:
            capture = Capture(before, client, valkey, postgres)
            capture.run()
            directory.mkdir(parents=True, exist_ok=True)
            save_file(directory / "redis.json", dump_redis(client))
            capture.postgres = Postgres(place / "postgres", postgres.port)
            dump_postgres(postgres.url, directory / "postgres.sql")
            save_file(directory / "expected.json", capture.expected)
            for kept in ("access.jsonl", "access-log-checkpoint.json"):
                shutil.copy(state / kept, directory / kept)
            shutil.copytree(state / "spool", directory / "spool", ignore=shutil.ignore_patterns("lock"))
        finally:
            client.close()
            before.close()
            capture.postgres.stop()
            valkey.stop()


class Capture:
    """A day in the life of one tenant, and the end of it.  `expected` grows on the way."""

    def __init__(self, before: Running, client: "redis.Redis", valkey: Valkey, postgres: Postgres) -> None:
        self.before, self.client, self.valkey, self.postgres = before, client, valkey, postgres
        self.expected: dict[str, Any] = {}
        self.delivered_again: dict[str, Any]
        self.lines_not_read: list[dict[str, Any]]

    def run(self) -> None:
        self.before.migrate()
        admin = self.before.admin()
        self._people(admin)
        sidecar = self.before.sidecar(lease_seconds=86_400, failure_mode="allow")
        self._history(admin)
        self._requests()
        self._describe(admin)
        self.postgres.stop()
        self._without_postgres()
        self._in_flight()
        time.sleep(3)  # the checkpoint is kept every second
        sidecar.kill()
        self._log(*self.lines_not_read, self.delivered_again)
        self._orphan()

    def _people(self, admin: httpx.Client) -> None:
        for model in MODELS:
            _made(admin.post("/models", json=model))
        tenant = _made(admin.post("/tenants", json={"name": "acme", "requests_per_minute": 1_000_000}))
        tenant_id = tenant["id"]
        _made(admin.put(f"/tenants/{tenant_id}/users/ann", json={"email": "ann@example.com"}))
        for limit in LIMITS:
            _made(admin.post("/limits", json={"scope": "tenant", "tenant_id": tenant_id, **limit}))
        key = _made(admin.post(f"/tenants/{tenant_id}/keys", json={"name": "app", "user_id": "ann"}))
        overlap = {"overlap_seconds": 30 * 86_400}
        rotated = _made(admin.post(f"/keys/{key['key']['id']}/rotate", json=overlap))
        disabled = _made(admin.post(f"/tenants/{tenant_id}/keys", json={"name": "off"}))
        _made(admin.put(f"/keys/{disabled['key']['id']}/disabled", json={"disabled": True}))
        _made(admin.put("/capacity", json={"max_in_flight": 500}))
        self.expected |= {
            "tenant_id": tenant_id,
            "key_id": key["key"]["id"],
            "secret": rotated["secret"],
            "disabled_secret": disabled["secret"],
        }

    def _history(self, admin: httpx.Client) -> None:
        """Requests of weeks and hours ago, which the file log brings; the management API sums them up."""
        now = time.time()
        ids = {"tenant_id": self.expected["tenant_id"], "key_id": self.expected["key_id"]}
        for number, hours in enumerate(HISTORY_HOURS):
            lease_id = mint_lease_id(int((now - hours * 3600) * 1000))
            model = MODEL if number % 3 else "free-model"
            usage = {name: tokens * (number + 1) for name, tokens in USAGE.items()}
            self._log(entry(decision(**ids, lease_id=lease_id, model=model), usage))
        wait_for(lambda: len(self._usage_of(admin)) > 0, "history in the ledger")
        wait_for(lambda: self._usage_of(admin)[0]["requests"] == len(HISTORY_HOURS), "all of it")
        time.sleep(25)  # two rounds of the roller

    def _requests(self) -> None:
        """Done in every respect; one of them was let through while Redis hung."""
        done = [self._entry() for _ in range(3)]
        refused = self.before.admit(self.expected["secret"], max_tokens="900000000")
        done.append(entry(refused.metadata, None, status=429))
        done.append(self._unmetered())
        self.before.stream(*done)
        self._log(*done)
        name = f"tollkeeper:settled:{{{self.expected['tenant_id']}}}:*"
        wait_for(lambda: len(list(self.client.scan_iter(name))) == 1, "the direct charge")
        self.delivered_again = done[-1]

    def _describe(self, admin: httpx.Client) -> None:
        """What the version says of itself, once all of it is in the ledger."""
        count = len(HISTORY_HOURS) + 4
        wait_for(lambda: self._usage_of(admin)[0]["requests"] == count, "rows in the ledger")
        tenant = f"/tenants/{self.expected['tenant_id']}"
        budgets = admin.get(f"{tenant}/budgets").json()["budgets"]
        adjust = {"budget": next(b["budget"] for b in budgets if b["limit"] == "tokens"), "amount": -CHARGED}
        _made(admin.post(f"{tenant}/budgets/adjust", json=adjust, headers={"idempotency-key": "once"}))
        wait_for(lambda: not list(self.client.scan_iter("tollkeeper:leases:*")), "the settlements")
        self.expected["used"] = used(admin.get(f"{tenant}/budgets").json())
        now = datetime.now(UTC)
        span = {"from": (now - timedelta(days=45)).isoformat(), "to": (now + timedelta(minutes=5)).isoformat()}
        urls = [str(httpx.URL(path).copy_merge_params(span)) for path in REPORTS]
        self.expected["reports"] = {url: _made(admin.get(url)) for url in urls}

    def _without_postgres(self) -> None:
        """Settled, with rows that wait on disk."""
        spooled = [self._entry() for _ in range(4)]
        self.before.stream(*spooled)
        self._log(*spooled)
        wait_for(lambda: b"\n" in b"".join(f.read_bytes() for f in self._segments()), "rows in the spool")
        wait_for(lambda: sum(f.read_bytes().count(b"\n") for f in self._segments()) == len(spooled), "all of them")
        self.expected["spooled"] = _ids(spooled)

    def _in_flight(self) -> None:
        """Admitted, and over only after the upgrade: by the stream, by the file, never."""
        self.expected["to_be_streamed"] = self._entry()
        self.lines_not_read = [self._entry(), self._unmetered()]
        self.expected["lines_not_read"] = _ids(self.lines_not_read)
        self.expected["running"] = _ids([self._entry()])

    def _orphan(self) -> None:
        """A lease that is over before anybody settles it; the sidecar that gave it is gone before it can sweep it."""
        sidecar = self.before.sidecar(
            lease_seconds=10,
            idle_timeout_seconds=5,
            access_log_file=self.before.directory / "none.jsonl",
            data_dir=self.before.directory / "second",
        )
        told = self.before.admit(self.expected["secret"])
        sidecar.kill()
        self.expected["orphaned"] = [told.metadata["lease_id"]]
        time.sleep(11)

    def _entry(self) -> dict[str, Any]:
        told = self.before.admit(self.expected["secret"])
        assert (told.ok, told.metadata["admission"]) == (True, "fast")
        return entry(told.metadata, USAGE)

    def _unmetered(self) -> dict[str, Any]:
        self.valkey.process.pause()
        try:
            told = self.before.admit(self.expected["secret"])
        finally:
            self.valkey.process.resume()
        assert told.metadata["admission"] == "unmetered"
        time.sleep(3)  # until the sidecar knows that Redis is back
        return entry(told.metadata, USAGE)

    def _log(self, *entries: dict[str, Any]) -> None:
        with self.before.log_file.open("ab") as file:
            file.write(b"".join(earlier_line(fields) + b"\n" for fields in entries))

    def _segments(self) -> list[Path]:
        return list((self.before.directory / "spool").glob("*.jsonl"))

    def _usage_of(self, admin: httpx.Client) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = admin.get("/usage").json()["usage"]
        return found


def _made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _ids(entries: list[dict[str, Any]]) -> list[str]:
    return [each["ratelimit"]["lease_id"] for each in entries]


def used(page: dict[str, Any]) -> dict[str, Any]:
    return {budget["limit"]: budget["used"] for budget in page["budgets"]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
