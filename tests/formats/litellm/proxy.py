"""The LiteLLM proxy of PyPI in an environment of its own, and what it books: one line of JSON an event, from its callbacks.

They have what its database would be told: its own callback, which writes the spend, hangs on the same event.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.formats.litellm.spoken import BASES, MODELS
from tollkeeper.up.process import free_port

VERSION = "1.106.12"
START_SECONDS, BOOKED_SECONDS, QUIET_SECONDS = 180, 5.0, 2.0
KEY = f"sk-{secrets.token_hex(24)}"
RECORDER = """
import json, os
from litellm.integrations.custom_logger import CustomLogger

class Recorder(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        self.note("success", kwargs)

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        self.note("failure", kwargs)

    def note(self, event, kwargs):
        found = kwargs.get("standard_logging_object") or {}
        names = ("prompt_tokens", "completion_tokens", "response_cost")
        with open(os.environ["BOOKED"], "a") as file:
            file.write(json.dumps({"event": event, **{name: found.get(name) for name in names}}) + "\\n")

recorder = Recorder()
"""


class Booked(NamedTuple):
    """What the proxy counted of one request; `event` is "success", "failure", or "" if it told of nothing."""

    event: str
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0


class Proxy:
    """A running one.  `booked` waits for what it tells of the request before."""

    def __init__(self, url: str, lines: Path) -> None:
        self.url, self._lines, self._read = url, lines, 0

    def booked(self) -> Booked:
        deadline = time.monotonic() + BOOKED_SECONDS
        while not (found := self._events()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # the database would add up what comes twice
        found += self._events()
        if not found:
            return Booked("")
        successes = [each for each in found if each["event"] == "success"]
        return Booked(
            "success" if successes else "failure",
            sum(each["prompt_tokens"] or 0 for each in successes),
            sum(each["completion_tokens"] or 0 for each in successes),
            sum(each["response_cost"] or 0.0 for each in successes),
        )

    def _events(self) -> list[dict[str, Any]]:
        with self._lines.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def install(directory: Path) -> Path:
    """The `litellm` command."""
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    subprocess.run([directory / "bin/pip", "install", "--quiet", f"litellm[proxy]=={VERSION}"], check=True)
    return directory / "bin/litellm"


@contextmanager
def running(command: Path, upstream: str, directory: Path) -> Iterator[Proxy]:
    """Without a database, and with one key."""
    lines, port = directory / "booked.jsonl", free_port()
    lines.touch()
    (directory / "recorder.py").write_text(RECORDER)
    (directory / "config.yaml").write_text(json.dumps(_config(upstream)))
    # What it counts by itself it counts with the vocabulary that it ships: it waits long for others where none can be had.
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
    environment = {**os.environ, **offline, "BOOKED": str(lines)}
    with (directory / "proxy.log").open("wb") as log:
        process = subprocess.Popen(
            [command, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
            cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}")
            yield Proxy(f"http://127.0.0.1:{port}", lines)
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health/liveliness").is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise RuntimeError("the proxy did not start")


def _config(upstream: str) -> dict[str, Any]:
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": model, **_access(name, upstream)}}
            for name, model in MODELS.items()
        ],
        "litellm_settings": {
            "callbacks": "recorder.recorder",
            "num_retries": 0,
            "request_timeout": 60,
            "disable_hf_tokenizer_download": True,
        },
        "general_settings": {"master_key": KEY},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }


def _access(name: str, upstream: str) -> dict[str, Any]:
    if name.startswith("bedrock"):
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "aws_region_name": "us-east-1"}
        return {**keys, "aws_bedrock_runtime_endpoint": upstream}
    version = {"api_version": "2024-10-21"} if name == "azure" else {}
    return {"api_key": "x", "api_base": upstream + BASES.get(name, ""), **version}
