"""An API of its own for each test: it remembers who failed to get in."""

import pytest

from tests.admin.conftest import Admin


@pytest.fixture
def admin(new_admin: Admin) -> Admin:
    return new_admin
