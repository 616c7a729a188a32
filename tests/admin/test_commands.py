"""Commands and queries without a surface: permission, terms, and what they raise."""

import importlib
import inspect
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from admin import commands
from admin.access.permission import Action, Principal, Resource, Role
from admin.app import ports_on
from admin.commands import budgets, keys, limits, policies, users
from admin.commands.directory import GROUPS, KEYS, MODELS, TENANTS, Kind
from admin.commands.limits import LimitRequest
from admin.commands.policies import PolicyLimitRequest
from admin.commands.refusals import OF_PORTS, Reason, Refused, refusal_of
from admin.commands.repeats import Replayed
from admin.commands.session import Session
from admin.gate.surface import STATUSES
from admin.metrics import AdminMetrics
from admin.postgres.propagation import PostgresPropagation
from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.idempotency import Idempotency
from tenancy.directory.keys import NewKey
from tenancy.directory.models import NewModel
from tenancy.directory.tenants import NewTenant
from tenancy.directory.users import NewUser
from tenancy.values.limit import Kind as LimitKind
from tenancy.values.limit import Scope, Unit
from tests.conftest import PATIENT

BY = ChangeRequest("ann")


@pytest.fixture
async def session(database_url: str, redis_url: str) -> AsyncIterator[Session]:
    redis = open_redis_async(redis_url, timeout=1)
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        ports = ports_on(pool, redis, PostgresPropagation(pool, redis, AdminMetrics()), "token")
        yield Session(ports, Principal("ann", Role.OWNER), BY)
    await redis.aclose()


def every_function() -> list[tuple[str, Callable[..., Any]]]:
    """Each command and query that is a function, and the methods of each kind."""
    found: list[tuple[str, Callable[..., Any]]] = []
    for module in (
        importlib.import_module(each.name) for each in pkgutil.walk_packages(commands.__path__, "admin.commands.")
    ):
        for name, value in vars(module).items():
            if (
                inspect.iscoroutinefunction(value)
                and hasattr(value, "__wrapped__")
                and value.__module__ == module.__name__
            ):
                found.append((f"{module.__name__}.{name}", value))
            if isinstance(value, Kind) and module.__name__.endswith("directory"):
                methods = ("get", "page", "create", "update", "delete")
                found += [(f"{name}.{method}", getattr(value, method)) for method in methods]
    return found


class Nobody(Principal):
    """May do nothing."""

    def may(self, action: Action, resource: Resource) -> bool:
        return False


