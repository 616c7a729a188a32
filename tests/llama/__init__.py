"""A real model server for tests: llama.cpp, with a model of random weights that is made here."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.llama.model import write_model
from tollkeeper.up.process import Process, free_port

MODEL = "noise"


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """The server's URL."""
    port, model = free_port(), directory / f"{MODEL}.gguf"
    write_model(model)
    url = f"http://127.0.0.1:{port}"
    process = Process("llama.cpp", [sys.executable, "-m", "tests.llama", str(port), model], directory / "llama.log")
    try:
        process.wait_until(lambda: _answers(url))
        yield url
    finally:
        process.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(json.load(response) == {"status": "ok"})
    except OSError:
        return False
