"""Fairshare groups: what they have beyond directory.py."""

from admin.access.permission import ResourceKind
from admin.commands.directory import GROUPS
from admin.commands.session import Session, command
from tenancy.directory.groups import Group


@command(ResourceKind.GROUP)
async def create(at: Session, name: str, weight: int) -> Group:
    return await at.ports.groups.create(name, weight, at.by)


@command(ResourceKind.GROUP)
async def set_weight(at: Session, name: str, weight: int) -> Group:
    return await at.ports.groups.set_weight(GROUPS.id(name), weight, at.by)
