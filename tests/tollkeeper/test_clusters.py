"""The clusters of models: what is rendered of the catalog, and the file that Envoy reads."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenancy.resolving.catalog import KnownModels
from tenancy.values.upstream import Endpoint, Upstream, cluster_of
from tollkeeper.envoy.cluster_file import LINGER_SECONDS, ClusterFile
from tollkeeper.envoy.credentials import Credentials
from tollkeeper.envoy.models import HTTP_OPTIONS, MissingCredential, cluster, script
from tollkeeper.envoy.render import EMPTY, MARK, InvalidEnvoyConfig, template_dir, validate
from tollkeeper.wheels import envoy_binary

CA = "/etc/ssl/certs/ca-certificates.crt"
MANY = Upstream(
    'a "name"\\n with ]] in it',
    (
        Endpoint("http://10.0.0.1:8000/v1", weight=3),
        Endpoint("https://api.example.com/base", priority=7, credential="file:own"),
        Endpoint("https://[2001:db8::1]:8443", priority=7),
    ),
    "env:A",
    "x-api-key",
    timeout_seconds=30,
    health_path="/health?deep=1",
)


def bootstrap(path: Path, *clusters: dict[str, Any]) -> Path:
    plain = [{name: each[name] for name in each if name != "@type"} for each in clusters]
    path.write_text(json.dumps({"static_resources": {"clusters": plain}}))
    return path


def test_envoy_takes_what_is_rendered(tmp_path: Path) -> None:
    for name in ("a", "own"):
        (tmp_path / name).write_text("secret")
    files = {"env:A": str(tmp_path / "a"), "file:own": str(tmp_path / "own")}
    found = cluster("org/model", MANY, files, CA)
    validate(bootstrap(tmp_path / "good.json", found), envoy_binary())
    levels = found["load_assignment"]["endpoints"]
    assert [level["priority"] for level in levels] == [0, 1]
    said = [
        each["metadata"]["filter_metadata"]["tollkeeper"]["endpoint"]
        for level in levels
        for each in level["lb_endpoints"]
    ]
    assert said == ["1 10.0.0.1:8000 /v1", "2 api.example.com /base", "1 [2001:db8::1]:8443 "]
    assert "secret" not in json.dumps(found)
    gone = cluster("m", MANY, {**files, "env:A": str(tmp_path / "nowhere")}, CA)
    bad = bootstrap(tmp_path / "bad.json", gone)
    with pytest.raises(InvalidEnvoyConfig, match="No such file"):  # rather than requests without the secret
        validate(bad, envoy_binary())
    with pytest.raises(MissingCredential):
        cluster("m", MANY, {}, CA)


def test_a_models_own_limits_are_taken_as_the_default_upstreams_are() -> None:
    config = yaml.safe_load((template_dir() / "envoy.yaml").read_text())
    default = next(each for each in config["static_resources"]["clusters"] if each["name"] == "tollkeeper_upstream")
    model = cluster("m", Upstream("m", (Endpoint("http://10.0.0.1:8000/v1"),)), {}, CA)
    ours, model_s = (
        each["typed_extension_protocol_options"][HTTP_OPTIONS]["http_filters"] for each in (default, model)
    )
    assert ours[0]["name"] == "tollkeeper.limits"
    assert model_s[0] == ours[0]


def test_no_name_ends_the_string_that_it_is_in() -> None:
    assert '"] = nil os.exit() --' not in script(Upstream('"] = nil os.exit() --'), [])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def place(tmp_path: Path) -> tuple[ClusterFile, Path, Clock]:
    secrets, clock = tmp_path / "secrets", Clock()
    secrets.mkdir()
    credentials = Credentials(
        ["A"], secrets, tmp_path / "models/credentials", b"key", {"A": "secret-a", "B": "secret-b"}
    )
    path = tmp_path / "models/models.yaml"
    return ClusterFile(path, credentials, CA, clock), path, clock


def test_the_file_follows_the_catalog_and_keeps_what_is_not_ours(place: tuple[ClusterFile, Path, Clock]) -> None:
    file, path, clock = place
    one = {"m": Upstream(endpoints=(Endpoint("http://a.test"),), credential="env:A")}
    assert file.write(one)
    assert not file.write(one)
    text = path.read_text()
    assert text.startswith(EMPTY + MARK)
    assert cluster_of("m") in text
    assert "secret-a" not in text
    (secret,) = (path.parent / "credentials").iterdir()
    assert (secret.read_text(), secret.stat().st_mode & 0o007) == ("secret-a", 0)
    path.write_text(f"mine:\n{MARK}{text.partition(MARK)[2]}")
    assert file.write({"other": Upstream("x")}) is False  # no endpoints; and what is not wanted stays for a moment
    clock.now += LINGER_SECONDS
    assert file.write({})
    assert path.read_text() == f"mine:\n{MARK}"


async def test_a_file_that_was_spoilt_is_mended_or_said_and_does_not_end_the_work(
    place: tuple[ClusterFile, Path, Clock],
) -> None:
    file, path, _ = place
    upstreams = {"m": Upstream(endpoints=(Endpoint("http://10.0.0.1"),))}
    assert file.write(upstreams)
    good = path.read_text()
    for spoilt in ("- {half", "- []", '- {"no": "name"}'):
        path.write_text(good + spoilt + "\n")
        assert file.write(upstreams)
        assert path.read_text() == good
    path.write_bytes(b"\xff")
    known = KnownModels(1, upstreams=upstreams)
    await asyncio.wait_for(file.keep(lambda: known, lambda: bool(file.wrong)), 5)
    assert "is not UTF-8" in file.wrong[0]


def test_what_cannot_be_rendered_stays_as_it_was(place: tuple[ClusterFile, Path, Clock]) -> None:
    file, path, _ = place
    secret = path.parent.parent / "secrets/s"
    secret.write_text("first")
    endpoints = (Endpoint("http://a.test"),)
    file.write({"m": Upstream(endpoints=endpoints, credential="file:s")})
    before = path.read_text()
    for credential in ("file:gone", "env:B", "env:A B"):  # B is in the environment, and is nobody's to name
        file.write({"m": Upstream(endpoints=endpoints, credential=credential)})
        assert path.read_text() == before
        assert credential in file.wrong[0]
    secret.write_text("second")
    file.write({"m": Upstream(endpoints=endpoints, credential="file:s")})
    assert file.wrong == []
    assert path.read_text() != before
