"""ClickHouse's HTTP interface over its own engine, as far as clickhouse-connect uses it: a process of its own.

    python -m tests.clickhouse.front DIRECTORY PORT [CERTIFICATES] [--quick]

No server of ClickHouse is in the package registries, its engine is: chdb, which is made of the server's sources.  What
this file does in the server's place: take queries, data, parameters and settings from HTTP, ask for a password, render
errors.  One query runs at a time.  With CERTIFICATES (tls.crt, tls.key, ca.crt) over TLS.  --quick: one thread and
no compiled expressions, since both take longer to set up than what tests ask takes to answer.
"""

import base64
import re
import ssl
import sys
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

USER, PASSWORD = "tollkeeper", "clickhouse:password"
NOT_SETTINGS = (
    *("query", "query_id", "database", "default_format", "session_id", "client_protocol_version"),
    *("wait_end_of_query", "enable_http_compression", "send_progress_in_http_headers", "buffer_size", "compress"),
    *("http_headers_progress_interval_ms", "decompress"),
)
CODE = re.compile(r"Code: (\d+)")
FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*\Z", re.IGNORECASE)
UNAUTHORIZED = 516
QUICK = "--quick"


class Engine:
    """One session, which keeps its settings: each query begins with those that it brings, and no other."""

    def __init__(self, directory: str) -> None:
        # Here, since every process of the tests imports the names above: to load the engine takes a second.
        from chdb.session import Session

        open_session: Any = Session  # without types
        self._session = open_session(directory)
        self._lock = threading.Lock()
        self._set: dict[str, str] = {}
        if QUICK in sys.argv:
            self._session.query("SET compile_expressions = 0, compile_aggregate_expressions = 0, max_threads = 1")

    def answer(self, statement: bytes, given: dict[str, str]) -> bytes:
        settings = {k: v for k, v in given.items() if k not in NOT_SETTINGS and not k.startswith("param_")}
        parameters = {k.removeprefix("param_"): v for k, v in given.items() if k.startswith("param_")}
        with self._lock:
            for name in set(self._set) - set(settings):
                self._session.query(f"SET {name} = DEFAULT")
            for name, value in settings.items() - self._set.items():
                self._session.query(f"SET {name} = '{value}'")
            self._set = settings
            if database := given.get("database"):
                self._session.query(f"USE `{database}`")
            named = FORMAT.search(statement)
            answer = self._session.query(
                statement.decode(), named.group(1).decode() if named else "TabSeparated", params=parameters
            )
            return bytes(answer.bytes())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine
    credentials = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def do_GET(self) -> None:
        self._say(200, b"Ok.\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if self.headers.get("authorization") != self.credentials:
            self._fail(UNAUTHORIZED, f"Code: {UNAUTHORIZED}. DB::Exception: {USER}: Authentication failed", 403)
            return
        if self.headers.get_content_type() == "multipart/form-data":
            given |= self._form(body)
            body = b""
        statement = b"\n".join(part for part in (given.get("query", "").encode(), body) if part)
        try:
            answer = self.engine.answer(statement, given)
        except Exception as error:  # noqa: BLE001 - whatever the engine says is the answer
            found = CODE.search(str(error))
            self._fail(int(found.group(1)) if found else 0, str(error), 500)
            return
        self._say(200, answer)

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + body).get_payload()
        found = {}
        for part in parts:
            name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
            found[str(name)] = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
        return found

    def _fail(self, code: int, text: str, status: int) -> None:
        self._say(status, text.encode(), ("x-clickhouse-exception-code", str(code)))

    def _say(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients may leave, and their certificates be refused."""


def main() -> None:
    directory, port, *certificates = (each for each in sys.argv[1:] if each != QUICK)
    Handler.engine = Engine(directory)
    server = Server(("127.0.0.1", int(port)), Handler)
    if certificates:
        files = Path(certificates[0])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files / "ca.crt"))
        context.load_cert_chain(files / "tls.crt", files / "tls.key")
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
