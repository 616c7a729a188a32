"""What the documents and the compose file say is what the code does."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic_core import PydanticUndefined
from typer.main import get_command

from bench.__main__ import NAMES
from tollkeeper.__main__ import app
from tollkeeper.config import Settings
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.settings.types import PREFIX
from tollkeeper.up.stack import ENVOY_ARGUMENTS, Stack, UpOptions

ROOT = Path(__file__).parent.parent


def settings_table() -> list[str]:
    return [
        f"| `{PREFIX}{name.upper()}` | {default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def default(value: object) -> str:
    return "none" if value in (None, PydanticUndefined) else f"`{value}`"


def test_readme_lists_every_setting() -> None:
    text = (ROOT / "README.md").read_text()
    table = text.split("<!-- settings:")[1].split("<!-- end of settings -->")[0].strip().splitlines()[3:]
    assert table == settings_table()


def test_there_is_every_benchmark_that_can_be_named() -> None:
    assert {path.stem for path in (ROOT / "bench" / "parts").glob("*.py")} >= set(NAMES)


def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_file_follows_the_compose_specification() -> None:
    schema = builtin_compose_schema()
    jsonschema.Draft7Validator(schema).validate(compose())


def builtin_compose_schema() -> Any:
    from check_jsonschema.builtin_schemas import get_builtin_schema

    return get_builtin_schema("vendor.compose-spec")


def test_compose_sets_only_settings_that_exist() -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name, service in compose()["services"].items():
        ours = {key for key in service.get("environment") or {} if key.startswith(PREFIX)}
        assert ours <= known, name


def test_compose_sets_what_up_sets(tmp_path: Path) -> None:
    """A container without one of the settings that `up` gives would run on a default."""
    listens = dict.fromkeys(("admin_listen", "metrics_listen"), "127.0.0.1:1")
    stack = Stack(UpOptions("127.0.0.1:1", tmp_path), listens, lambda _part: None)
    set_by_up = stack.given_settings("postgresql://x", "redis://x")
    services = compose()["services"]
    set_by_compose = {name for service in ("sidecar", "admin") for name in services[service]["environment"]}
    compose_only = {"TOLLKEEPER_LOG_LEVEL", "TOLLKEEPER_ADMIN_METRICS_LISTEN"}  # scraped from another container
    assert set_by_compose - compose_only == {f"{PREFIX}{name}".upper() for name in set_by_up}


def test_envoy_and_the_sidecar_meet_in_compose() -> None:
    services, defaults = compose()["services"], EnvoySettings()
    environment = services["sidecar"]["environment"]
    assert (f"unix:{environment['TOLLKEEPER_AUTHZ_SOCKET']}",) == defaults.authz
    assert (f"unix:{environment['TOLLKEEPER_RATELIMIT_SOCKET']}",) == defaults.ratelimit
    assert environment["TOLLKEEPER_ACCESS_LOG_FILE"] == defaults.access_log
    mounts = {name: mounted(services[name]) for name in ("envoy", "sidecar", "envoy-config")}
    for volume in ("sockets", "logs"):
        assert mounts["envoy"][volume] == mounts["sidecar"][volume]
    assert mounts["envoy"]["envoy-config"] == mounts["envoy-config"]["envoy-config"] == defaults.config_dir
    assert [*ENVOY_ARGUMENTS[1:]] == services["envoy"]["command"][3:]
    assert services["envoy"]["ports"] == ["80:10000"]


def mounted(service: Any) -> dict[str, str]:
    """Volume → where it is mounted."""
    return {name: path for name, path, *_ in (volume.split(":") for volume in service["volumes"])}


def test_compose_runs_commands_that_exist() -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined] # a group, since it has commands
    for name, service in compose()["services"].items():
        if service["image"] == "tollkeeper:latest":
            assert service["command"][0] in commands, name


def test_prometheus_scrapes_both_processes() -> None:
    jobs = yaml.safe_load((ROOT / "prometheus.yml").read_text())["scrape_configs"]
    targets = [target for job in jobs for each in job["static_configs"] for target in each["targets"]]
    environments = {name: compose()["services"][name]["environment"] for name in ("sidecar", "admin")}
    listens = [environments["sidecar"]["TOLLKEEPER_METRICS_LISTEN"]]
    listens.append(environments["admin"]["TOLLKEEPER_ADMIN_METRICS_LISTEN"])
    ports = [listen.rpartition(":")[2] for listen in listens]
    assert targets == [f"{name}:{port}" for name, port in zip(environments, ports, strict=True)]


def test_compose_has_no_secret_in_the_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for variable in re.findall(r"^\s*(\w*(?:TOKEN|PASSWORD|SECRET))\s*:\s*(.*)$", text, re.MULTILINE):
        assert re.fullmatch(r"\$\{\w+:\?[^}]*\}", variable[1]), variable


def test_no_document_names_a_package_index() -> None:
    hosts = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.txt"), *ROOT.glob("*.toml"), ROOT / "Dockerfile", ROOT / "Makefile"]:
        assert not any(host in path.read_text() for host in hosts), path


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_between_documents_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / name).read_text()):
        assert (ROOT / target).exists(), target
