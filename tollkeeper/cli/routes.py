"""`tollkeeper routes`: which routes are served, and what each is.

Apart from tollkeeper/routes.py, so that the processes of a sidecar start without what reads command lines.
"""

from typing import Annotated

import typer

from ratelimit.tenants.routes.table import SERVERS
from tollkeeper.config import BadSettings, read_settings
from tollkeeper.routes import routes_of


def routes_command(
    server: Annotated[str | None, typer.Argument(help="Only the routes of this server's table.")] = None,
) -> None:
    """Show which routes are served, what each is, and whose table it is from."""
    try:
        table = routes_of(read_settings())
    except BadSettings as error:
        typer.echo(f"tollkeeper: {error}", err=True)
        raise typer.Exit(1) from None
    versions = {name: version for name, (version, _) in SERVERS.items()}
    for route in table.routes:
        if server in (None, route.server):
            source = f"{route.server} {versions.get(route.server, '')}".strip()
            typer.echo(f"{route.method:<6} {route.path:<62} {route.kind:<12} {source}")
