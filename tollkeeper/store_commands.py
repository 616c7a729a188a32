"""What commands that open the stores themselves have in common: their settings, and how they end when they fail."""

from typing import NoReturn

import typer

from tollkeeper.config import BadSettings, Settings, read_settings
from tollkeeper.logs import configure_logs

EXIT_FAILED, EXIT_BAD_SETTINGS = 1, 2


def settings_of(command: str) -> Settings:
    """The settings of this process, which logs only errors: the command reports the rest."""
    configure_logs("error", command)
    try:
        return read_settings()
    except BadSettings as error:
        fail(str(error), EXIT_BAD_SETTINGS)


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    for line in message.splitlines():
        typer.echo(f"tollkeeper: {line}", err=True)
    raise typer.Exit(code)
