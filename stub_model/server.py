"""Running the stub model: in the foreground, or in a thread of a test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from stub_model.app import create_app
from stub_model.options import StubOptions

HEADER_BYTES = 262_144  # more than Envoy lets through
KEEP_ALIVE_SECONDS = 3_700  # longer than Envoy keeps an idle connection, so that no request meets one that just closes


def serve(host: str, port: int, options: StubOptions | None = None) -> None:
    """Returns on SIGINT or SIGTERM."""
    uvicorn.Server(_config(host, port, options)).run()


@contextmanager
def running(options: StubOptions | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """A server in a thread of its own; gives its URL. Port 0 takes a free one.

    The socket listens before the thread runs, so a first request waits instead of being refused.
    """
    listener = socket.create_server((host, port))
    server = uvicorn.Server(_config(host, port, options))
    thread = threading.Thread(target=server.run, args=([listener],), name="stub-model", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _config(host: str, port: int, options: StubOptions | None) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(options),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        lifespan="off",
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
    )
