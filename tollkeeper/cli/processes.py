"""`tollkeeper up|sidecar|admin|migrate`: reads options, then hands over; what a command needs is imported when it runs.

(grpc reads its environment when it is imported.)
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

SURFACES_HELP = f"What is served beside the management API: all, none, or some of {', '.join(SURFACES)}."
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2


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
    from tollkeeper.up.process import StartFailed
    from tollkeeper.up.stack import Stack, UpOptions, wait_while_healthy
    from tollkeeper.wheels import MissingWheel

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
