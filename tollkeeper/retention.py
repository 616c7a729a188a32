"""`tollkeeper forget-usage`: drops the ledger's old months, on Postgres or ClickHouse; their sums stay."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from tollkeeper.config import BadSettings, Settings, read_settings

SECONDS = 60.0
FORGET = "SELECT forget_usage_before($1)"
EXIT_FAILED, EXIT_BAD_SETTINGS = 1, 2


def forget_usage_command(
    before: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Months that ended by then go, YYYY-MM-DD.")],
) -> None:
    """Drop old months of the ledger; what is summed up of them stays in reports, which are exact to the hour then."""
    import asyncpg

    from ledger.clickhouse.retention import NotSummedUp

    try:
        settings = read_settings()
    except BadSettings as error:
        typer.echo(f"tollkeeper: {error}", err=True)
        raise typer.Exit(EXIT_BAD_SETTINGS) from None
    try:
        names = asyncio.run(_forget(settings, before.replace(tzinfo=UTC)))
    except (NotSummedUp, asyncpg.PostgresError, OSError) as error:
        typer.echo(f"tollkeeper: nothing was forgotten: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from None
    typer.echo(f"forgotten: {', '.join(names)}" if names else "nothing to forget")


async def _forget(settings: Settings, before: datetime) -> list[str]:
    import asyncpg

    from ledger.clickhouse.retention import forget_usage_before
    from store.clickhouse import Clickhouse
    from store.tls import check_postgres_files

    if settings.ledger_url is not None:
        client = Clickhouse(settings.ledger_url, SECONDS)
        try:
            return await forget_usage_before(client, before)
        finally:
            await client.aclose()
    check_postgres_files(settings.database_url)
    connection = await asyncpg.connect(settings.database_url, timeout=SECONDS)
    try:
        return [name for (name,) in await connection.fetch(FORGET, before, timeout=SECONDS)]
    finally:
        await connection.close()
