"""Each manifest is what Kubernetes takes, every file is used, and no secret is in any."""

from collections.abc import Sequence
from pathlib import Path

import kubernetes_validate
import pytest

from deploy.manifests import (
    CLOUDNATIVE_PG,
    DEVELOPMENT,
    KUBERNETES,
    PRODUCTION,
    STRIMZI,
    Manifest,
    built,
    documents,
    of_kind,
    our_workloads,
    secrets_of,
    written,
)

SINGLE_EXAMPLES = tuple(KUBERNETES / "examples" / name for name in ("ingress.yaml", "traces-network-policy.yaml"))
OLDEST = "1.30"  # as docs/deploying.md says
NEWEST = kubernetes_validate.latest_version()
OTHERS = ("keda.sh/", "kafka.strimzi.io/", "postgresql.cnpg.io/", "monitoring.coreos.com/")
"""Kinds that operators bring; Kubernetes itself does not know them."""

DEPLOYING = Path(__file__).parents[2] / "docs" / "deploying.md"


@pytest.mark.parametrize("release", [OLDEST, NEWEST])
def test_every_object_fits_the_schema_of_kubernetes(objects: Sequence[Manifest], release: str) -> None:
    _validate(objects, release)


@pytest.mark.parametrize("release", [OLDEST, NEWEST])
def test_the_examples_fit_the_schema_of_kubernetes(release: str) -> None:
    _validate([*written(CLOUDNATIVE_PG), *(each for path in SINGLE_EXAMPLES for each in documents(path))], release)


def test_the_schema_refuses_a_misspelt_field(objects: Sequence[Manifest]) -> None:
    deployment = dict(of_kind(objects, "Deployment")[0])
    deployment["spec"] = {**deployment["spec"], "replica": 3}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_every_file_is_used() -> None:
    used = {*SINGLE_EXAMPLES}
    for path in KUBERNETES.rglob("kustomization.yaml"):
        (kustomization,) = documents(path)
        patches = [patch["path"] for patch in kustomization.get("patches", []) if "path" in patch]
        used |= {path, *((path.parent / name).resolve() for name in [*kustomization.get("resources", []), *patches])}
    assert {path for path in KUBERNETES.rglob("*") if path.is_file()} <= used


@pytest.mark.parametrize("folder", [PRODUCTION, DEVELOPMENT, STRIMZI, CLOUDNATIVE_PG], ids=lambda folder: folder.name)
def test_no_secret_is_in_the_repository(folder: Path) -> None:
    assert not of_kind(written(folder), "Secret")
    assert not of_kind(built(folder), "Secret")


def test_in_production_everything_secret_comes_from_a_secret(production: Sequence[Manifest]) -> None:
    for workload in our_workloads(production):
        for variable in workload.container.get("env", []):
            if variable["name"].endswith(("_URL", "_PASSWORD", "_STORE")):
                assert "secretKeyRef" in variable["valueFrom"]


def test_every_secret_that_production_needs_is_described(production: Sequence[Manifest]) -> None:
    text = DEPLOYING.read_text(encoding="utf-8")
    needed = {name for workload in our_workloads(production) for name in secrets_of(workload)}
    for trigger in of_kind(production, "TriggerAuthentication"):
        needed |= {reference["name"] for reference in trigger["spec"]["secretTargetRef"]}
    initdb = _cluster()["bootstrap"]["initdb"]
    needed |= {initdb["secret"]["name"], *(role["passwordSecret"]["name"] for role in _cluster()["managed"]["roles"])}
    assert {name for name in needed if f"`{name}`" not in text} == set()


def test_development_needs_no_secret(development: Sequence[Manifest]) -> None:
    assert [name for workload in our_workloads(development) for name in secrets_of(workload)] == []


def _validate(objects: Sequence[Manifest], release: str) -> None:
    for manifest in objects:
        if not manifest["apiVersion"].startswith(OTHERS):
            kubernetes_validate.validate(dict(manifest), release, strict=True)


def _cluster() -> Manifest:
    (cluster,) = of_kind(written(CLOUDNATIVE_PG), "Cluster")
    specification: Manifest = cluster["spec"]
    return specification
