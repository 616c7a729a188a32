"""`tollkeeper fairshare …`: how capacity is shared."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tollkeeper.cli.command import JsonOption, noun
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.printer import Printer, Row

if TYPE_CHECKING:
    from ratelimit.fairness.simulation.policy import Tenant
    from ratelimit.fairness.simulation.run import Done
    from ratelimit.fairness.simulation.trace import Request

COLUMNS = ("policy", "tenant", "asked", "refused", "tokens", "wait_p50", "wait_p95", "worst_gap", "jain")
TraceArgument = Annotated[
    Path | None, typer.Argument(metavar="[TRACE.csv]", help="Requests; columns as in docs/fairness.md.")
]
SyntheticOption = Annotated[str, typer.Option(help="Without a file: steady, flood or bursts.")]
SlotsOption = Annotated[int, typer.Option(min=1, help="Requests that run at once: max_in_flight.")]
TenantOption = Annotated[
    list[str] | None, typer.Option("--tenant", metavar="NAME=WEIGHT[@GROUP=WEIGHT]", help="Weights; 100 if not given.")
]
PolicyOption = Annotated[str, typer.Option("--policy", help="first-come, caps, fair, or all.")]
SecondsOption = Annotated[int, typer.Option(min=1, max=86_400, help="How much of the trace to look at.")]
QueueOption = Annotated[float, typer.Option(min=0, help="Seconds that a request may wait.")]
SeedOption = Annotated[int, typer.Option(help="Of a synthetic trace.")]
DealOption = Annotated[int, typer.Option("--deal", min=1, max=10_000, help="Tenants of a trace that names none.")]
StreamOption = Annotated[float, typer.Option(min=0.1, help="Tokens a second that one answer gets.")]
TotalOption = Annotated[float, typer.Option(min=0.1, help="Tokens a second of the whole server.")]

app = noun("How capacity is shared among tenants.")


@app.command("simulate")
def simulate(
    trace: TraceArgument = None,
    synthetic: SyntheticOption = "steady",
    slots: SlotsOption = 20,
    tenant: TenantOption = None,
    policy: PolicyOption = "all",
    seconds: SecondsOption = 120,
    queue_seconds: QueueOption = 30.0,
    stream_rate: StreamOption = 50.0,
    total_rate: TotalOption = 1000.0,
    deal: DealOption = 8,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Replay a trace against a model of a server: who would have got what, and waited how long.

    Needs no server and no token."""
    from ratelimit.fairness.floor import Terms
    from ratelimit.fairness.simulation.policy import policies
    from ratelimit.fairness.simulation.run import replay
    from ratelimit.fairness.simulation.server import Server

    try:
        requests = _requests(trace, synthetic, seconds, seed, deal)
        tenants = _tenants(tenant or (), requests)
        known = policies(slots, Terms(queue_seconds=queue_seconds), tenants)
        if policy != "all" and policy not in known:
            raise CommandFailed(Exit.USAGE, f"no such policy: {policy}; there is {', '.join(known)}, all")
    except CommandFailed as failed:
        typer.echo(f"tollkeeper: {failed}", err=True)
        sys.exit(failed.code)
    rows: list[Row] = []
    for name in known if policy == "all" else (policy,):
        done = replay(requests, known[name](), Server(stream_rate, total_rate))
        rows += _rows(name, done, tenants, seconds)
    Printer(as_json).rows(rows, COLUMNS)


def _requests(trace: Path | None, synthetic: str, seconds: int, seed: int, deal: int) -> "list[Request]":
    from ratelimit.fairness.simulation.trace import SYNTHETIC, UnreadableTrace, read

    if trace is None:
        if synthetic not in SYNTHETIC:
            raise CommandFailed(Exit.USAGE, f"no such trace: {synthetic}; there is {', '.join(SYNTHETIC)}")
        return SYNTHETIC[synthetic](seconds, seed)
    try:
        return [request for request in read(trace, deal) if request.at < seconds]
    except (OSError, UnicodeDecodeError, UnreadableTrace) as error:
        raise CommandFailed(Exit.USAGE, f"{trace}: {error}") from error


def _tenants(given: Sequence[str], requests: "Sequence[Request]") -> "dict[str, Tenant]":
    from ratelimit.fairness.simulation.policy import Tenant

    found = {name: Tenant() for name in sorted({request.tenant for request in requests})}
    for text in given:
        own, _, group = text.partition("@")
        name, weight = _weight(text, own)
        if name not in found:
            raise CommandFailed(Exit.USAGE, f"no tenant {name!r} in the trace; there is {', '.join(found)}")
        found[name] = Tenant(weight, *_weight(text, group)) if group else Tenant(weight)
    return found


def _weight(text: str, part: str) -> tuple[str, int]:
    name, _, weight = part.rpartition("=")
    if not name or not (weight.isascii() and weight.isdigit()) or not int(weight):
        raise CommandFailed(Exit.USAGE, f"--tenant {text!r}: want NAME=WEIGHT or NAME=WEIGHT@GROUP=WEIGHT")
    return name, int(weight)


def _rows(policy: str, done: "Sequence[Done]", tenants: "dict[str, Tenant]", seconds: int) -> list[Row]:
    from ratelimit.fairness.simulation.measure import measure

    measured = measure(done, tenants, seconds)
    return [
        {
            "policy": policy,
            "tenant": name,
            "asked": account.asked,
            "refused": account.refused,
            "tokens": account.tokens,
            "wait_p50": round(account.wait(0.5), 1),
            "wait_p95": round(account.wait(0.95), 1),
            "worst_gap": round(measured.gaps[name]),
            "jain": round(measured.jain, 3),
        }
        for name, account in measured.tenants.items()
    ]
