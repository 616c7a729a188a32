"""Budgets while a store is away: 503 in time, and nothing is claimed that did not happen."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.admin.conftest import Admin, run_admin
from tests.proxy import TcpProxy
from tollkeeper.up.valkey import Valkey


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey")
    yield server
    server.process.kill()


@pytest.fixture
def proxy(redis_server: Valkey) -> Iterator[TcpProxy]:
    proxy = TcpProxy(redis_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def admin(database_url_sync: str, redis_server: Valkey, proxy: TcpProxy) -> Iterator[Admin]:
    through = f"redis://127.0.0.1:{proxy.port}/0"
    with run_admin(database_url_sync, redis_server.url, redis=through) as running:
        yield running


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_without_redis_nothing_is_claimed(admin: Admin, proxy: TcpProxy, how: str) -> None:
    tenant = admin.tenant(tokens_per_minute=1000)
    path = f"/tenants/{tenant['id']}/budgets"
    charge: dict[str, Any] = {"budget": "tenant:tokens:60s", "amount": -400}
    assert admin.http.post(f"{path}/adjust", json=charge).status_code == 200
    before = admin.query("SELECT count(*) AS n FROM audit_log")
    (proxy.cut if how == "cut" else proxy.freeze)()
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("POST", "/adjust", charge),
        ("POST", "/reset", {}),
    ]
    for method, where, body in asked:
        began = time.monotonic()
        answer = admin.http.request(method, path + where, json=body if method == "POST" else None)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert time.monotonic() - began < 5
    assert admin.query("SELECT count(*) AS n FROM audit_log") == before
    (proxy.restore if how == "cut" else proxy.thaw)()
    deadline = time.monotonic() + 10
    while (answer := admin.http.get(path)).status_code != 200:
        assert time.monotonic() < deadline
    (budget,) = answer.json()["budgets"]
    assert 0 < budget["used"] <= 400
