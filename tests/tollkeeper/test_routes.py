"""`tollkeeper routes`, and the two settings that choose what is in it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratelimit.tenants.routes.kind import Kind
from ratelimit.tenants.routes.table import SERVERS, Found
from tollkeeper.__main__ import app
from tollkeeper.config import BadSettings, Settings, read_settings
from tollkeeper.routes import routes_of


def test_all_tables_are_open_by_default() -> None:
    table = routes_of(read_settings())
    assert {route.server for route in table.routes} == set(SERVERS)


def test_tables_are_chosen_by_name() -> None:
    table = routes_of(read_settings(route_tables="vllm, anthropic"))
    assert {route.server for route in table.routes} == {"vllm", "anthropic"}


def test_own_routes_are_lines_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "routes.txt"
    file.write_text("# ours\nPOST /my/path generates\n")
    for given in (str(file), "POST /my/path generates"):
        assert routes_of(read_settings(routes=given)).find("POST", "/my/path") == Found(Kind.GENERATES)


@pytest.mark.parametrize(
    "settings",
    [read_settings(routes="POST /x sings"), read_settings(routes="/none/such"), read_settings(route_tables="vlm")],
)
def test_a_bad_setting_is_named(settings: Settings) -> None:
    with pytest.raises(BadSettings, match="TOLLKEEPER_ROUTE"):
        routes_of(settings)


def test_the_command_shows_what_each_route_is_and_whose() -> None:
    shown = CliRunner().invoke(app, ["routes", "vllm"])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert ["POST", "/invocations", "generates", "vllm", SERVERS["vllm"][0]] in [line.split() for line in lines]
    assert all(line.split()[3] == "vllm" for line in lines)
