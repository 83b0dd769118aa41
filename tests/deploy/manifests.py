"""The Kubernetes manifests: as they are written, and as kustomize builds them."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from absences import skip

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
BASE = KUBERNETES / "base"
PRODUCTION = KUBERNETES / "overlays" / "production"
DEVELOPMENT = KUBERNETES / "overlays" / "development"
STRIMZI = KUBERNETES / "examples" / "strimzi"
CLOUDNATIVE_PG = KUBERNETES / "examples" / "cloudnative-pg"

Manifest: TypeAlias = Mapping[str, Any]
Labels: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A Deployment or a Job, and what its pods are made of."""

    name: str
    labels: Labels
    pod: Manifest
    replicas: int | None

    @property
    def is_ours(self) -> bool:
        """Ours run our images; the others are servers to try it with."""
        return self.labels.get("app.kubernetes.io/part-of") == "badges"

    @property
    def container(self) -> Manifest:
        """Each of our pods has one."""
        (only,) = self.pod["containers"]
        container: Manifest = only
        return container


@cache
def written(folder: Path) -> Sequence[Manifest]:
    """What a kustomization names, and those that it names, and their ConfigMaps; nothing is patched."""
    kustomization = _one(folder / "kustomization.yaml")
    objects: list[Manifest] = []
    for name in kustomization.get("resources", []):
        place = (folder / name).resolve()
        objects += written(place) if place.is_dir() else documents(place)
    for made in kustomization.get("configMapGenerator", []):
        data = dict(literal.split("=", 1) for literal in made["literals"])
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": made["name"]}, "data": data})
    return objects


@cache
def built(folder: Path) -> Sequence[Manifest]:
    """What `kubectl apply -k` sends."""
    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize", str(folder)]
    elif shutil.which("kustomize"):
        command = ["kustomize", "build", str(folder)]
    else:
        skip("neither kubectl nor kustomize is on the PATH")
    made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [document for document in yaml.safe_load_all(made.stdout) if document]


def documents(path: Path) -> Sequence[Manifest]:
    """The documents of one file."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def of_kind(objects: Sequence[Manifest], *kinds: str) -> Sequence[Manifest]:
    return [manifest for manifest in objects if manifest["kind"] in kinds]


def the(objects: Sequence[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (manifest for manifest in of_kind(objects, kind) if manifest["metadata"]["name"] == name)
    return found


def workloads(objects: Sequence[Manifest]) -> Sequence[Workload]:
    return [
        Workload(
            name=manifest["metadata"]["name"],
            labels=manifest["spec"]["template"]["metadata"]["labels"],
            pod=manifest["spec"]["template"]["spec"],
            replicas=manifest["spec"].get("replicas"),
        )
        for manifest in of_kind(objects, "Deployment", "Job")
    ]


def our_workloads(objects: Sequence[Manifest]) -> Sequence[Workload]:
    return [workload for workload in workloads(objects) if workload.is_ours]


def workload_named(objects: Sequence[Manifest], name: str) -> Workload:
    (found,) = (workload for workload in workloads(objects) if workload.name == name)
    return found


def environment(objects: Sequence[Manifest], workload: Workload) -> dict[str, str | None]:
    """What the process finds in its environment; None is what comes from a Secret or from Kubernetes."""
    variables: dict[str, str | None] = {}
    for source in workload.container.get("envFrom", []):
        variables |= the(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in workload.container.get("env", []):
        variables[variable["name"]] = variable.get("value")
    return variables


def secrets_of(workload: Workload) -> Iterator[str]:
    """The names of the Secrets that a pod needs."""
    for variable in workload.container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            yield reference["name"]
    for volume in workload.pod.get("volumes", []):
        if "secret" in volume:
            yield volume["secret"]["secretName"]


def selects(match: Manifest, labels: Labels) -> bool:
    """Whether a label selector means a pod with these labels."""
    if not match.get("matchLabels", {}).items() <= labels.items():
        return False
    expressions = match.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return all(labels.get(expression["key"]) in expression["values"] for expression in expressions)


def _one(path: Path) -> Manifest:
    (document,) = documents(path)
    return document
