"""Every setting: those of the management API, and here those of sidecars and Envoy; type, default, bounds and words."""

from pathlib import Path

from pydantic import Field

from tollkeeper.settings.management import ManagementSettings
from tollkeeper.settings.types import (
    AccessLog,
    ApiUrl,
    EngineKind,
    FailureMode,
    GrpcSecret,
    KeyHeaders,
    ListenAddress,
    LogFile,
    LogLevel,
    Names,
    OtlpHeaders,
    OtlpNames,
    RateHeaders,
    Undelivered,
    pairs_of,
    split,
)

MEBIBYTE = 1024 * 1024


class Settings(ManagementSettings):
    """The settings of every command.  The description of each field is its row in the README's table."""

    metrics_listen: ListenAddress = Field("127.0.0.1:9464", description="`/metrics`, `/healthz`, `/readyz`, `/learned`")
    grpc_listen: ListenAddress | None = Field(
        None,
        description="where authz, ratelimit and accesslog are served over TCP too, to callers with "
        "`TOLLKEEPER_GRPC_SECRET`",
    )
    grpc_secret: GrpcSecret | None = Field(
        None,
        description="secret that Envoy sends over TCP: 32 characters or more of `A-Za-z0-9._~+/=-`, the same "
        "in every sidecar and for `envoy render`; also needed by several sidecars behind one Envoy, "
        "which then believe each other; "
        "after a comma a second one that is accepted too, so that it can be replaced",
    )
    grpc_tls_dir: Path | None = Field(
        None,
        description="directory of `tls.crt`, `tls.key`, `ca.crt`: gRPC over TLS, with certificates on both sides",
    )
    key_headers: KeyHeaders = Field(
        "authorization,x-api-key,api-key",
        description="headers that carry a key, separated by commas; what else is in the others is left alone; the"
        " same for `envoy render`",
    )
    authz_socket: Path = Field(Path("/run/tollkeeper/authz.sock"), description="authz over a Unix socket")
    ratelimit_socket: Path = Field(
        Path("/run/tollkeeper/ratelimit.sock"), description="ratelimit and accesslog over a Unix socket"
    )
    data_dir: Path = Field(
        Path("/var/lib/tollkeeper"),
        description="directory for the ledger spool, the checkpoint of the log file and the key that seals decisions",
    )
    access_log_file: LogFile = Field(
        Path("/var/log/tollkeeper/access.jsonl"),
        description="Envoy's JSON access log on this machine: only there are requests that end while the "
        "sidecar is away; `none`: there is no such file, and these are lost",
    )
    access_log: AccessLog = Field(
        "file",
        description="`file`: what Envoy writes there at once (`--file-flush-interval-msec 10`) it does not send over "
        "gRPC too, if there is one process of each kind; `both`: it sends all",
    )
    access_log_keep_mb: int = Field(
        256,
        ge=0,
        description="how much of that log stays on disk once it is accounted for, in MiB; 0: all (rotate it yourself)",
    )
    workers: int = Field(
        1,
        ge=1,
        le=16,
        description="processes of each kind: `authz-2.sock` and so on beside the first; Envoy balances over them",
    )
    spares: bool = Field(
        True, description="keep one more process of each kind, which takes over at once when another ends"
    )
    engine: EngineKind = Field(
        "auto",
        description="gRPC engine: `http2` (our own, Unix sockets only), `completion_queue` (gRPC core), `threads` "
        "(grpcio's own), or `auto`: the first where nothing listens on TCP, else the second",
    )
    failure_mode: FailureMode = Field(
        "deny", description="while Redis is unreachable: `deny` (503), `allow`, or `local` (each sidecar's own rate)"
    )
    redis_timeout_ms: int = Field(
        50, ge=5, le=5_000, description="how long Redis may hang before its connection is cut, in ms"
    )
    postgres_timeout_ms: int = Field(
        1_000, ge=50, le=30_000, description="timeout of each Postgres command of a sidecar, in ms"
    )
    cache_seconds: float = Field(15, gt=0, le=15, description="how long a sidecar keeps a key in its own cache")
    stale_seconds: float = Field(
        60, ge=0, le=60, description="while both stores are unreachable, cached keys up to this old are still accepted"
    )
    cache_entries: int = Field(
        100_000, ge=100, description="maximum number of keys in authz's own cache, and of policies in ratelimit's"
    )
    response_cache_mb: int = Field(
        64, ge=1, le=1_048_576, description="how much of Redis one tenant's kept answers may take, compressed, in MiB"
    )
    default_max_tokens: int = Field(
        1_024, ge=1, le=1_000_000, description="output tokens reserved for a request without `max_tokens`"
    )
    default_model: str | None = Field(None, max_length=256, description="the model meant by a request that names none")
    unregistered_models: bool = Field(
        True,
        description="whether unregistered models go to the default upstream; else they get 404 once any is registered",
    )
    model_clusters: Path | None = Field(
        None,
        description="file of models' clusters, for Envoy; also for `envoy render`; none: no endpoints or aliases",
    )
    envoy_admin: str | None = Field(None, description="`unix:/path` or `HOST:PORT` of Envoy's admin: endpoints' health")
    model_credential_variables: Names | None = Field(
        None,
        description="variables of the sidecar's environment that models may name as credentials, with commas between",
    )
    model_credentials_dir: Path | None = Field(
        None, description="directory of the files that models may name as credentials"
    )
    model_ca: str = Field(
        "/etc/ssl/certs/ca-certificates.crt",
        description="file on Envoy's machine with the certificates that https endpoints of models are checked against",
    )
    link_local_endpoints: bool = Field(
        False, description="whether models may have link-local endpoints, where clouds keep a machine's credentials"
    )
    route_tables: str = Field(
        "all", description="servers whose routes are open, with commas between them; see `tollkeeper routes`"
    )
    routes: str | None = Field(
        None,
        description="routes beside those or in their place: lines of `POST /path generates`, or the file they are in",
    )
    rate_headers: RateHeaders = Field(
        "vendor",
        description="headers that show limits: `vendor` (the called API's own), `ietf` (`RateLimit`), or `both`",
    )
    max_retry_after_seconds: int = Field(
        60,
        ge=1,
        le=86_400,
        description="longest `Retry-After`, in s; with a longer wait `x-should-retry: false` is said too",
    )
    queue_seconds: float = Field(
        30,
        ge=0,
        le=600,
        description="how long a request may wait when all capacity is in use; 0: it is refused at once; a model may "
        "have its own",
    )
    max_queued: int = Field(10_000, ge=1, le=100_000, description="requests that may wait in one ratelimit process")
    max_queued_per_tenant: int = Field(
        1_000, ge=1, le=100_000, description="requests of one tenant that may wait in one ratelimit process"
    )
    hand_off: bool = Field(
        False,
        description="tell a scheduler behind Envoy whose request it is, in the headers of the Gateway API "
        "inference extension: the tenant as fairness id, its fairshare group as objective",
    )
    fair_users: bool = Field(False, description="share a tenant's part among its users too, evenly")
    lease_seconds: int = Field(
        900,
        ge=10,
        le=86_400,
        description="a request that is still unsettled, and of which Envoy has said nothing, after this time is an "
        "orphan",
    )
    undelivered: Undelivered = Field(
        "charge",
        description="what a model made for a client that left or timed out before it saw it: `charge` it as estimated, "
        "or `refund`",
    )
    job_hours: int = Field(
        744, ge=1, le=8_784, description="time until a background response or batch is read as over; else as reserved"
    )
    idle_timeout_seconds: float = Field(
        600, ge=0.001, le=86_400, description="how long a request may be silent before Envoy ends it; less than a lease"
    )
    spool_max_mb: int = Field(
        256, ge=1, description="maximum size of the ledger rows kept on disk while Postgres is unreachable, in MiB"
    )
    uploads_max_mb: int = Field(
        256,
        ge=32,
        le=1_048_576,
        description="how much of request bodies over 64 KiB Envoy may hold until they are decided, in MiB; as much of"
        " others, each taken for 64 KiB; one tenant may have a quarter",
    )
    handover_seconds: float = Field(
        8, ge=0, le=300, description="seconds after SIGTERM in which another process may take its place"
    )
    drain_seconds: float = Field(
        10, ge=0, le=300, description="seconds after that to answer the requests that are held"
    )
    otlp_endpoint: ApiUrl | None = Field(None, description="URL of an OTLP/HTTP receiver for spans and metrics")
    otlp_headers: OtlpHeaders | None = Field(None, description="headers sent to it: `NAME=VALUE`, separated by commas")
    otlp_names: OtlpNames = Field(
        "current", description="names of GenAI attributes: `current`, `old` (where renamed), `both`"
    )
    log_level: LogLevel = Field("info", description="`debug`, `info`, `warning`, `error`; also `LOG_LEVEL`")

    @property
    def grpc_secrets(self) -> tuple[str, ...]:
        """The first is the one to say; all are accepted."""
        return split(self.grpc_secret.get_secret_value()) if self.grpc_secret else ()

    @property
    def otlp_header_values(self) -> dict[str, str]:
        return pairs_of(self.otlp_headers.get_secret_value()) if self.otlp_headers else {}

    @property
    def key_header_names(self) -> tuple[str, ...]:
        return split(self.key_headers)
