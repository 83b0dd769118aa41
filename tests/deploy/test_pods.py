"""Our pods: what they may do, when they are ready, how long they may take to end."""

from collections.abc import Sequence

from award_worker.broker import CLOSING_SECONDS
from deploy.manifests import Manifest, Workload, environment, of_kind, our_workloads, workload_named, workloads

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
API_CLOSING_SECONDS = 10  # as docs/reliability.md says
CHECK_SECONDS = 2


def test_no_pod_may_do_what_the_restricted_standard_forbids(objects: Sequence[Manifest]) -> None:
    for workload in workloads(objects):
        assert workload.pod["securityContext"]["runAsNonRoot"] is True
        assert workload.pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in workload.pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostPath"} & workload.pod.keys()


def test_our_pods_write_no_file_and_hold_no_token(objects: Sequence[Manifest]) -> None:
    (account,) = of_kind(objects, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    for workload in our_workloads(objects):
        assert workload.container["securityContext"]["readOnlyRootFilesystem"] is True
        assert workload.pod["automountServiceAccountToken"] is False
        assert workload.pod["serviceAccountName"] == account["metadata"]["name"]
        assert all(volume.keys() & {"secret", "emptyDir"} for volume in workload.pod.get("volumes", []))


def test_kubernetes_adds_no_variables_that_look_like_settings(objects: Sequence[Manifest]) -> None:
    # A Service badges-api would give every pod BADGES_API_PORT=tcp://…, a Service kafka KAFKA_PORT.
    assert all(workload.pod["enableServiceLinks"] is False for workload in workloads(objects))


def test_every_pod_says_what_it_needs_and_has_a_bound_on_memory(objects: Sequence[Manifest]) -> None:
    for workload in workloads(objects):
        for container in workload.pod["containers"]:
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert container["resources"]["limits"].keys() == {"memory"}


def test_probes_ask_for_life_and_readiness(objects: Sequence[Manifest]) -> None:
    for name in ("badges-api", "badges-award-worker"):
        container = workload_named(objects, name).container
        asked = {probe: container[probe]["httpGet"]["path"] for probe in PROBES}
        assert asked == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
        assert {container[probe]["httpGet"]["port"] for probe in PROBES} == {container["ports"][0]["name"]}


def test_readiness_waits_for_the_checks_of_the_services(objects: Sequence[Manifest]) -> None:
    for name in ("badges-api", "badges-award-worker"):
        assert workload_named(objects, name).container["readinessProbe"]["timeoutSeconds"] > CHECK_SECONDS


def test_ports_are_those_that_the_services_listen_on(objects: Sequence[Manifest]) -> None:
    for name, prefix in (("badges-api", "BADGES_API"), ("badges-award-worker", "BADGES_WORKER")):
        workload = workload_named(objects, name)
        variables = environment(objects, workload)
        assert variables[f"{prefix}_PORT"] == str(workload.container["ports"][0]["containerPort"])
        assert variables[f"{prefix}_HOST"] == "0.0.0.0"  # noqa: S104 - a pod's own address is not known before


def test_nobody_is_killed_while_draining(objects: Sequence[Manifest]) -> None:
    gateway, worker = workload_named(objects, "badges-api"), workload_named(objects, "badges-award-worker")
    assert _grace(gateway) >= _leaving(gateway) + _drain(objects, gateway, "BADGES_API") + API_CLOSING_SECONDS
    assert _grace(worker) > _drain(objects, worker, "BADGES_WORKER") + CLOSING_SECONDS


def test_a_gateway_is_out_of_every_balancer_before_it_drains(objects: Sequence[Manifest]) -> None:
    assert _leaving(workload_named(objects, "badges-api")) >= 5


def test_a_roll_out_takes_no_pod_away_before_its_successor_is_ready(objects: Sequence[Manifest]) -> None:
    for manifest in of_kind(objects, "Deployment"):
        if manifest["metadata"]["name"] in {"badges-api", "badges-award-worker"}:
            assert manifest["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_workers_have_their_pods_name_for_kafka(objects: Sequence[Manifest]) -> None:
    variables = {entry["name"]: entry for entry in workload_named(objects, "badges-award-worker").container["env"]}
    assert variables["BADGES_WORKER_INSTANCE_ID"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_a_release_is_applied_in_steps_schema_first_gateways_last(production: Sequence[Manifest]) -> None:
    order = [
        _step(production, name) for name in ("badges-migrate", "badges-topics", "badges-award-worker", "badges-api")
    ]
    assert order == [("1", -1), ("1", -1), ("2", 0), ("3", 1)]


def test_every_object_is_applied_in_some_step(production: Sequence[Manifest], development: Sequence[Manifest]) -> None:
    for manifest in [*production, *development]:
        assert manifest["metadata"]["labels"]["badges/release-step"] in {"1", "2", "3"}


def _step(objects: Sequence[Manifest], name: str) -> tuple[str, int]:
    """When it is applied: by kubectl, and by Argo CD."""
    (found,) = (m for m in of_kind(objects, "Deployment", "Job") if m["metadata"]["name"] == name)
    wave = found["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0")
    return found["metadata"]["labels"]["badges/release-step"], int(wave)


def _grace(workload: Workload) -> int:
    return int(workload.pod["terminationGracePeriodSeconds"])


def _leaving(gateway: Workload) -> int:
    return int(gateway.container["lifecycle"]["preStop"]["sleep"]["seconds"])


def _drain(objects: Sequence[Manifest], workload: Workload, prefix: str) -> int:
    return int(environment(objects, workload)[f"{prefix}_DRAIN_SECONDS"] or 0)
