"""Writes Envoy's configuration for given settings, from the committed files, and has Envoy check it.

Owns which setting goes to which mark, and the order: render aside, validate, then replace.  What is in the chain
belongs to envoy/envoy.yaml.
"""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from serving.guard import SECRET_KEY
from serving.tls_files import BadCertificates, read_files
from tenancy.values.endpoint import Place
from tollkeeper.envoy import cors, forward, mcp_routes, template, tls
from tollkeeper.envoy.local_reply import OWN_BODIES, OWN_BODIES_SHARED, mappers
from tollkeeper.envoy.said_secret import table_of
from tollkeeper.envoy.scripts import FORWARD, GUARD, MCP, METER, join
from tollkeeper.envoy.settings import (
    NO_UPSTREAM,
    Address,
    EnvoySettings,
    parse_address,
    parse_endpoints,
    parse_key_headers,
    parse_mebibytes,
    parse_origins,
    parse_path,
    parse_seconds,
    parse_secret,
    parse_socket,
    parse_upstream,
)
from tollkeeper.envoy.sidecars import blocks_of, discovery, several
from tollkeeper.envoy.template import Part, quote

CONFIG, MODELS = "envoy.yaml", "models.yaml"
# What stands in the file of the clusters of models before the sidecar's part of it.
EMPTY = "# Clusters of models, which Envoy watches; see README.md.\nresources:\n"
MARK = "# From here on written by the sidecar: the endpoints of models.\n"
VALIDATE_SECONDS = 60.0
NOWHERE = Place("localhost", 9, False, "")  # of a cluster to which no route leads
# Less the umask.  Envoy may run as another user, then of the same group.
MODE, SECRET_MODE = 0o666, 0o640
ECDS = "envoy.config.core.v3.TypedExtensionConfig"
CDS = "envoy.config.cluster.v3.Cluster"
ROUTE_SWITCH = "envoy.config.route.v3.FilterConfig"
EXEMPT = "On a route or a virtual host: requests there need no key and are not counted."
APPLY = "On a route or a virtual host, if all of http_filters.yaml is `disabled: true`: Tollkeeper decides there alone."
HEADER = "# Cut out of envoy.yaml by `tollkeeper envoy render`; see README.md.\n"


class InvalidEnvoyConfig(Exception):
    """Envoy refused what was rendered. The message is Envoy's."""


def render(settings: EnvoySettings, out_dir: Path, binary: Path | None = None, *, whole: bool = True) -> list[Path]:
    """Writes the set below `out_dir` and gives its paths, envoy.yaml first, which is left out if not `whole`.

    With `binary` Envoy validates first; a set that it refuses replaces nothing.  InvalidSetting, InvalidEnvoyConfig,
    OSError.
    """
    files = {name: text for name, text in rendered(settings).items() if whole or name != CONFIG}
    if binary is not None:
        _validate_aside(settings, binary)
    for name, text in files.items():
        if settings.model_clusters == str(out_dir / name):  # the sidecar's part of it stays
            text = kept(text, out_dir / name)
        replace_file(out_dir / name, text, SECRET_MODE if SECRET_KEY in text else MODE)
    if settings.model_clusters is not None and whole:
        begin(Path(settings.model_clusters))
    return [out_dir / name for name in files]


