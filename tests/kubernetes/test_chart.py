"""What the chart makes: objects that Kubernetes takes, pods without needless rights, secrets by name alone."""

import copy
import json
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.kubernetes import manifests
from tests.kubernetes.chart import CHART, CONFIGURATIONS, component, containers, objects, pod_templates, rendered
from tollkeeper.config import Settings
from tollkeeper.settings.secret_files import IN_FILES
from tollkeeper.settings.types import PREFIX

EVERY = pytest.mark.parametrize("configuration", CONFIGURATIONS)
# Those that this version needs, and the newest that can be checked.
VERSIONS = ("1.30", "1.37")
INFORMATION = 1
# Custom resources, which no Kubernetes knows: what is said of them here follows their definitions.
CUSTOM = {"PodMonitor": json.loads((Path(__file__).parent / "schemas" / "podmonitor.json").read_text())}


@EVERY
def test_helm_finds_nothing_to_warn_of(configuration: str) -> None:
    report = helm_python.lint(CHART, CONFIGURATIONS[configuration], strict=True)
    assert report["errors"] == []
    assert {each["error"] for each in report["messages"] if each["severity"] > INFORMATION} == set()


@EVERY
def test_kubernetes_takes_every_object(configuration: str) -> None:
    found = objects(configuration)
    assert len({(each["kind"], each["metadata"]["name"]) for each in found}) == len(found) >= 5
    for each in found:
        if each["kind"] in CUSTOM:
            jsonschema.Draft7Validator(CUSTOM[each["kind"]]).validate(each)
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)


def test_each_kind_is_made_by_one_of_the_configurations() -> None:
    """So that none escapes the tests: of the templates there is no other."""
    kinds = {each["kind"] for configuration in CONFIGURATIONS for each in objects(configuration)}
    text = "".join(path.read_text() for path in CHART.glob("templates/*.yaml"))
    named = {line.removeprefix("kind: ") for line in text.splitlines() if line.startswith("kind: ") and "{" not in line}
    assert kinds == named | {"Deployment", "StatefulSet"}


@EVERY
def test_pods_have_no_right_that_they_do_not_need(configuration: str) -> None:
    for _, template in pod_templates(objects(configuration)):
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in containers(pod).values():
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
            assert "/tmp" in writable or container["name"] == "envoy"


