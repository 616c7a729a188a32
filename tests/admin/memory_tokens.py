"""Admin tokens in a dictionary: the same answers as the Postgres adapter."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from admin.tokens import (
    CONFIGURED,
    MAX_TOKENS,
    SHOWN_CHARACTERS,
    AdminToken,
    AdminTokenChange,
    AdminTokenNameTaken,
    Known,
    NewAdminToken,
    NoSuchAdminToken,
    Role,
    TooManyAdminTokens,
    digest_of,
)
from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tests.tenancy.memory.audit import MemoryAuditLog


class MemoryAdminTokens:
    """Implements admin.tokens.AdminTokens."""

    def __init__(self, log: MemoryAuditLog) -> None:
        self._log = log
        self._tokens: dict[str, tuple[AdminToken, bytes]] = {}

    async def create(self, new: NewAdminToken, by: ChangeRequest) -> AdminToken:
        if len(self._tokens) >= MAX_TOKENS:
            raise TooManyAdminTokens(MAX_TOKENS)
        now, prefix = datetime.now(UTC), new.token[:SHOWN_CHARACTERS]
        token = AdminToken(str(uuid.uuid4()), new.name, new.role, prefix, new.expires_at, now, now)
        self._check(token)
        self._tokens[token.id] = (token, digest_of(new.token))
        self._log.add(by, "create_admin_token", ("admin_token", token.id), None, snapshot(token))
        return token

    async def list(self) -> tuple[AdminToken, ...]:
        return tuple(sorted((token for token, _ in self._tokens.values()), key=lambda token: token.name))

    async def known(self) -> tuple[Known, ...]:
        return tuple(Known(digest, x.name, Role(x.role), x.expires_at) for x, digest in self._tokens.values())

    async def update(self, token_id: str, change: AdminTokenChange, by: ChangeRequest) -> AdminToken:
        before, digest = self._existing(token_id)
        require(by, before)
        changed = replace(before, **change)
        if changed == before:
            return before
        self._check(changed)
        after = replace(changed, updated_at=datetime.now(UTC))
        self._tokens[token_id] = (after, digest)
        self._log.add(by, "update_admin_token", ("admin_token", token_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, token_id: str, by: ChangeRequest) -> Deleted:
        token, _ = self._existing(token_id)
        require(by, token)
        if not by.dry_run:
            del self._tokens[token_id]
            self._log.add(by, "delete_admin_token", ("admin_token", token_id), snapshot(token), None)
        return {"admin_tokens": 1}

    def _existing(self, token_id: str) -> tuple[AdminToken, bytes]:
        if token_id not in self._tokens:
            raise NoSuchAdminToken(token_id)
        return self._tokens[token_id]

    def _check(self, token: AdminToken) -> None:
        taken = any(other.name == token.name and other.id != token.id for other, _ in self._tokens.values())
        if taken or token.name == CONFIGURED:
            raise AdminTokenNameTaken(token.name)
