"""What every command shares: the options --api and --json, a session with the API, and how failures are said.

`@command(app, "list")` makes a command of a function whose first parameter is the Session; the rest are its options.
"""

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tollkeeper.cli.client import Client
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.printer import Printer
from tollkeeper.config import BadSettings, read_settings

ApiOption = Annotated[str | None, typer.Option("--api", metavar="URL", help="Management API.  [TOLLKEEPER_API_URL]")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")]
RepeatOption = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="Done once, however often it is run with this key in a day."),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.", show_default="all")]
ColumnsOption = Annotated[str | None, typer.Option("--columns", help="Comma-separated; `all` for every one.")]


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command."""

    client: Client
    show: Printer


def noun(help: str) -> typer.Typer:
    """The app of one noun."""
    return typer.Typer(help=help, no_args_is_help=True, pretty_exceptions_enable=False)


def command(
    app: typer.Typer, name: str, panel: str | None = None, *, repeatable: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers a function as a command with a session.  `repeatable`: with an option for an Idempotency-Key."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(function).parameters.values()
        shared = [_keyword("api", ApiOption, None), _keyword("as_json", JsonOption, False)]
        shared += [_keyword("idempotency_key", RepeatOption, None)] if repeatable else []
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own] + shared

        def run(*, api: str | None, as_json: bool, idempotency_key: str | None = None, **options: Any) -> None:
            show = Printer(as_json)
            try:
                function(Session(_client(api, idempotency_key), show), **options)
            except CommandFailed as failed:
                _say(failed, as_json)
                sys.exit(failed.code)
            except BrokenPipeError:  # `| head` has seen enough
                sys.exit(Exit.OK)

        run.__doc__ = function.__doc__
        run.__name__ = function.__name__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # as functools.wraps does
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, rich_help_panel=panel)(run)
        return function

    return register


def confirm(session: Session, question: str, yes: bool) -> None:
    """Asks the person; CommandFailed if there is none, or the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(Exit.USAGE, f"{question}  Nobody is there to ask: say --yes")
    if not typer.confirm(question, err=True):
        raise CommandFailed(Exit.FAILED, "nothing was changed")


def _keyword(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _client(api: str | None, idempotency_key: str | None) -> Client:
    try:
        settings = read_settings()
    except BadSettings as error:
        first, *rest = str(error).splitlines()
        raise CommandFailed(Exit.USAGE, first, rest) from None
    if settings.admin_token is None:
        raise CommandFailed(Exit.USAGE, "TOLLKEEPER_ADMIN_TOKEN: not set; it is the token for the management API")
    url, token = api or settings.api_url, settings.admin_token.get_secret_value()
    return Client(url, token, idempotency_key=idempotency_key)


def _say(failed: CommandFailed, as_json: bool) -> None:
    if as_json and failed.document is not None:
        typer.echo(json.dumps(failed.document), err=True)
        return
    typer.echo(f"tollkeeper: {failed}", err=True)
    for line in failed.lines:
        typer.echo(f"  {line}", err=True)
