"""Who finds whom, and who may speak to whom."""

from collections.abc import Sequence

from deploy.manifests import (
    KUBERNETES,
    Labels,
    Manifest,
    documents,
    of_kind,
    our_workloads,
    selects,
    the,
    workload_named,
    workloads,
)

SERVICES = ("badges-api", "badges-award-worker")
REACHES = {
    "badges-api": {"names", "kafka", "postgres", "redis"},
    "badges-award-worker": {"names", "kafka", "postgres"},
    "badges-operator": {"names", "kafka", "postgres", "api"},
    "badges-migrate": {"names", "postgres"},
    "badges-topics": {"names", "kafka"},
}


def test_deployments_select_their_own_pods_alone(objects: Sequence[Manifest]) -> None:
    for manifest in of_kind(objects, "Deployment"):
        selected = [w.name for w in workloads(objects) if selects(manifest["spec"]["selector"], w.labels)]
        assert selected == [manifest["metadata"]["name"]]


def test_each_service_has_a_disruption_budget_that_selects_it(objects: Sequence[Manifest]) -> None:
    for name in SERVICES:
        budget = the(objects, "PodDisruptionBudget", name)["spec"]
        assert [w.name for w in workloads(objects) if selects(budget["selector"], w.labels)] == [name]
        assert budget["maxUnavailable"] == 1


def test_pods_are_spread_by_a_selector_that_means_them(objects: Sequence[Manifest]) -> None:
    for name in SERVICES:
        workload = workload_named(objects, name)
        spread = workload.pod["topologySpreadConstraints"]
        assert [s["topologyKey"] for s in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert all(selects(s["labelSelector"], workload.labels) for s in spread)


def test_the_service_leads_to_the_gateways(objects: Sequence[Manifest]) -> None:
    service = the(objects, "Service", "badges-api")["spec"]
    assert [w.name for w in workloads(objects) if service["selector"].items() <= w.labels.items()] == ["badges-api"]
    assert service["ports"][0]["targetPort"] in _ports(objects, "badges-api")


def test_the_ingress_shows_the_api_and_nothing_else() -> None:
    (ingress,) = documents(KUBERNETES / "examples" / "ingress.yaml")
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert path["path"] == "/api/v1/gamify"
    assert path["backend"]["service"] == {"name": "badges-api", "port": {"name": "http"}}


def test_all_of_our_pods_are_closed_in_both_directions(objects: Sequence[Manifest]) -> None:
    policy = the(objects, "NetworkPolicy", "badges-default-deny")["spec"]
    assert policy == {"podSelector": policy["podSelector"], "policyTypes": ["Ingress", "Egress"]}
    assert all(selects(policy["podSelector"], workload.labels) for workload in our_workloads(objects))


def test_in_production_each_reaches_what_it_needs_and_no_more(production: Sequence[Manifest]) -> None:
    reached = {w.name: _policies(production, "Egress", w.labels) for w in our_workloads(production)}
    assert reached == {name: {_policy(target) for target in targets} for name, targets in REACHES.items()}


def test_in_development_each_reaches_its_servers(development: Sequence[Manifest]) -> None:
    reached = {w.name: _policies(development, "Egress", w.labels) for w in our_workloads(development)}
    assert reached == {name: {_policy(target) for target in targets - {"redis"}} for name, targets in REACHES.items()}
    for server, port in (("kafka", 9092), ("postgres", 5432)):
        (rule,) = the(development, "NetworkPolicy", f"badges-to-{server}")["spec"]["egress"]
        labels = workload_named(development, server).labels
        assert selects(rule["to"][0]["podSelector"], labels)
        assert [port_of["port"] for port_of in rule["ports"]] == [port]
        assert _policies(development, "Ingress", labels) == {"servers-from-badges"}


def test_the_example_opens_the_way_to_the_collector_for_those_that_send_traces(objects: Sequence[Manifest]) -> None:
    example = documents(KUBERNETES / "examples" / "traces-network-policy.yaml")
    reaching = [w.name for w in our_workloads(objects) if _policies(example, "Egress", w.labels)]
    assert sorted(reaching) == sorted(SERVICES)


def test_callers_reach_the_gateways_alone_and_prometheus_each_service(production: Sequence[Manifest]) -> None:
    reached = {w.name: _policies(production, "Ingress", w.labels) for w in our_workloads(production)}
    assert reached["badges-api"] == {"badges-callers", "badges-metrics"}
    assert reached["badges-award-worker"] == {"badges-metrics"}
    (rule,) = the(production, "NetworkPolicy", "badges-metrics")["spec"]["ingress"]
    assert {port["port"] for port in rule["ports"]} == {p for name in SERVICES for p in _ports(production, name)}


def test_prometheus_finds_the_metrics_of_each_service(production: Sequence[Manifest]) -> None:
    for name in SERVICES:
        monitor = the(production, "PodMonitor", name)["spec"]
        assert [w.name for w in workloads(production) if selects(monitor["selector"], w.labels)] == [name]
        assert workload_named(production, name).labels[monitor["jobLabel"]] == name
        (endpoint,) = monitor["podMetricsEndpoints"]
        assert endpoint["port"] in _ports(production, name)
        assert endpoint["path"] == "/metrics"


def _policies(objects: Sequence[Manifest], direction: str, labels: Labels) -> set[str]:
    """The names of the policies that open something for a pod."""
    return {
        policy["metadata"]["name"]
        for policy in of_kind(objects, "NetworkPolicy")
        if policy["spec"].get(direction.lower()) and selects(policy["spec"]["podSelector"], labels)
    }


def _policy(target: str) -> str:
    return "badges-names" if target == "names" else f"badges-to-{target}"


def _ports(objects: Sequence[Manifest], name: str) -> set[str]:
    return {port["name"] for port in workload_named(objects, name).container["ports"]}
