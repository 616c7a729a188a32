"""docs/install.md: its processes, on stores and ports of the test's own."""

import re
from pathlib import Path

from tests.e2e.documents.conftest import Shell
from tests.e2e.documents.pages import blocks
from tollkeeper.up.process import free_port

PAGE = "docs/install.md"
STARTED = "tollkeeper doctor"


def test_the_page_ends_with_a_deployment_in_order(public_path: Path, database_url_sync: str, redis_url: str) -> None:
    """Envoy refuses who has no key; there is nothing to say but that the test's Valkey does not persist."""
    listen, envoy_admin, metrics, admin = (f"127.0.0.1:{free_port()}" for _ in range(4))
    authz, ratelimit, log = (public_path / name for name in ("authz.sock", "ratelimit.sock", "access.jsonl"))
    variables = {
        "API_URL": f"http://{admin}", "ADMIN_LISTEN": admin, "METRICS_LISTEN": metrics, "ENVOY_ADMIN": envoy_admin,
        "AUTHZ_SOCKET": str(authz), "RATELIMIT_SOCKET": str(ratelimit), "ACCESS_LOG_FILE": str(log),
        "DATA_DIR": str(public_path / "data"),
    }  # fmt: skip
    render = f"envoy render --authz unix:{authz} --ratelimit unix:{ratelimit} --access-log {log} --listen {listen}"
    addresses = {
        "postgresql://tollkeeper@127.0.0.1:5432/tollkeeper": database_url_sync,
        "redis://127.0.0.1:6379/0": redis_url,
        "/etc/tollkeeper": str(public_path),
        "tollkeeper envoy render": f"tollkeeper {render} --admin {envoy_admin}",
        "envoy --config-path": "envoy --base-id 77 --log-level error --config-path",
        STARTED: f"""
            until curl -sf http://{metrics}/readyz > /dev/null; do sleep 0.1; done
            until curl -s http://{listen}/v1/models | grep invalid_api_key; do sleep 0.1; done
            while curl -s http://{metrics}/readyz | grep 'is not there'; do sleep 0.1; done
            tollkeeper doctor""",
    }
    script = "".join(block.text for block in blocks(PAGE) if block.language == "sh")
    assert script.strip().endswith(STARTED)
    said = Shell(public_path, addresses).run(
        script, **{f"TOLLKEEPER_{name}": value for name, value in variables.items()}
    )
    found = re.findall(r"^(?:wrong|doubtful): .*$", said, re.MULTILINE)
    assert found == ["doubtful: redis: a restart finds it empty"], said
