"""Baseline of `check`: Check on plain grpc.aio with the generated stubs, an answer built for each call from a dict.

It looks up and answers, and does nothing else: no expiry, no refusals but one, no metrics.
usage: aio_check SOCKET KEYS_JSON (secret → headers and metadata)
"""

import asyncio
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import grpc

from protos.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from protos.envoy.service.auth.v3 import external_auth_pb2 as pb
from protos.google.rpc.status_pb2 import Status
from tenancy.values.secret import hash_secret

UVLOOP = importlib.util.find_spec("uvloop") is not None
LOOP = "uvloop" if UVLOOP else "asyncio's own loop (uvloop is not installed)"


class Authorization:
    def __init__(self, keys: dict[str, Any]) -> None:
        self._keys = {hash_secret(secret): key for secret, key in keys.items()}

    async def check(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        scheme, _, secret = request.attributes.request.http.headers["authorization"].partition(" ")
        key = self._keys.get(hash_secret(secret)) if scheme.lower() == "bearer" else None
        if key is None:
            denied = pb.DeniedHttpResponse(status={"code": 401}, body="Invalid API key")
            return pb.CheckResponse(status=Status(code=7), denied_response=denied)
        headers = [
            HeaderValueOption(
                header=HeaderValue(key=name, value=value), append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
            )
            for name, value in key["headers"].items()
        ]
        ok = pb.OkHttpResponse(headers=headers, headers_to_remove=key["remove"])
        return pb.CheckResponse(status=Status(code=0), ok_response=ok, dynamic_metadata=key["metadata"])


async def serve(socket: str, keys: dict[str, Any]) -> None:
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        Authorization(keys).check, pb.CheckRequest.FromString, pb.CheckResponse.SerializeToString
    )
    handlers = {"Check": method}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", handlers),)
    )
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await server.wait_for_termination()


def run(main: Any) -> None:
    """On uvloop if it is installed."""
    with asyncio.Runner(loop_factory=importlib.import_module("uvloop").new_event_loop if UVLOOP else None) as runner:
        runner.run(main)


if __name__ == "__main__":
    run(serve(sys.argv[1], json.loads(Path(sys.argv[2]).read_text())))
