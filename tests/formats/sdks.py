"""The routes of the providers' own clients beside the route tables: each is in a table, or below an area that no table has.

python -m tests.formats.sdks

downloads the clients at the versions below, and says which of their routes have no place yet.  xai-sdk speaks gRPC, which
no table has; google-genai makes its paths as it runs: both are read by hand.
"""

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ratelimit.tenants.routes.table import RouteTable, route_table


class Sdk(NamedTuple):
    """`routes`: its method and path, or path and method, in its source.  `areas`: where its paths begin that no table
    has, behind the version of the API: they keep things for the whole account, or begin work whose use is not in the
    answer."""

    package: str
    version: str
    routes: str
    areas: str = ""
    prefix: str = ""


STAINLESS = r'self\._(?P<method>get_api_list|get|post|put|patch|delete)\(\s*(?:path_template\(\s*)?f?"(?P<path>/[^"]+)"'
SDKS = (
    Sdk(
        "openai",
        "3.57.0",
        STAINLESS,
        "agents assistants audio/voice_consents audio/voices chatkit containers content_provenance_checks evals "
        "fine_tuning live organization projects realtime safety skills threads vaults vector_stores videos "
        "webhook_endpoints webhook_event_types",
        "/v1",
    ),
    Sdk(
        "anthropic",
        "2.14.0",
        STAINLESS,
        "agents compliance deployment_runs deployments dreams environments memory_stores organizations sessions skills "
        "tunnels user_profiles vaults",
    ),
    Sdk("groq", "1.7.0", STAINLESS),
    Sdk(
        "cohere",
        "7.3.1",
        r'\.(?:request|stream)\(\s*f?"(?P<path>[^"]+)",(?:.|\n){0,200}?method="(?P<method>\w+)"',
        "batches connectors datasets embed-jobs finetuning parse",
        "/",
    ),
    Sdk(
        "mistralai",
        "3.7.0",
        r'method="(?P<method>\w+)",\s*path="(?P<path>[^"#?]+)',
        "agents audio/agents audio/sessions audio/voices client connectors context fine_tuning libraries observability "
        "prompts providers rag rawPredict service-accounts skills streamRawPredict triggers users webhooks whoami "
        "workflows",
    ),
)


def routes_of(sdk: Sdk, source: Path) -> Iterator[tuple[str, str]]:
    """Method and path of each route in the client's source; what is open in a path is `x`."""
    for file in sorted(source.rglob("*.py")):
        for match in re.finditer(sdk.routes, file.read_text()):
            method = match["method"].upper().removesuffix("_API_LIST")
            path = re.sub(r"\{[^}]*\}", "x", match["path"].split("?")[0])
            versioned = sdk.prefix == "/" or not path.startswith(("/v1", "/v2", "/openai/"))
            yield method, f"{sdk.prefix}{path}" if versioned else path


def without_place(routes: Iterable[tuple[str, str]], sdk: Sdk, table: RouteTable) -> list[str]:
    """Those that are in no table and below no area."""
    areas = tuple(sdk.areas.split())
    found = set()
    for method, path in routes:
        inside = re.sub(r"^/v[12]/", "", path).lstrip("/")
        below = any(inside == area or inside.startswith(f"{area}/") for area in areas)
        if not below and table.find(method, path) is None:
            found.add(f"{method} {path}")
    return sorted(found)


def _downloaded(sdk: Sdk, directory: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(directory)]
    subprocess.run([*pip, f"{sdk.package}=={sdk.version}"], check=True)
    with zipfile.ZipFile(next(directory.glob("*.whl"))) as wheel:
        wheel.extractall(directory)
    return directory / sdk.package


def main() -> int:
    table, missing = route_table(), 0
    for sdk in SDKS:
        with tempfile.TemporaryDirectory() as directory:
            routes = set(routes_of(sdk, _downloaded(sdk, Path(directory))))
        found = without_place(routes, sdk, table)
        missing += len(found)
        print(f"{sdk.package} {sdk.version}: {len(routes)} routes, {len(found)} without a place", *found, sep="\n  ")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