def rendered(settings: EnvoySettings) -> dict[str, str]:
    """File name → text.  InvalidSetting."""
    default = None if settings.upstream == NO_UPSTREAM else parse_upstream(settings.upstream)
    upstream = default or NOWHERE
    authz, ratelimit = parse_endpoints("authz", settings.authz), parse_endpoints("ratelimit", settings.ratelimit)
    listen = parse_socket("listen", settings.listen)
    key_headers = parse_key_headers("key_headers", settings.key_headers)
    config_dir = parse_path("config_dir", settings.config_dir).rstrip("/")
    values = {
        "listen.host": listen.host,
        "listen.port": str(listen.port),
        "idle_timeout": parse_seconds("idle_timeout", settings.idle_timeout_seconds),
        "access_log": parse_path("access_log", settings.access_log),
        "authz_timeout": parse_seconds("authz_timeout", settings.authz_timeout_seconds),
        "authz_try_timeout": parse_seconds(
            "authz_timeout", settings.authz_timeout_seconds / (2 if several(authz) else 1)
        ),
        "max_heap": parse_mebibytes("max_heap_mb", settings.max_heap_mb),
        "ratelimit_timeout": parse_seconds("ratelimit_timeout", settings.ratelimit_timeout_seconds),
        "own_bodies": OWN_BODIES,
        "guard": f"{config_dir}/{GUARD}",
        "meter": f"{config_dir}/{METER}",
        "upstream.discovery": discovery([Address(upstream.host, upstream.port)]),
        "upstream.host": upstream.host,
        "upstream.port": str(upstream.port),
        "authz.discovery": discovery(authz),
        "ratelimit.discovery": discovery(ratelimit),
    }
    text, script = (template_dir() / CONFIG).read_text(), f"{config_dir}/{FORWARD}"
    models_in = settings.model_clusters and parse_path("model_clusters", settings.model_clusters)
    blocks = {
        "admin": _admin(settings.admin),
        **forward.blocks(models_in, script),
        **mcp_routes.blocks(models_in is not None, f"{config_dir}/{MCP}", settings.cors_origins),
        "route": _route(default),
        **cors.blocks(parse_origins("cors_origins", settings.cors_origins)),
        "local_replies": [*mappers()],
        "key_headers": [f"- {{exact: {name}}}" for name in key_headers],
        "upstream.tls": tls.to_upstream(upstream, parse_path("upstream_ca", settings.upstream_ca)),
        **blocks_of("authz", authz, settings, config_dir),
        **blocks_of("ratelimit", ratelimit, settings, config_dir),
    }
    config = template.fill(text, values, blocks)
    shared = {**values, "own_bodies": OWN_BODIES_SHARED}, {**blocks, "local_replies": [*mappers(shared=True)]}
    beside = _scripts(settings, parse_secret("ratelimit", ratelimit, settings.grpc_secret), key_headers)
    if blocks["authz.tls"] or blocks["ratelimit.tls"]:
        beside |= {name: HEADER + text for name, text in tls.secrets(settings.grpc_tls_dir).items()}
    return {CONFIG: config, **beside, **_parts(template.fill(text, *shared), config_dir, settings)}


def _scripts(settings: EnvoySettings, secret: str, key_headers: Sequence[str]) -> dict[str, str]:
    lua = template_dir() / "lua"
    switches = {"include_usage": str(settings.include_usage).lower(), "secret": table_of(secret)}
    read = {"key_headers": "{ " + ", ".join(f'["{name}"] = true' for name in key_headers) + " }"}
    scripts = {GUARD: template.fill(join(GUARD, lua), read, {}), METER: template.fill(join(METER, lua), switches, {})}
    if settings.model_clusters is not None:
        scripts |= {name: join(name, lua) for name in (FORWARD, MCP)}
    return scripts


