"""The price sets that rows of the ledger name."""

from collections.abc import Iterable

from admin.commands.session import Session
from tenancy.values.prices import Prices


async def of_versions(session: Session, named: Iterable[int | None]) -> dict[int, Prices]:
    """By version, as far as they are kept.  Within a query."""
    versions = sorted({each for each in named if each is not None})
    found = await session.ports.price_history.versions(versions) if versions else {}
    return {version: each.prices() for version, each in found.items()}
