"""A bounded load from threads, each answer kept under the request id that its client chose."""

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.deployment import MODEL, Credential, Deployment
from tests.web import NO_TLS

MAX_SECONDS = 60.0
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


@dataclass
class Load:
    """Requests of `body` from `clients` threads until it is left.  `address`: of an Envoy; without one, the stack's."""

    stack: Deployment
    who: Credential
    clients: int = 6
    pause: float = 0.05
    seconds: float = MAX_SECONDS
    address: str | None = None
    body: Mapping[str, Any] = field(default_factory=lambda: CHAT)
    answers: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0

    def __enter__(self) -> "Load":
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def during(self, seconds: float) -> dict[str, int]:
        """Answers that came in the next `seconds`, by request id."""
        before = set(self.answers)
        time.sleep(seconds)
        return {name: status for name, status in list(self.answers.items()) if name not in before}

    def _run(self) -> None:
        end = time.monotonic() + self.seconds
        url = f"http://{self.address or self.stack.envoy_address}"
        with httpx.Client(verify=NO_TLS, base_url=url, timeout=30) as client:
            while not self._stopping.is_set() and time.monotonic() < end:
                name, began = str(uuid.uuid4()), time.monotonic()
                headers = {**self.who.headers, "x-request-id": name}
                try:
                    self.answers[name] = client.post(
                        "/v1/chat/completions", json=self.body, headers=headers
                    ).status_code
                except httpx.TransportError:
                    self.answers[name] = 0
                self.slowest = max(self.slowest, time.monotonic() - began)
                time.sleep(self.pause)
