"""Other gateways in front of the same model server, on the same cores: the LiteLLM proxy of PyPI, and Portkey's of npm.

Each is set up as its documentation advises for production, with what it can check here by itself: LiteLLM one key
(its virtual keys and budgets are in a database that it reaches by a program which it downloads), Portkey none (its
keys and budgets are a part of a hosted service). Tollkeeper checks a key of its own, reserves and settles two
budgets, and writes a ledger. Installs both into a temporary folder; needs npm.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench import h2load, messages, rounds
from bench.cpu import CpuMeter, family, memory_mb
from bench.figures import Figure, Measure, Report, Table, short
from bench.parts.chain import PATH
from bench.stage import Stage
from bench.variants import BARE, HEADERS, OURS, Chain
from tollkeeper.up.process import free_port

TITLE = "Beside other gateways"
LITELLM, PORTKEY = "LiteLLM", "Portkey"
VERSIONS = {LITELLM: "1.106.12", PORTKEY: "1.15.2"}
KEY = f"sk-{secrets.token_hex(24)}"
CONNECTIONS = 32
PROBE, START_SECONDS = 300, 180.0


@dataclass(slots=True)
class Gateway:
    """`processes`: names on the stage of all that take part but the model server."""

    name: str
    url: str
    processes: tuple[str, ...]
    headers: Mapping[str, str]
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def run(plan: rounds.Plan) -> Report:
    report = Report(
        TITLE, f"A short chat and its plain answer, {CONNECTIONS} connections; all share the machine's cores."
    )
    with Stage() as stage:
        chain = Chain(stage, report)
        chain.start()
        gateways = [Gateway(each.name, each.url, each.processes[:-1], HEADERS) for each in chain.variants]
        gateways = [each for each in gateways if each.name in (BARE, OURS)]
        gateways += [_litellm(stage, chain.upstream), _portkey(stage, chain.upstream)]
        body = chain.body()
        for turn in range(plan.rounds + 1):  # the first warms up
            for each in gateways:
                _round(stage, report, each, body, plan, kept=turn > 0)
        memory = {
            each.name: sum(memory_mb(family(stage.processes[name])) for name in each.processes) for each in gateways
        }
    report.measures += _measures(gateways)
    report.tables.append(_table(gateways, memory))
    return report


def _litellm(stage: Stage, upstream: str) -> Gateway:
    """Of two workers, as many as there are cores, that log errors alone."""
    venv, port = stage.directory / "litellm", free_port()
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", f"litellm[proxy]=={VERSIONS[LITELLM]}"], check=True)
    access = {"model": f"openai/{messages.MODEL}", "api_base": f"{upstream}/v1", "api_key": "x"}
    config = {
        "model_list": [{"model_name": messages.MODEL, "litellm_params": access}],
        "litellm_settings": {"request_timeout": 60, "set_verbose": False, "json_logs": True},
        "general_settings": {"master_key": KEY},
    }
    file = stage.write("litellm.json", config)
    told = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    workers = str(len(os.sched_getaffinity(0)))
    options = ["--config", str(file), "--host", "127.0.0.1", "--port", str(port), "--num_workers", workers]
    process = stage.start("litellm", [venv / "bin/litellm", *options], {**told, "HF_HUB_OFFLINE": "1"})
    url = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: _answers(f"{url}/health/liveliness"), START_SECONDS)
    return Gateway(LITELLM, url, ("litellm",), {**HEADERS, "authorization": f"Bearer {KEY}"})


def _portkey(stage: Stage, upstream: str) -> Gateway:
    """One process of Node, without its page for people."""
    directory, port = stage.directory / "portkey", free_port()
    directory.mkdir()
    package = f"@portkey-ai/gateway@{VERSIONS[PORTKEY]}"
    subprocess.run(["npm", "install", "--silent", "--prefix", directory, package], check=True)
    started = directory / "node_modules/@portkey-ai/gateway/build/start-server.js"
    process = stage.start("portkey", ["node", started, "--headless", f"--port={port}"], {"NODE_ENV": "production"})
    url = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: _answers(url))
    where = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{upstream}/v1"}
    return Gateway(PORTKEY, url, ("portkey",), {**HEADERS, "authorization": "Bearer x", **where})


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _round(stage: Stage, report: Report, gateway: Gateway, body: Path, plan: rounds.Plan, kept: bool) -> None:
    def load(requests: int) -> h2load.Load:
        found = h2load.http(gateway.url + PATH, body, gateway.headers, requests, CONNECTIONS)
        report.check(f"{gateway.name}: answers", (found.ok, found.failed), (requests, 0))
        return found

    requests = max(PROBE, int(load(PROBE).rate * plan.seconds))
    meter = CpuMeter(stage.processes)
    found, spent = load(requests), meter.spent()
    if kept:
        gateway.rates.append(found.rate)
        gateway.cpu.append(sum(spent[name] for name in gateway.processes) / requests * 1e6)


def _measures(gateways: list[Gateway]) -> list[Measure]:
    (ours,) = (each for each in gateways if each.name == OURS)
    peers = [each for each in gateways if each.name in VERSIONS]
    return [
        *(Measure(f"requests/s, Tollkeeper ÷ {each.name}", Figure.ratio(ours.rates, each.rates)) for each in peers),
        *(Measure(f"CPU a request, Tollkeeper ÷ {each.name}", Figure.ratio(ours.cpu, each.cpu)) for each in peers),
    ]


def _table(gateways: list[Gateway], memory: Mapping[str, float]) -> Table:
    header = ["gateway", "requests/s", "µs of CPU a request, with its stores", "memory MB, with its stores"]
    rows = []
    for each in gateways:
        name = f"{each.name} {VERSIONS[each.name]}" if each.name in VERSIONS else each.name
        rows.append([name, str(Figure.of(each.rates)), str(Figure.of(each.cpu)), short(memory[each.name])])
    return Table(header, rows)