@pytest.mark.parametrize(("name", "function"), every_function())
async def test_nothing_is_done_for_one_who_may_not(name: str, function: Callable[..., Any]) -> None:
    nowhere: Any = None  # ports that cannot be used
    nobody = Session(nowhere, Nobody("x", Role.OWNER), BY)
    _, *more = inspect.signature(function).parameters.values()
    required = [each for each in more if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    positional = [None for each in required if each.kind is each.POSITIONAL_OR_KEYWORD]
    named = {each.name: None for each in required if each.kind is each.KEYWORD_ONLY}
    with pytest.raises(Refused) as refused:
        await function(nobody, *positional, **named)
    assert refused.value.refusal.reason is Reason.FORBIDDEN, name


def test_every_function_is_found() -> None:
    assert len(every_function()) > 50


async def test_a_viewer_reads_and_changes_nothing(session: Session) -> None:
    viewer = replace(session, principal=Principal("eve", Role.VIEWER))
    assert await TENANTS.page(viewer, 10) == ()
    with pytest.raises(Refused) as refused:
        await TENANTS.create(viewer, NewTenant("acme"))
    assert refused.value.refusal.reason is Reason.FORBIDDEN


async def test_another_control_plane_brings_its_own_ids_and_reads_reasons(session: Session) -> None:
    made = await TENANTS.create(session, NewTenant("Team A", id="team-a"))
    assert (made.value.id, made.told) == ("team-a", True)
    seen = replace(session, by=replace(BY, if_match=frozenset("x")))
    refusals: dict[Reason, Callable[[], Awaitable[object]]] = {
        Reason.TAKEN: lambda: TENANTS.create(session, NewTenant("Team A")),
        Reason.NOT_FOUND: lambda: TENANTS.get(session, "no\0body"),
        Reason.STALE: lambda: TENANTS.update(seen, "team-a", {"weight": 1}),
        Reason.INVALID: lambda: keys.create(session, "team-a", NewKey("k", user_email="a@b.c")),
        Reason.IN_USE: lambda: GROUPS.delete(session, "default"),
    }
    for reason, ask in refusals.items():
        with pytest.raises(Refused) as refused:
            await ask()
        assert refused.value.refusal.reason is reason


async def test_an_id_that_is_chosen_must_have_the_form_of_one(session: Session) -> None:
    await TENANTS.create(session, NewTenant("acme", id="acme"))
    for ask in (
        TENANTS.create(session, NewTenant("x", id="a}b")),
        TENANTS.create(session, NewTenant("x", id="")),
        users.put(session, "acme", NewUser("a\0b")),
    ):
        with pytest.raises(Refused) as refused:
            await ask
        assert refused.value.refusal.fields[0][0] == "id"


async def test_a_dry_run_keeps_everything_and_tells_nobody(session: Session) -> None:
    await TENANTS.create(session, NewTenant("acme", id="acme"))
    await users.put(session, "acme", NewUser("ann"))
    rehearsal = replace(session, by=replace(BY, dry_run=True))
    gone = await TENANTS.delete(rehearsal, "acme")
    assert (gone.value["users"], gone.told) == (1, None)
    assert (await users.get(session, "acme", "ann")).id == "ann"


async def test_a_command_that_is_repeated_is_done_once(session: Session) -> None:
    once = replace(session, by=replace(BY, idempotency=Idempotency("k", "all that it asks for")))
    made = (await MODELS.create(once, NewModel("m"))).value
    with pytest.raises(Replayed) as replayed:
        await MODELS.create(once, NewModel("m"))
    assert replayed.value.repeat.target_id == made.id
    other = replace(session, by=replace(BY, idempotency=Idempotency("k", "something else")))
    with pytest.raises(Refused) as refused:
        await MODELS.create(other, NewModel("n"))
    assert refused.value.refusal.fields[0][0] == "idempotency-key"


async def test_a_secret_is_not_shown_a_second_time(session: Session) -> None:
    await TENANTS.create(session, NewTenant("acme", id="acme"))
    once = replace(session, by=replace(BY, idempotency=Idempotency("k", "all that it asks for")))
    made = (await keys.create(once, "acme", NewKey("prod", models_allowed=("m", "m")))).value
    assert made.models_allowed == ("m",)
    with pytest.raises(Refused) as refused:
        await keys.create(once, "acme", NewKey("prod"))
    assert refused.value.refusal.made == ("api_key", made.id)
    assert (await KEYS.get(session, made.id)).name == "prod"


async def test_limits_are_asked_for_as_people_write_them(session: Session) -> None:
    await TENANTS.create(session, NewTenant("acme", id="acme"))
    asked = LimitRequest(
        scope=Scope.TENANT, tenant_id="acme", unit=Unit.COST, amount=Decimal("12.5"), window_seconds=60, name="money"
    )
    made = (await limits.create(session, asked)).value
    assert (made.amount, made.kind, made.cached_weight) == (12_500_000, LimitKind.BUCKET, 100)
    changed = (await limits.update(session, made.id, {"amount": Decimal("0.25")})).value
    assert changed.amount == 250_000
    (budget,) = await budgets.page(session, budgets.Whose("acme"), 10)
    assert (budget.remaining, budget.fields()["remaining"]) == (250_000, "0.25")
    charged = (await budgets.adjust(session, budgets.Whose("acme"), made.id, Decimal("-0.1"))).value
    assert charged.used == 100_000
    assert [each.used for each in (await budgets.reset(session, budgets.Whose("acme"), None)).value] == [0]


async def test_what_is_wrong_with_a_policy_is_said_by_limit(session: Session) -> None:
    good = PolicyLimitRequest(name="a", scope=Scope.TENANT, unit=Unit.TOKENS, amount=Decimal(5), window_seconds=60)
    bad = [
        replace(good, scope=Scope.GROUP),
        good,
        replace(good, amount=Decimal("0.5")),
        replace(good, window_seconds=None),
    ]
    with pytest.raises(Refused) as refused:
        await policies.create(session, "gold", "", bad)
    fields = [name for name, _ in refused.value.refusal.fields]
    assert fields == ["limits.0.scope", "limits.2.amount", "limits.3.window_seconds"]
    with pytest.raises(Refused, match="two limits"):
        await policies.create(session, "gold", "", [good, good])


@pytest.mark.parametrize("error", OF_PORTS)
def test_every_error_of_a_port_has_its_words(error: type[Exception]) -> None:
    refusal = refusal_of(error("x" * 500))
    assert refusal.detail
    assert len(refusal.detail) < 300
    assert "{" not in refusal.detail


def test_every_reason_has_a_status() -> None:
    assert set(STATUSES) == set(Reason)
