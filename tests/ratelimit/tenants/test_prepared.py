"""What is prepared for a kind of request gives way as soon as anything that it was made from changes."""

from collections.abc import Iterator

import pytest

from ratelimit.tenants import prepared
from ratelimit.tenants.account_cache import Accounts
from ratelimit.tenants.prepared import Preparations, Prepared
from ratelimit.tenants.screening import Terms
from tenancy.resolving.catalog import KnownModels
from tenancy.values.calendar import Calendar
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tenancy.values.policy import Policy
from tenancy.values.upstream import Target, Upstream
from tests.ratelimit.tenants.test_screening import CHAT, Registry

NOW_MS = 1_795_230_000_123
DAY_MS = 86_400_000
ANY = Policy("acme", "key-1").dump()


class Changing(Registry):
    """A registry that can be replaced."""

    def become(self, models: KnownModels | None) -> None:
        self._away = models is None
        self._models = self._models if models is None else models


class Slice:
    def __init__(self, models: KnownModels | None) -> None:
        self.registry = Changing("m")
        self.registry.become(models)
        accounts = Accounts(lambda _policy: b"", self.registry.prices)
        self.preparations = Preparations(accounts, self.registry, Terms(), forwards=True)

    def find(
        self, named: str = "m", policy: str = ANY, path: str = CHAT, lease_id: str = "", now_ms: int = NOW_MS
    ) -> Prepared:
        return self.preparations.find(policy, "POST", path, named, lease_id, now_ms)


def known(**enabled: bool) -> KnownModels:
    return KnownModels(1, enabled)


def codes(*found: Prepared) -> Iterator[str]:
    return (each.rejected.code if each.rejected else "" for each in found)


def test_it_is_kept_while_nothing_changes() -> None:
    slice_ = Slice(known(m=True))
    first = slice_.find()
    assert slice_.find() is first
    assert slice_.find(path="/v1/completions") is not first
    assert slice_.find(policy=Policy("acme", "key-2").dump()) is not first


def test_a_changed_registry_acts_on_the_next_request() -> None:
    slice_ = Slice(known(m=True))
    seen = [slice_.find()]
    for models in (known(m=False), known(m=True), None, known(other=True)):
        slice_.registry.become(models)
        seen.append(slice_.find())
    assert [*codes(*seen)] == ["", "model_not_found", "", "models_unavailable", "model_not_found"]


def test_where_requests_go_changes_too() -> None:
    slice_ = Slice(KnownModels(1, {"m": True}, upstreams={"m": Upstream("one")}))
    assert slice_.find().forward == [("rename", "one")]
    slice_.registry.become(KnownModels(1, {"m": True}, upstreams={"m": Upstream("two")}))
    assert slice_.find().forward == [("rename", "two")]


def test_a_policy_is_its_own_key() -> None:
    slice_ = Slice(known(m=True, other=True))
    narrow = Policy("acme", "key-1", models_allowed=("other",)).dump()
    assert [*codes(slice_.find(), slice_.find(policy=narrow), slice_.find(), slice_.find("other", narrow))] == [
        "", "model_not_allowed", "", "",
    ]  # fmt: skip


def test_the_window_of_a_calendar_ends() -> None:
    limit = Limit(Scope.TENANT, Unit.TOKENS, 1000, 86_400, "", kind=Kind.FIXED, calendar=Calendar.DAY)
    policy, slice_ = Policy("acme", "key-1", limits=(limit,)).dump(), Slice(known(m=True))
    first = slice_.find(policy=policy)
    assert slice_.find(policy=policy) is first
    later = slice_.find(policy=policy, now_ms=NOW_MS + DAY_MS)
    assert later.account.until_ms > NOW_MS + DAY_MS >= first.account.until_ms


def test_an_id_chooses_among_the_models_of_an_alias() -> None:
    targets = {"either": (Target("m"), Target("other"))}
    slice_ = Slice(KnownModels(1, {"m": True, "other": True, "either": True}, targets=targets))
    ids = [mint_lease_id(NOW_MS) for _ in range(64)]
    chosen = {each: slice_.find("either", lease_id=each) for each in ids}
    assert {each.model for each in chosen.values()} == {"m", "other"}
    assert {each.alias for each in chosen.values()} == {"either"}
    assert all(slice_.find("either", lease_id=each) is chosen[each] for each in ids)
    slice_.registry.become(KnownModels(1, {"m": True, "other": False, "either": True}, targets=targets))
    assert {slice_.find("either", lease_id=each).model for each in ids} == {"m"}
    slice_.registry.become(KnownModels(1, {"m": False, "other": False, "either": True}, targets=targets))
    assert [*codes(slice_.find("either", lease_id=ids[0]))] == ["model_not_found"]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "MAX_KEPT", 8)
    slice_ = Slice(KnownModels(1))
    first = slice_.find("m0")
    for n in range(50):
        assert slice_.find(f"m{n}").model == f"m{n}"
        assert len(slice_.preparations._kept) <= 8
    assert slice_.find("m0") is not first


def test_refusals_and_long_names_take_no_place() -> None:
    slice_ = Slice(known(m=True))
    for n in range(5):
        assert [*codes(slice_.find(f"gone-{n}"))] == ["model_not_found"]
    slice_.find(path=CHAT + "?" + "q" * 60_000)
    assert not slice_.preparations._kept
