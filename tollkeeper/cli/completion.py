"""`tollkeeper completion`: the script that makes a shell complete commands and options."""

from enum import StrEnum
from typing import Annotated

import typer
from typer._completion_shared import get_completion_script


class Shell(StrEnum):
    """Those that can be told."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print a completion script: eval "$(tollkeeper completion bash)"."""
    typer.echo(get_completion_script(prog_name="tollkeeper", complete_var="_TOLLKEEPER_COMPLETE", shell=shell))
