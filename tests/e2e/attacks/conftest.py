"""A stack with TLS on a TCP port, which has sealed for long: for what is brought to a sidecar past Envoy."""

import json
from collections.abc import Iterator

import pytest
import trustme

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment
from tests.serving.certificates import issue
from tollkeeper.seal_key import FILE
from tollkeeper.up.process import free_port

AUTHORITY = trustme.CA()
SECRET = "s" * 32
SEAL_KEY = "5e" * 32


@pytest.fixture(scope="package")
def deployment() -> Iterator[Deployment]:
    with public_directory() as directory:
        data = directory / "stack" / "sidecar"
        data.mkdir(parents=True)
        (data / FILE).write_text(json.dumps({"key": SEAL_KEY, "since": 0}))
        tls = issue(AUTHORITY, directory / "tls", "127.0.0.1")
        settings = {"grpc_listen": f"127.0.0.1:{free_port()}", "grpc_secret": SECRET, "grpc_tls_dir": tls}
        made = Deployment(directory / "stack", settings=settings)
        yield made
        made.close()