@EVERY
def test_what_is_mounted_is_there_and_what_is_there_is_mounted(configuration: str) -> None:
    for each in objects(configuration):
        for _, template in pod_templates([each]):
            pod = template["spec"]
            claims = {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", ())}
            volumes = {volume["name"] for volume in pod["volumes"]} | claims
            mounted = {mount["name"] for found in containers(pod).values() for mount in found["volumeMounts"]}
            assert mounted == volumes


@EVERY
def test_selectors_choose_the_pods_of_one_component(configuration: str) -> None:
    labels = {name: each["metadata"]["labels"] for name, each in pod_templates(objects(configuration))}
    for each in objects(configuration):
        spec = each.get("spec", {})
        chosen = spec.get("podSelector", spec.get("selector"))
        if chosen is None:
            continue
        wanted = (chosen if each["kind"] == "Service" else chosen["matchLabels"]).items()
        assert [wanted <= had.items() for had in labels.values()].count(True) == 1, each["metadata"]["name"]


@EVERY
def test_services_lead_to_ports_that_are_open(configuration: str) -> None:
    pods = {name: each["spec"] for name, each in pod_templates(objects(configuration))}
    for each in objects(configuration):
        if each["kind"] == "Service":
            found = containers(pods[each["spec"]["selector"]["app.kubernetes.io/component"]]).values()
            ports = [port for container in found for port in container.get("ports", ())]
            for port in each["spec"]["ports"]:
                assert port["targetPort"] in {known for open_port in ports for known in open_port.values()}


def test_what_the_network_lets_in() -> None:
    policies = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]
        for each in objects("production")
        if each["kind"] == "NetworkPolicy"
    }
    ports = {name: {rule["ports"][0]["port"] for rule in spec["ingress"]} for name, spec in policies.items()}
    assert ports == {"gateway": {10000, 9464, 9001}, "admin": {9090, 9465}, "migrate": set()}
    for spec in policies.values():
        assert all(rule["from"] for rule in spec["ingress"])
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert spec["egress"][0]["ports"][0]["port"] == 53
        assert spec["egress"][1]["to"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    anybody = [each for each in objects("default") if each["metadata"]["name"] == "tollkeeper-gateway"]
    (policy,) = [each["spec"] for each in anybody if each["kind"] == "NetworkPolicy"]
    assert [rule for rule in policy["ingress"] if "from" not in rule] == [{"ports": [{"port": 10000}]}]


def test_production_names_its_own_secrets_and_no_other() -> None:
    secrets = set()
    for _, template in pod_templates(objects("production")):
        for volume in template["spec"]["volumes"]:
            secrets |= {volume["secret"]["secretName"]} if "secret" in volume else set()
            secrets |= {each["secret"]["name"] for each in volume.get("projected", {}).get("sources", ())}
    assert secrets == {
        "postgres-app", "valkey-app", "clickhouse-app", "collector",
        "tollkeeper-admin", "tollkeeper-grpc", "tollkeeper-grpc-tls", "model-credentials",
    }  # fmt: skip
    assert component("production", "gateway")["imagePullSecrets"] == [{"name": "registry"}]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"databse": {}}, "databse"),
    ({"database": {"url": "postgresql://somebody:secret@db/x"}}, "url"),
    ({"settings": {"TOLLKEEPER_DATABASE_URL": "postgresql://db/x"}}, "TOLLKEEPER_DATABASE_URL"),
    ({"settings": {"TOLLKEEPER_LEDGER_URL": "clickhouse+https://u:p@ch/x"}}, "TOLLKEEPER_LEDGER_URL"),
    ({"settings": {"TOLLKEEPER_OTLP_HEADERS": "authorization=Bearer abc"}}, "TOLLKEEPER_OTLP_HEADERS"),
    ({"settings": {"TOLLKEEPER_ADMIN_TOKEN_FILE": "/tmp/token"}}, "TOLLKEEPER_ADMIN_TOKEN_FILE"),
    ({"settings": {"TOLLKEEPER_WORKERS": "4"}}, "TOLLKEEPER_WORKERS"),
    ({"settings": {"LOG_LEVEL": "debug"}}, "LOG_LEVEL"),
    ({"settings": {"TOLLKEEPER_CACHE_ENTRIES": 10_000_000}}, "string"),
    ({"gateway": {"workers": 17}}, "workers"),
    ({"gateway": {"envoy": {"upstream": "vllm:8000"}}}, "upstream"),
    ({"gateway": {"envoy": {"enabled": False}}}, "nobody could call the sidecar"),
    ({"gateway": {"sidecarResources": {"limits": {"memory": "1 GB"}}}}, "memory"),
    ({"admin": {"ingress": {"enabled": True}}}, "host is missing"),
    ({"image": {"digest": "latest"}}, "digest"),
]


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_values_that_cannot_be_meant_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm_python.HelmError, match=said):
        rendered(values)


def test_no_secret_is_among_the_settings() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert {f"{PREFIX}{name}".upper() for name in IN_FILES} <= set(
        schema["properties"]["settings"]["propertyNames"]["not"]["enum"]
    )


# As names may be, and as YAML would read them as something else; and text that would be more than one value.
ODD_NAMES = ("123", "null")
ODD_URL = "http://models: 80/{{ .Release.Name }} # no comment"
ODD_TEXT = 'it\'s "odd": {{ .Release.Name }} # no comment\n- hostNetwork: true'


