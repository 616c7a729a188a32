"""The commands on real stores, for the operators and for people of two organizations."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from admin.access.accounts import AccountRole
from admin.access.attempts import Attempts
from admin.access.permission import Principal, Role
from admin.app import ports_on
from admin.commands.directory import ORGANIZATIONS
from admin.commands.organizations import accounts
from admin.commands.organizations.accounts import AccountRequest
from admin.commands.ports import Ports
from admin.commands.session import Session
from admin.metrics import AdminMetrics
from admin.postgres.propagation import PostgresPropagation
from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.organizations import NewOrganization, Plan
from tests.admin.conftest import PORTAL_SECRET
from tests.conftest import PATIENT

PASSWORD = "correct horse battery"
HERE = ChangeRequest("", "192.0.2.1", "r-1")


@pytest.fixture
async def ports(database_url: str, redis_url: str) -> AsyncIterator[Ports]:
    redis = open_redis_async(redis_url, timeout=1)
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        propagation = PostgresPropagation(pool, redis, AdminMetrics())
        made = ports_on(pool, redis, propagation, "a-token", [PORTAL_SECRET])
        # Nobody has waited: on a busy machine checking a password takes as long as the first wait.
        yield replace(made, desk=replace(made.desk, attempts=Attempts(lambda: 0.0)))
    await redis.aclose()


@pytest.fixture
def operator(ports: Ports) -> Session:
    return Session(ports, Principal("root", Role.OWNER), ChangeRequest("root"))


async def organization(operator: Session, name: str, plan: Plan = Plan.FREE) -> str:
    """The id of a new one, with an owner `owner@<name>`."""
    made = (await ORGANIZATIONS.create(operator, NewOrganization(name, plan))).value.id
    await account(operator, made, f"owner@{name}", AccountRole.OWNER)
    return made


async def account(operator: Session, of: str, email: str, role: AccountRole = AccountRole.MEMBER) -> str:
    return (await accounts.create(operator, AccountRequest(email, PASSWORD, of, role))).value.id
