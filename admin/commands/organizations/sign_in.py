"""Signing in and out: what is done before there is a principal, or with one's own account and session only.

Nobody learns from an answer, or from how long it took, whether an address has an account.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from admin.access.accounts import Account
from admin.access.attempts import network_of
from admin.access.desk import Desk
from admin.access.passwords import MAX_CHARACTERS
from admin.access.sessions import Opened
from admin.access.signing import TOKEN_SECONDS
from admin.commands.organizations.accounts import email_of, require_good
from admin.commands.ports import Ports
from admin.commands.refusals import OF_PORTS, STORES_AWAY, Reason, Refusal, Refused, refusal_of
from tenancy.directory.change_request import ChangeRequest

WRONG = Refusal(Reason.WRONG_CREDENTIAL, "wrong e-mail address or password")
ENDED = Refusal(Reason.WRONG_CREDENTIAL, "the session has ended: sign in again")
INVITATION = "invitation"  # in place of an e-mail address, which it cannot be, where failures are counted
SLOWER = "too many failed attempts; try again in {} s"
NOT_SET_UP = Refusal(Reason.UNAVAILABLE, "nobody can sign in here: TOLLKEEPER_PORTAL_SECRET is not set")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who is signed in.  `token` is an admin token on every surface for `seconds`; `refresh_token` gets the
    next, once, as long as the session lasts."""

    account: Account
    session_id: str
    token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    seconds: int = TOKEN_SECONDS


async def sign_in(ports: Ports, email: str, password: str, by: ChangeRequest) -> Admitted:
    """Refused: WRONG_CREDENTIAL, THROTTLED with the seconds to wait, UNAVAILABLE.  Of `by` only where the request comes
    from is looked at."""
    desk, address = _open(ports), network_of(by.source)
    with _in_words():
        email = email_of(email)
        stored = await desk.sessions.stored(email, address)
        known = stored is not None and stored.from_here
        if (wait := desk.attempts.begin(email, address, known=known)) > 0:
            raise _slower(wait)
        matches = await desk.passwords.check(password[: MAX_CHARACTERS + 1], stored.password_hash if stored else None)
        if stored is None or not matches or stored.account.disabled:
            log.info("sign-in refused", source=address, request_id=by.request_id)
            raise Refused(WRONG)
        desk.attempts.succeeded(email, address, known=known)
        if desk.passwords.is_outdated(stored.password_hash):
            new = await desk.passwords.hash(password)
            await desk.sessions.rehash(stored.account.id, stored.password_hash, new)
        return _admitted(desk, await desk.sessions.open(stored.account, address))


async def refresh(ports: Ports, refresh_token: str) -> Admitted:
    """A refresh token works once: one that is shown again was stolen, or its answer was lost, and ends the session."""
    desk = _open(ports)
    with _in_words():
        opened = await desk.sessions.renew(refresh_token)
    if opened is None:
        desk.signed_in.forget()
        raise Refused(ENDED)
    return _admitted(desk, opened)


async def sign_out(ports: Ports, token: str) -> None:
    """Ends the session of a token, wherever else it is used."""
    desk = ports.desk
    with _in_words():
        found = await desk.signed_in.account_of(token)
        if found is None:
            raise Refused(ENDED)
        await desk.sessions.end(found[0])
    desk.signed_in.forget()


async def change_password(ports: Ports, token: str, old: str, new: str, by: ChangeRequest) -> Admitted:
    """Changes the password of the token's account.  Ends all its sessions, and opens another."""
    desk, address = _open(ports), network_of(by.source)
    with _in_words():
        found = await desk.signed_in.account_of(token)
        if found is None:
            raise Refused(ENDED)
        account = found[1]
        require_good(new)
        stored = await desk.sessions.stored(account.email, address)
        if (wait := desk.attempts.begin(account.email, address, known=True)) > 0:
            raise _slower(wait)
        if not await desk.passwords.check(old[: MAX_CHARACTERS + 1], stored.password_hash if stored else None):
            raise Refused(WRONG)
        desk.attempts.succeeded(account.email, address, known=True)
        hashed = await desk.passwords.hash(new)
        await ports.accounts.update(account.id, {"password_hash": hashed}, by)
        desk.signed_in.forget()
        return _admitted(desk, await desk.sessions.open(account, address))


async def accept(ports: Ports, invitation: str, password: str, by: ChangeRequest) -> Admitted:
    """Makes the account that somebody was invited to, and signs it in."""
    desk, address = _open(ports), network_of(by.source)
    with _in_words():
        if (wait := desk.attempts.begin(INVITATION, address, known=True)) > 0:
            raise _slower(wait)
        require_good(password)
        account = await ports.invitations.accept(invitation, await desk.passwords.hash(password), by)
        desk.attempts.succeeded(INVITATION, address, known=True)
        return _admitted(desk, await desk.sessions.open(account, address))


def _open(ports: Ports) -> Desk:
    if not ports.desk.signing.possible:
        raise Refused(NOT_SET_UP)
    return ports.desk


def _admitted(desk: Desk, opened: Opened) -> Admitted:
    token = desk.signing.sign(opened.session_id, opened.account.id)
    return Admitted(opened.account, opened.session_id, token, opened.refresh_token)


def _slower(wait: float) -> Refused:
    seconds = math.ceil(wait)
    return Refused(Refusal(Reason.THROTTLED, SLOWER.format(seconds), retry_seconds=seconds))


@contextmanager
def _in_words() -> Iterator[None]:
    """What ports raise in the block becomes Refused."""
    try:
        yield
    except (*STORES_AWAY, *OF_PORTS) as error:
        raise Refused(refusal_of(error)) from error
