"""The stores as one organization sees them: its own tenants with what is in them, and nothing else.

Whatever a command asks these ports for, another organization's values are not there.  A port that is not named here is
closed: so a command that uses one does not work within an organization until somebody has thought about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from admin.access.accounts import (
    Account,
    AccountChange,
    Accounts,
    Invitation,
    Invitations,
    NewAccount,
    NewInvitation,
    NoSuchAccount,
    NoSuchInvitation,
)
from admin.commands.organizations.within_teams import TeamsWithin
from admin.commands.organizations.within_tenants import (
    KeysWithin,
    LimitsInForceWithin,
    LimitsWithin,
    Mine,
    TenantsWithin,
    UsersWithin,
    not_theirs,
)
from admin.commands.organizations.within_webhooks import SpendAlertsWithin, WebhooksWithin
from admin.commands.ports import Names, Ports
from ledger.by_price import AtPrices
from ledger.cost import PricedRow
from ledger.denials import Denial, Denials
from ledger.requests import Refusals, Requests
from ledger.rows import Rows
from ledger.sums import Group, Interval, Line, Selection, Sums
from tenancy.directory.audit import EVERYTHING, AuditEntry, AuditFilter, AuditLog
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.organizations import Organization, Organizations


def within(ports: Ports, organization: str) -> Ports:
    """The ports for people of the organization."""
    mine, closed = Mine(ports.tenants, organization), Closed()
    nothing: Any = {field.name: closed for field in fields(Ports)}
    return replace(
        Ports(**nothing),
        tenants=TenantsWithin(mine),
        teams=TeamsWithin(mine, ports.teams),
        keys=KeysWithin(mine, ports.keys),
        users=UsersWithin(mine, ports.users),
        limits=LimitsWithin(mine, ports.limits),
        limits_in_force=LimitsInForceWithin(mine, ports.limits_in_force),
        organizations=OrganizationsWithin(ports.organizations, organization),
        accounts=AccountsWithin(ports.accounts, organization),
        invitations=InvitationsWithin(ports.invitations, organization),
        audit_log=AuditLogWithin(ports.audit_log, organization),
        names=NamesWithin(ports.names, organization),
        sums=SumsWithin(ports.sums, ports.organizations, organization),
        rows=RowsWithin(ports.rows, ports.organizations, organization),
        requests=RequestsWithin(ports.requests, ports.organizations, organization),
        denials=DenialsWithin(ports.denials, ports.organizations, organization),
        webhooks=WebhooksWithin(ports.webhooks, organization),
        spend_alerts=SpendAlertsWithin(mine, ports.spend_alerts),
        # What is about no tenant, or about whatever it is handed.
        repeats=ports.repeats,
        control=ports.control,
        price_history=ports.price_history,
        propagation=ports.propagation,
        principals=ports.principals,
        desk=ports.desk,
        configured=ports.configured,
    )


class Closed:
    """A port that nobody within an organization may use."""

    def __getattr__(self, name: str) -> Any:
        raise not_theirs("this is for the operators of the service")


@dataclass(frozen=True, slots=True)
class OrganizationsWithin:
    """Implements tenancy.directory.organizations.Organizations of its own one; which plan it has is not its choice."""

    _inner: Organizations
    _own: str

    async def get(self, organization_id: str) -> Organization | None:
        return await self._inner.get(organization_id) if organization_id == self._own else None

    async def page(self, limit: int, after: str = "") -> tuple[Organization, ...]:
        own = await self._inner.get(self._own)
        return (own,)[:limit] if own is not None and own.name > after else ()

    async def count_tenants(self, organization_id: str) -> int:
        return await self._inner.count_tenants(self._own) if organization_id == self._own else 0

    async def tenant_ids(self, organization_id: str) -> tuple[str, ...]:
        return await self._inner.tenant_ids(self._own) if organization_id == self._own else ()

    async def create(self, new: object, by: ChangeRequest) -> Organization:
        raise not_theirs("organizations are made by the operators of the service")

    async def update(self, organization_id: str, change: object, by: ChangeRequest) -> Organization:
        raise not_theirs("an organization is changed by the operators of the service")

    async def delete(self, organization_id: str, by: ChangeRequest) -> Deleted:
        raise not_theirs("an organization is deleted by the operators of the service")


@dataclass(frozen=True, slots=True)
class AccountsWithin:
    """Implements admin.access.accounts.Accounts of its own people."""

    _inner: Accounts
    _own: str

    async def create(self, new: NewAccount, by: ChangeRequest) -> Account:
        raise not_theirs("people are invited, and choose their passwords themselves")

    async def get(self, account_id: str) -> Account | None:
        found = await self._inner.get(account_id)
        return found if found is not None and found.organization == self._own else None

    async def page(self, limit: int, after: str = "", organization: str | None = None) -> tuple[Account, ...]:
        return await self._inner.page(limit, after, self._own)

    async def update(self, account_id: str, change: AccountChange, by: ChangeRequest) -> Account:
        if "password_hash" in change:
            raise not_theirs("people change their own passwords")
        await self._require(account_id)
        return await self._inner.update(account_id, change, by)

    async def delete(self, account_id: str, by: ChangeRequest) -> Deleted:
        await self._require(account_id)
        return await self._inner.delete(account_id, by)

    async def _require(self, account_id: str) -> None:
        if await self.get(account_id) is None:
            raise NoSuchAccount(account_id)


@dataclass(frozen=True, slots=True)
class InvitationsWithin:
    """Implements admin.access.accounts.Invitations of its own people."""

    _inner: Invitations
    _own: str

    async def create(self, new: NewInvitation, by: ChangeRequest) -> Invitation:
        return await self._inner.create(replace(new, organization=self._own), by)

    async def page(self, organization: str, limit: int) -> tuple[Invitation, ...]:
        return await self._inner.page(self._own, limit)

    async def get(self, invitation_id: str) -> Invitation | None:
        found = await self._inner.get(invitation_id)
        return found if found is not None and found.organization == self._own else None

    async def delete(self, invitation_id: str, by: ChangeRequest) -> Deleted:
        if await self.get(invitation_id) is None:
            raise NoSuchInvitation(invitation_id)
        return await self._inner.delete(invitation_id, by)

    async def accept(self, token: str, password_hash: str, by: ChangeRequest) -> Account:
        raise not_theirs("an invitation is accepted by somebody who is not signed in")


@dataclass(frozen=True, slots=True)
class AuditLogWithin:
    """Implements tenancy.directory.audit.AuditLog of what its own people did."""

    _inner: AuditLog
    _own: str

    async def newest(
        self, limit: int, before_id: int | None = None, only: AuditFilter = EVERYTHING
    ) -> tuple[AuditEntry, ...]:
        return await self._inner.newest(limit, before_id, replace(only, organization=self._own))


@dataclass(frozen=True, slots=True)
class NamesWithin:
    """Implements admin.commands.ports.Names of what is its own."""

    _inner: Names
    _own: str

    async def of_tenants(self, ids: Sequence[str], organization: str | None = None) -> Mapping[str, str]:
        return await self._inner.of_tenants(ids, self._own)

    async def of_keys(self, ids: Sequence[str], organization: str | None = None) -> Mapping[str, str]:
        return await self._inner.of_keys(ids, self._own)


@dataclass(frozen=True, slots=True)
class SumsWithin:
    """Implements ledger.sums.Sums of the tenants that are or were its own."""

    _inner: Sums
    _organizations: Organizations
    _own: str

    @property
    def minutes_kept(self) -> Any:
        return self._inner.minutes_kept

    async def sums(
        self,
        selection: Selection,
        intervals: Sequence[Interval],
        group_by: Sequence[str] = (),
        limit: int = 1,
        after: tuple[int, Group] | None = None,
    ) -> Sequence[Line]:
        tenants = await self._organizations.tenant_ids(self._own)
        return await self._inner.sums(replace(selection, tenants=tenants), intervals, group_by, limit, after)

    async def largest(
        self, selection: Selection, interval: Interval, group_by: Sequence[str], by: str, limit: int
    ) -> Sequence[Line]:
        tenants = await self._organizations.tenant_ids(self._own)
        return await self._inner.largest(replace(selection, tenants=tenants), interval, group_by, by, limit)


@dataclass(frozen=True, slots=True)
class RowsWithin:
    """Implements ledger.rows.Rows of the tenants that are or were its own."""

    _inner: Rows
    _organizations: Organizations
    _own: str

    async def page(self, selection: Selection, interval: Interval, limit: int, after: str = "") -> Sequence[PricedRow]:
        tenants = await self._organizations.tenant_ids(self._own)
        return await self._inner.page(replace(selection, tenants=tenants), interval, limit, after)

    async def at_prices(
        self, selection: Selection, interval: Interval, steps: Sequence[int], limit: int
    ) -> Sequence[AtPrices]:
        tenants = await self._organizations.tenant_ids(self._own)
        return await self._inner.at_prices(replace(selection, tenants=tenants), interval, steps, limit)


@dataclass(frozen=True, slots=True)
class RequestsWithin:
    """Implements ledger.requests.Requests of the tenants that are or were its own."""

    _inner: Requests
    _organizations: Organizations
    _own: str

    async def by_id(self, id: str, ts: datetime) -> PricedRow | None:
        found = await self._inner.by_id(id, ts)
        tenants = await self._organizations.tenant_ids(self._own)
        return found if found is not None and found.usage.tenant_id in tenants else None

    async def by_label(self, request_id: str, limit: int, tenants: Sequence[str] | None = None) -> Sequence[PricedRow]:
        return await self._inner.by_label(request_id, limit, await self._organizations.tenant_ids(self._own))

    async def refusals(
        self, since: datetime, limit: int, tenants: Sequence[str] | None = None, until: datetime | None = None
    ) -> Sequence[Refusals]:
        return await self._inner.refusals(since, limit, await self._organizations.tenant_ids(self._own), until)


@dataclass(frozen=True, slots=True)
class DenialsWithin:
    """Implements ledger.denials.Denials of the tenants that are or were its own; those of nobody are the operators'."""

    _inner: Denials
    _organizations: Organizations
    _own: str

    async def append(self, denials: Sequence[Denial]) -> None:
        raise not_theirs("only sidecars say what they refused")

    async def by_label(self, request_id: str, limit: int, tenants: Sequence[str] | None = None) -> Sequence[Denial]:
        return await self._inner.by_label(request_id, limit, await self._organizations.tenant_ids(self._own))
