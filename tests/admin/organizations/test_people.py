"""The people of an organization: who may make and change them, and invitations."""

import asyncio
from dataclasses import replace

import pytest

from admin.access.accounts import MAX_INVITATIONS, AccountRole
from admin.commands.directory import ACCOUNTS, ORGANIZATIONS, TENANTS
from admin.commands.organizations import accounts, sign_in
from admin.commands.organizations.accounts import AccountRequest
from admin.commands.ports import Ports
from admin.commands.refusals import Reason
from admin.commands.session import Session
from tenancy.directory.organizations import Plan
from tenancy.directory.tenants import NewTenant
from tests.admin.organizations.conftest import HERE, PASSWORD, account, organization
from tests.admin.organizations.test_sign_in import reason_of


async def session_of(ports: Ports, email: str) -> Session:
    found = await ports.principals.find((await sign_in.sign_in(ports, email, PASSWORD, HERE)).token)
    assert found is not None
    return Session(ports, found, replace(HERE, actor=found.name))


async def test_an_invitation_makes_an_account_once(ports: Ports, operator: Session) -> None:
    acme = await organization(operator, "acme")
    owner = await session_of(ports, "owner@acme")
    invitation, token = (await accounts.invite(owner, acme, "Bob@Acme", AccountRole.VIEWER)).value
    assert [each.id for each in await accounts.invitations(owner, acme, 10)] == [invitation.id]
    admitted = await sign_in.accept(ports, token, PASSWORD, HERE)
    assert (admitted.account.email, admitted.account.role, admitted.account.organization) == (
        "bob@acme",
        AccountRole.VIEWER,
        acme,
    )
    assert (await reason_of(sign_in.accept(ports, token, PASSWORD, HERE)))[0] is Reason.NOT_FOUND
    assert token not in str(await ports.audit_log.newest(100))


async def test_an_invitation_of_somebody_who_has_an_account_tells_no_more_than_one_that_is_used(
    ports: Ports, operator: Session
) -> None:
    acme, other = await organization(operator, "acme"), await organization(operator, "other")
    owner = await session_of(ports, "owner@other")
    _, taken = (await accounts.invite(owner, other, "owner@acme", AccountRole.OWNER)).value
    assert await reason_of(sign_in.accept(ports, taken, PASSWORD, HERE)) == await reason_of(
        sign_in.accept(ports, "tki_unknown", PASSWORD, HERE)
    )
    assert acme != other


async def test_invitations_are_withdrawn_and_bounded(ports: Ports, operator: Session) -> None:
    acme = await organization(operator, "acme")
    owner = await session_of(ports, "owner@acme")
    made = [(await accounts.invite(owner, acme, f"{n}@acme", AccountRole.MEMBER)).value for n in range(MAX_INVITATIONS)]
    assert (await reason_of(accounts.invite(owner, acme, "x@acme", AccountRole.MEMBER)))[0] is Reason.FULL
    await accounts.withdraw(owner, made[0][0].id)
    assert (await reason_of(sign_in.accept(ports, made[0][1], PASSWORD, HERE)))[0] is Reason.NOT_FOUND
    await accounts.invite(owner, acme, "x@acme", AccountRole.MEMBER)


async def test_one_owner_always_stays(ports: Ports, operator: Session) -> None:
    acme = await organization(operator, "acme")
    second = await account(operator, acme, "second@acme", AccountRole.OWNER)
    first = (await ACCOUNTS.page(operator, 1))[0].id
    owner = await session_of(ports, "owner@acme")
    await accounts.update(operator, second, {"disabled": True})
    for asked in (
        accounts.update(owner, first, {"role": AccountRole.MEMBER}),
        accounts.update(owner, first, {"disabled": True}),
        ACCOUNTS.delete(owner, first),
    ):
        assert (await reason_of(asked))[0] is Reason.IN_USE
    await accounts.update(operator, second, {"disabled": False})
    both = [ACCOUNTS.delete(owner, each) for each in (first, second)]
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    (last,) = await ACCOUNTS.page(operator, 10)
    await ACCOUNTS.delete(operator, last.id)  # who can make another


async def test_what_is_not_theirs_is_refused(ports: Ports, operator: Session) -> None:
    """Rights that nobody may give themselves, whatever their role in the organization."""
    acme = await organization(operator, "acme")
    member = await account(operator, acme, "ann@acme")
    owner, ann = await session_of(ports, "owner@acme"), await session_of(ports, "ann@acme")
    mine = (await TENANTS.create(owner, NewTenant("mine"))).value
    assert mine.organization == acme
    refused = [
        TENANTS.create(owner, NewTenant("x", weight=1000)),
        TENANTS.create(owner, NewTenant("x", tokens_per_minute=10**9)),
        TENANTS.create(owner, NewTenant("x", id="chosen")),
        *(
            TENANTS.update(owner, mine.id, {name: value})  # type: ignore[misc]
            for name, value in {
                "weight": 1000,
                "status": "active",
                "policy": None,
                "tokens_per_minute": None,
                "requests_per_minute": None,
                "max_in_flight": None,
                "fairshare_group": "default",
                "organization": "org_other",
                "id": "x",
                "version": 1,
            }.items()
        ),
        ORGANIZATIONS.update(owner, acme, {"plan": Plan.ENTERPRISE}),
        accounts.create(owner, AccountRequest("x@acme", PASSWORD, acme)),
        accounts.update(owner, member, {"password": PASSWORD}),
        accounts.update(ann, member, {"role": AccountRole.OWNER}),
        accounts.invite(ann, acme, "x@acme", AccountRole.OWNER),
        ACCOUNTS.delete(ann, member),
    ]
    for asked in refused:
        assert (await reason_of(asked))[0] is Reason.FORBIDDEN
    assert await TENANTS.get(operator, mine.id) == mine


@pytest.mark.parametrize("plan", [Plan.FREE])
async def test_the_tenant_beyond_the_plan_is_refused_however_many_ask_at_once(
    ports: Ports, operator: Session, plan: Plan
) -> None:
    acme = await organization(operator, "acme", plan)
    owner = await session_of(ports, "owner@acme")
    answers = await asyncio.gather(
        *(TENANTS.create(owner, NewTenant(f"t{n}")) for n in range(8)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refused) == 5
    reason, detail = await reason_of(TENANTS.create(owner, NewTenant("fourth")))
    assert (reason, detail) == (
        Reason.FULL,
        "the plan free includes 3 tenants, and there are 3; delete one, or move to a larger plan",
    )
    await ORGANIZATIONS.update(operator, acme, {"plan": Plan.SCALE})
    await TENANTS.create(owner, NewTenant("fourth"))
    assert len(await TENANTS.page(owner, 10)) == 4
