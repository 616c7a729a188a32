"""A sidecar that also answers on TCP: to an Envoy that has its secret, and to nobody else."""

from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme

from accesslog.service import PATH as STREAM
from authz.service import CHECK
from ratelimit.service import PATH as RESERVE
from tests.accesslog.entries import CHAT_USAGE, decision, entry, message, proto
from tests.authz.conversation import check_request
from tests.e2e.attacks.conftest import AUTHORITY, SECRET
from tests.e2e.deployment import MODEL, Deployment
from tests.e2e.envoys import another_envoy
from tests.ratelimit.rls import ask
from tests.serving.certificates import issue
from tests.web import NO_TLS

ANOTHER = "a" * 32
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
