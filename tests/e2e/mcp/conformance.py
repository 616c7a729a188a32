"""The suite of `@modelcontextprotocol/conformance` against a server alone, and through Tollkeeper.

    npm install node@22 @modelcontextprotocol/conformance@0.1.16
    python -m tests.e2e.mcp.conformance --npm DIRECTORY --server http://localhost:3000/mcp

`--server`: one that has what the suite asks for, such as the `everything-server` of its repository.  Fails if what
passes alone fails through.  The suite sends no key: an Envoy in front adds it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment
from tests.e2e.mcp.conftest import Mcp
from tests.envoy.conftest import envoy_with

NODE, SUITE = "node_modules/node/bin/node", "node_modules/@modelcontextprotocol/conformance/dist/index.js"
RESULT = re.compile(r"^. ([a-z0-9-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
RESULT_OF_ONE = re.compile(r"^Passed: (\d+)/(\d+),", re.MULTILINE)
SECONDS = 600
TRIES = 3  # the suite waits for some messages for a fixed time
Results = Mapping[str, tuple[int, int]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npm", type=Path, required=True)
    parser.add_argument("--server", required=True)
    given = parser.parse_args()
    alone = suite(given.npm, given.server)
    with through(given.server) as url:
        ours = suite(given.npm, url)
    worse = [name for name, (passed, _) in alone.items() if ours.get(name, (0, 0))[0] < passed]
    for name, (passed, failed) in alone.items():
        print(f"{name:32} alone {passed} of {passed + failed}, through {ours.get(name, (0, 0))[0]}")
    print(
        f"{sum(passed for passed, _ in alone.values())} passed alone, {sum(each for each, _ in ours.values())} through"
    )
    print(f"worse: {', '.join(worse) or 'none'}")
    return 1 if worse or not alone else 0


def suite(npm: Path, url: str) -> Results:
    """By scenario: how many checks passed and failed; of one that failed, at the best of some tries."""
    found = dict(_run(npm, url))
    for name in [name for name, (_, failed) in found.items() if failed]:
        found[name] = max(found[name], *(_run(npm, url, name).get(name, (0, 1)) for _ in range(TRIES)))
    return found


def _run(npm: Path, url: str, only: str = "") -> Results:
    options = ["--scenario", only] if only else []
    command = [str(npm / NODE), str(npm / SUITE), "server", "--url", url, *options]
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(command, capture_output=True, text=True, cwd=directory, timeout=SECONDS, check=False)
    if only and (one := RESULT_OF_ONE.search(done.stdout)):
        return {only: (int(one[1]), int(one[2]) - int(one[1]))}
    return {name: (int(passed), int(failed)) for name, passed, failed in RESULT.findall(done.stdout)}


@contextmanager
def through(server: str) -> Iterator[str]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(public_directory()))
        place = Deployment(directory / "stack")
        stack.callback(place.close)
        mcp, who = Mcp(place), place.tenant()
        name = mcp.register(server)
        mcp.until_served(who, name)
        front = stack.enter_context(envoy_with(lambda port: _adds(port, place.envoy_address, who.secret), directory))
        yield f"{front.replace('127.0.0.1', 'localhost')}{urlsplit(mcp.url(name)).path}"


def _adds(port: int, address: str, secret: str) -> dict[str, Any]:
    """A listener on `port` that adds the key."""
    host, at = address.split(":")
    kind = "type.googleapis.com/envoy.extensions.filters"
    route = {
        "match": {"prefix": "/"},
        "route": {"cluster": "stack", "timeout": "0s"},
        "request_headers_to_add": [{"header": {"key": "authorization", "value": f"Bearer {secret}"}}],
    }
    router = {"@type": f"{kind}.http.router.v3.Router"}
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    endpoint = {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(at)}}}}
    assignment = {"cluster_name": "stack", "endpoints": [{"lb_endpoints": [endpoint]}]}
    cluster = {"name": "stack", "type": "STATIC", "load_assignment": assignment}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


if __name__ == "__main__":
    sys.exit(main())
