"""What the manifests set is what the processes read."""

from collections.abc import Sequence
from pathlib import Path

import certifi
import pytest
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from award_worker.settings import WorkerSettings
from badgectl import addresses
from deploy.manifests import Manifest, Workload, environment, our_workloads, workload_named
from messaging.settings import KafkaSettings
from telemetry.logs_settings import LogSettings

SAMPLES = {
    "BADGES_DATABASE_URL": "postgresql://badges@postgres/badges",
    "BADGES_API_RATE_LIMIT_STORE": "redis://redis:6379/0",
    "BADGES_KAFKA_SASL_PASSWORD": "not secret",
    "BADGES_WORKER_INSTANCE_ID": "badges-award-worker-0",
}
"""In the place of what Secrets and Kubernetes say."""


def test_every_setting_is_one_that_the_code_reads(objects: Sequence[Manifest]) -> None:
    kinds = (ApiSettings, WorkerSettings, KafkaSettings, LogSettings)
    known = {"BADGES_DATABASE_URL", *(name for kind in kinds for name in _names(kind))}
    for workload in our_workloads(objects):
        assert environment(objects, workload).keys() <= known


def test_the_gateway_reads_its_settings(objects: Sequence[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    _put_into_environment(objects, workload_named(objects, "badges-api"), monkeypatch)
    assert ApiSettings().port == 8000


def test_the_worker_reads_its_settings(objects: Sequence[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    _put_into_environment(objects, workload_named(objects, "badges-award-worker"), monkeypatch)
    assert WorkerSettings().instance_id == "badges-award-worker-0"


def test_the_jobs_read_their_settings(objects: Sequence[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    _put_into_environment(objects, workload_named(objects, "badges-migrate"), monkeypatch)
    assert addresses.database_url().startswith("postgresql://badges@postgres")
    _put_into_environment(objects, workload_named(objects, "badges-topics"), monkeypatch)
    assert addresses.kafka_settings().replication_factor in {1, 3}


def test_in_production_kafka_is_asked_for_three_replicas_over_tls(
    production: Sequence[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    for workload in our_workloads(production):
        if workload.name != "badges-migrate":
            _put_into_environment(production, workload, monkeypatch)
            kafka = KafkaSettings()
            assert kafka.uses_tls
            assert kafka.uses_sasl
            assert kafka.replication_factor == 3


def test_in_production_all_gateways_count_calls_together(production: Sequence[Manifest]) -> None:
    assert "BADGES_API_RATE_LIMIT_STORE" in environment(production, workload_named(production, "badges-api"))


def test_certificates_are_mounted_where_they_are_looked_for(production: Sequence[Manifest]) -> None:
    for workload in our_workloads(production):
        path = environment(production, workload).get("BADGES_KAFKA_SSL_CAFILE")
        mounts = {mount["mountPath"]: mount["name"] for mount in workload.container.get("volumeMounts", [])}
        if path:
            volume = next(v for v in workload.pod["volumes"] if v["name"] == mounts[str(Path(path).parent)])
            assert [item["path"] for item in volume["secret"]["items"]] == [Path(path).name]


def _names(settings: type[BaseSettings]) -> set[str]:
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{field.upper()}" for field in settings.model_fields}


def _put_into_environment(objects: Sequence[Manifest], workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(objects, workload).items():
        text = SAMPLES[name] if value is None else value
        monkeypatch.setenv(name, certifi.where() if name.endswith("_CAFILE") else text)
