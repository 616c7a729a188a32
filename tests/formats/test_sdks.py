"""The clients that are installed for the tests have no route without a place; `sdks.py` compares the newest."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from ratelimit.tenants.routes.table import route_table
from tests.formats.sdks import SDKS, Sdk, routes_of, without_place

INSTALLED = [sdk for sdk in SDKS if sdk.package in ("openai", "anthropic")]


@pytest.mark.parametrize("sdk", INSTALLED, ids=[sdk.package for sdk in INSTALLED])
def test_each_route_of_a_client_is_in_a_table_or_known_to_be_in_none(sdk: Sdk) -> None:
    spec = find_spec(sdk.package)
    assert spec is not None
    assert spec.origin is not None
    routes = set(routes_of(sdk, Path(spec.origin).parent))
    assert ("POST", "/v1/responses" if sdk.package == "openai" else "/v1/messages") in routes
    assert without_place(routes, sdk, route_table()) == []
