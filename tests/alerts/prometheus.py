"""Debian's Prometheus and promtool: of this machine, or as `.ci/prometheus` has put them beside this Python."""

import json
import os
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tollkeeper.up.process import Process, free_port
from tollkeeper.up.stack import answers

NONE = (
    "no Prometheus on this machine, so ALERTS AND DASHBOARD ARE NOT TRIED WITH IT: `.ci/prometheus` fetches Debian's,"
    " where it may"
)


def program(name: str) -> str | None:
    """Where it is: `prometheus` or `promtool`."""
    return shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


@contextmanager
def scraping(directory: Path, targets: Mapping[str, str | None], seconds: float, *rule_files: Path) -> Iterator[str]:
    """URL of one that scrapes the targets, by their job, and evaluates the rules, every `seconds`."""
    jobs = [{"job_name": name, "static_configs": [{"targets": [each]}]} for name, each in targets.items()]
    pace = f"{int(seconds * 1000)}ms"
    config = {
        "global": {"scrape_interval": pace, "scrape_timeout": pace, "evaluation_interval": pace},
        "scrape_configs": jobs,
        "rule_files": [str(each) for each in rule_files],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [str(program("prometheus")), f"--config.file={directory}/prometheus.yml"]
    command += [f"--storage.tsdb.path={directory}/data", f"--web.listen-address={address}"]
    command += ["--enable-feature=exemplar-storage"]
    server = Process("prometheus", command, directory / "prometheus.log")
    try:
        server.wait_until(lambda: answers(f"http://{address}/-/ready"))
        yield f"http://{address}"
    finally:
        server.stop()


def result(url: str, query: str) -> list[Any]:
    """Of an instant query."""
    found: list[Any] = asked(url, f"query?{urllib.parse.urlencode({'query': query})}")["result"]
    return found


def asked(url: str, path: str) -> Any:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}") as response:
            return json.load(response)["data"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{path}: {error.read().decode()}") from None
