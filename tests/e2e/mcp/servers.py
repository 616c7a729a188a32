"""Real MCP servers, made with the `mcp` package, each in a thread, and its client in front of them."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
import uvicorn
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

VERSIONS = (LATEST_MODERN_VERSION, LATEST_HANDSHAKE_VERSION)
Mode = Literal["auto", "legacy"]
MODES: tuple[Mode, ...] = ("auto", "legacy")


@dataclass
class Server:
    """`came`: what reached it: method, path and headers.  `held`: calls of `wait` go on once it is set."""

    name: str
    url: str = ""
    came: list[dict[str, Any]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def took(self, *methods: str) -> list[dict[str, Any]]:
        """Since it was last asked."""
        found, self.came = self.came, []
        return [each for each in found if not methods or each["method"] in methods]


@contextmanager
def running(name: str, **options: Any) -> Iterator[Server]:
    """`options` of MCPServer.streamable_http_app."""
    server = Server(name)
    app = _tools(server).streamable_http_app(**options)

    async def recorded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = {key.decode(): value.decode() for key, value in scope["headers"]}
            server.came.append({"method": scope["method"], "path": scope["path"], "headers": headers})
        await app(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(recorded, access_log=False, log_level="critical", timeout_graceful_shutdown=1)
    made = uvicorn.Server(config)
    thread = threading.Thread(target=made.run, args=([listener],), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    try:
        yield server
    finally:
        server.held.set()
        made.should_exit = True
        thread.join(10)
        listener.close()


def _tools(server: Server) -> MCPServer:
    mcp = MCPServer(server.name)

    @mcp.tool()
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    @mcp.tool()
    def whoami() -> str:
        """Says which server this is."""
        return server.name

    @mcp.tool()
    def text(size: int) -> str:
        """As many characters."""
        return "x" * size

    @mcp.tool()
    async def steps(count: int, ctx: Context) -> str:
        """Tells of its progress."""
        for step in range(count):
            await ctx.report_progress(step, count)
        return "done"

    @mcp.tool()
    async def wait() -> str:
        """Answers once it may."""
        await asyncio.to_thread(server.held.wait, 60)
        return "waited"

    return mcp


@asynccontextmanager
async def client(url: str, secret: str, mode: Mode = "auto", **options: Any) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {secret}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **options) as made,
    ):
        yield made
