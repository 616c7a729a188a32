"""A server of one method on plain grpc.aio with the generated stubs, for the baselines of `check` and `ratelimit`."""

import asyncio
import importlib
import importlib.util
from collections.abc import Callable, Coroutine
from typing import Any

import grpc

UVLOOP = importlib.util.find_spec("uvloop") is not None
LOOP = "uvloop" if UVLOOP else "asyncio's own loop (uvloop is not installed)"


async def serve(
    socket: str,
    path: str,
    handler: Callable[[Any, Any], Coroutine[Any, Any, Any]],
    read: Callable[[bytes], Any],
    write: Callable[[Any], bytes],
) -> None:
    """Until the process ends.  `path` is `/package.Service/Method`."""
    _, service, method = path.split("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(handler, read, write)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await server.wait_for_termination()


def run(main: Coroutine[Any, Any, None]) -> None:
    """On uvloop if it is installed."""
    with asyncio.Runner(loop_factory=importlib.import_module("uvloop").new_event_loop if UVLOOP else None) as runner:
        runner.run(main)
