"""The port to jobs as plain Python, on the budgets in memory; to compare the scripts with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ratelimit.budgets.budget import actual, window_of
from ratelimit.budgets.jobs import EARLY_MAX, EARLY_MS, JOBS_MAX, OVER_MS, Found, Hold, Known, Report
from ratelimit.budgets.rule import BUCKET, SLIDING, Rule
from tests.ratelimit.memory import MemoryBudgets


@dataclass
class _Job:
    """`charged`: None for a rule by which nothing was taken."""

    hold: Hold
    rules: tuple[Rule, ...]
    charged: list[int | None]
    at_ms: int | None
    until_ms: int
    over_by: str = ""


@dataclass
class MemoryJobs:
    """`now_ms` is the clock of the budgets."""

    budgets: MemoryBudgets
    now_ms: Callable[[], int]
    job_ms: int
    _jobs: dict[tuple[str, str], _Job] = field(default_factory=dict)
    _early: dict[tuple[str, str], tuple[Report, int]] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)

    def hold(self, hold: Hold) -> str | None:
        key = hold.owner, hold.name
        self._forget()
        early = self._early.get(key)
        text = early[0].text if early else ""
        if key in self._jobs:
            return text if self._jobs[key].hold.lease_id == hold.lease_id else None
        if sum(1 for owner, _ in self._jobs if owner == hold.owner) >= JOBS_MAX:
            return None
        lease = self.budgets.take_lease(hold.owner, hold.lease_id)
        if lease is None and not hold.rules:
            return None
        until_ms = self.now_ms() + self.job_ms
        if lease is not None:
            rules, costs = lease.reservation.rules.rules, lease.reservation.costs
            charged = [None if n in lease.missed else cost for n, cost in enumerate(costs)]
            job = _Job(hold, rules, charged, lease.at_ms, until_ms)
        else:
            job = _Job(hold, hold.rules, [0] * len(hold.rules), self.now_ms(), until_ms)
        for n, (rule, before) in enumerate(zip(job.rules, job.charged, strict=True)):
            if before is not None:
                due = max(before, actual(rule.counts, hold.used, reserved=before if lease else 1))
                self.budgets.give_back(rule, before - due, job.at_ms)
                job.charged[n] = due
        self._jobs[key] = job
        return text

    def find(self, owner: str, name: str, other_name: str = "") -> Found | None:
        self._forget()
        job = self._jobs.get((owner, self._names.get((owner, name), name)))
        if job is None:
            return None
        early = self._early.get((owner, other_name))
        if other_name:
            self._names[owner, other_name] = job.hold.name
        return Found(job.hold.notes, early[0].text if early else "")

    def report(self, report: Report) -> str | None:
        self._forget()
        name = self._names.get((report.owner, report.name), report.name)
        job = self._jobs.get((report.owner, name))
        if job is None:
            earlies = sum(1 for owner, _ in self._early if owner == report.owner)
            if report.known is Known.OVER and name == report.name and earlies < EARLY_MAX:
                self._early[report.owner, name] = report, self.now_ms() + EARLY_MS
            return None
        if job.over_by:
            return job.hold.notes if job.over_by == report.by else None
        grown = self._charge(job, report)
        if report.known is Known.OVER:
            job.over_by, job.until_ms = report.by, self.now_ms() + OVER_MS
        return job.hold.notes if grown or job.over_by else None

    def _charge(self, job: _Job, report: Report) -> bool:
        grown = False
        for n, (rule, before) in enumerate(zip(job.rules, job.charged, strict=True)):
            if before is None:
                continue
            due = actual(rule.counts, report.used, reserved=before)
            if report.known is Known.MORE:
                due = max(due, before)
            counted = job.at_ms if due < before or self._still_counts(rule, job.at_ms) else None
            self.budgets.give_back(rule, before - due, counted)
            job.charged[n], grown = due, grown or due != before
        return grown

    def _still_counts(self, rule: Rule, at_ms: int | None) -> bool:
        if rule.shape[0] == BUCKET or at_ms is None:
            return True
        starts, ends = window_of(rule, self.now_ms())
        return at_ms >= (2 * starts - ends if rule.shape[0] == SLIDING else starts)

    def _forget(self) -> None:
        now_ms = self.now_ms()
        self._jobs = {key: job for key, job in self._jobs.items() if job.until_ms > now_ms}
        self._early = {key: early for key, early in self._early.items() if early[1] > now_ms}
