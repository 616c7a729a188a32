"""Jobs in Redis or Valkey, beside the budgets and leases of the same owner.  What the scripts do is in `lua/`."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from ratelimit.budgets.jobs import EARLY_MAX, EARLY_MS, JOBS_MAX, OVER_MS, Found, Hold, Known, Report
from ratelimit.budgets.keys import early_reports_key, job_key, jobs_key, lease_key, leases_key
from ratelimit.budgets.port import LOST, BudgetsLost, BudgetsUnavailable
from ratelimit.budgets.rule import Used
from ratelimit.budgets.scripts import Client, Runner, Script, Step

NAME_DIGITS = 32


class RedisJobs:
    """The port on a Redis or a cluster.  `job_seconds`: for how long a job may be reported.

    `open_client` and `epoch` as for RedisBudgets.  Thread-safe.
    """

    def __init__(self, open_client: Callable[[], Client], job_seconds: float, epoch: str = "") -> None:
        self._runner, self._job_ms, self._epoch = Runner(open_client), int(job_seconds * 1000), epoch
        self._hold = Script.read("budget", "lease", "hold")
        self._report = Script.read("budget", "lease", "report")

    def hold(self, hold: Hold) -> str | None:
        owner, name = hold.owner, _digest(hold.name)
        keys = [lease_key(owner, hold.lease_id), leases_key(owner), job_key(owner, name), jobs_key(owner)]
        given = _lease_without(hold) if hold.rules or hold.charged_at_ms else ""
        arguments: list[str | int] = [hold.lease_id, given, hold.notes, name, self._job_ms, JOBS_MAX, *hold.used]
        held, *early = self._run(self._hold, keys, arguments)
        return early[0].decode() if held else None

    def find(self, owner: str, name: str, other_name: str = "") -> Found | None:
        reply = self._tell(Report(owner, name, "", Known.NAMED, Used(0)), other_name)
        return Found(*(text.decode() for text in reply)) if reply else None

    def report(self, report: Report) -> str | None:
        reply = self._tell(report)
        return reply[0].decode() if reply else None

    def _tell(self, report: Report, other_name: str = "") -> list[Any]:
        owner, name = report.owner, _digest(report.name)
        other = _digest(other_name) if other_name else ""
        keys = [job_key(owner, name), jobs_key(owner), early_reports_key(owner)]
        arguments: list[str | int] = [
            report.by, *report.used, report.known, report.text, name, job_key(owner, ""), other,
            OVER_MS, EARLY_MS, EARLY_MAX,
        ]  # fmt: skip
        return self._run(self._report, keys, arguments)

    def close(self) -> None:
        self._runner.close()

    def _run(self, script: Script, keys: list[str], arguments: list[str | int]) -> list[Any]:
        (reply,) = self._runner.run(script, [Step(keys, [self._epoch, *arguments])])
        if reply is None:
            raise BudgetsUnavailable("one node of the budgets' store did not answer")
        if reply[:1] == [-1]:
            raise BudgetsLost(LOST)
        return list(reply)


def _digest(name: str) -> str:
    """Hashed, because model servers choose the names: whatever they are, they must fit into a key."""
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()[:NAME_DIGITS]


def _lease_without(hold: Hold) -> str:
    """A lease that has reserved nothing."""
    lease: dict[str, Any] = {"budgets": [rule.row() for rule in hold.rules], "reserved": [0] * len(hold.rules)}
    return json.dumps(lease if hold.charged_at_ms is None else {**lease, "at_ms": hold.charged_at_ms})
