"""What runs in the pods fits together: settings that processes take, files where both look, ends in their order."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tests.kubernetes.chart import CONFIGURATIONS, component, containers, objects, pod_templates
from tollkeeper.__main__ import app
from tollkeeper.config import Settings, read_settings
from tollkeeper.envoy.commands import envoy_app
from tollkeeper.supervisor import LEAVE_SECONDS
from tollkeeper.up.stack import ENVOY_ARGUMENTS

EVERY = pytest.mark.parametrize("configuration", CONFIGURATIONS)
WITH_ENVOY = pytest.mark.parametrize("configuration", [name for name in CONFIGURATIONS if name != "sidecars"])
SECRETS = "/run/secrets/tollkeeper/"
IN_FILES = {
    "database-url": "postgresql://tollkeeper@postgres:5432/tollkeeper",
    "redis-url": "redis://valkey:6379/0",
    "admin-token": "a-token-of-some-length",
    "portal-secret": "p" * 32,
    "webhook-secret": "w" * 32,
    "grpc-secret": "g" * 32,
    "ledger-url": "clickhouse+https://tollkeeper@clickhouse:8443/tollkeeper",
    "otlp-headers": "authorization=Bearer abc",
}


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", ())}


def settings_of(pod: dict[str, Any], name: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the process of a container reads, with the secrets' files of its volume below `directory`."""
    (volume,) = [each for each in pod["volumes"] if each["name"] == "secrets"]
    for source in volume["projected"]["sources"]:
        (item,) = source["secret"]["items"]
        (directory / item["path"]).write_text(IN_FILES[item["path"]])
    for variable, value in environment(containers(pod)[name]).items():
        monkeypatch.setenv(variable, value.replace(SECRETS, f"{directory}/"))
    return read_settings()


@EVERY
def test_each_process_takes_its_settings(configuration: str, tmp_path: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined] # a group, since it has commands
    tried = set()
    for _, template in pod_templates(objects(configuration)):
        for name, container in containers(template["spec"]).items():
            if name in ("sidecar", "admin", "migrate"):
                assert container["args"] == [name]
                assert name in commands
                with pytest.MonkeyPatch.context() as patch:
                    found = settings_of(template["spec"], name, tmp_path, patch)
                assert found.database_url == IN_FILES["database-url"]
                tried.add(name)
    assert tried == {"sidecar", "admin", "migrate"}


@WITH_ENVOY
def test_envoy_takes_what_the_init_container_writes(
    configuration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of the pod, but for where it may write on this machine; Envoy validates the set."""
    found = containers(component(configuration, "gateway"))["envoy-config"]
    for variable, value in environment(found).items():
        monkeypatch.setenv(variable, value.replace("/run/tollkeeper", str(tmp_path)))
    command = [each.replace("/etc/tollkeeper/envoy", str(tmp_path / "set")) for each in found["args"][1:]]
    result = CliRunner().invoke(envoy_app, command)
    assert result.exit_code == 0, result.output
    assert "validated by Envoy" in result.output
    clusters = (tmp_path / "set" / "clusters.yaml").read_text()
    workers = int(environment(containers(component(configuration, "gateway"))["sidecar"])["TOLLKEEPER_WORKERS"])
    sockets = re.findall(r"pipe: \{path: (/run/tollkeeper/authz[^}]*)\}", clusters)
    assert len(sockets) == workers
    assert sockets[0] == str(read_settings().authz_socket)


@WITH_ENVOY
def test_envoy_and_the_sidecar_meet(configuration: str) -> None:
    pod = component(configuration, "gateway")
    found, defaults = containers(pod), read_settings()
    mounts = {
        name: {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        for name, container in found.items()
    }
    for path, volume in (
        (defaults.authz_socket.parent, "sockets"),
        (Path(str(defaults.access_log_file)).parent, "logs"),
    ):
        assert mounts["envoy"][str(path)] == mounts["sidecar"][str(path)] == volume
    assert mounts["sidecar"][str(defaults.data_dir)] == "data"
    assert "/etc/tollkeeper/envoy" in mounts["envoy"].keys() & mounts["envoy-config"].keys()
    arguments = found["envoy"]["args"]
    assert arguments[:2] == ["-c", "/etc/tollkeeper/envoy/envoy.yaml"]
    assert set(ENVOY_ARGUMENTS) <= set(arguments)
    shared = ("TOLLKEEPER_MODEL_CLUSTERS", "TOLLKEEPER_ENVOY_ADMIN")
    both = [environment(found[name]) for name in ("sidecar", "envoy-config")]
    assert [both[0][name] for name in shared] == [both[1][name] for name in shared]


@WITH_ENVOY
def test_the_sidecar_starts_before_envoy_and_ends_after_it(configuration: str, tmp_path: Path) -> None:
    pod = component(configuration, "gateway")
    assert [each["name"] for each in pod["initContainers"]] == ["envoy-config", "sidecar"]
    sidecar = pod["initContainers"][1]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert sidecar["readinessProbe"]["httpGet"]["path"] == "/readyz"
    with pytest.MonkeyPatch.context() as patch:
        settings = settings_of(pod, "sidecar", tmp_path, patch)
    assert settings.handover_seconds == 0
    (envoy,) = pod["containers"]
    drains = envoy["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= drains + settings.drain_seconds + LEAVE_SECONDS


def test_a_sidecar_alone_serves_until_envoys_elsewhere_know_that_it_goes(tmp_path: Path) -> None:
    pod = component("sidecars", "gateway")
    (sidecar,) = pod["containers"]
    assert "initContainers" not in pod
    with pytest.MonkeyPatch.context() as patch:
        settings = settings_of(pod, "sidecar", tmp_path, patch)
    assert settings.handover_seconds == 15
    assert settings.access_log_file is None
    assert settings.grpc_secret is not None
    mounts = {each["mountPath"]: each["name"] for each in sidecar["volumeMounts"]}
    (tls,) = [each for each in pod["volumes"] if each["name"] == mounts[str(settings.grpc_tls_dir)]]
    assert tls["secret"]["secretName"] == "tollkeeper-grpc-tls"
    leaves = settings.handover_seconds + settings.drain_seconds + LEAVE_SECONDS
    assert pod["terminationGracePeriodSeconds"] >= leaves


def test_the_schema_is_there_before_what_needs_it() -> None:
    (job,) = [each for each in objects("default") if each["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "serviceAccountName" not in job["spec"]["template"]["spec"], "hooks run before there is the account"
