"""The MaaS key manager's store as a plan.  Pure.

It keeps teams and keys in Secrets of Kubernetes and limits in Kuadrant's TokenRateLimitPolicy; what `kubectl get -o
json` prints of them is read here.  A Secret holds the key itself, of which nothing but the hash goes further.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tenancy.directory.keys import NewKey
from tenancy.directory.stored_limits import NewLimit
from tenancy.directory.tenants import NewTenant
from tenancy.directory.users import NewUser
from tenancy.values.limit import Kind, Scope, Unit
from tenancy.values.secret import PREFIX_LENGTH, HashedSecret, hash_secret
from tollkeeper.imports.plan import Plan, id_of, limit_id, printable, tenant_id, user_id
from tollkeeper.imports.windows import seconds_of

SYSTEM = "key-manager"
TEAM_KIND, KEY_KIND, LIMITS_KIND = "team-config", "team-key", "TokenRateLimitPolicy"
KIND, TEAM, USER = "maas/resource-type", "maas/team-id", "maas/user-id"
UNLIMITED = "unlimited-policy"
OF_USERS = "auth.identity.userid"  # a counter for each
MAX_KEY, MAX_TOKENS, MAX_SECONDS = 512, 10**12, 366 * 86_400

Object = Mapping[str, Any]


class NotKeyManager(Exception):
    """The file holds nothing of the key manager."""


def objects_of(text: str) -> list[Object]:
    """Of a list or of one object; NotKeyManager."""
    try:
        found = json.loads(text)
        items = found.get("items", [found])
        return [each for each in items if isinstance(each, dict)]
    except (ValueError, TypeError, AttributeError) as error:
        raise NotKeyManager(f"it is not what `kubectl get -o json` prints: {error}") from None


def plan_of(objects: Iterable[Object]) -> Plan:
    """NotKeyManager."""
    return _Reading([*objects]).all()


class _Reading:
    def __init__(self, objects: list[Object]) -> None:
        self._objects, self.plan = objects, Plan()
        self._teams = [each for each in objects if _labels(each).get(KIND) == TEAM_KIND]
        # Keys of versions before teams have no kind.
        self._keys = [each for each in objects if _is_key(each)]
        self._limits = _limits_of(objects)
        self._names, self._known = set[str](), set[str]()

    def all(self) -> Plan:
        if not self._teams and not self._keys:
            raise NotKeyManager("it has no Secret of the key manager (with the label maas/resource-type)")
        for team in self._teams:
            self._each(team, self._team)
        for key in self._keys:
            self._each(key, self._key)
        if not self._limits:
            self.plan.leave(
                "limits", f"no {LIMITS_KIND} was given: add what `kubectl get tokenratelimitpolicies` prints"
            )
        return self.plan

    def _each(self, what: Object, take: Any) -> None:
        name = str(what.get("metadata", {}).get("name")) if isinstance(what.get("metadata"), dict) else "?"
        self.plan.each("secret", [{"name": name, "object": what}], "name", lambda row: take(name, row["object"]))

    def _team(self, name: str, secret: Object) -> None:
        theirs, notes = _labels(secret)[TEAM], _annotations(secret)
        own, called, policy = (
            tenant_id(SYSTEM, theirs),
            printable(notes.get("maas/team-name") or theirs),
            notes.get("maas/policy"),
        )
        self._known.add(own)
        # As the key manager's API here makes them: the id is the name, and what people call it is shown.
        self.plan.tenants.append(
            NewTenant(own, display_name=called, description=printable(notes.get("maas/description") or ""),
                      metadata={"policy": printable(policy)} if policy else {}, id=own)
        )  # fmt: skip
        for number, limit in enumerate(self._limits.get(policy or "", ())):
            self._limit(own, str(policy), number, limit)
        if policy and policy != UNLIMITED and policy not in self._limits and self._limits:
            self.plan.leave(f"team {theirs}", f"its policy {policy} has no limit in the {LIMITS_KIND}")

    def _limit(self, tenant: str, policy: str, number: int, limit: tuple[int, str, bool]) -> None:
        amount, window, of_users = limit
        scope = Scope.USER if of_users else Scope.TENANT
        seconds = min(seconds_of(window), MAX_SECONDS)
        name = "token_limit" if not of_users and number == 0 else f"{policy}:{number}"
        self.plan.limits.append(
            NewLimit(scope, Unit.TOKENS, max(1, min(amount, MAX_TOKENS)), seconds, tenant, name=name, kind=Kind.FIXED,
                     id=limit_id(SYSTEM, tenant, policy, str(number)))
        )  # fmt: skip

    def _key(self, name: str, secret: Object) -> None:
        notes, labels = _annotations(secret), _labels(secret)
        theirs = labels.get(TEAM) or "default"
        tenant = tenant_id(SYSTEM, theirs)
        if tenant not in self._known and theirs != "default":
            self.plan.leave(f"key {name}", f"its team {theirs} is not there")
            return
        hashed = _hashed(_secret_of(secret))
        user = labels.get(USER) or notes.get("secret.kuadrant.io/user-id")
        own_user = user_id(SYSTEM, user) if user else None
        if own_user:
            self.plan.users.append((tenant, NewUser(own_user, printable(notes.get("maas/user-email") or ""))))
        models = tuple(each.strip() for each in (notes.get("maas/models-allowed") or "").split(",") if each.strip())
        self.plan.keys.append(
            (tenant, NewKey(printable(name), own_user, models_allowed=models or None,
                            id=id_of(SYSTEM, "key", hashed.key_hash), secret="", hashed=hashed,
                            disabled=(notes.get("maas/status") or "active") != "active"))
        )  # fmt: skip
        if notes.get("maas/custom-limits"):
            self.plan.leave(f"key {name}", "custom_limits, which the key manager keeps and does not enforce")


def _is_key(secret: Object) -> bool:
    labels = _labels(secret)
    return labels.get(KIND) == KEY_KIND or (KIND not in labels and labels.get("kuadrant.io/apikeys-by") == "rhcl-keys")


def _limits_of(objects: Iterable[Object]) -> dict[str, list[tuple[int, str, bool]]]:
    """By policy: amount, window, and whether each user has it."""
    found: dict[str, list[tuple[int, str, bool]]] = {}
    for each in objects:
        if each.get("kind") != LIMITS_KIND:
            continue
        for policy, limit in ((each.get("spec") or {}).get("limits") or {}).items():
            counters = [counter.get("expression") for counter in limit.get("counters") or ()]
            rates = limit.get("rates") or ()
            found[policy] = [(int(rate["limit"]), str(rate["window"]), OF_USERS in counters) for rate in rates]
    return found


def _hashed(key: str) -> HashedSecret:
    """Enough of it is shown to recognize it; of a short one too little to guess the rest."""
    return HashedSecret(hash_secret(key), key[: min(PREFIX_LENGTH, len(key) // 3)])


def _secret_of(secret: Object) -> str:
    """ValueError without a word of it."""
    given = (secret.get("data") or {}).get("api_key")
    try:
        key = (
            base64.b64decode(given, validate=True).decode("ascii")
            if given
            else (secret.get("stringData") or {})["api_key"]
        )
    except (binascii.Error, UnicodeError, TypeError, KeyError):
        raise ValueError("it has no api_key") from None
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable() or set(key) & {" ", ","}:
        raise ValueError("its api_key cannot be a key")
    return str(key)


def _labels(secret: Object) -> Mapping[str, str]:
    return (secret.get("metadata") or {}).get("labels") or {}


def _annotations(secret: Object) -> Mapping[str, str]:
    return (secret.get("metadata") or {}).get("annotations") or {}
