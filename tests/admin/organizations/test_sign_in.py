"""Signing in, staying signed in, signing out: on real stores, below HTTP."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from admin.access.accounts import AccountRole
from admin.access.attempts import FREE_OF_PAIR
from admin.access.desk import Desk
from admin.access.passwords import MOST_WAITING, Passwords, TooBusy
from admin.access.permission import Role
from admin.commands.directory import ACCOUNTS, ORGANIZATIONS
from admin.commands.organizations import accounts, sign_in
from admin.commands.ports import Ports
from admin.commands.refusals import Reason, Refused
from admin.commands.session import Session
from tests.admin.organizations.conftest import HERE, PASSWORD, account, organization


async def reason_of(asked: Awaitable[object]) -> tuple[Reason, str]:
    with pytest.raises(Refused) as refused:
        await asked
    return refused.value.refusal.reason, refused.value.refusal.detail


async def test_a_token_is_a_principal_of_its_organization(ports: Ports, operator: Session) -> None:
    acme = await organization(operator, "acme")
    member = await account(operator, acme, "Ann@Acme")
    admitted = await sign_in.sign_in(ports, " ANN@acme ", PASSWORD, HERE)
    found = await ports.principals.find(admitted.token)
    assert found is not None
    assert (found.name, found.role, found.organization) == (f"ann@acme ({member})", Role.OPERATOR, acme)
    assert admitted.account.id == member


@pytest.mark.parametrize("email", ["owner@acme", "nobody@acme", "off@acme", "OWNER@ACME", "' OR 1=1 --", ""])
async def test_nothing_tells_who_has_an_account(ports: Ports, operator: Session, email: str) -> None:
    """The same answer, after the same work: one password is checked, and by the same parameters."""
    acme = await organization(operator, "acme")
    await accounts.update(operator, await account(operator, acme, "off@acme"), {"disabled": True})
    counting = Counting()
    counted = replace(ports, desk=replace(ports.desk, passwords=counting))
    wrong = PASSWORD if email == "off@acme" else "a wrong password"
    answer = await reason_of(sign_in.sign_in(counted, email, wrong, HERE))
    assert answer == (Reason.WRONG_CREDENTIAL, "wrong e-mail address or password")
    assert counting.checked == [counting.parameters]


class Counting(Passwords):
    """Notes the parameters of the hash that each check works on: they are all that its work depends on."""

    parameters = "$argon2id$v=19$m=19456,t=2,p=1"

    def __init__(self) -> None:
        super().__init__()
        self.checked: list[str] = []

    def _verify(self, password: str, stored: str) -> bool:
        self.checked.append(stored.rsplit("$", 2)[0])
        return super()._verify(password, stored)


async def test_who_guesses_is_slowed_and_the_owner_at_home_is_not(ports: Ports, operator: Session) -> None:
    await organization(operator, "acme")
    await sign_in.sign_in(ports, "owner@acme", PASSWORD, HERE)
    for n in range(FREE_OF_PAIR):
        guess = sign_in.sign_in(ports, "owner@acme", f"a guess, number {n}", replace(HERE, source="198.51.100.1"))
        assert (await reason_of(guess))[0] is Reason.WRONG_CREDENTIAL
    right = sign_in.sign_in(ports, "owner@acme", PASSWORD, replace(HERE, source="198.51.100.1"))
    assert (await reason_of(right))[0] is Reason.THROTTLED
    assert (await sign_in.sign_in(ports, "owner@acme", PASSWORD, HERE)).account.email == "owner@acme"


async def test_the_addresses_of_one_network_are_one_guesser(ports: Ports, operator: Session) -> None:
    await organization(operator, "acme")
    for n in range(FREE_OF_PAIR):
        guess = sign_in.sign_in(ports, "owner@acme", "a wrong password", replace(HERE, source=f"2001:db8::{n:x}"))
        assert (await reason_of(guess))[0] is Reason.WRONG_CREDENTIAL
    next_ = sign_in.sign_in(ports, "owner@acme", "a wrong password", replace(HERE, source="2001:db8::ffff"))
    assert (await reason_of(next_))[0] is Reason.THROTTLED


async def test_nobody_is_told_of_an_account_by_being_slowed(ports: Ports, operator: Session) -> None:
    await organization(operator, "acme")
    for email in ("owner@acme", "nobody@acme"):
        reasons = [
            (await reason_of(sign_in.sign_in(ports, email, "a wrong password", HERE)))[0]
            for _ in range(FREE_OF_PAIR + 1)
        ]
        assert reasons == [Reason.WRONG_CREDENTIAL] * FREE_OF_PAIR + [Reason.THROTTLED]


async def test_a_new_role_a_lock_and_a_sign_out_hold_at_once(ports: Ports, operator: Session) -> None:
    acme = await organization(operator, "acme")
    ann = await account(operator, acme, "ann@acme")
    first = await sign_in.sign_in(ports, "ann@acme", PASSWORD, HERE)
    second = await sign_in.sign_in(ports, "ann@acme", PASSWORD, HERE)
    await accounts.update(operator, ann, {"role": AccountRole.VIEWER})
    found = await ports.principals.find(first.token)
    assert found is not None
    assert found.role is Role.VIEWER
    await sign_in.sign_out(ports, first.token)
    assert await ports.principals.find(first.token) is None
    assert (await reason_of(sign_in.refresh(ports, first.refresh_token)))[0] is Reason.WRONG_CREDENTIAL
    assert await ports.principals.find(second.token) is not None
    await accounts.update(operator, ann, {"disabled": True})
    assert await ports.principals.find(second.token) is None
    await accounts.update(operator, ann, {"disabled": False})
    assert await ports.principals.find(second.token) is None
    third = await sign_in.sign_in(ports, "ann@acme", PASSWORD, HERE)
    await ACCOUNTS.delete(operator, ann)
    assert await ports.principals.find(third.token) is None
    fourth = await sign_in.sign_in(ports, "owner@acme", PASSWORD, HERE)
    await ORGANIZATIONS.delete(operator, acme)
    assert await ports.principals.find(fourth.token) is None


async def test_a_refresh_token_works_once_and_a_stolen_one_ends_the_session(ports: Ports, operator: Session) -> None:
    await organization(operator, "acme")
    admitted = await sign_in.sign_in(ports, "owner@acme", PASSWORD, HERE)
    renewed = await sign_in.refresh(ports, admitted.refresh_token)
    assert renewed.session_id == admitted.session_id
    assert await ports.principals.find(renewed.token) is not None
    assert (await reason_of(sign_in.refresh(ports, admitted.refresh_token)))[0] is Reason.WRONG_CREDENTIAL
    assert await ports.principals.find(renewed.token) is None
    assert (await reason_of(sign_in.refresh(ports, renewed.refresh_token)))[0] is Reason.WRONG_CREDENTIAL


async def test_a_refresh_token_that_two_show_at_once_is_given_to_one(ports: Ports, operator: Session) -> None:
    await organization(operator, "acme")
    admitted = await sign_in.sign_in(ports, "owner@acme", PASSWORD, HERE)
    asked = [sign_in.refresh(ports, admitted.refresh_token) for _ in range(4)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, sign_in.Admitted) for answer in answers) == 1


async def test_a_new_password_ends_all_sessions_and_opens_one(ports: Ports, operator: Session) -> None:
    await organization(operator, "acme")
    before = await sign_in.sign_in(ports, "owner@acme", PASSWORD, HERE)
    for old, new, reason in (
        ("a wrong password", "a new password", Reason.WRONG_CREDENTIAL),
        (PASSWORD, "short", Reason.INVALID),
        (PASSWORD, "x" * 257, Reason.INVALID),
    ):
        changed = sign_in.change_password(ports, before.token, old, new, HERE)
        assert (await reason_of(changed))[0] is reason
    after = await sign_in.change_password(ports, before.token, PASSWORD, "a new password", HERE)
    assert await ports.principals.find(before.token) is None
    assert await ports.principals.find(after.token) is not None
    assert (await reason_of(sign_in.sign_in(ports, "owner@acme", PASSWORD, HERE)))[0] is Reason.WRONG_CREDENTIAL
    await sign_in.sign_in(ports, "owner@acme", "a new password", HERE)


async def test_without_a_secret_nobody_signs_in(ports: Ports) -> None:
    closed = replace(ports, desk=replace(ports.desk, signing=type(ports.desk.signing)([])))
    reason, detail = await reason_of(sign_in.sign_in(closed, "owner@acme", PASSWORD, HERE))
    assert reason is Reason.UNAVAILABLE
    assert "TOLLKEEPER_PORTAL_SECRET" in detail


async def test_too_many_at_once_are_turned_away(ports: Ports) -> None:
    passwords = Passwords()
    checks = [passwords.hash(PASSWORD) for _ in range(MOST_WAITING + 3)]
    answers = await asyncio.gather(*checks, return_exceptions=True)
    assert sum(isinstance(answer, TooBusy) for answer in answers) == 3
    passwords.close()


async def test_no_secret_is_shown(ports: Ports, operator: Session) -> None:
    await organization(operator, "acme")
    admitted = await sign_in.sign_in(ports, "owner@acme", PASSWORD, HERE)
    asked = accounts.AccountRequest("x@acme", PASSWORD, "x")
    for shown in (repr(admitted), repr(asked), str(await ports.audit_log.newest(100))):
        for secret in (PASSWORD, admitted.token, admitted.refresh_token, "$argon2"):
            assert secret not in shown
    assert isinstance(ports.desk, Desk)