@pytest.mark.parametrize("name", ODD_NAMES)
def test_values_are_what_was_written(name: str) -> None:
    values = copy.deepcopy(CONFIGURATIONS["production"])
    for store in ("database", "redis", "ledger", "telemetry"):
        values[store] = {"existingSecret": name, "key": name}
    values |= {"imagePullSecrets": [name], "serviceAccount": {"name": name}, "nameOverride": name}
    values["settings"]["TOLLKEEPER_CURRENCY"] = ODD_TEXT
    values["admin"] |= {"existingSecret": name, "tokenKey": name, "priorityClassName": ODD_TEXT}
    values["admin"]["ingress"] |= {"host": name, "tlsSecret": name, "className": ODD_TEXT}
    gateway = values["gateway"] | {"priorityClassName": ODD_TEXT, "modelCredentialsSecret": name}
    gateway["grpc"] |= {"existingSecret": name, "key": name, "tlsSecret": name}
    gateway["persistence"]["storageClass"] = ODD_TEXT
    gateway["envoy"] |= {"upstream": ODD_URL, "corsOrigins": [ODD_TEXT], "renderArguments": [ODD_TEXT]}
    found = rendered(values | {"gateway": gateway})
    for each in found:
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
    pods = dict(pod_templates(found))
    for component_name in ("gateway", "admin"):
        pod = pods[component_name]["spec"]
        assert "hostNetwork" not in pod
        assert (pod["priorityClassName"], pod["serviceAccountName"]) == (ODD_TEXT, name)
        (secrets,) = [each["projected"]["sources"] for each in pod["volumes"] if each["name"] == "secrets"]
        assert {(each["secret"]["name"], each["secret"]["items"][0]["key"]) for each in secrets} >= {(name, name)}
        assert all(isinstance(each["secret"]["name"], str) for each in secrets)
    render = containers(pods["gateway"]["spec"])["envoy-config"]["args"]
    assert {f"--upstream={ODD_URL}", f"--cors-origin={ODD_TEXT}", ODD_TEXT} <= set(render)
    (ingress,) = [each["spec"] for each in found if each["kind"] == "Ingress"]
    assert (ingress["ingressClassName"], ingress["rules"][0]["host"]) == (ODD_TEXT, name)


def test_every_value_is_in_the_schema_and_so_is_what_the_chart_sets() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    _same_names(yaml.safe_load((CHART / "values.yaml").read_text()), schema, schema["$defs"])
    taken = set(schema["properties"]["settings"]["propertyNames"]["not"]["enum"])
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    sets = {
        each["name"] if each["name"] in known else each["name"].removesuffix("_FILE")
        for configuration in CONFIGURATIONS
        for _, template in pod_templates(objects(configuration))
        for container in containers(template["spec"]).values()
        for each in container.get("env", ())
        if each["name"].startswith(PREFIX) and each["name"] not in CONFIGURATIONS[configuration].get("settings", {})
    }
    # A pod's sockets and files are where the defaults have them; the last is the command line's.
    kept = {
        f"{PREFIX}{name}" for name in ("AUTHZ_SOCKET", "RATELIMIT_SOCKET", "DATA_DIR", "ACCESS_LOG_FILE", "API_URL")
    }
    assert taken == sets | kept
    assert taken <= known


def _same_names(values: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if schema.get("additionalProperties") is not False:
        return
    assert values.keys() <= schema["properties"].keys()
    for name, value in values.items():
        if isinstance(value, dict):
            _same_names(value, schema["properties"][name], definitions)


@pytest.mark.parametrize("name", manifests.FILES)
def test_the_manifests_are_what_the_chart_makes(name: str) -> None:
    """To write them anew: make manifests."""
    assert (manifests.DIRECTORY / name).read_text() == manifests.written(manifests.FILES[name])
    assert {path.name for path in manifests.DIRECTORY.iterdir()} == manifests.FILES.keys()


def test_the_version_is_the_packages() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (CHART.parents[1] / "pyproject.toml").read_text()
    assert f'version = "{about["appVersion"]}"' in project
