"""A steady rate of requests, each sent when it is due, whether or not those before it were answered."""

import json
import subprocess
import sys
import tempfile
from typing import Any

from tests.e2e.deployment import MODEL, Credential, Deployment


class OpenLoop:
    """Requests at random times from a process of its own, until `result`."""

    def __init__(self, stack: Deployment, who: Credential, rate: float, seconds: float) -> None:
        body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4})
        head = ["POST /v1/chat/completions HTTP/1.1", "Host: x", f"Authorization: Bearer {who.secret}"]
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        host, port = stack.envoy_host_port
        with tempfile.NamedTemporaryFile("w", dir=stack.directory, delete=False) as request:
            request.write("\r\n".join([*head, "", body]))
        command = [sys.executable, "-m", "bench.poisson", host, str(port), str(rate), str(seconds), request.name]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def result(self) -> dict[str, Any]:
        """`answered`, `failed`, `statuses`; latencies in ms."""
        found: dict[str, Any] = json.loads(self._process.communicate(timeout=120)[0])
        return found
