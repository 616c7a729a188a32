"""The settings of the stores, and of the management API with what is served beside it."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tollkeeper.settings.types import (
    ALL,
    NONE,
    PREFIX,
    SURFACES,
    AdminToken,
    ApiUrl,
    Currency,
    DatabaseUrl,
    Issuer,
    LedgerUrl,
    ListenAddress,
    Origins,
    PortalHosts,
    PortalSecrets,
    RedisUrl,
    Surfaces,
    split,
)


class ManagementSettings(BaseSettings):
    """The description of each field is its row in the README's table, in the order of the fields."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    database_url: DatabaseUrl = Field(
        "postgresql://tollkeeper@127.0.0.1:5432/tollkeeper",
        description="Postgres: tenants, keys, ledger, audit; TLS: [docs/install/tls.md](docs/install/tls.md)",
    )
    redis_url: RedisUrl = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis or Valkey: live budgets, key cache; `redis+cluster://` names any node of a cluster;"
        " `rediss://` and `rediss+cluster://`: [docs/install/tls.md](docs/install/tls.md)",
    )
    ledger_url: LedgerUrl | None = Field(
        None,
        description="the ledger on ClickHouse instead of Postgres: `clickhouse+https://USER:PASSWORD@HOST/DATABASE`,"
        " or `clickhouse+http`: [docs/operate/ledger-on-clickhouse.md](docs/operate/ledger-on-clickhouse.md)",
    )
    admin_token: AdminToken | None = Field(
        None,
        description="token of the management API; also `MASTER_API_KEY`; no default, `up` sets `dev-admin-token`",
    )
    portal_secret: PortalSecrets | None = Field(
        None,
        description="secret that the keys for signing people in are derived from: 32 characters or more; "
        "behind a comma the one before it, until its tokens are gone; without it nobody signs in, `up` makes one",
    )
    portal_hosts: PortalHosts | None = Field(
        None,
        description="what the portal shows as `region`, `metrics_host`, `logs_host` and `traces_host` of a tenant: "
        "`NAME=VALUE`, separated by commas",
    )
    webhook_secret: PortalSecrets | None = Field(
        None,
        description="secret that the secrets for signing webhooks are derived from: 32 characters or more; "
        "behind a comma the one before it, until every webhook has rotated;"
        " without it there are no webhooks, `up` makes one",
    )
    local_webhooks: bool = Field(
        False,
        description="whether webhooks may lead to this machine, and those of organizations into private networks",
    )
    default_rate_limit: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="requests a minute of tenants that are made through ChatAPI, until they get a limit of their own;"
        " also `DEFAULT_RATE_LIMIT`",
    )
    api_url: ApiUrl = Field(
        "http://127.0.0.1:9090", description="URL at which the commands `tenant`, `key`, … reach the management API"
    )
    api_ca: Path | None = Field(
        None, description="file of the only CAs that are trusted for an `https` API URL; none: those of the system"
    )
    api_tls_dir: Path | None = Field(
        None,
        description="directory of `tls.crt`, `tls.key`: the certificate that the commands present if the API "
        "asks for one",
    )
    admin_listen: ListenAddress = Field("127.0.0.1:9090", description="management API")
    admin_tls_dir: Path | None = Field(
        None, description="directory of `tls.crt`, `tls.key`: management API and console over TLS"
    )
    admin_client_ca: Path | None = Field(
        None, description="file of CAs: over TLS, only clients with a certificate from one of them are let in"
    )
    admin_metrics_listen: ListenAddress | None = Field(
        None, description="`/metrics`, `/healthz`, `/readyz` of the management API, which ask for no token"
    )
    admin_cors_origins: Origins | None = Field(
        None, description="origins of the web pages that may use the management API, separated by commas"
    )
    currency: Currency = Field(
        "USD", description="currency of prices and costs, as ISO 4217 names it; for exports and statements"
    )
    issuer: Issuer = Field("Tollkeeper", description="who charges for what was used, in exports and on statements")
    surfaces: Surfaces = Field(
        ALL,
        description=f"what is served beside the management API: `{ALL}`, `{NONE}`, or some of"
        f" {', '.join(f'`{each}`' for each in SURFACES)} with commas between them",
    )

    @property
    def other_surfaces(self) -> tuple[str, ...]:
        named = {ALL: SURFACES, NONE: ()}
        return named[self.surfaces] if self.surfaces in named else split(self.surfaces)
