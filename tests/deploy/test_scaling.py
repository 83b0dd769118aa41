"""How many of each there may be."""

import inspect
import tomllib
from collections.abc import Sequence
from pathlib import Path

from api.settings import ApiSettings
from deploy.manifests import (
    CLOUDNATIVE_PG,
    PRODUCTION,
    Manifest,
    documents,
    environment,
    of_kind,
    the,
    workload_named,
    written,
)
from messaging.topics import Topics, create_topics

ROOT = Path(__file__).parents[2]
WORKER_CONNECTIONS = 6  # a pool of 4, the relay's 2
OPERATORS_CONNECTIONS = 20


def test_workers_are_scaled_by_the_lag_of_their_group(production: Sequence[Manifest]) -> None:
    scaled = the(production, "ScaledObject", "badges-award-worker")["spec"]
    (trigger,) = scaled["triggers"]
    kafka = environment(production, workload_named(production, "badges-award-worker"))
    assert scaled["scaleTargetRef"]["name"] == "badges-award-worker"
    assert trigger["metadata"]["topic"] == Topics().award_requests
    assert trigger["metadata"]["consumerGroup"] == Topics().worker_group
    assert trigger["metadata"]["bootstrapServers"] == kafka["BADGES_KAFKA_BOOTSTRAP"]
    assert trigger["metadata"]["version"] == "2.8.0"  # KEDA's default is older than what Kafka 4 supports
    assert trigger["metadata"]["sasl"] == str(kafka["BADGES_KAFKA_SASL_MECHANISM"]).lower().replace("-", "_").replace(
        "scram_sha_", "scram_sha"
    )


def test_there_is_a_worker_for_each_partition_at_most_and_never_none(production: Sequence[Manifest]) -> None:
    scaled = the(production, "ScaledObject", "badges-award-worker")["spec"]
    assert scaled["maxReplicaCount"] == inspect.signature(create_topics).parameters["partitions"].default
    assert scaled["minReplicaCount"] >= 2
    assert scaled["fallback"]["replicas"] >= scaled["minReplicaCount"]


def test_gateways_are_scaled_by_the_cpu_that_they_ask_for(production: Sequence[Manifest]) -> None:
    autoscaler = the(production, "HorizontalPodAutoscaler", "badges-api")["spec"]
    assert autoscaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "badges-api"}
    assert [metric["resource"]["name"] for metric in autoscaler["metrics"]] == ["cpu"]
    assert "cpu" in workload_named(production, "badges-api").container["resources"]["requests"]


def test_a_new_release_does_not_set_back_what_the_autoscalers_decided(production: Sequence[Manifest]) -> None:
    assert workload_named(production, "badges-api").replicas is None
    assert workload_named(production, "badges-award-worker").replicas is None


def test_postgres_has_a_connection_for_all_of_them(production: Sequence[Manifest]) -> None:
    (cluster,) = of_kind(written(CLOUDNATIVE_PG), "Cluster")
    gateways = the(production, "HorizontalPodAutoscaler", "badges-api")["spec"]["maxReplicas"]
    workers = the(production, "ScaledObject", "badges-award-worker")["spec"]["maxReplicaCount"]
    each = ApiSettings.model_fields["database_connections"].default
    # At worst all of the last release still drain when the last of the new one begins.
    wanted = 2 * (gateways * each + workers * WORKER_CONNECTIONS) + OPERATORS_CONNECTIONS
    maximum = int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])
    assert wanted <= maximum


def test_all_images_have_the_tag_of_one_release() -> None:
    (kustomization,) = documents(PRODUCTION / "kustomization.yaml")
    images = {image["name"]: image["newTag"] for image in kustomization["images"]}
    assert images.keys() == {"badges-api", "badges-award-worker", "badges-badgectl"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {*images.values()} == {project["version"]}
    assert f"ARG VERSION={project['version']}\n" in (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
