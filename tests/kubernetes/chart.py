"""The chart as Helm renders it, and what is asked of its objects in more than one test."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parents[2] / "kubernetes"
CHART = ROOT / "tollkeeper"
# Configurations by name: the defaults, and each of ci/.
CONFIGURATIONS = {"default": {}} | {
    path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text()) for path in sorted(CHART.glob("ci/*"))
}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects, in the order of the templates.  helm_python.HelmError, also for values that the schema refuses."""
    files = helm_python.Chart.load(CHART).render(values, name="tollkeeper", namespace="models")
    manifests = (text for name, text in sorted(files.items()) if name.endswith(".yaml"))
    return [each for text in manifests for each in yaml.safe_load_all(text) if each]


@cache
def objects(configuration: str) -> list[dict[str, Any]]:
    return rendered(CONFIGURATIONS[configuration])


def pod_templates(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Component → template of its pods."""
    for each in objects:
        template = each.get("spec", {}).get("template")
        if template:
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template


def containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in [*pod.get("initContainers", ()), *pod["containers"]]}


def component(configuration: str, name: str) -> dict[str, Any]:
    """The pods of one component, as their spec."""
    spec: dict[str, Any] = dict(pod_templates(objects(configuration)))[name]["spec"]
    return spec
