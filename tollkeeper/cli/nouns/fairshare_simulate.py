"""`tollkeeper fairshare simulate`: a trace, replayed under each policy.  Needs no server and no token."""

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tollkeeper.cli.command import JsonOption
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.printer import Printer

if TYPE_CHECKING:
    from ratelimit.fairness.simulation.policy import Tenant
    from ratelimit.fairness.simulation.trace import Request

ALL = "all"
STRETCHES = 12  # over time, unless told
MAX_CELLS = 10_000_000  # tenants, times seconds
MAX_SHOWN = 12  # tenants over time, in a table
WEIGHT, MAX_WEIGHT = re.compile(r"[1-9][0-9]{0,6}"), 10**6  # as the management API takes them
TraceArgument = Annotated[
    Path | None, typer.Argument(metavar="[TRACE.csv]", help="Requests; columns as in docs/operate/fairness.md.")
]
SyntheticOption = Annotated[str, typer.Option(help="Without a file: steady, flood or bursts.")]
SlotsOption = Annotated[int, typer.Option(min=1, max=100_000, help="Maximum requests at once (max_in_flight).")]
TenantOption = Annotated[
    list[str] | None, typer.Option("--tenant", metavar="NAME=WEIGHT[@GROUP=WEIGHT]", help="Weights; 100 if not given.")
]
PolicyOption = Annotated[str, typer.Option("--policy", help="first-come, caps, fair, or all.")]
SecondsOption = Annotated[int, typer.Option(min=1, max=86_400, help="Seconds of the trace to replay.")]
FromOption = Annotated[float, typer.Option("--from", min=0, help="Seconds to skip at the beginning of a file.")]
QueueOption = Annotated[float, typer.Option(min=0, help="Seconds that a request may wait.")]
QueuedOption = Annotated[int, typer.Option("--max-queued", min=1, help="Maximum waiting requests.")]
OfTenantOption = Annotated[int, typer.Option("--max-queued-per-tenant", min=1, help="The same, for each tenant.")]
SeedOption = Annotated[int, typer.Option(help="Seed of a synthetic trace.")]
DealOption = Annotated[int, typer.Option("--deal", min=1, max=10_000, help="Tenants of a trace that names none.")]
StreamOption = Annotated[float, typer.Option(min=0.1, help="Tokens a second that one answer gets.")]
TotalOption = Annotated[float, typer.Option(min=0.1, help="Tokens a second of the whole server.")]
EveryOption = Annotated[
    int | None, typer.Option(min=0, help="Seconds of a row over time; 0: no such rows.", show_default="a twelfth")
]


def add_simulate(app: typer.Typer) -> None:
    """Adds the command to its noun."""
    app.command("simulate")(simulate)


def simulate(
    trace: TraceArgument = None,
    synthetic: SyntheticOption = "steady",
    slots: SlotsOption = 20,
    tenant: TenantOption = None,
    policy: PolicyOption = ALL,
    seconds: SecondsOption = 120,
    begin: FromOption = 0.0,
    queue_seconds: QueueOption = 30.0,
    max_queued: QueuedOption = 10_000,
    max_queued_per_tenant: OfTenantOption = 1_000,
    stream_rate: StreamOption = 50.0,
    total_rate: TotalOption = 1000.0,
    deal: DealOption = 8,
    seed: SeedOption = 1,
    every: EveryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a trace against a model of a server: who would have got what, and waited how long.

    Needs no server and no token."""
    from ratelimit.fairness.floor import Terms
    from ratelimit.fairness.simulation.measure import measure
    from ratelimit.fairness.simulation.policy import policies
    from ratelimit.fairness.simulation.report import report_of
    from ratelimit.fairness.simulation.run import replay
    from ratelimit.fairness.simulation.server import Server

    try:
        requests = _requests(trace, synthetic, begin, seconds, seed, deal)
        tenants = _tenants(tenant or (), requests, seconds)
        known = policies(slots, Terms(queue_seconds, max_queued, max_queued_per_tenant), tenants)
        if policy not in (ALL, *known):
            raise CommandFailed(Exit.USAGE, f"no such policy: {policy}; there is {', '.join(known)}, {ALL}")
    except CommandFailed as failed:
        typer.echo(f"tollkeeper: {failed}", err=True)
        sys.exit(failed.code)
    measured = {
        name: measure(replay(requests, known[name](), Server(stream_rate, total_rate)), tenants, seconds)
        for name in (known if policy == ALL else (policy,))
    }
    _show(report_of(measured, math.ceil(seconds / STRETCHES) if every is None else every), as_json)


def _show(report: dict[str, list[dict[str, Any]]], as_json: bool) -> None:
    printer = Printer(as_json)
    left_out = len({row["tenant"] for row in report["tenants"]}) - MAX_SHOWN
    if not as_json and left_out > 0 and "over_time" in report:
        del report["over_time"]
        printer.note(f"more than {MAX_SHOWN} tenants: what each got over time is in --json")
    printer.one(report)


def _requests(trace: Path | None, synthetic: str, begin: float, seconds: int, seed: int, deal: int) -> "list[Request]":
    from ratelimit.fairness.simulation.trace import SYNTHETIC, UnreadableTrace, read

    if trace is None:
        if synthetic not in SYNTHETIC:
            raise CommandFailed(Exit.USAGE, f"no such trace: {synthetic}; there is {', '.join(SYNTHETIC)}")
        return SYNTHETIC[synthetic](seconds, seed)
    try:
        return read(trace, deal, begin, seconds)
    except UnicodeDecodeError:
        raise CommandFailed(Exit.USAGE, f"{trace}: it is not text in UTF-8") from None
    except OSError as error:
        raise CommandFailed(Exit.USAGE, f"{trace}: {error.strerror}") from error
    except UnreadableTrace as error:
        raise CommandFailed(Exit.USAGE, f"{trace}: {error}") from error


def _tenants(given: Sequence[str], requests: "Sequence[Request]", seconds: int) -> "dict[str, Tenant]":
    from ratelimit.fairness.simulation.policy import Tenant

    found = {name: Tenant() for name in sorted({request.tenant for request in requests})}
    if len(found) * seconds > MAX_CELLS:
        most = MAX_CELLS // len(found)
        raise CommandFailed(Exit.USAGE, f"{len(found):,} tenants: look at no more than {most:,} --seconds of them")
    groups: dict[str, int] = {}
    for text in given:
        own, _, group = text.partition("@")
        name, weight = _weight(text, own)
        if name not in found:
            raise CommandFailed(Exit.USAGE, f"--tenant {text!r}: the trace has no such tenant; it has {_some(found)}")
        found[name] = Tenant(weight)
        if group:
            group_name, group_weight = _weight(text, group)
            found[name] = Tenant(weight, group_name)
            if groups.setdefault(group_name, group_weight) != group_weight:
                raise CommandFailed(Exit.USAGE, f"--tenant {text!r}: the group has another weight in another --tenant")
    return {name: replace(each, group_weight=groups.get(each.group, 100)) for name, each in found.items()}


def _some(names: "dict[str, Tenant]") -> str:
    return ", ".join([*names][:MAX_SHOWN]) + (", …" if len(names) > MAX_SHOWN else "")


def _weight(text: str, part: str) -> tuple[str, int]:
    name, _, weight = part.rpartition("=")
    if not name or not WEIGHT.fullmatch(weight) or int(weight) > MAX_WEIGHT:
        raise CommandFailed(Exit.USAGE, f"--tenant {text!r}: want NAME=WEIGHT or NAME=WEIGHT@GROUP=WEIGHT")
    return name, int(weight)
