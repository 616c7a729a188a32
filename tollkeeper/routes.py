"""Which routes are served, as the settings choose them."""

from functools import lru_cache
from pathlib import Path

from ratelimit.tenants.routes.table import SERVERS, BadRoutes, RouteTable, route_table
from tollkeeper.config import BadSettings, Settings

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
