"""What is the same for all requests of a policy for one model on one path: worked out for the first of them, and anew
once the registry of models has changed.

What depends on the body, beside the model that it names, on time, or on what was learned is not here.
"""

from collections import OrderedDict
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ratelimit.answer_bytes import Field
from ratelimit.tenants.account import Account
from ratelimit.tenants.account_cache import Accounts
from ratelimit.tenants.body import Body
from ratelimit.tenants.forward import alias_of, chosen_model, told_of
from ratelimit.tenants.routes.kind import RUNS_A_MODEL, Kind
from ratelimit.tenants.routes.table import Found
from ratelimit.tenants.screening import ABSENT, Asked, Catalog, Rejected, Terms, rejection, said
from ratelimit.tenants.usual import Usual
from tenancy.values.response_cache import CacheTerms
from tenancy.values.secret import without_secrets

MAX_KEPT = 10_000  # some 2 KB each
MAX_PATH = 1024
MAX_NAMES = 1024  # characters of the path and the model in the key of one that is kept

Key = tuple[str, str, str, str, str]  # policy, method, path, the model in the body, the model chosen for an alias


class Prepared(Struct, frozen=True):
    """`known`: the registry for which this holds.  `chooses`: the name is an alias, and each request has one of its
    models.  `rejected`: why none may run.  The others matter only if they may: `forward` is what Envoy is told, `path`
    the path as it may be stored, `usual` the answer to most."""

    known: object
    account: Account
    route: Found | None
    model: str
    alias: str
    chooses: bool
    rejected: Rejected | None
    forward: Sequence[Field] = ()
    cache: CacheTerms | None = None
    path: str = ""
    usual: Usual | None = None


class Preparations:
    """Those that were used last; the first kept is the first to go.  `forwards`: whether Envoy sends requests where the
    catalog says.  Not thread-safe."""

    def __init__(self, accounts: Accounts, catalog: Catalog, terms: Terms, *, forwards: bool) -> None:
        self._accounts, self._catalog, self._terms, self._forwards = accounts, catalog, terms, forwards
        self._kept: OrderedDict[Key, Prepared] = OrderedDict()

    def find(self, policy: str, method: str, path: str, named: str, lease_id: str, now_ms: int) -> Prepared:
        """For a request whose body names the model `named`; its id chooses among the models of an alias.  Raises
        tenancy.values.policy.MalformedPolicy or tenancy.values.calendar.UnknownTimeZone."""
        found = self._find((policy, method, path, named, ""), now_ms)
        if not found.chooses:
            return found
        model = chosen_model(found.model, found.account.policy, self._catalog, lease_id)
        return self._find((policy, method, path, named, model), now_ms) if model else found

    def _find(self, key: Key, now_ms: int) -> Prepared:
        known, found = self._catalog.known(), self._kept.get(key)
        if found is not None and found.known is known and now_ms < found.account.until_ms:
            return found
        found = self._prepare(key, known, now_ms)
        if found.rejected is None and len(key[2]) + len(key[3]) <= MAX_NAMES:
            self._kept[key] = found
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found

    def _prepare(self, key: Key, known: object, now_ms: int) -> Prepared:
        policy, method, path, named, target = key
        asked = Asked.of(self._terms, method, path, Body(named))
        if target:
            asked = replace(asked, model=target, alias=asked.model)
        catalog, account = self._catalog, self._accounts.find(policy, asked.model or ABSENT, now_ms)
        chooses = self._forwards and not target and bool(catalog.targets(asked.model))
        rejected = rejection(asked, account, catalog)
        if asked.route is None or rejected is not None:
            return Prepared(known, account, asked.route, asked.model, asked.alias, chooses, rejected)
        kind, forward = asked.route.kind, list[Field]()
        runs = kind in RUNS_A_MODEL
        if self._forwards and (runs or kind is Kind.COUNTS):
            forward = told_of(asked, account.policy.fairshare_group, catalog)
        fields: list[Field] = [("model", asked.model), ("inference", runs), ("kind", said(kind))]
        usual = Usual.of(account, [*fields, *alias_of(asked), *forward])
        cache, shown = catalog.cache(asked.model), without_secrets(path.split("?", 1)[0])[:MAX_PATH]
        return Prepared(
            known, account, asked.route, asked.model, asked.alias, chooses, None, forward, cache, shown, usual
        )
