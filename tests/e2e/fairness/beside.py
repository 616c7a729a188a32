"""A sidecar and an Envoy more, on the stores and the model server of a running stack."""

import sys
from contextlib import ExitStack
from pathlib import Path

from tests.e2e.deployment import Deployment
from tollkeeper.config import as_environment
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.binaries import envoy_binary
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.stack import ENVOY_ARGUMENTS, accepts, answers


def begin_beside(stack: Deployment, directory: Path, stops: ExitStack) -> str:
    """The address of its Envoy, once that answers."""
    settings = stack.settings.model_copy(
        update={
            "metrics_listen": f"127.0.0.1:{free_port()}",
            "authz_socket": directory / "a.sock",
            "ratelimit_socket": directory / "r.sock",
            "data_dir": directory / "data",
            "access_log_file": directory / "access.jsonl",
        }
    )
    command = [sys.executable, "-m", "tollkeeper", "sidecar"]
    sidecar = Process("sidecar", command, directory / "sidecar.log", environment=as_environment(settings))
    stops.callback(sidecar.stop)
    address = f"127.0.0.1:{free_port()}"
    rendered = EnvoySettings(
        upstream=stack.stub_url,
        listen=address,
        authz=(f"unix:{settings.authz_socket}",),
        ratelimit=(f"unix:{settings.ratelimit_socket}",),
        access_log=str(settings.access_log_file),
        config_dir=str(directory / "envoy"),
    )
    render(rendered, directory / "envoy")
    sidecar.wait_until(lambda: answers(f"http://{settings.metrics_listen}/readyz"))
    command = [str(envoy_binary()), "-c", str(directory / "envoy" / "envoy.yaml"), "--concurrency", "1"]
    envoy = Process("envoy", [*command, *ENVOY_ARGUMENTS], directory / "envoy.log")
    stops.callback(envoy.stop)
    envoy.wait_until(lambda: accepts(address))
    return address
