"""kubernetes/manifests/, made from the chart.  To write it anew: python -m tests.kubernetes.manifests"""

from typing import Any

import yaml

from tests.kubernetes.chart import CONFIGURATIONS, ROOT, rendered

# File → the chart's configuration.
FILES = {"gateway.yaml": "default", "sidecars.yaml": "sidecars"}
DIRECTORY = ROOT / "manifests"
HEAD = "# Made from the chart in ../tollkeeper by `make manifests`; do not edit it.\n"


def written(configuration: str) -> str:
    """The objects as `kubectl apply` takes them: without hooks, in the order in which they need each other."""
    values = CONFIGURATIONS[configuration] | {"migrations": {"hook": False}}
    found = sorted(rendered(values), key=_rank)
    for each in found:
        _unmanaged(each["metadata"])
        _unmanaged(each.get("spec", {}).get("template", {}).get("metadata", {}))
    return HEAD + "".join("---\n" + yaml.safe_dump(each, sort_keys=False, width=120) for each in found)


def _rank(each: dict[str, Any]) -> int:
    first = ("ServiceAccount", "NetworkPolicy", "Job")
    return first.index(each["kind"]) if each["kind"] in first else len(first)


def _unmanaged(metadata: dict[str, Any]) -> None:
    """Nobody manages them with Helm; and they belong to whichever namespace `kubectl` is told."""
    metadata.pop("namespace", None)
    for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
        metadata.get("labels", {}).pop(label, None)


if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for name, configuration in FILES.items():
        (DIRECTORY / name).write_text(written(configuration))
