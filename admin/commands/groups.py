"""Fairshare groups: what they have beyond directory.py."""

from admin.access.permission import ResourceKind
from admin.commands.directory import GROUPS
from admin.commands.session import Session, command
from tenancy.directory.groups import Group


@command(ResourceKind.GROUP)
async def create(session: Session, name: str, weight: int) -> Group:
    return await session.ports.groups.create(name, weight, session.by)


@command(ResourceKind.GROUP)
async def set_weight(session: Session, name: str, weight: int) -> Group:
    return await session.ports.groups.set_weight(GROUPS.id(name), weight, session.by)
