"""`tollkeeper doctor`: asks every part, and prints what was found."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tollkeeper.config import BadSettings, Settings, read_settings
from tollkeeper.doctor.finding import WRONG, Finding
from tollkeeper.logs import configure_logs

EXIT_WRONG, EXIT_BAD_SETTINGS = 1, 2
UNIX = "unix:"
WELL = "nothing is wrong"


def doctor_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at this deployment, and say what is wrong and what to do.

    Run it where the sidecar runs, with its settings. It looks at Envoy (if
    TOLLKEEPER_ENVOY_ADMIN says where), the sidecar, the management API, Redis,
    Postgres, ClickHouse, directories and sockets. Ends with 1 if something does not work;
    what only may not work is called doubtful."""
    configure_logs("error", "doctor")  # what the parts would log is said below
    try:
        found = examine(read_settings())
    except BadSettings as error:
        typer.echo(f"tollkeeper: {error}", err=True)
        raise typer.Exit(EXIT_BAD_SETTINGS) from None
    if as_json:
        typer.echo(json.dumps([each._asdict() for each in found], indent=2))
    else:
        for each in found:
            typer.echo(f"{each.level}: {each.part}: {each.says}\n  {each.do}")
        if not found:
            typer.echo(WELL)
    raise typer.Exit(EXIT_WRONG if any(each.level == WRONG for each in found) else 0)


def examine(settings: Settings) -> list[Finding]:
    """What does not work first; each once, though two parts say it."""
    from tollkeeper.doctor import files, sidecar, stores  # with the drivers of both stores

    found = [*_envoy(settings), *sidecar.findings(settings), *asyncio.run(stores.findings(settings))]
    found += files.findings(settings)
    return sorted(dict.fromkeys(found), key=lambda each: each.level != WRONG)


def _envoy(settings: Settings) -> Sequence[Finding]:
    import yaml

    from tollkeeper.doctor import chain, envoy
    from tollkeeper.doctor.finding import doubtful, wrong
    from tollkeeper.envoy.render import CONFIG, rendered, template_dir
    from tollkeeper.envoy.settings import EnvoySettings
    from tollkeeper.metrics_http import get

    where = settings.envoy_admin
    if where is None:
        do = "set TOLLKEEPER_ENVOY_ADMIN (`unix:/path` or HOST:PORT), also for `tollkeeper envoy render`"
        return [doubtful(envoy.PART, "its configuration was not looked at", do)]
    answer = get(Path(where.removeprefix(UNIX)) if where.startswith(UNIX) else where, "/config_dump")
    if answer is None or answer[0] != 200:
        do = "see that Envoy runs, and that TOLLKEEPER_ENVOY_ADMIN is its `admin` address, which this user may reach"
        return [wrong(envoy.PART, f"it does not answer at {where}", do)]
    clusters = {"tollkeeper_authz": str(settings.authz_socket), "tollkeeper_ratelimit": str(settings.ratelimit_socket)}
    log_file = str(settings.access_log_file) if settings.access_log_file else None
    need = envoy.needed((template_dir() / CONFIG).read_text(), log_file, clusters)
    files = rendered(EnvoySettings(key_headers=settings.key_header_names))
    parts = [yaml.safe_load(text) for name, text in files.items() if name.startswith("filters/")]
    filters = {each["name"]: each["typed_config"] for part in parts for each in part["resources"]}
    dump = json.loads(answer[1])
    wanted = chain.Wanted(filters, settings.queue_seconds)
    return [*envoy.findings(dump, need), *chain.findings(dump, wanted)]
