"""grpc.health.v1: what a probe is told of each service.  `Watch` stays UNIMPLEMENTED, as the protocol allows."""

from collections.abc import Iterable

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from serving.call import Call, Unary

_PATH = "/grpc.health.v1.Health/Check"
_SERVING = HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString()
_NOT_SERVING = HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING).SerializeToString()


class Health:
    """The status of `services` (package.Service) and of the process as a whole (""); not serving at first."""

    def __init__(self, services: Iterable[str]) -> None:
        self._answers = dict.fromkeys(("", *services), _NOT_SERVING)
        self.method = Unary(_PATH, self._check)

    def set(self, service: str, serving: bool) -> None:
        """From any thread.  KeyError for a service that was not named."""
        if service not in self._answers:
            raise KeyError(service)
        self._answers[service] = _SERVING if serving else _NOT_SERVING

    def set_all(self, serving: bool) -> None:
        for service in self._answers:
            self.set(service, serving)

    def _check(self, message: bytes, call: Call) -> bytes | None:
        service = HealthCheckRequest.FromString(message).service
        answer = self._answers.get(service)
        if answer is None:
            call.fail(grpc.StatusCode.NOT_FOUND, "unknown service")
        return answer
