"""A sidecar that also answers on TCP: to an Envoy that has its secret, and to nobody else."""

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
import trustme

from accesslog.service import PATH as STREAM
from authz.service import CHECK
from ratelimit.service import PATH as RESERVE
from ratelimit.tenants.uploads import SMALL
from ratelimit.uploads import MEBIBYTE, SHARE
from serving.tls_files import CA, CHAIN, KEY
from tenancy.redis.names import SIDECARS_KEY
from tests.accesslog.entries import CHAT_USAGE, decision, entry, message, proto
from tests.authz.conversation import check_request
from tests.e2e.attacks.conftest import AUTHORITY, SECRET
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.envoys import PINNED, VERSIONS, another_envoy, envoy_of
from tests.ratelimit.rls import ask
from tests.serving.certificates import issue
from tests.web import NO_TLS, WEB

ANOTHER = "a" * 32
MEBIBYTES = 32  # of bodies that may be held
CHAT = "/v1/chat/completions"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12}


def test_an_envoy_is_served_over_tls_if_it_has_a_certificate_too(deployment: Deployment, tmp_path: Path) -> None:
    address, who, stranger = str(deployment.settings.grpc_listen), deployment.tenant(), trustme.CA()
    named = f"localhost:{address.rpartition(':')[2]}"  # for which the sidecar has no certificate
    ours = issue(AUTHORITY, tmp_path / "ours", "envoy.test")
    theirs = issue(stranger, tmp_path / "theirs", "envoy.test", trusts=AUTHORITY)
    for number, (tls, sidecar, status) in enumerate(
        [(ours, address, 200), (theirs, address, 503), ("", address, 503), (ours, named, 503)]
    ):
        changes: dict[str, Any] = {"authz": (sidecar,), "ratelimit": (sidecar,), "grpc_secret": SECRET}
        (directory := tmp_path / str(number)).mkdir()
        with (
            another_envoy(deployment, directory, deployment.stub_url, grpc_tls_dir=str(tls), **changes) as url,
            httpx.Client(verify=NO_TLS, base_url=url, timeout=30) as client,
        ):
            assert client.post(CHAT, json=BODY, headers=who.headers).status_code == status
            if status == 200:
                (row,) = deployment.usage_when(who, 1)  # the log came over TLS too
                assert row["usage_source"] == "reported"


@pytest.mark.parametrize("version", [VERSIONS[0], PINNED])
def test_an_envoy_takes_certificates_that_are_moved_over_those_before(
    deployment: Deployment, version: str, tmp_path: Path
) -> None:
    """As Kubernetes does it: the directory that files are links into is replaced by one rename.  Envoy goes on."""
    address, who = str(deployment.settings.grpc_listen), deployment.tenant()
    tls, link = tmp_path / "tls", tmp_path / "tls/..data"
    tls.mkdir()
    issue(trustme.CA(), tls / "before", "envoy.test", trusts=AUTHORITY)
    link.symlink_to("before")
    for name in (CHAIN, KEY, CA):
        (tls / name).symlink_to(f"..data/{name}")
    changes: dict[str, Any] = {"authz": (address,), "ratelimit": (address,), "grpc_secret": SECRET}
    with (
        another_envoy(
            deployment, tmp_path, deployment.stub_url, envoy_of(version), grpc_tls_dir=str(tls), **changes
        ) as url,
        httpx.Client(verify=NO_TLS, base_url=url, timeout=30) as client,
    ):
        assert client.post(CHAT, json=BODY, headers=who.headers).status_code == 503
        issue(AUTHORITY, tls / "after", "envoy.test")
        (tls / "new").symlink_to("after")
        (tls / "new").replace(link)
        wait_for(lambda: True if client.post(CHAT, json=BODY, headers=who.headers).is_success else None, "the new ones")


@pytest.mark.parametrize("engine", ["completion_queue", "threads"])
def test_an_envoy_is_served_over_tcp_if_it_has_the_secret(deployment: Deployment, engine: str, tmp_path: Path) -> None:
    changed = deployment.settings.model_copy(update={"engine": engine, "grpc_tls_dir": None})
    deployment.processes["sidecar"].stop()
    deployment.stack.sidecar(changed)
    address, who = str(deployment.settings.grpc_listen), deployment.tenant()
    for secret, status in ((SECRET, 200), (ANOTHER, 503)):
        changes: dict[str, Any] = {"authz": (address,), "ratelimit": (address,), "grpc_secret": secret}
        (directory := tmp_path / secret).mkdir()
        with (
            another_envoy(deployment, directory, deployment.stub_url, **changes) as url,
            httpx.Client(verify=NO_TLS, base_url=url, timeout=30) as client,
        ):
            assert client.post(CHAT, json=BODY, headers=who.headers).status_code == status
            if status == 200:
                (row,) = deployment.usage_when(who, 1)  # the log came over TCP too
                assert row["usage_source"] == "reported"
    with grpc.insecure_channel(address) as channel:
        forged = message(proto(entry(decision(tenant_id=who.tenant_id), CHAT_USAGE)))
        calls: list[tuple[Any, object]] = [
            (channel.unary_unary(CHECK, None, None), check_request(who.headers)),
            (channel.unary_unary(RESERVE, None, None), ask("-")),
            (channel.stream_unary(STREAM, None, None), iter([forged])),
        ]
        for call, said in calls:
            with pytest.raises(grpc.RpcError) as refused:
                call(said, timeout=20)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert len(deployment.usage(who)) == 1


def test_small_bodies_are_counted_over_tcp_as_long_as_all_tell_of_those_that_come(
    deployment: Deployment, public_path: Path
) -> None:
    changed = deployment.settings.model_copy(update={"grpc_tls_dir": None, "uploads_max_mb": MEBIBYTES})
    deployment.processes["sidecar"].stop()
    deployment.stack.sidecar(changed)
    address, who, other = str(deployment.settings.grpc_listen), deployment.tenant(), deployment.tenant()
    share = MEBIBYTES * MEBIBYTE // SHARE // SMALL
    changes: dict[str, Any] = {"authz": (address,), "ratelimit": (address,), "grpc_secret": SECRET}
    with another_envoy(deployment, public_path, deployment.stub_url, **changes) as url, ExitStack() as closing:

        def status(of: Credential) -> int:
            return WEB.post(url + CHAT, json=BODY, headers=of.headers, timeout=30).status_code

        for _ in range(share + 10):
            begin(closing, url, who)
        wait_for(lambda: True if (status(other), status(who)) == (200, 429) else None, "the bound")
        with deployment.redis() as redis:  # as if one ran of a version that does not tell
            redis.zadd(SIDECARS_KEY, {"another": redis.time()[0] * 1000 + 600_000})
            wait_for(lambda: True if status(who) == 200 else None, "that it is not alone")
            redis.zrem(SIDECARS_KEY, "another")


def begin(closing: ExitStack, url: str, who: Credential) -> None:
    """A request whose body does not come."""
    parts = urlsplit(url)
    connection = closing.enter_context(socket.create_connection((parts.hostname or "", parts.port or 0), 30))
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {who.secret}\r\n"
    connection.sendall(f"{head}content-type: application/json\r\ncontent-length: {SMALL}\r\n\r\n{{".encode())
