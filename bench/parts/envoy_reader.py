"""What reading answers costs Envoy: its CPU with the chain, less the two calls, against no filters, and, with
BEFORE=DIRECTORY, against a set of files that an earlier `tollkeeper envoy render` wrote."""

import asyncio
import json
import math
import os
import re
import time
from pathlib import Path
from typing import Any

import yaml

from bench import messages
from bench.cpu import cpu_seconds, family
from bench.figures import Figure, Measure, Report, Table, short
from bench.rounds import Plan
from bench.stage import Stage
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.process import free_port
from tollkeeper.up.stack import ENVOY_ARGUMENTS, accepts
from tollkeeper.wheels import envoy_binary

SERVICES = ("tollkeeper.authz", "tollkeeper.ratelimit")
EVENTS, LARGE_BYTES, AT_ONCE = 500, 50 << 20, 50
PLAIN = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello! " * 20}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42},
    }
).encode()
EVENT = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1764220000, "model": messages.MODEL}
VECTOR = json.dumps({"object": "embedding", "embedding": [-0.0123456789] * 1536}).encode() + b",\n"


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    return b"data: " + json.dumps({**EVENT, "choices": [choice]}).encode() + b"\n\n"


STREAM = [event(f" w{number % 10}") for number in range(EVENTS)] + [
    b'data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":500,"total_tokens":512}}\n\ndata: [DONE]\n\n'
]
LARGE = [b'{"data":[\n', *[VECTOR] * (LARGE_BYTES // len(VECTOR)), b'{}],"usage":{"prompt_tokens":8,"total_tokens":8}}']
PATHS = {
    "/stream": ("text/event-stream", STREAM),
    "/plain": ("application/json", [PLAIN]),
    "/large": ("application/json", LARGE),
}


LENGTH = re.compile(rb"content-length: (\d+)")
BODY = json.dumps(
    {"model": messages.MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": messages.MAX_TOKENS}
).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A model server: each piece is a chunk, sent by itself."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            kind, pieces = PATHS[head.split(b" ", 2)[1].decode()]
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
            for piece in pieces:
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


async def request(url_port: int, path: str, times: int) -> float:
    """Requests for a chat, one after another on one connection; the least seconds to a first byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", url_port, limit=1 << 22)
    ask = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY
    first = math.inf
    for _ in range(times):
        began = time.perf_counter()
        writer.write(ask)
        await reader.readuntil(b"\r\n\r\n")
        first = min(first, time.perf_counter() - began)
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    writer.close()
    return first


def start(stage: Stage, name: str, files: Path, upstream: int, filters: bool) -> tuple[int, int]:
    """An Envoy with the configuration in `files`; its port and pid."""
    port = free_port()
    config: dict[str, Any] = yaml.safe_load((files / "envoy.yaml").read_text())
    resources = config["static_resources"]
    resources["listeners"][0]["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    kept = [item for item in manager["http_filters"] if item["name"] not in SERVICES]
    manager["http_filters"] = kept if filters else kept[-1:]
    manager["access_log"] = []
    endpoint = resources["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    endpoint["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": upstream}
    arguments: list[str | Path] = [
        envoy_binary(),
        "-c",
        stage.write(f"{name}.json", config),
        *ENVOY_ARGUMENTS,
        "--concurrency",
        "1",
    ]
    process = stage.start(name, arguments)
    process.wait_until(lambda: accepts(f"127.0.0.1:{port}"))
    return port, process.pid


def memory_peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


async def measure(stage: Stage, report: Report, plan: Plan, envoys: dict[str, tuple[int, int]]) -> None:
    rows = []
    for path, times, unit in (("/stream", 4, 4 * (EVENTS + 1)), ("/plain", 400, 400)):
        spent: dict[str, list[float]] = {name: [] for name in envoys}
        first: dict[str, list[float]] = {name: [] for name in envoys}
        for number in range(plan.rounds + 1):
            for name, (port, pid) in envoys.items():
                before = cpu_seconds(family(pid))
                bytes_after = await asyncio.gather(*(request(port, path, times) for _ in range(4)))
                if number:  # the first round warms up
                    spent[name].append((cpu_seconds(family(pid)) - before) / 4 / unit * 1e6)
                    first[name].append(min(bytes_after) * 1e3)
        rows += [[path, name, str(Figure.of(spent[name])), str(Figure.of(first[name]))] for name in envoys]
        if "before" in envoys:
            target = 0.6 if path == "/stream" else 1.0
            ratio = Figure.ratio(spent["ours"], spent["before"])
            report.measures.append(Measure(f"{path}, CPU against before", ratio, target, at_most=True))
    report.tables.append(Table(["answer", "Envoy", "CPU, µs an event or request", "first byte, ms"], rows))
    port, pid = envoys["ours"]
    before_peak = memory_peak_mb(pid)
    await asyncio.gather(*(request(port, "/large", 1) for _ in range(AT_ONCE)))
    grown = memory_peak_mb(pid) - before_peak
    what = f"{AT_ONCE} answers of {LARGE_BYTES >> 20} MiB at once"
    rows = [[what, f"{short(before_peak)} MB", f"+ {short(grown)} MB"]]
    report.tables.append(Table(["memory of Envoy", "before", "peak"], rows))


async def serve_and_measure(stage: Stage, report: Report, plan: Plan) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = server.sockets[0].getsockname()[1]
    ours = stage.directory / "reader"
    render(EnvoySettings(config_dir=str(ours), access_log=str(stage.directory / "unused.jsonl")), ours)
    envoys = {
        "no filters": start(stage, "reader-bare", ours, upstream, filters=False),
        "ours": start(stage, "reader-ours", ours, upstream, filters=True),
    }
    if earlier := os.environ.get("BEFORE"):
        envoys["before"] = start(stage, "reader-before", Path(earlier), upstream, filters=True)
    await measure(stage, report, plan, envoys)
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def run(plan: Plan) -> Report:
    report = Report("Reading answers in Envoy", f"A stream of {EVENTS} events, a plain answer, large ones; one worker.")
    with Stage() as stage:
        asyncio.run(serve_and_measure(stage, report, plan))
    return report
