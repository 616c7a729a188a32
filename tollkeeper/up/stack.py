"""`tollkeeper up`: the whole product on this machine, from Postgres to Envoy, started in order, stopped in reverse."""

import signal
import socket
import sys
import time
import urllib.error
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tollkeeper.config import Settings, as_environment, read_settings
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import BEYOND_QUEUE_SECONDS, EnvoySettings, of_each_process, parse_socket, parse_upstream
from tollkeeper.migrations import run_migrations
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.process import DIRECT, Process, StartFailed, free_port
from tollkeeper.up.state import locked, made_once, socket_directory
from tollkeeper.up.training import prepare
from tollkeeper.up.valkey import PrivateValkey
from tollkeeper.wheels import envoy_binary

DEV_ADMIN_TOKEN = "dev-admin-token"
PORTAL = "portal"  # of the surfaces
# An Envoy that ended by itself is started again at most this often within this many seconds.
REVIVALS, REVIVAL_SECONDS = 5, 60.0
ENVOY_ARGUMENTS = ("--disable-hot-restart", "--log-level", "warning", "--file-flush-interval-msec", "10")


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the command line of `up` sets.  None: embedded."""

    listen: str
    data_dir: Path
    upstream: str | None = None
    redis_url: str | None = None
    database_url: str | None = None
    concurrency: int | None = None


class Stack:
    """The running stack.  `settings` are those of its sidecar."""

    def __init__(self, options: UpOptions, given: Mapping[str, object], tell: Callable[[str], None]) -> None:
        """`given`: settings that the command line sets, by name; `tell` is called with what is being started."""
        self._options, self._tell, self._stops = options, tell, ExitStack()
        self._data = options.data_dir.absolute()
        self.processes: dict[str, Process] = {}
        self._ready: dict[str, Callable[[], bool]] = {}
        self._given = given
        self._revivals: deque[float] = deque(maxlen=REVIVALS)

    def start(self) -> None:
        """Starts everything, or stops what it started and raises StartFailed."""
        try:
            self._start()
        except OSError as error:
            self.stop()
            what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            raise StartFailed(f"{what}; all state is in {self._data}: --data-dir chooses another") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """In reverse order: Envoy first, then what stands behind it."""
        self._stops.close()

    def trim_logs(self) -> None:
        """So that they do not fill the disk."""
        for process in self.processes.values():
            with suppress(OSError):  # a full disk ends nothing
                process.trim_log()

    def failed(self) -> str | None:
        """The name and last words of a process that ended by itself, if any did."""
        for name, process in self.processes.items():
            if not process.running():
                return f"{name} ended (exit {process.exit_code}): {process.last_lines()}"
        return None

    def revive_envoy(self) -> bool:
        """Starts it again if it ended by itself: one request must not end those of all others.  Whether it did so; not
        if that was needed too often."""
        ended, now = self.processes["envoy"], time.monotonic()
        if ended.running() or (len(self._revivals) == REVIVALS and now - self._revivals[0] < REVIVAL_SECONDS):
            return False
        self._revivals.append(now)
        self._tell(f"Envoy again, which ended (exit {ended.exit_code})")
        self._keep("envoy", ended.again(), self._ready["envoy"])
        return True

    def _start(self) -> None:
        parse_socket("--listen", self._options.listen)
        if self._options.upstream is not None:
            parse_upstream(self._options.upstream)
        self._data.mkdir(parents=True, exist_ok=True)
        self._stops.enter_context(locked(self._data))
        options = self._options
        preliminary = self._read_settings(options.database_url or "postgresql://-", options.redis_url or "redis://-")
        for address, option in self._addresses(preliminary):
            require_free(address, option)
        # What takes long to start does so while the next is prepared.
        upstream = self._options.upstream or self._stub_model()
        redis_url = self._redis_url()
        settings = self._read_settings(self._database_url(), redis_url)
        self._wait("valkey")
        self._migrate(settings)
        self.begin_sidecar(settings)
        self._admin(settings)
        self._wait("sidecar")
        self._envoy(settings, upstream)
        self._wait(*self.processes)
        if PORTAL in settings.other_surfaces:
            token = settings.admin_token.get_secret_value() if settings.admin_token else ""
            prepare(f"http://{settings.admin_listen}", token, wanted=token == DEV_ADMIN_TOKEN)
        self.settings, self.upstream = settings, upstream

    def sidecar(self, settings: Settings, *options: str) -> None:
        """Starts one, and waits until it is ready."""
        self.begin_sidecar(settings, *options)
        self._wait("sidecar")

    def envoy(self, settings: Settings, upstream: str) -> None:
        """The same of an Envoy."""
        self._envoy(settings, upstream)
        self._wait("envoy")

    def given_settings(self, database_url: str, redis_url: str) -> dict[str, object]:
        """What the stack sets for its processes; docker-compose.yml sets the same, held by a test."""
        run, given = socket_directory(self._data), read_settings()
        return {
            "admin_token": given.admin_token or DEV_ADMIN_TOKEN,
            "portal_secret": given.portal_secret or made_once(self._data / "portal.secret"),
            "webhook_secret": given.webhook_secret or made_once(self._data / "webhook.secret"),
            "database_url": database_url,
            "redis_url": redis_url,
            "authz_socket": run / "authz.sock",
            "ratelimit_socket": run / "ratelimit.sock",
            "data_dir": self._data / "sidecar",
            "access_log_file": self._data / "access.jsonl",
            "model_clusters": self._data / "models" / "models.yaml",
            "envoy_admin": f"unix:{run / 'envoy.sock'}",
            **self._given,
        }

    def _read_settings(self, database_url: str, redis_url: str) -> Settings:
        return read_settings(**self.given_settings(database_url, redis_url))

    def _addresses(self, settings: Settings) -> list[tuple[str, str]]:
        return [
            (self._options.listen, "--listen"),
            (settings.admin_listen, "--admin"),
            (settings.metrics_listen, "--metrics"),
            *([(settings.grpc_listen, "TOLLKEEPER_GRPC_LISTEN")] if settings.grpc_listen else []),
        ]

    def _database_url(self) -> str:
        if self._options.database_url:
            return self._options.database_url
        self._tell("Postgres")
        server = Postgres(self._data / "postgres")
        self._keep("postgres", server.process, lambda: True)  # it has waited
        return server.url

    def _redis_url(self) -> str:
        if self._options.redis_url:
            return self._options.redis_url
        self._tell("Valkey")
        server = PrivateValkey(self._data / "valkey")
        self._keep("valkey", server.process, server.answers)
        return server.url

    def _stub_model(self) -> str:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self._tell("a stub model server (mock-model)")
        process = self._ours("stub-model", ["--listen", f"127.0.0.1:{port}"], {}, signal.SIGTERM)
        self._keep("stub-model", process, lambda: answers(f"{url}/v1/models"))
        return url

    def _migrate(self, settings: Settings) -> None:
        self._tell("the database schema")
        try:
            run_migrations(settings.database_url, settings.ledger_url)
        except Exception as error:
            raise StartFailed(f"cannot migrate the database: {error}") from error

    def begin_sidecar(self, settings: Settings, *options: str) -> None:
        """Starts one."""
        self._tell("the sidecar")
        self._python("sidecar", settings, f"http://{settings.metrics_listen}/readyz", *options)

    def _admin(self, settings: Settings) -> None:
        self._tell("the management API")
        self._python("admin", settings, f"http://{settings.admin_listen}/api/v1/health")

    def _python(self, command: str, settings: Settings, ready: str, *options: str) -> None:
        # SIGINT: nobody comes after this sidecar.
        process = self._ours(command, options, as_environment(settings), signal.SIGINT)
        self._keep(command, process, lambda: answers(ready))

    def _ours(
        self, command: str, options: Sequence[str], environment: Mapping[str, str], stop_signal: signal.Signals
    ) -> Process:
        # -P: what lies where it is called, another checkout or an `admin` of somebody else, is not what runs.
        arguments = [sys.executable, "-P", "-m", "tollkeeper", command, *options]
        return Process(command, arguments, self._log(command), environment=environment, stop_signal=stop_signal)

    def _envoy(self, settings: Settings, upstream: str) -> None:
        self._tell("Envoy")
        directory = self._data / "envoy"
        envoy_settings = EnvoySettings(
            upstream=upstream,
            listen=self._options.listen,
            admin=settings.envoy_admin,
            authz=of_each_process("authz", [f"unix:{settings.authz_socket}"], settings.workers),
            ratelimit=of_each_process("ratelimit", [f"unix:{settings.ratelimit_socket}"], settings.workers),
            key_headers=settings.key_header_names,
            access_log=str(self._data / "access.jsonl"),
            config_dir=str(directory),
            idle_timeout_seconds=settings.idle_timeout_seconds,
            ratelimit_timeout_seconds=settings.queue_seconds + BEYOND_QUEUE_SECONDS,
            model_clusters=str(settings.model_clusters) if settings.model_clusters else None,
        )
        self._render(envoy_settings, directory)
        command: list[str | Path] = [envoy_binary(), "-c", directory / "envoy.yaml", *ENVOY_ARGUMENTS]
        if self._options.concurrency is not None:
            command += ["--concurrency", str(self._options.concurrency)]
        process = Process("envoy", command, self._log("envoy"))
        self._keep("envoy", process, lambda: accepts(self._options.listen))

    def _render(self, settings: EnvoySettings, directory: Path) -> None:
        render(settings, directory)

    def _keep(self, name: str, process: Process, ready: Callable[[], bool]) -> None:
        self.processes[name], self._ready[name] = process, ready
        self._stops.callback(process.stop)  # each: one whose place another took may not have ended yet

    def _wait(self, *names: str) -> None:
        """Until they are ready; those that are not ours are taken to be."""
        for name in names:
            if name in self.processes:
                self.processes[name].wait_until(self._ready[name])

    def _log(self, name: str) -> Path:
        return self._data / "logs" / f"{name}.log"


def require_free(address: str, option: str) -> None:
    """StartFailed, naming the option to change, if `address` is taken or none of this machine."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            raise StartFailed(f"cannot listen on {address}: {error.strerror}; choose another with {option}") from None


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), 1):
            return True
    except OSError:
        return False


def answers(url: str) -> bool:
    """Whether an HTTP GET succeeds."""
    try:
        with DIRECT.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_while_healthy(stack: Stack, stopped: Callable[[], bool]) -> str | None:
    """Blocks until `stopped()` or until a process ends by itself; then says which.  Envoy may, now and then."""
    while not stopped():
        stack.trim_logs()
        if not stack.revive_envoy() and (failure := stack.failed()) is not None:
            return failure
        time.sleep(0.2)
    return None
