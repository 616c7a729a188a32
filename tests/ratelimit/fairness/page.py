"""What docs/operate/fairness.md shows of the simulator: the output of its commands, and plots.  To write it anew:

python -m tests.ratelimit.fairness.page
"""

import re
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from ratelimit.fairness.floor import Terms
from ratelimit.fairness.simulation.measure import measure
from ratelimit.fairness.simulation.policy import Tenant, policies
from ratelimit.fairness.simulation.report import rates_of
from ratelimit.fairness.simulation.run import replay
from ratelimit.fairness.simulation.server import Server
from ratelimit.fairness.simulation.trace import SYNTHETIC
from tests.ratelimit.fairness.plot import Panel, svg
from tollkeeper.__main__ import app

PAGE = Path(__file__).parents[3] / "docs/operate/fairness.md"
PLOTS = PAGE.with_suffix("")
SECONDS, EVERY = 120, 5
TITLES = {"first-come": "first come, first served", "caps": "caps", "fair": "fair shares"}
WEIGHTS = {"flood": {}, "steady": {"long": Tenant(500), "short": Tenant(50)}}
SHOWN = re.compile(r"(```sh\ntollkeeper fairshare simulate ([^\n]+)\n```\n(?:(?!```sh)[\s\S])*?```text\n)[^`]*(```)")


def page(text: str) -> str:
    """The page with what its commands print now, in the first block after each."""
    return SHOWN.sub(lambda found: f"{found[1]}{_printed(found[2])}{found[3]}", text)


def plots() -> Iterator[tuple[Path, str]]:
    """One of each synthetic trace in WEIGHTS, under each policy."""
    for name, weights in WEIGHTS.items():
        trace = SYNTHETIC[name](SECONDS, 1)
        tenants = {request.tenant: Tenant() for request in trace} | weights
        panels = []
        for policy, make in policies(20, Terms(), tenants).items():
            accounts = measure(replay(trace, make(), Server()), tenants, SECONDS).tenants
            panels.append(Panel(TITLES[policy], {who: rates_of(accounts[who], EVERY) for who in sorted(accounts)}))
        yield PLOTS / f"{name}.svg", svg(panels, SECONDS, "tokens of service a second")


def _printed(arguments: str) -> str:
    ran = CliRunner().invoke(app, ["fairshare", "simulate", *arguments.split()])
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout.lstrip("\n")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    PLOTS.mkdir(exist_ok=True)
    for path, drawn in plots():
        path.write_text(drawn)
