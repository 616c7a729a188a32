"""One API for all tests of a module, on a ledger that each of them finds empty."""

import asyncpg
import pytest

from tests.admin.conftest import Admin
from tests.admin.usage.ledger import use


@pytest.fixture(scope="module")
def admin(running_admin: Admin) -> Admin:
    return running_admin


@pytest.fixture(autouse=True)
def _empty(admin: Admin) -> None:
    for _ in range(5):
        try:
            admin.query("TRUNCATE usage, usage_rollups, usage_marks")
            return
        except asyncpg.DeadlockDetectedError:  # with the roller, which takes the tables in another order
            continue


@pytest.fixture
def march(admin: Admin) -> Admin:
    """Three tenants in March 2026."""
    use(admin, "2026-03-01T10:15:30Z", key="k1", model="big", input=100, cached=40, output=10)
    use(admin, "2026-03-01T10:45:00Z", key="k2", model="small", input=50, output=5, user="ann")
    use(admin, "2026-03-01T22:30:00Z", key="k1", model="big", input=7, output=1, cached=7)
    use(admin, "2026-03-02T00:10:00Z", tenant="beta", key="k3", input=1000, output=100)
    use(admin, "2026-03-02T00:20:00Z", tenant="beta", key="k3", admission="refused", input=0, output=0)
    use(admin, "2026-03-31T23:59:59.999Z", tenant="gamma", key="k4", model="", input=3, output=4)
    return admin
