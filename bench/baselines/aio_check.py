"""Baseline of `check`: Check on plain grpc.aio with the generated stubs, an answer built for each call from a dict.

It only looks the key up: no expiry, one kind of refusal, no metrics.
usage: aio_check SOCKET KEYS_JSON (secret → headers and metadata)
"""

import json
import sys
from pathlib import Path
from typing import Any

from bench.baselines import aio
from protos.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from protos.envoy.service.auth.v3 import external_auth_pb2 as pb
from protos.google.rpc.status_pb2 import Status
from tenancy.values.secret import hash_secret

METHOD = "/envoy.service.auth.v3.Authorization/Check"


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
    service = Authorization(keys)
    await aio.serve(socket, METHOD, service.check, pb.CheckRequest.FromString, pb.CheckResponse.SerializeToString)


if __name__ == "__main__":
    aio.run(serve(sys.argv[1], json.loads(Path(sys.argv[2]).read_text())))
