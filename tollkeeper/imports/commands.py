"""`tollkeeper import litellm` and `import key-manager`: options in, sentences out."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tollkeeper.cli.printer import shown
from tollkeeper.imports.plan import Plan
from tollkeeper.store_commands import EXIT_BAD_SETTINGS, fail, settings_of

SECONDS = 30.0
STDIN = "-"
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be made, and make nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

import_app = typer.Typer(no_args_is_help=True)


@import_app.command("litellm")
def litellm_command(
    source: Annotated[
        str, typer.Argument(help="URL of LiteLLM's Postgres; -: read it from stdin.", show_default=False)
    ],
    tenant: Annotated[str, typer.Option(help="Id of the tenant for keys of no team.")] = "litellm",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take over teams, users, keys and budgets of a LiteLLM proxy, from its database."""
    from tollkeeper.imports import litellm, litellm_source
    from tollkeeper.imports.plan import TENANT_ID

    if not TENANT_ID.fullmatch(tenant):
        fail("--tenant: letters, digits, _ . - (64 at most)", EXIT_BAD_SETTINGS)
    url = sys.stdin.readline().strip() if source == STDIN else source
    try:
        tables = asyncio.run(litellm_source.read(url))
    except Exception as error:  # noqa: BLE001 - whatever Postgres says; a URL in it would hold a password
        fail(f"LiteLLM's database cannot be read: {type(error).__name__}: {str(error).replace(url, 'URL')}")
    _carry_out(litellm.plan_of(tables, tenant), "litellm", dry_run=dry_run, as_json=as_json)


@import_app.command("key-manager")
def key_manager_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files with what `kubectl get -o json` printed; -: stdin.", show_default=False, allow_dash=True
        ),
    ],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take over teams, keys and limits of a MaaS key manager, from its Secrets and TokenRateLimitPolicy.

    kubectl get secrets,tokenratelimitpolicies -n NAMESPACE -o json | tollkeeper import key-manager -"""
    from tollkeeper.imports import key_manager

    try:
        texts = [sys.stdin.read() if str(file) == STDIN else file.read_text() for file in files]
        plan = key_manager.plan_of(each for text in texts for each in key_manager.objects_of(text))
    except (OSError, UnicodeError, key_manager.NotKeyManager) as error:
        fail(f"the key manager's store cannot be read: {error}")
    _carry_out(plan, "key-manager", dry_run=dry_run, as_json=as_json)


def _carry_out(plan: Plan, system: str, *, dry_run: bool, as_json: bool) -> None:
    from store.postgres import UNAVAILABLE, open_postgres
    from tenancy.directory.change_request import ChangeRequest
    from tollkeeper.imports.apply import KEYS, LIMITS, TENANTS, USERS, Done, Importer

    async def run() -> Done:
        by = ChangeRequest("tollkeeper import", source=system, dry_run=dry_run)
        async with open_postgres(settings_of("import").database_url, timeout=SECONDS) as pool:
            return await Importer(pool, by).run(plan)

    try:
        done = asyncio.run(run())
    except UNAVAILABLE as error:
        fail(f"Postgres cannot be asked; repeat the import, it goes on: {error or type(error).__name__}")
    kinds = (TENANTS, USERS, KEYS, LIMITS)
    if as_json:
        counts = {kind: {"made": done.made[kind], "there": done.there[kind]} for kind in kinds}
        left = [each._asdict() for each in done.left]
        typer.echo(json.dumps({"dry_run": dry_run, **counts, "left": left}, indent=2))
        return
    for kind in kinds:
        typer.echo(
            f"{kind}: {done.made[kind]} {'would be made' if dry_run else 'made'}, {done.there[kind]} there already"
        )
    for each in done.left:
        typer.echo(f"not as it was: {shown(each.what)}: {shown(each.why)}")  # others chose these names
