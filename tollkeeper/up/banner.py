"""What `tollkeeper up` prints once everything runs: addresses, the admin token, the first three requests."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from tollkeeper.config import Settings
from tollkeeper.up.stack import DEV_ADMIN_TOKEN, UpOptions
from tollkeeper.up.stack import PORTAL as PORTAL_SURFACE
from tollkeeper.up.training import EMAIL, PASSWORD

CONSOLE = "  console          http://{}/console\n"
TEMPLATE = """
Tollkeeper is up.

  Envoy            http://{envoy}        (OpenAI-style endpoint; every request needs a key)
  management API   http://{admin}         admin token: {token}
{console}{portal}  metrics          http://{metrics}/metrics
  gRPC             {grpc}
  Postgres         {database}
  Redis            {redis}
  state and logs   {data_dir}

Try it, in another terminal:

  # 1. a tenant with 500,000 tokens a minute
  TID=$(curl -s http://{admin}/api/v1/tenants -H "Authorization: Bearer {token}" \\
    -d '{{"name":"my-team-'$(date +%s)'","weight":200,"tokens_per_minute":500000}}' \\
    | grep -o '[0-9a-f-]\\{{36\\}}' | head -1)

  # 2. a key for it; the secret is shown this once
  SECRET=$(curl -s http://{admin}/api/v1/tenants/$TID/keys -H "Authorization: Bearer {token}" \\
    -d '{{"name":"prod"}}' | grep -o 'sk_[0-9a-f]\\{{48\\}}')

  # 3. a model call through Envoy
  curl -s http://{envoy}/v1/chat/completions -H "Authorization: Bearer $SECRET" \\
    -H 'Content-Type: application/json' \\
    -d '{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}}],"max_tokens":32}}'

Ctrl-C stops everything; the state stays."""


PORTAL = """  portal           http://{admin}/auth/login  account: {email}, password: {password}
"""


def shown(url: str) -> str:
    """The address of a store without its password."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    query = urlencode([(each, value) for each, value in parse_qsl(parts.query) if "pass" not in each], safe="/")
    return f"{parts.scheme}://{f'{name}@' if name else ''}{place}{parts.path}{f'?{query}' if query else ''}"


def banner(settings: Settings, options: UpOptions) -> str:
    known = settings.admin_token is not None and settings.admin_token.get_secret_value() == DEV_ADMIN_TOKEN
    training = known and PORTAL_SURFACE in settings.other_surfaces
    account = {"admin": settings.admin_listen, "email": EMAIL, "password": PASSWORD}
    return TEMPLATE.format(
        portal=PORTAL.format(**account) if training else "",
        envoy=options.listen,
        admin=settings.admin_listen,
        console=CONSOLE.format(settings.admin_listen) if "console" in settings.other_surfaces else "",
        metrics=settings.metrics_listen,
        grpc=settings.grpc_listen or settings.authz_socket.parent,
        token=DEV_ADMIN_TOKEN if known else "$TOLLKEEPER_ADMIN_TOKEN",  # one of one's own is a secret
        database=shown(settings.database_url),
        redis=shown(settings.redis_url),
        data_dir=options.data_dir.absolute(),
        model="<your model>" if options.upstream else "mock-model",
    )
