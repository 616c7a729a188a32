"""What every command and every query goes through: permission, repetition, propagation, the words for failures."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, Generic, ParamSpec, TypeAlias, TypeVar

import structlog

from admin.access.permission import OF_OWNERS, Action, Principal, Resource, ResourceKind
from admin.commands.organizations.within import within
from admin.commands.ports import Ports
from admin.commands.refusals import OF_PORTS, STORES_AWAY, Reason, Refusal, Refused, refusal_of
from admin.commands.repeats import what_came_of
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.idempotency import AlreadyAsked

P = ParamSpec("P")
T = TypeVar("T")

GIVES_ACCESS = OF_OWNERS | {ResourceKind.ORGANIZATION}
FORBIDDEN = Refusal(Reason.FORBIDDEN, "your role does not allow this")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a command made, and whether every sidecar has been told.  None: it was a dry run.  `notice`: a warning to
    its caller, in words."""

    value: T
    told: bool | None
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One request to the control plane: the stores, who asks, and on what terms.  A person of an organization has only
    that organization's part of the stores."""

    ports: Ports
    principal: Principal
    by: ChangeRequest

    def __post_init__(self) -> None:
        if (organization := self.principal.organization) is not None:
            object.__setattr__(self, "ports", within(self.ports, organization))
            object.__setattr__(self, "by", replace(self.by, organization=organization))

    def seen(self, tag: str) -> "Session":
        """The same session, on the condition that the value to be changed is still in the state of the tag."""
        return replace(self, by=replace(self.by, if_match=frozenset({tag})))

    @contextmanager
    def permitted(self, action: Action, resource: Resource) -> Iterator[None]:
        """Runs the block only if the principal has the permission; what ports raise in it becomes Refused."""
        if not self.principal.may(action, resource):
            raise Refused(FORBIDDEN)
        try:
            yield
        except STORES_AWAY as error:
            log.warning("store unavailable", error=repr(error), request_id=self.by.request_id)
            raise Refused(refusal_of(error)) from error
        except tuple(OF_PORTS) as error:
            raise Refused(refusal_of(error)) from error

    async def read(self, kind: ResourceKind, find: Callable[[], Awaitable[T]]) -> T:
        """Runs a query; raises only Refused."""
        with self.permitted(Action.READ, self._own(kind)):
            return await find()

    async def change(self, kind: ResourceKind, make: Callable[[], Awaitable[T]]) -> Done[T]:
        """Runs a command; raises only Refused, or Replayed if it was carried out before.

        Afterwards everything with a copy is told: this process's principals, and the sidecars.
        """
        with self.permitted(Action.CHANGE, self._own(kind)):
            try:
                value = await make()
            except AlreadyAsked as error:
                raise await what_came_of(self.by, self.ports.repeats) from error
        if kind in GIVES_ACCESS:
            self.ports.principals.forget()
        return Done(value, None if self.by.dry_run else await self.ports.propagation.push())

    def _own(self, kind: ResourceKind) -> Resource:
        return Resource(kind, self.principal.organization)


Function: TypeAlias = Callable[Concatenate[Session, P], Awaitable[T]]


def query(kind: ResourceKind) -> Callable[[Function[P, T]], Function[P, T]]:
    """Makes a function a query about resources of a kind."""

    def made(find: Function[P, T]) -> Function[P, T]:
        @wraps(find)
        async def asked(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return await session.read(kind, lambda: find(session, *args, **kwargs))

        return asked

    return made


def command(kind: ResourceKind) -> Callable[[Function[P, T]], Function[P, Done[T]]]:
    """Makes a function a command on resources of a kind."""

    def made(make: Function[P, T]) -> Function[P, Done[T]]:
        @wraps(make)
        async def asked(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> Done[T]:
            return await session.change(kind, lambda: make(session, *args, **kwargs))

        return asked

    return made
