"""`tollkeeper routes`: which routes are served, and what each is; and how the settings choose them."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import typer

from ratelimit.tenants.routes.table import SERVERS, BadRoutes, RouteTable, route_table
from tollkeeper.config import BadSettings, Settings, read_settings

ALL = "all"


@lru_cache(maxsize=1)
def routes_of(settings: Settings) -> RouteTable:
    """BadSettings, also for a file that cannot be read."""
    own = settings.routes or ""
    try:
        if own.startswith("/") and "\n" not in own:
            own = Path(own).read_text()
    except OSError as error:
        raise BadSettings(f"TOLLKEEPER_ROUTES: {error}") from None
    chosen = [name for each in settings.route_tables.split(",") if (name := each.strip())]
    try:
        parsed = route_table(SERVERS if chosen == [ALL] else chosen, own)
    except BadRoutes as error:
        raise BadSettings(f"TOLLKEEPER_ROUTES or TOLLKEEPER_ROUTE_TABLES: {error}") from None
    return parsed


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
