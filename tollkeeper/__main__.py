"""The `tollkeeper` command.  What it can do is a table; each command is imported when it is named."""

import typer

from tollkeeper.cli.lazy import lazy_group
from tollkeeper.cli.table import COMMANDS

app = typer.Typer(cls=lazy_group(COMMANDS), no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def tollkeeper() -> None:
    """Tollkeeper: auth and token budgets for Envoy in front of LLM inference endpoints."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
