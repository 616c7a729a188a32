"""What every command shares: the options --api and --json, a session with the API, and how failures are said.

`@command(app, "list", *fields)` makes a command of a function that takes the Session, what was given of the fields (if
there are any), and options of its own; `@with_session()` one of the root, which cli/table.py names.
"""

import inspect
import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import Field, values_of
from tollkeeper.cli.printer import Printer
from tollkeeper.cli.session import Session, connect

ApiOption = Annotated[
    str | None, typer.Option("--api", metavar="URL", help="URL of the management API.  [TOLLKEEPER_API_URL]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")]
RepeatOption = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key", metavar="KEY", help="Take effect once, however often it is run with this key in a day."
    ),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Maximum number of items.", show_default="all")]
ColumnsOption = Annotated[
    str | None, typer.Option("--columns", help="Columns to print, separated by commas; `all` for every one.")
]


def noun() -> typer.Typer:
    """The app of one noun, of which cli/table.py says what it is."""
    return typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def command(
    app: typer.Typer,
    name: str,
    *fields: Field,
    help: str | None = None,
    repeatable: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers a function as a command with a session.  `help`: unless its docstring says it."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name, help=help)(with_session(*fields, repeatable=repeatable)(function))
        return function

    return register


def with_session(*fields: Field, repeatable: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`repeatable`: with an option for an Idempotency-Key."""

    def wrap(function: Callable[..., None]) -> Callable[..., None]:
        def run(
            *, api: ApiOption = None, as_json: JsonOption = False, idempotency_key: RepeatOption = None, **options: Any
        ) -> None:
            try:
                session = Session(connect(api, idempotency_key), Printer(as_json))
                if takes_fields:
                    options["given"] = values_of(session, fields, options)
                function(session, **options)
            except CommandFailed as failed:
                _say(failed, as_json)
                sys.exit(failed.code)
            except BrokenPipeError:  # `| head` has seen enough
                sys.exit(Exit.OK)

        _, *own = inspect.signature(function).parameters.values()
        api, as_json, idempotency_key, _ = inspect.signature(run).parameters.values()
        takes_fields = any(each.name == "given" for each in own)
        parameters = [field.parameter() for field in fields]
        parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own if each.name != "given"]
        parameters += [api, as_json, *([idempotency_key] if repeatable else [])]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # as functools.wraps does
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__doc__ = function.__doc__
        return run

    return wrap


def _say(failed: CommandFailed, as_json: bool) -> None:
    if as_json and failed.document is not None:
        typer.echo(json.dumps(failed.document), err=True)
        return
    typer.echo(f"tollkeeper: {failed}", err=True)
    for line in failed.lines:
        typer.echo(f"  {line}", err=True)
