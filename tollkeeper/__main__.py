"""The `tollkeeper` command.  Reads options, then hands over; every other import waits until its command runs.

(grpc reads its environment when it is imported, and `--help` should not take a second.)
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import tollkeeper.lean  # noqa: F401 - ahead of all that imports structlog
from tollkeeper.config import BadSettings, Settings, read_settings
from tollkeeper.logs import configure_logs
from tollkeeper.settings.types import SURFACES
from tollkeeper.slices.table import Service

app = typer.Typer(
    help="Tollkeeper: auth and token budgets for Envoy in front of LLM inference endpoints.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
SURFACES_HELP = f"What is served beside the management API: all, none, or some of {', '.join(SURFACES)}."
# Processes start without what only people at a terminal need, which takes half a second.
PROCESS = sys.argv[1:2] in (["up"], ["sidecar"], ["admin"], ["migrate"], ["stub-model"])
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2

if not PROCESS:
    from tollkeeper.backup.commands import backup_app, restore_command
    from tollkeeper.cli.routes import routes_command
    from tollkeeper.doctor.command import doctor_command
    from tollkeeper.envoy.commands import envoy_app
    from tollkeeper.imports.commands import import_app
    from tollkeeper.learned import learned_command
    from tollkeeper.retention import forget_usage_command

    app.add_typer(envoy_app, name="envoy")
    app.add_typer(backup_app, name="backup")
    app.command("restore")(restore_command)
    app.add_typer(import_app, name="import")
    app.command("routes")(routes_command)
    app.command("learned")(learned_command)
    app.command("doctor")(doctor_command)
    app.command("forget-usage")(forget_usage_command)


@app.command()
def up(
    listen: Annotated[str, typer.Option(help="Where Envoy listens, HOST:PORT.")] = "127.0.0.1:10000",
    admin: Annotated[
        str | None, typer.Option(help="Where the management API listens.", show_default="127.0.0.1:9090")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Where metrics are.", show_default="127.0.0.1:9464")] = None,
    surfaces: Annotated[str | None, typer.Option(help=SURFACES_HELP, show_default="all")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of processes of each kind in the sidecar.", show_default="1")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Directory of all state.")] = Path(".tollkeeper"),
    upstream: Annotated[str | None, typer.Option(help="URL of a model server, instead of the stub.")] = None,
    redis_url: Annotated[str | None, typer.Option(help="URL of Redis or Valkey, instead of the embedded one.")] = None,
    database_url: Annotated[str | None, typer.Option(help="URL of Postgres, instead of the embedded one.")] = None,
) -> None:
    """Run everything on this machine: Postgres, Valkey, a stub model, the sidecar, the management API, Envoy."""
    from tollkeeper.up.banner import banner
    from tollkeeper.up.binaries import MissingWheel
    from tollkeeper.up.process import StartFailed
    from tollkeeper.up.stack import Stack, UpOptions, wait_while_healthy

    given = {"admin_listen": admin, "metrics_listen": metrics, "workers": workers}
    given |= {"surfaces": surfaces}
    options = UpOptions(listen, data_dir, upstream, redis_url, database_url)
    stack = Stack(options, given, lambda part: typer.echo(f"starting {part} …"))
    try:
        with interruptible():
            stack.start()
        stopping = on_stop_signals()
        typer.echo(banner(stack.settings, options))
        failure = wait_while_healthy(stack, stopping.is_set)
    except KeyboardInterrupt:
        typer.echo("stopped before it was up")
        return
    except (BadSettings, MissingWheel, StartFailed, ValueError) as error:
        fail(str(error))
    typer.echo("stopping …")
    stack.stop()
    if failure:
        fail(failure)


@app.command()
def sidecar(
    services: Annotated[list[Service] | None, typer.Argument(help="Services to run; all if none is named.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of processes of each kind.", show_default="1")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of one that runs, without a gap.")] = False,
) -> None:
    """Run the sidecar: authz, ratelimit and accesslog, in supervised processes with one metrics endpoint."""
    settings = settings_or_exit("sidecar", workers=workers)
    from serving.addresses import CannotListenError
    from serving.tls_files import BadCertificates, read_files
    from tollkeeper.plan import SERVICES
    from tollkeeper.supervisor import SidecarRuns, Supervisor

    try:
        if settings.grpc_tls_dir and settings.grpc_listen:
            read_files(settings.grpc_tls_dir)  # else each process says it, again and again
        Supervisor(settings, services or SERVICES, replace=replace).run()
    except BadCertificates as error:
        fail(f"TOLLKEEPER_GRPC_TLS_DIR: {error}", EXIT_BAD_SETTINGS)
    except SidecarRuns as error:
        fail(str(error))
    except CannotListenError as error:
        fail(f"{error}; TOLLKEEPER_METRICS_LISTEN and TOLLKEEPER_GRPC_LISTEN choose others")


@app.command()
def admin(
    surfaces: Annotated[str | None, typer.Option(help=SURFACES_HELP, show_default="all")] = None,
) -> None:
    """Run the management API, and the other control planes beside it."""
    settings = settings_or_exit("admin", surfaces=surfaces)
    if settings.admin_token is None:
        fail("TOLLKEEPER_ADMIN_TOKEN: not set; the management API has no default credential", EXIT_BAD_SETTINGS)
    from admin.server import CannotListen
    from serving.addresses import CannotListenError
    from serving.tls_files import BadCertificates
    from tollkeeper.server import run_admin

    try:
        run_admin(settings, settings.admin_token.get_secret_value())
    except BadCertificates as error:
        fail(f"TOLLKEEPER_ADMIN_TLS_DIR: {error}", EXIT_BAD_SETTINGS)
    except CannotListen as error:
        fail(str(error))
    except CannotListenError as error:
        fail(f"{error}; TOLLKEEPER_ADMIN_METRICS_LISTEN chooses another")


@app.command()
def migrate() -> None:
    """Bring the database schema up to this version, and that of a ledger on ClickHouse."""
    settings = settings_or_exit("migrate")
    from store.clickhouse import ClickhouseAway
    from store.tls import in_words, tls_error
    from tollkeeper.migrations import run_migrations

    try:
        applied = run_migrations(settings.database_url, settings.ledger_url)
    except Exception as error:  # noqa: BLE001 - the top of a command: one line for whatever Postgres says
        of_tls = tls_error(error)
        of_ledger = isinstance(error, ClickhouseAway)
        store = ("clickhouse", "TOLLKEEPER_LEDGER_URL") if of_ledger else ("postgres", "TOLLKEEPER_DATABASE_URL")
        said = in_words(*store, of_tls) if of_tls else error
        fail(f"cannot migrate the database: {said}")
    typer.echo(f"applied: {', '.join(applied)}" if applied else "nothing to do: the schema is current")


@app.command()
def stub_model(
    listen: Annotated[str, typer.Option(help="Where to listen, HOST:PORT.")] = "127.0.0.1:8081",
    tokens: Annotated[int, typer.Option(help="Visible output tokens per reply.")] = 16,
    tokens_per_second: Annotated[float, typer.Option(help="Output tokens per second; 0: all at once.")] = 0.0,
    delay_ms: Annotated[int, typer.Option(help="Milliseconds before the first byte.")] = 0,
    capacity: Annotated[int, typer.Option(help="Maximum concurrent requests; 0: no limit.")] = 0,
    over_capacity: Annotated[str, typer.Option(help="What happens to more requests: refuse or wait.")] = "refuse",
    failure_rate: Annotated[float, typer.Option(help="Share of requests that fail, 0 to 1.")] = 0.0,
    failure_status: Annotated[int, typer.Option(help="Status of those that fail.")] = 500,
    usage: Annotated[bool, typer.Option(help="Whether answers report usage.")] = True,
) -> None:
    """Serve mock-model, for tests and demos: OpenAI and Anthropic protocols, with exact usage."""
    from stub_model.options import StubOptions
    from stub_model.server import serve

    host, _, port = listen.rpartition(":")
    try:
        options = StubOptions(
            tokens=tokens,
            tokens_per_second=tokens_per_second,
            delay_ms=delay_ms,
            capacity=capacity,
            over_capacity=over_capacity,  # type: ignore[arg-type] # checked by StubOptions
            failure_rate=failure_rate,
            failure_status=failure_status,
            usage=usage,
        )
        serve(host, int(port), options)
    except ValueError as error:
        fail(str(error), EXIT_BAD_SETTINGS)


def settings_or_exit(process: str, **overrides: Any) -> Settings:
    """The settings, with logging set up by them; ends the process with a line for each bad one."""
    try:
        settings = read_settings(**overrides)
    except BadSettings as error:
        fail(str(error), EXIT_BAD_SETTINGS)
    configure_logs(settings.log_level, process)
    return settings


def on_stop_signals() -> threading.Event:
    """An event that SIGINT or SIGTERM sets."""
    stopping = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    return stopping


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it the first SIGINT or SIGTERM is a KeyboardInterrupt; those that follow change nothing, so that what was
    started is stopped in order."""

    def interrupt(*_: object) -> NoReturn:
        on_stop_signals()
        raise KeyboardInterrupt

    for number in STOP_SIGNALS:
        signal.signal(number, interrupt)
    yield


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Ends the command with a message for people."""
    for line in message.splitlines():
        typer.echo(f"tollkeeper: {line}", err=True)
    sys.exit(code)


if not PROCESS:
    from tollkeeper.cli.app import add_to

    add_to(app)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
