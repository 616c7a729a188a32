"""LiteLLM's records as a plan.  Pure: rows of its tables in, by their columns' names, whatever its version.

A team becomes a tenant.  Keys of no team go to one tenant for all of them, with their users: only there LiteLLM counts
what a user spends.  It stores the SHA-256 of a key, as we do, so its keys work on.  What may not run anything, or has
spent all of a budget that never comes back, is made disabled.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tenancy.directory.keys import NewKey
from tenancy.directory.stored_limits import NewLimit
from tenancy.directory.tenants import NewTenant, Status
from tenancy.directory.users import NewUser
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Scope, Unit
from tenancy.values.secret import HashedSecret, hash_secret
from tollkeeper.imports.litellm_budgets import money_of
from tollkeeper.imports.plan import Plan, id_of, limit_id, printable, tenant_id, user_id

SYSTEM = "litellm"
Fields = Mapping[str, Any]
Tables = Mapping[str, Sequence[Fields]]
BUDGETS, TEAMS, USERS = "LiteLLM_BudgetTable", "LiteLLM_TeamTable", "LiteLLM_UserTable"
MEMBERS, KEYS = "LiteLLM_TeamMembership", "LiteLLM_VerificationToken"
# Read to say what is not taken over.
ORGANIZATIONS, END_USERS, PROJECTS = "LiteLLM_OrganizationTable", "LiteLLM_EndUserTable", "LiteLLM_ProjectTable"
MODELS, ROTATED = "LiteLLM_ProxyModelTable", "LiteLLM_DeprecatedVerificationToken"
TABLES = (BUDGETS, TEAMS, USERS, MEMBERS, KEYS)
ONLY_COUNTED = {
    ORGANIZATIONS: "organizations: their budgets and members are not taken over",
    END_USERS: "end users (customers): their budgets are not taken over",
    PROJECTS: "projects: their budgets and models are not taken over; their keys are, as those of their team",
    MODELS: "models: make them with `tollkeeper model create`",
    ROTATED: "secrets that a rotation replaced: they end now",
}
HASH = re.compile(r"[0-9a-f]{64}")
DASHBOARD = "litellm-dashboard"  # the team of those who are signed in to the UI
ALL_MODELS, TEAM_MODELS, NO_MODELS = ("*", "all-proxy-models"), "all-team-models", "no-default-models"
CALLS_MODELS = {"llm_api_routes", "openai_routes", "anthropic_routes"}  # of allowed_routes
# Columns of a key or team that bind it, and that nothing here stands for.
NOTHING_LIKE_IT = ("model_max_budget", "budget_limits", "policies", "access_group_ids", "router_settings", "aliases",
                   "object_permission_id")  # fmt: skip
MAX_TOKENS, MAX_REQUESTS, MAX_IN_FLIGHT = 10**12, 10**9, 10**6


class Reading:
    """`other`: the id of the tenant for keys of no team."""

    def __init__(self, tables: Tables, other: str) -> None:
        self.plan, self._tables, self._other = Plan(), tables, other
        self._budgets = {row["budget_id"]: row for row in tables[BUDGETS]}
        self._teams = {row["team_id"]: row for row in tables[TEAMS]}
        self._names, self._known = set[str](), set[tuple[str, str]]()

    def all(self) -> Plan:
        for table, what in ONLY_COUNTED.items():
            if count := len(self._tables.get(table, ())):
                self.plan.leave(f"{count} {what.partition(':')[0]}", what.partition(":")[2].strip())
        if any(not row.get("team_id") for row in self._tables[KEYS]):
            self.plan.tenants.append(NewTenant(self._other, id=self._other, description="LiteLLM's keys of no team"))
        self.plan.each("team", self._tables[TEAMS], "team_id", self._team)
        self.plan.each("user", self._tables[USERS], "user_id", self._user)
        self.plan.each("member", self._tables[MEMBERS], "user_id", self._member)
        self.plan.each("key", self._tables[KEYS], "key_alias", self._key)
        return self.plan

    def _team(self, row: Fields) -> None:
        if row["team_id"] == DASHBOARD:
            return
        what, own = f"team {row['team_id']}", tenant_id(SYSTEM, row["team_id"])
        name = printable(row.get("team_alias") or row["team_id"])
        if name in self._names:
            name = f"{name} ({own})"
        self._names.add(name)
        bounds = self._bounds(what, row)
        nothing_left = self._limits(what, row, own, Scope.TENANT)
        stopped = bool(row.get("blocked")) or nothing_left or 0 in bounds
        tokens, requests, in_flight = (bound or None for bound in bounds)
        status = Status.SUSPENDED if stopped else Status.ACTIVE
        metadata = {"litellm_team_id": printable(row["team_id"])}
        self.plan.tenants.append(
            NewTenant(name, tokens_per_minute=tokens, requests_per_minute=requests, max_in_flight=in_flight,
                      status=status, metadata=metadata, id=own)
        )  # fmt: skip
        self._nothing_like_it(what, row)

    def _user(self, row: Fields) -> None:
        """As one of the tenant of keys without a team, if it has such a key: LiteLLM asks for it nowhere else."""
        if not any(key.get("user_id") == row["user_id"] and not key.get("team_id") for key in self._tables[KEYS]):
            return
        self._person(f"user {row['user_id']}", self._other, row["user_id"], row, str(row.get("user_email") or ""))

    def _member(self, row: Fields) -> None:
        budget = self._budgets.get(row.get("budget_id"))
        if budget is None or row["team_id"] not in self._teams:
            return
        what = f"user {row['user_id']} in team {row['team_id']}"
        self._person(what, tenant_id(SYSTEM, row["team_id"]), row["user_id"], {**budget, "spend": row.get("spend")})
        if budget.get("allowed_models"):
            self.plan.leave(what, "a member's own list of models; that of each key holds")

    def _person(self, what: str, tenant: str, theirs: str, fields: Fields, email: str = "") -> None:
        own = user_id(SYSTEM, theirs)
        tokens, requests, in_flight = self._bounds(what, fields)
        if in_flight is not None:
            self.plan.leave(what, "max_parallel_requests of a user; keys and teams can have one")
        if 0 in (tokens, requests):
            self.plan.leave(what, "nothing is allowed to it: here it may have 1 a minute")
        limited = [None if bound is None else max(1, bound) for bound in (tokens, requests)]
        self.plan.users.append((tenant, NewUser(own, printable(email), *limited)))
        self._known.add((tenant, own))
        self._limits(what, fields, tenant, Scope.USER, user=own)

    def _key(self, row: Fields) -> None:
        what, team = f"key {row.get('key_alias') or row.get('key_name') or row['token'][:8]}", row.get("team_id")
        if team == DASHBOARD:
            return
        if team and team not in self._teams:
            self.plan.leave(what, f"its team {team} is not there")
            return
        fields = {**row, **self._budget_of(row)}
        tenant = tenant_id(SYSTEM, team) if team else self._other
        user = user_id(SYSTEM, row["user_id"]) if row.get("user_id") else None
        hashed = _hashed(row)
        own = id_of(SYSTEM, "key", hashed.key_hash)
        bounds = self._bounds(what, fields)
        nothing_left = self._limits(what, fields, tenant, Scope.KEY, key=own)
        tokens, requests, in_flight = (bound or None for bound in bounds)
        key = NewKey(
            printable(row.get("key_alias") or row.get("key_name") or "litellm"),
            user, None, self._models(what, row), tokens, requests, _time(row.get("expires")), in_flight, own,
            "", hashed, self._stopped(what, row) or nothing_left or 0 in bounds,
        )  # fmt: skip
        self.plan.keys.append((tenant, key))
        self._nothing_like_it(what, row)

    def _stopped(self, what: str, row: Fields) -> bool:
        if row.get("blocked"):
            return True
        routes = set(row.get("allowed_routes") or ())
        if routes and not routes & CALLS_MODELS:
            self.plan.leave(what, f"it may only use {', '.join(sorted(routes))}: made disabled")
            return True
        return False

    def _budget_of(self, row: Fields) -> Fields:
        """The fields of its budget, overridden by its own."""
        budget = self._budgets.get(row.get("budget_id")) or {}
        return {name: value for name, value in budget.items() if value is not None and row.get(name) is None}

    def _models(self, what: str, row: Fields) -> tuple[str, ...] | None:
        """The models of a key, within those of its team.  None: every one."""
        team = self._teams.get(row.get("team_id"), {})
        own, teams = _listed(row.get("models")), _listed(team.get("models"))
        allowed = teams if own is None else own if teams is None else tuple(each for each in own if each in teams)
        if odd := [each for each in allowed or () if "*" in each]:
            self.plan.leave(what, f"patterns are not understood, and allow nothing: {', '.join(odd)}")
        return allowed

    def _bounds(self, what: str, fields: Fields) -> tuple[int | None, int | None, int | None]:
        """tokens_per_minute, requests_per_minute, max_in_flight."""
        bounds = (("tpm_limit", MAX_TOKENS), ("rpm_limit", MAX_REQUESTS), ("max_parallel_requests", MAX_IN_FLIGHT))
        found = [None if fields.get(name) is None else max(0, min(int(fields[name]), most)) for name, most in bounds]
        return found[0], found[1], found[2]

    def _limits(
        self, what: str, fields: Fields, tenant: str, scope: Scope, key: str | None = None, user: str | None = None
    ) -> bool:
        """Adds its limits on cost and on tokens a day.  Returns whether nothing is left."""
        subject = key or user or ""

        def add(name: str, unit: Unit, amount: int, seconds: int, calendar: Calendar | None) -> None:
            known = limit_id(SYSTEM, tenant, scope, subject, name)
            label = f"litellm:{scope}:{name}" + (f":{subject}" if subject else "")
            self.plan.limits.append(
                NewLimit(scope, unit, max(1, amount), seconds, tenant, key, user, name=label, kind=Kind.FIXED,
                         calendar=calendar, id=known)
            )  # fmt: skip

        nothing_left = False
        if money := money_of(fields, fields.get("spend")):
            add("budget", Unit.COST, money.amount, *money.window)
            nothing_left = money.amount == 0
            if money.said:
                self.plan.leave(what, money.said)
            if nothing_left:
                self.plan.leave(what, "its budget is spent" + (": it is stopped" if scope is not Scope.USER else ""))
        if fields.get("tpd_limit") is not None:
            add("tokens-per-day", Unit.TOKENS, min(int(fields["tpd_limit"]), MAX_TOKENS), 0, Calendar.DAY)
        return nothing_left

    def _nothing_like_it(self, what: str, row: Fields) -> None:
        if found := [name for name in NOTHING_LIKE_IT if row.get(name)]:
            self.plan.leave(what, f"there is nothing like {', '.join(found)} here")


def plan_of(tables: Tables, other: str) -> Plan:
    return Reading(tables, other).all()


def _hashed(row: Fields) -> HashedSecret:
    token = row["token"]
    if not HASH.fullmatch(token):  # of a version that did not hash them yet
        if not token.startswith("sk-"):
            raise ValueError("its hash is no SHA-256")
        token = hash_secret(token)
    shown = str(row.get("key_name") or "sk-...")
    return HashedSecret(token, printable(shown) if "..." in shown else "sk-...")


def _listed(models: Sequence[str] | None) -> tuple[str, ...] | None:
    """None: every one."""
    if not models or any(each in ALL_MODELS for each in models) or TEAM_MODELS in models:
        return None
    return tuple(each for each in models if each != NO_MODELS)


def _time(text: str | None) -> datetime | None:
    """Reads a time; LiteLLM's columns are in UTC without saying so."""
    if not text:
        return None
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
