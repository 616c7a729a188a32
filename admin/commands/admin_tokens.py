"""Admin tokens: this process forgets what it knows of them with every change."""

from admin.access.permission import ResourceKind
from admin.access.tokens import AdminToken, AdminTokenChange, NewAdminToken, NoSuchAdminToken
from admin.commands.directory import ADMIN_TOKENS
from admin.commands.session import Session, command, query
from tenancy.directory.terms import Deleted


@query(ResourceKind.ADMIN_TOKEN)
async def everyone(at: Session) -> tuple[AdminToken, ...]:
    """All, by name; not the configured one."""
    return await at.ports.admin_tokens.list()


@query(ResourceKind.ADMIN_TOKEN)
async def get(at: Session, token_id: str) -> AdminToken:
    for token in await at.ports.admin_tokens.list():
        if token.id == token_id:
            return token
    raise NoSuchAdminToken(token_id)


@command(ResourceKind.ADMIN_TOKEN)
async def create(at: Session, new: NewAdminToken) -> AdminToken:
    """The token itself is in `new`: it is to be shown once, and only its hash is kept."""
    token = await at.ports.admin_tokens.create(new, at.by)
    at.ports.principals.forget()
    return token


@command(ResourceKind.ADMIN_TOKEN)
async def update(at: Session, token_id: str, change: AdminTokenChange) -> AdminToken:
    token = await at.ports.admin_tokens.update(ADMIN_TOKENS.id(token_id), change, at.by)
    at.ports.principals.forget()
    return token


@command(ResourceKind.ADMIN_TOKEN)
async def delete(at: Session, token_id: str) -> Deleted:
    gone = await at.ports.admin_tokens.delete(ADMIN_TOKENS.id(token_id), at.by)
    at.ports.principals.forget()
    return gone
