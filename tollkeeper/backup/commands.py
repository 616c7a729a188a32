"""`tollkeeper backup create`, `backup verify` and `restore`: options in, sentences out."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from tollkeeper.backup.archive import BadBackup, CannotWrite, Manifest, reading
from tollkeeper.store_commands import fail, settings_of

T = TypeVar("T")
File = Annotated[Path, typer.Argument(help="The file of the backup.", show_default=False)]

backup_app = typer.Typer(no_args_is_help=True)


@backup_app.command("create")
def create_command(file: File) -> None:
    """Write a backup of everything in Postgres, as of one moment, while everything runs.

    Redis needs none: what it holds is made anew from Postgres. A ledger on
    ClickHouse is not in it. The file is a zip, readable for its owner alone.
    It has hashes of keys and passwords, addresses of people, and no secret
    that opens anything."""
    from tollkeeper.backup.create import CannotBackUp, create
    from tollkeeper.backup.tables import NotOurs

    settings = settings_of("backup")
    manifest = _run(create(settings.database_url, file), CannotBackUp, NotOurs)
    typer.echo(f"{file}: {in_words(manifest)}, {file.stat().st_size:,} bytes")
    if settings.ledger_url is not None:
        typer.echo("the ledger is not in it: that is on ClickHouse, to be backed up with its own BACKUP")


@backup_app.command("verify")
def verify_command(file: File) -> None:
    """Read a backup to its end, and say whether it is what was written."""
    try:
        with reading(file) as archive:
            archive.verify()
            typer.echo(f"{file}: whole; {in_words(archive.manifest)}")
    except BadBackup as error:
        fail(str(error))


def restore_command(
    file: File,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Move what the database holds to a schema of another name, and forget what Redis holds.",
        ),
    ] = False,
) -> None:
    """Bring a backup back into an empty database, then its schema up to this version.

    Stop every sidecar and management API before, and start them after it:
    budgets are then restored from the ledger."""
    from tollkeeper.backup.restore import Refused, restore

    settings = settings_of("backup")
    done = _run(restore(file, settings.database_url, settings.redis_url, replace=replace), BadBackup, Refused)
    typer.echo(f"restored: {in_words(done.manifest)}")
    if done.migrated:
        typer.echo(f"the schema was brought up to this version: {', '.join(done.migrated)}")
    if done.moved:
        typer.echo(f"what was there before is in the schema {done.moved}; when you need it no more:")
        typer.echo(f"  DROP SCHEMA {done.moved} CASCADE")
    if done.forgotten:
        typer.echo(f"Redis has forgotten {done.forgotten:,} keys of Tollkeeper")
    typer.echo(
        f"what happened after {done.manifest.taken_at} is lost: keys made since do not work, keys revoked since work"
        " again, limits are as they were, and people sign in again."
        " docs/operate/backup.md says how Envoy's log file brings usage back."
    )


def in_words(manifest: Manifest) -> str:
    return f"{manifest.rows:,} rows of {len(manifest.tables)} tables as of {manifest.taken_at}"


def _run(work: Coroutine[Any, Any, T], *refusals: type[Exception]) -> T:
    """The result; or ends the command with a line.  `refusals` say all there is to say."""
    from store.postgres import UNAVAILABLE

    try:
        return asyncio.run(work)
    except UNAVAILABLE as error:
        fail(f"Postgres cannot be asked: {error or type(error).__name__}")
    except Exception as error:  # noqa: BLE001 - the top of a command: one line for whatever was wrong
        fail(str(error) if isinstance(error, (*refusals, CannotWrite)) else f"{type(error).__name__}: {error}")
