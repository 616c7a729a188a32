"""An API of its own for each test: its stores break."""

import pytest

from tests.admin.conftest import Admin


@pytest.fixture
def admin(new_admin: Admin) -> Admin:
    return new_admin