def validate(config: Path, binary: Path) -> None:
    """Has Envoy read `config` without running it.  InvalidEnvoyConfig."""
    command = [str(binary), "--mode", "validate", "--log-level", "error", "--config-path", str(config)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=VALIDATE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InvalidEnvoyConfig(f"Envoy did not validate {config} in {VALIDATE_SECONDS:.0f} s") from None
    if done.returncode != 0:
        complaint = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise InvalidEnvoyConfig(complaint[:2000])


def template_dir() -> Path:
    """The committed files: in the wheel beside this module, in a checkout at the top."""
    here = Path(__file__).resolve().parent
    packaged = here / "files"
    return packaged if packaged.is_dir() else here.parent.parent / "envoy"


def _validate_aside(settings: EnvoySettings, binary: Path) -> None:
    """Envoy opens the script and the log when it validates, and their final places may be on another machine."""
    if settings.grpc_tls_dir:  # which Envoy itself reads only when it runs
        try:
            read_files(Path(settings.grpc_tls_dir))
        except BadCertificates as error:
            raise InvalidEnvoyConfig(str(error)) from None
    with tempfile.TemporaryDirectory(prefix="tollkeeper-envoy-") as directory:
        aside = replace(settings, config_dir=directory, access_log=f"{directory}/access.jsonl")
        if settings.model_clusters is not None:
            aside = replace(aside, model_clusters=f"{directory}/models/{MODELS}")
            begin(Path(directory, "models", MODELS))
        for name, text in rendered(aside).items():
            replace_file(Path(directory, name), text)
        validate(Path(directory, CONFIG), binary)


def begin(path: Path) -> None:
    """The file of the clusters of models, unless it is there: Envoy does not start without it."""
    if not path.exists():
        replace_file(path, EMPTY)


def kept(text: str, path: Path) -> str:
    """`text` with what the sidecar has written into the file at `path`."""
    before = path.read_text() if path.exists() else ""
    return text + MARK + before.partition(MARK)[2] if MARK in before else text


def replace_file(path: Path, text: str, mode: int = MODE, *, exactly: bool = False) -> None:
    """Envoy watches included files for being moved over, and must never read half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            if exactly:
                os.fchmod(file.fileno(), mode)
            file.write(text)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None  # a write does not say where


def _parts(config: str, config_dir: str, settings: EnvoySettings) -> dict[str, str]:
    files: dict[str, str] = {}
    filters: list[Part] = []
    for part in template.parts(config):
        if part.name.startswith("filters/"):
            filters.append(part)
            files[part.name] = HEADER + template.resources(part, ECDS)
        elif part.name.startswith("blocks/"):
            files[part.name] = HEADER + part.text
        else:
            files[part.name] = HEADER + template.resources(part, CDS)
    names = [template.filter_name(part) for part in filters]
    text = _http_filters(filters, config_dir)
    if settings.model_clusters is not None:
        names.append(forward.NAME)
        text = mcp_routes.among(text, f"{config_dir}/{MCP}")
        last = [*forward.forward_filter(f"{config_dir}/{FORWARD}"), *mcp_routes.sessions_filter(), ""]
        text += "\n".join(last)
        route = forward.route()
        files["blocks/model_route.yaml"] = HEADER + "\n".join(["# Ahead of your routes to model servers.", *route, ""])
        files["blocks/mcp_route.yaml"] = HEADER + "\n".join(
            ["# Ahead of all other routes.", *mcp_routes.routes(settings.cors_origins), ""]
        )
    files["blocks/http_filters.yaml"] = HEADER + text
    files["blocks/exempt.yaml"] = HEADER + _switches(names, EXEMPT, "disabled: true")
    files["blocks/apply.yaml"] = HEADER + _switches(names, APPLY, "config: {}")
    return files


def _switches(names: list[str], comment: str, switch: str) -> str:
    """For a route or a virtual host: all filters at once, since a chain with a part of them decides wrongly."""
    kind = f'"@type": type.googleapis.com/{ROUTE_SWITCH}'
    lines = [f"  {name}: {{{kind}, {switch}}}" for name in names]
    return "\n".join([f"# {comment}", "typed_per_filter_config:", *lines]) + "\n"


def _http_filters(filters: list[Part], config_dir: str) -> str:
    lines = ["http_filters:", "# In this order, ahead of the router."]
    for part in filters:
        lines += [
            f"- name: {template.filter_name(part)}",
            "  config_discovery:",
            "    config_source:",
            f"      path_config_source: {{path: {quote(f'{config_dir}/{part.name}')}}}",
            "      resource_api_version: V3",
            f"    type_urls: [{template.filter_type(part)}]",
        ]
    return "\n".join(lines) + "\n"


def _admin(text: str | None) -> list[str]:
    if text is None:
        return []
    if text.startswith("unix:"):
        return ["admin:", f"  address: {{pipe: {{path: {quote(parse_address('admin', text).path)}, mode: 0600}}}}"]
    address = parse_socket("admin", text)
    socket_address = f"{{address: {quote(address.host)}, port_value: {address.port}}}"
    return ["admin:", f"  address: {{socket_address: {socket_address}}}"]


def _route(upstream: Place | None) -> list[str]:
    """None: what has no endpoint of its own leads nowhere."""
    if upstream is None:
        return ["direct_response: {status: 404}"]
    rewrite = [f"  host_rewrite_literal: {quote(upstream.authority)}"]
    if upstream.prefix:
        rewrite.append(f"  prefix_rewrite: {quote(upstream.prefix + '/')}")
    return ["route:", "  cluster: tollkeeper_upstream", "  timeout: 0s", *rewrite]
