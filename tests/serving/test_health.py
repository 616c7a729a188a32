from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from serving.health import Health
from tests.serving.conftest import Server

CHECK = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


def test_each_service_has_its_status_and_a_drain_changes_all(serve: Server) -> None:
    health = Health(["a.A", "b.B"])
    served = serve(health.method)

    def statuses() -> list[HealthCheckResponse.ServingStatus]:
        requests = [HealthCheckRequest(service=service).SerializeToString() for service in ("", "a.A", "b.B")]
        return [HealthCheckResponse.FromString(served.call(CHECK, request)).status for request in requests]

    assert statuses() == [NOT_SERVING, NOT_SERVING, NOT_SERVING]
    health.set_all(True)
    assert statuses() == [SERVING, SERVING, SERVING]
    health.set("b.B", False)
    assert statuses() == [SERVING, SERVING, NOT_SERVING]
    health.set_all(False)
    assert statuses() == [NOT_SERVING, NOT_SERVING, NOT_SERVING]


def test_what_health_does_not_know_it_says(serve: Server) -> None:
    served = serve(Health(["a.A"]).method)
    unknown = HealthCheckRequest(service="c.C").SerializeToString()
    assert served.code(CHECK, unknown)[0] is grpc.StatusCode.NOT_FOUND
    assert served.code(CHECK, b"\xff")[0] is grpc.StatusCode.INVALID_ARGUMENT
    watch: Any = served.channel.unary_stream("/grpc.health.v1.Health/Watch", None, None)(b"", timeout=10.0)
    with pytest.raises(grpc.RpcError) as caught:
        next(watch)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_only_named_services_can_be_set() -> None:
    with pytest.raises(KeyError):
        Health(["a.A"]).set("b.B", True)
