"""`tollkeeper api`: any request to the management API, for what no other command does."""

from enum import StrEnum
from typing import Annotated

import typer

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.client import PREFIX
from tollkeeper.cli.command import with_session
from tollkeeper.cli.files.whole import output
from tollkeeper.cli.session import Session


class Method(StrEnum):
    """What the API knows."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


@with_session(repeatable=True)
def api(
    session: Session,
    method: Annotated[Method, typer.Argument(metavar="METHOD", case_sensitive=False)],
    path: Annotated[str, typer.Argument(metavar="PATH", help="Path, such as /tenants?limit=5.")],
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Make any request to the management API, and print the answer as JSON."""
    sent = method in (Method.POST, Method.PUT, Method.PATCH) or bool(assignments or file)
    body = body_of({}, file, assignments) if sent else None
    answer = session.client.ask(method, "/" + path.removeprefix(PREFIX).lstrip("/"), body)
    if isinstance(answer.body, str):
        typer.echo(answer.body, nl=False)
    elif isinstance(answer.body, bytes):
        with output(None, binary=True) as stdout:
            stdout.write(answer.body)
    elif answer.body is not None:
        session.show.json(answer.body)
