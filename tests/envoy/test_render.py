"""`tollkeeper envoy render`: the committed files are its output, Envoy takes it, bad input changes nothing."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tollkeeper.envoy.render import InvalidEnvoyConfig, render, rendered, template_dir
from tollkeeper.envoy.settings import EnvoySettings, InvalidSetting, of_each_process
from tollkeeper.wheels import envoy_binary

DEFAULTS = EnvoySettings()
SECRET = "/+=." * 8


def manager_of(files: Mapping[str, str]) -> dict[str, Any]:
    """The connection manager of envoy.yaml."""
    listener = yaml.safe_load(files["envoy.yaml"])["static_resources"]["listeners"][0]
    manager: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def test_committed_files_are_what_the_defaults_render() -> None:
    """But for the scripts, which are joined from the files in lua/."""
    committed = {
        str(path.relative_to(template_dir())): path.read_text()
        for path in template_dir().rglob("*")
        if path.is_file() and path.name != "README.md" and path.suffix != ".lua"
    }
    written = rendered(DEFAULTS)
    for script in ("guard.lua", "meter.lua"):
        assert written.pop(script).startswith("-- Joined")
    assert committed == written


GOOD = {
    "defaults": DEFAULTS,
    "http with port": EnvoySettings(upstream="http://vllm.internal:8080"),
    "https": EnvoySettings(upstream="https://api.example.com"),
    "https with prefix": EnvoySettings(upstream="https://api.example.com/openai/deployments/gpt-4o"),
    "https to an address": EnvoySettings(upstream="https://192.0.2.1:8443"),
    "IPv6": EnvoySettings(upstream="http://[2001:db8::1]:8000", listen="[::]:10000", admin="[::1]:9901"),
    "several endpoints": EnvoySettings(
        authz=("unix:/run/tollkeeper/authz-0.sock", "unix:/run/tollkeeper/authz-1.sock"),
        ratelimit=("sidecar-0:9001", "sidecar-1.example:9001"),
        grpc_secret=SECRET,
    ),
    "addresses and sockets": EnvoySettings(authz=("127.0.0.1:9001", "unix:/run/a.sock"), grpc_secret=SECRET),
    "admin": EnvoySettings(admin="127.0.0.1:9901"),
    "names that YAML takes for something else": EnvoySettings(
        upstream="http://no:8000", authz=("on:9001",), grpc_secret=SECRET
    ),
    "paths that need quotes": EnvoySettings(
        access_log="/var/log/a # b: 'c' \"d\" {e}/x.jsonl", config_dir="/etc/tk #1: {x}", authz=("unix:/run/a b#.sock",)
    ),
    "durations": EnvoySettings(idle_timeout_seconds=0.5, authz_timeout_seconds=3600, ratelimit_timeout_seconds=30.25),
    "origins": EnvoySettings(cors_origins=("https://chat.example.com", "http://localhost:3000", "*")),
    "without include_usage": EnvoySettings(include_usage=False),
}


@pytest.mark.parametrize("settings", GOOD.values(), ids=GOOD.keys())
def test_envoy_takes_what_is_rendered(settings: EnvoySettings, tmp_path: Path) -> None:
    written = render(settings, tmp_path, envoy_binary())
    assert written[0] == tmp_path / "envoy.yaml"
    for path in written:
        if path.suffix == ".yaml":
            assert yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("defaults", 0),
        ("several endpoints", 3),
        ("addresses and sockets", 1),
        ("names that YAML takes for something else", 1),
    ],
)
def test_a_second_try_goes_elsewhere_where_there_is_an_elsewhere(name: str, other: int) -> None:
    """authz is asked in one place, ratelimit in two."""
    assert rendered(GOOD[name])["envoy.yaml"].count("previous_hosts.v3") == other


def test_settings_reach_the_configuration() -> None:
    settings = EnvoySettings(
        upstream="https://api.example.com/base",
        listen="127.0.0.1:8443",
        admin="127.0.0.1:9901",
        authz=("unix:/run/a b.sock", "192.0.2.7:9001"),
        grpc_secret=SECRET,
        access_log="/logs/x # y.jsonl",
        config_dir="/conf",
        idle_timeout_seconds=30,
        cors_origins=("https://chat.example.com", "*"),
        ratelimit_timeout_seconds=45.5,
    )
    config = yaml.safe_load(rendered(settings)["envoy.yaml"])
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    upstream, authz, _ = config["static_resources"]["clusters"]
    assert listener["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 8443}
    assert config["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9901}
    route = manager["route_config"]["virtual_hosts"][0]["routes"][-1]["route"]
    assert route["host_rewrite_literal"] == "api.example.com"
    assert route["prefix_rewrite"] == "/base/"
    assert route["timeout"] == "0s"  # an answer that flows is never cut
    assert manager["stream_idle_timeout"] == "30s"
    cors = manager["route_config"]["virtual_hosts"][0]["typed_per_filter_config"]["envoy.filters.http.cors"]
    assert cors["allow_origin_string_match"] == [{"exact": "https://chat.example.com"}, {"safe_regex": {"regex": ".*"}}]
    assert manager["http_filters"][0]["name"] == "envoy.filters.http.cors"
    assert manager["access_log"][0]["typed_config"]["path"] == "/logs/x # y.jsonl"
    filters = {item["name"]: item["typed_config"] for item in manager["http_filters"]}
    assert filters["tollkeeper.ratelimit"]["timeout"] == "45.5s"
    assert filters["tollkeeper.meter"]["default_source_code"]["filename"] == "/conf/meter.lua"
    assert upstream["type"] == "STRICT_DNS"
    assert upstream["transport_socket"]["typed_config"]["sni"] == "api.example.com"
    assert addresses(upstream) == [{"socket_address": {"address": "api.example.com", "port_value": 443}}]
    assert addresses(authz) == [
        {"pipe": {"path": "/run/a b.sock"}},
        {"socket_address": {"address": "192.0.2.7", "port_value": 9001}},
    ]


def test_the_secret_is_said_over_tcp_alone_and_is_in_no_file_that_everybody_reads(tmp_path: Path) -> None:
    settings = EnvoySettings(ratelimit=("192.0.2.7:9001",), grpc_secret=SECRET)
    written = {path: path.read_text() for path in render(settings, tmp_path)}
    said = [{"key": "x-tollkeeper-secret", "value": SECRET}]
    for name, metadata in (("authz", None), ("ratelimit", said)):
        part = yaml.safe_load(written[tmp_path / f"filters/{name}.yaml"])["resources"][0]["typed_config"]
        assert part.get("rate_limit_service", part)["grpc_service"].get("initial_metadata") == metadata
    log = yaml.safe_load(written[tmp_path / "blocks/access_log.yaml"])["access_log"][-1]["typed_config"]
    assert log["common_config"]["grpc_service"]["initial_metadata"] == said
    assert {path.stat().st_mode & 0o7 for path, text in written.items() if SECRET in text} == {0}
    (script,) = (text for path, text in written.items() if path.name == "meter.lua")
    assert f'{{ ["x-tollkeeper-secret"] = "{SECRET}" }}' in script
    assert "x-tollkeeper-secret" not in rendered(DEFAULTS)["meter.lua"]


def addresses(cluster: dict[str, Any]) -> list[Any]:
    endpoints = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    return [endpoint["endpoint"]["address"] for endpoint in endpoints]


def test_the_defaults_open_no_admin_port_and_no_upgrade() -> None:
    files = rendered(DEFAULTS)
    assert "admin" not in yaml.safe_load(files["envoy.yaml"])
    assert "upgrade_configs" not in manager_of(files)


def test_parts_are_the_same_as_in_the_whole() -> None:
    files = {name: yaml.safe_load(text) for name, text in rendered(DEFAULTS).items() if name.endswith(".yaml")}
    whole = files["envoy.yaml"]["static_resources"]
    manager = whole["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    names = [item["name"] for item in manager["http_filters"]]
    assert names == [item["name"] for item in files["blocks/http_filters.yaml"]["http_filters"]] + [names[-1]]
    for included, inline in zip(
        files["blocks/http_filters.yaml"]["http_filters"], manager["http_filters"], strict=False
    ):
        path = included["config_discovery"]["config_source"]["path_config_source"]["path"]
        (resource,) = files[path.removeprefix("/etc/tollkeeper/envoy/")]["resources"]
        assert resource["name"] == inline["name"]
        assert resource["typed_config"] == inline["typed_config"]
        assert included["config_discovery"]["type_urls"] == [inline["typed_config"]["@type"]]
    assert files["blocks/access_log.yaml"]["access_log"] == manager["access_log"]
    both = [files["blocks/local_reply.yaml"]["local_reply_config"], manager["local_reply_config"]]
    statuses = [[each for each in replies["mappers"] if "status_code" in each] for replies in both]
    assert statuses[0] == statuses[1]
    clusters = [{k: v for k, v in one.items() if k != "@type"} for one in files["clusters.yaml"]["resources"]]
    assert clusters == whole["clusters"][1:]


BAD = [
    ("upstream", "ftp://x"),
    ("upstream", "x:8000"),
    ("upstream", ""),
    ("upstream", "http://"),
    ("upstream", "http://x:0"),
    ("upstream", "http://x:65536"),
    ("upstream", "http://x:port"),
    ("upstream", "http://user:secret@x"),
    ("upstream", "http://x/?a=b"),
    ("upstream", "http://x/#a"),
    ("upstream", "http://x/a b"),
    ("upstream", 'http://x/"\n  evil: 1'),
    ("upstream", "http://x\n"),
    ("upstream", "http://127.1"),
    ("upstream", "http://a..b"),
    ("upstream", "http://" + "a" * 64),
    ("upstream", "http://[fe80::1%eth0]"),
    ("upstream", "http://[::1"),
    ("listen", "10000"),
    ("listen", "localhost:10000"),
    ("listen", "::1:10000"),
    ("listen", "0.0.0.0:99999"),
    ("listen", "0.0.0.0:-1"),
    ("listen", "unix:/run/x.sock"),
    ("admin", "0.0.0.0"),
    ("authz", ()),
    ("authz", ("unix:relative",)),
    ("authz", ("unix:/" + "a" * 107,)),
    ("authz", ("sidecar:9001", "unix:/run/x.sock")),
    ("authz", ("side car:9001",)),
    ("authz", ("sidecar:9001",)),  # without the secret
    ("ratelimit", ("sidecar:9001", "sidecar:9002")),
    ("ratelimit", ("unix:/run/x\n.sock",)),
    ("ratelimit", ("sidecar:9001}",)),
    ("access_log", "access.jsonl"),
    ("access_log", "/a\nb"),
    ("config_dir", "conf"),
    ("upstream_ca", "ca.pem"),
    ("idle_timeout_seconds", 0.0),
    ("idle_timeout_seconds", float("nan")),
    ("idle_timeout_seconds", float("inf")),
    ("authz_timeout_seconds", -1.0),
    ("cors_origins", ("chat.example.com",)),
    ("cors_origins", ("https://x.example/path",)),
    ("cors_origins", ('https://x"\n',)),
]


@pytest.mark.parametrize(("setting", "value"), BAD)
def test_a_bad_setting_is_named_and_nothing_is_written(setting: str, value: Any, tmp_path: Path) -> None:
    settings = replace(DEFAULTS, **{setting: value})
    with pytest.raises(InvalidSetting, match=f"^{setting.removesuffix('_seconds')}: "):
        render(settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tls_is_not_spoken_over_unix_sockets() -> None:
    mixed = replace(DEFAULTS, authz=("127.0.0.1:9001", "unix:/run/a.sock"), grpc_secret=SECRET, grpc_tls_dir="/tls")
    with pytest.raises(InvalidSetting, match=r"^authz: with TLS"):
        rendered(mixed)
    assert "UpstreamTlsContext" not in rendered(replace(DEFAULTS, grpc_tls_dir="/tls"))["clusters.yaml"]


def test_certificates_that_cannot_be_used_replace_nothing(tmp_path: Path) -> None:
    """Envoy reads them when it runs."""
    sidecar = ("127.0.0.1:9001",)
    settings = replace(DEFAULTS, authz=sidecar, ratelimit=sidecar, grpc_secret=SECRET, grpc_tls_dir=str(tmp_path))
    with pytest.raises(InvalidEnvoyConfig, match=r"tls\.crt"):
        render(settings, tmp_path / "out", envoy_binary())
    assert not (tmp_path / "out").exists()


def test_what_envoy_refuses_replaces_nothing(tmp_path: Path) -> None:
    render(DEFAULTS, tmp_path, envoy_binary())
    before = (tmp_path / "envoy.yaml").read_text()
    missing = EnvoySettings(upstream="https://x.example", upstream_ca=str(tmp_path / "missing.pem"))
    with pytest.raises(InvalidEnvoyConfig, match=r"missing\.pem"):
        render(missing, tmp_path, envoy_binary())
    assert (tmp_path / "envoy.yaml").read_text() == before


def test_without_a_default_upstream_nothing_leads_there() -> None:
    manager = manager_of(rendered(replace(DEFAULTS, upstream="none")))
    *_, short, last = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert short["direct_response"] == last["direct_response"] == {"status": 404}
    assert "route" not in short.keys() | last.keys()


def test_a_route_to_models_is_ahead_of_the_default_one() -> None:
    files = rendered(replace(DEFAULTS, model_clusters="/run/models.yaml"))
    manager = manager_of(files)
    _, stranger, server, no_server, model, _, _ = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert (server["route"]["cluster_header"], server["match"]["prefix"]) == ("x-tollkeeper-cluster", "/mcp/")
    assert (no_server["route"], no_server["match"]) == ({"cluster": "tollkeeper_nowhere"}, {"prefix": "/mcp/"})
    assert (stranger["direct_response"], stranger["match"]["prefix"]) == ({"status": 403}, "/mcp/")
    assert server["typed_per_filter_config"] == no_server["typed_per_filter_config"]
    assert model["route"]["cluster_header"] == "x-tollkeeper-cluster"
    names = [each["name"] for each in manager["http_filters"]]
    last = ["tollkeeper.ratelimit", "tollkeeper.forward", "tollkeeper.mcp_sessions", "envoy.filters.http.router"]
    assert names[-4:] == last
    assert names.index("tollkeeper.mcp") == names.index("tollkeeper.meter") + 1
    included = [each["name"] for each in yaml.safe_load(files["blocks/http_filters.yaml"])["http_filters"]]
    assert [*included, last[-1]] == names
    assert "tollkeeper_nowhere" in files["clusters.yaml"]
    assert "tollkeeper.forward" in files["blocks/exempt.yaml"]
    assert "tollkeeper.forward" not in "".join(rendered(DEFAULTS).values())


def test_the_readme_names_files_that_exist() -> None:
    readme = (template_dir() / "README.md").read_text()
    named = set(re.findall(r"`((?:filters/|blocks/)?[a-z_]+\.(?:yaml|lua))`", readme))
    assert named == set(rendered(DEFAULTS))


def test_each_process_of_a_sidecar_has_its_socket() -> None:
    assert of_each_process("authz", ["host:1", "host:2"], 1) == ("host:1", "host:2")
    assert of_each_process("authz", ["unix:/run/a.sock"], 2) == ("unix:/run/a.sock", "unix:/run/a-2.sock")
    with pytest.raises(InvalidSetting, match="authz: only Unix sockets are numbered"):
        of_each_process("authz", ["host:1"], 2)
