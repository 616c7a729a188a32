"""Teams: tenants with one token limit, whose users have keys; for surfaces that think in people."""

from collections.abc import Sequence
from datetime import UTC, datetime

from admin.access.permission import Action, Resource, ResourceKind
from admin.commands.directory import TENANTS, USERS
from admin.commands.refusals import Reason, Refusal, Refused
from admin.commands.session import Session, command, query
from tenancy.directory.keys import Key
from tenancy.directory.teams import Headcount, HeldKey, Member, Team, TokenLimitChange
from tenancy.directory.tenants import NewTenant, NoSuchTenant, Status, TenantChange


@command(ResourceKind.TENANT)
async def create(session: Session, new: NewTenant, limit: TokenLimitChange) -> Team:
    """Its policy is created too, if there is none of this name."""
    TENANTS.chosen(new.id)
    _may(session, policy=new.policy is not None, limit=bool(limit))
    return await session.ports.teams.create(new, limit, session.by)


@command(ResourceKind.TENANT)
async def update(session: Session, team_id: str, change: TenantChange, limit: TokenLimitChange) -> Team:
    """What is absent stays."""
    _may(session, policy=change.get("policy") is not None, limit=bool(limit))
    return await session.ports.teams.update(TENANTS.id(team_id), change, limit, session.by)


def _may(session: Session, *, policy: bool, limit: bool) -> None:
    """FORBIDDEN unless the principal may change what else is to be changed."""
    for kind, wanted in ((ResourceKind.POLICY, policy), (ResourceKind.LIMIT, limit)):
        if wanted:
            with session.permitted(Action.CHANGE, Resource(kind)):
                pass


@query(ResourceKind.TENANT)
async def page(session: Session, limit: int, after: str = "") -> tuple[tuple[Headcount, ...], int]:
    """At most `limit` teams by id, after the given one; and how many there are in all."""
    return await session.ports.teams.page(limit, after), await session.ports.teams.count()


@query(ResourceKind.TENANT)
async def get(session: Session, team_id: str) -> Headcount:
    for found in await session.ports.teams.by_ids([TENANTS.id(team_id)]):
        return found
    raise NoSuchTenant(team_id)


@query(ResourceKind.TENANT)
async def by_ids(session: Session, team_ids: Sequence[str]) -> dict[str, Headcount]:
    """The teams of these ids that exist."""
    return {found.tenant.id: found for found in await session.ports.teams.by_ids(team_ids)}


@query(ResourceKind.KEY)
async def keys_of_team(session: Session, team_id: str, limit: int) -> tuple[HeldKey, ...]:
    """At most `limit`, by name."""
    return await session.ports.teams.keys(limit, team_id=team_id)


@query(ResourceKind.KEY)
async def keys_of_user(session: Session, user_id: str, limit: int) -> tuple[HeldKey, ...]:
    """At most `limit` of all teams, by name."""
    return await session.ports.teams.keys(limit, user_id=USERS.id(user_id))


@query(ResourceKind.USER)
async def members(
    session: Session, limit: int, team_id: str | None = None, user_ids: Sequence[str] | None = None
) -> tuple[Member, ...]:
    """As Teams.members has it."""
    return await session.ports.teams.members(limit, team_id, user_ids)


@query(ResourceKind.USER)
async def require_user(session: Session, user_id: str) -> None:
    """NOT_FOUND if no team has a user of this id."""
    if not await session.ports.teams.members(1, user_ids=[USERS.id(user_id)]):
        raise Refused(Refusal(Reason.NOT_FOUND, f"there is no user {user_id!r}"))


async def models_of_user(session: Session, user_id: str, limit: int) -> frozenset[str] | None:
    """The models that some key of the user may ask for; None: every model."""
    await require_user(session, user_id)
    held = [each.key for each in await keys_of_user(session, user_id, limit)]
    teams = await by_ids(session, [*{key.tenant_id for key in held}])
    now = datetime.now(UTC)
    working = [
        key.models_allowed
        for key in held
        if status_of(key, now) == ACTIVE
        and key.tenant_id in teams
        and teams[key.tenant_id].tenant.status == Status.ACTIVE
    ]
    return None if None in working else frozenset(model for models in working for model in models or ())


ACTIVE, DISABLED, EXPIRED = "active", "disabled", "expired"


def status_of(key: Key, now: datetime) -> str:
    """Whether a key works, as long as its tenant is active."""
    if key.disabled:
        return DISABLED
    return EXPIRED if key.expires_at is not None and key.expires_at <= now else ACTIVE
