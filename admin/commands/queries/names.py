"""What people call the tenants and keys whose ids a report shows."""

from collections.abc import Mapping, Sequence

from admin.access.permission import ResourceKind
from admin.commands.session import Session, query
from ledger.sums import Group


@query(ResourceKind.TENANT)
async def of_tenants(session: Session, ids: Sequence[str]) -> Mapping[str, str]:
    """By id; those that were deleted are missing."""
    return await session.ports.names.of_tenants(ids)


@query(ResourceKind.KEY)
async def of_keys(session: Session, ids: Sequence[str]) -> Mapping[str, str]:
    """By id; those that were deleted are missing."""
    return await session.ports.names.of_keys(ids)


NAMED = {"tenant_id": ("tenant_name", of_tenants), "key_id": ("key_name", of_keys)}


def columns(group_by: Sequence[str]) -> tuple[str, ...]:
    """What `of_groups` finds."""
    return tuple(NAMED[column][0] for column in group_by if column in NAMED)


async def of_groups(
    session: Session, group_by: Sequence[str], groups: Sequence[Group]
) -> Sequence[Mapping[str, str | None]]:
    """Of each group of a report its `tenant_name` and `key_name`, if it is of one; None: that was deleted."""
    found: list[dict[str, str | None]] = [{} for _ in groups]
    for place, column in enumerate(group_by):
        if column in NAMED and groups:
            name, ask = NAMED[column]
            known = await ask(session, sorted({group[place] for group in groups}))
            for each, group in zip(found, groups, strict=True):
                each[name] = known.get(group[place])
    return found
