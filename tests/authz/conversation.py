"""Speaking ext_authz to the service: requests as Envoy writes them, answers in a readable form."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc

from protos.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse


def check_request(
    headers: Mapping[str, str],
    path: str = "/v1/chat/completions",
    method: str = "POST",
    envoy: str | bool | None = None,
) -> bytes:
    """`envoy`: what Envoy says of itself, if anything."""
    request = CheckRequest(attributes={"request": {"http": {"method": method, "path": path, "headers": headers}}})
    if envoy is not None:
        request.attributes.metadata_context.filter_metadata["tollkeeper.guard"].update({"envoy": envoy})
    return request.SerializeToString()


@dataclass(frozen=True)
class Answer:
    """What Envoy does with a CheckResponse: 200 stands for "goes on to the upstream"."""

    status: int
    headers: dict[str, str]
    removed: list[str]
    metadata: dict[str, str]
    body: str

    @staticmethod
    def read(message: bytes) -> "Answer":
        response = CheckResponse.FromString(message)
        metadata = {name: value.string_value for name, value in response.dynamic_metadata.fields.items()}
        if response.status.code == 0:
            ok = response.ok_response
            return Answer(200, _values(ok.headers), list(ok.headers_to_remove), metadata, "")
        denied = response.denied_response
        return Answer(denied.status.code, _values(denied.headers), [], metadata, denied.body)

    def upstream(self, sent: Mapping[str, str]) -> dict[str, str]:
        """The headers that reach the upstream if the client sent `sent`: Envoy sets first, then removes."""
        headers = {**sent, **self.headers}
        for name in self.removed:
            headers.pop(name, None)
        return headers


def _values(options) -> dict[str, str]:  # type: ignore[no-untyped-def]
    for option in options:
        assert option.append_action == option.OVERWRITE_IF_EXISTS_OR_ADD, option
    return {option.header.key: option.header.value for option in options}


class HeldCall:
    """A call that is answered later: the engine's part, in memory."""

    def __init__(self) -> None:
        self._answered = threading.Event()
        self._message = b""

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        self._message = message
        self._answered.set()

    def fail(self, code: grpc.StatusCode, details: str = "") -> None:
        raise AssertionError(f"{code}: {details}")

    def on_cancel(self, callback: Callable[[], None]) -> None:
        raise AssertionError("nobody asks for it")

    def time_remaining(self) -> float | None:
        return None

    def message(self, timeout: float = 5.0) -> bytes:
        assert self._answered.wait(timeout), "not answered"
        return self._message
