"""The kinds of things that are kept under an id, and what is the same for each: get, list, create, update, delete.

What a kind has of its own is in a file of its own.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from admin.access.accounts import NoSuchAccount
from admin.access.permission import ResourceKind
from admin.access.tokens import NoSuchAdminToken
from admin.commands.mcp_servers import check_mcp_server
from admin.commands.models import check_model, notice_on_first
from admin.commands.ports import Ports
from admin.commands.refusals import invalid
from admin.commands.session import Done, Session
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.groups import NoSuchGroup
from tenancy.directory.keys import NoSuchKey
from tenancy.directory.mcp_servers import NoSuchServer
from tenancy.directory.models import NoSuchModel
from tenancy.directory.named_policies import NoSuchPolicy
from tenancy.directory.organizations import NoSuchOrganization
from tenancy.directory.stored_limits import NoSuchLimit
from tenancy.directory.tenants import NoSuchTenant
from tenancy.directory.users import USER_ID, NoSuchUser
from tenancy.directory.webhooks.webhooks import NoSuchWebhook

P = TypeVar("P", covariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
N = TypeVar("N", contravariant=True)
A = ParamSpec("A")

# Opaque: some surfaces take the caller's id, others mint one in their own form.
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LIMIT_ID = re.compile(r"lim_[0-9a-f]{16}")
WEBHOOK_ID = re.compile(r"wh_[0-9a-f]{16}")


class Gets(Protocol[T_co]):
    async def get(self, id: str, /) -> T_co | None: ...


class Lists(Protocol[A, T_co]):
    def page(self, *args: A.args, **kwargs: A.kwargs) -> Awaitable[tuple[T_co, ...]]: ...


class Creates(Protocol[N, T_co]):
    async def create(self, new: N, by: ChangeRequest, /) -> T_co: ...


class Updates(Protocol[N, T_co]):
    async def update(self, id: str, to: N, by: ChangeRequest, /) -> T_co: ...


class Deletes(Protocol):
    async def delete(self, id: str, by: ChangeRequest, /) -> Deleted: ...


@dataclass(frozen=True, slots=True)
class Kind(Generic[P]):
    """A kind of thing: what its port raises when there is none, its port, and the form of its ids."""

    of: ResourceKind
    missing: type[LookupError]
    port: Callable[[Ports], P]
    form: re.Pattern[str] = ID
    check: Callable[[Session, Any], Awaitable[None]] | None = None
    """Refuses what may not be made of it."""
    notice: Callable[[Session, Any], Awaitable[str]] | None = None
    """What to say of one that was made; "" if there is nothing to say."""

    def id(self, text: str) -> str:
        """The id itself.  A text that cannot be an id counts as unknown, without asking a store."""
        if not self.form.fullmatch(text):
            raise self.missing(text)
        return text

    def chosen(self, text: str) -> str:
        """An id that the caller chooses for something new; INVALID unless it has the form of one."""
        if not self.form.fullmatch(text):
            raise invalid(("id", "is not of the form that ids have"))
        return text

    async def get(self: "Kind[Gets[T]]", session: Session, id: str) -> T:
        async def find() -> T:
            found = await self.port(session.ports).get(self.id(id))
            if found is None:
                raise self.missing(id)
            return found

        return await session.read(self.of, find)

    async def page(self: "Kind[Lists[A, T]]", session: Session, /, *args: A.args, **kwargs: A.kwargs) -> tuple[T, ...]:
        """A page as the port has it: a limit, where to go on, and filters."""
        return await session.read(self.of, lambda: self.port(session.ports).page(*args, **kwargs))

    async def create(self: "Kind[Creates[N, T]]", session: Session, new: N) -> Done[T]:
        async def make() -> T:
            if hasattr(new, "id"):
                self.chosen(new.id)
            if self.check is not None:
                await self.check(session, new)
            return await self.port(session.ports).create(new, session.by)

        done = await session.change(self.of, make)
        return replace(done, notice=await self.notice(session, done.value)) if self.notice else done

    async def update(self: "Kind[Updates[N, T]]", session: Session, id: str, to: N) -> Done[T]:
        async def make() -> T:
            if self.check is not None:
                await self.check(session, to)
            return await self.port(session.ports).update(self.id(id), to, session.by)

        return await session.change(self.of, make)

    async def delete(self: "Kind[Deletes]", session: Session, id: str) -> Done[Deleted]:
        """Returns how many of each kind went with it, or would go in a dry run."""
        return await session.change(self.of, lambda: self.port(session.ports).delete(self.id(id), session.by))


TENANTS = Kind(ResourceKind.TENANT, NoSuchTenant, lambda ports: ports.tenants)
KEYS = Kind(ResourceKind.KEY, NoSuchKey, lambda ports: ports.keys)
USERS = Kind(ResourceKind.USER, NoSuchUser, lambda ports: ports.users, USER_ID)
GROUPS = Kind(ResourceKind.GROUP, NoSuchGroup, lambda ports: ports.groups)
MODELS = Kind(ResourceKind.MODEL, NoSuchModel, lambda ports: ports.models, check=check_model, notice=notice_on_first)
LIMITS = Kind(ResourceKind.LIMIT, NoSuchLimit, lambda ports: ports.limits, LIMIT_ID)
POLICIES = Kind(ResourceKind.POLICY, NoSuchPolicy, lambda ports: ports.policies)
MCP_SERVERS = Kind(ResourceKind.MCP_SERVER, NoSuchServer, lambda ports: ports.mcp_servers, check=check_mcp_server)
ORGANIZATIONS = Kind(ResourceKind.ORGANIZATION, NoSuchOrganization, lambda ports: ports.organizations)
ACCOUNTS = Kind(ResourceKind.ACCOUNT, NoSuchAccount, lambda ports: ports.accounts)
ADMIN_TOKENS = Kind(ResourceKind.ADMIN_TOKEN, NoSuchAdminToken, lambda ports: ports.admin_tokens)
WEBHOOKS = Kind(ResourceKind.WEBHOOK, NoSuchWebhook, lambda ports: ports.webhooks, WEBHOOK_ID)
