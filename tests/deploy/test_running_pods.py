"""Processes with the settings of their pods, on real servers."""

from collections.abc import Mapping

import httpx
import pytest

from deploy.manifests import BASE, KUBERNETES, Workload, documents, environment, the, workload_named, written
from processes import Installation, Service

MONITORS = documents(KUBERNETES / "components" / "monitoring" / "pod-monitors.yaml")


@pytest.mark.parametrize("name", ["badges-api", "badges-award-worker"])
async def test_a_pod_answers_its_probes_shows_its_numbers_and_ends_in_peace(badges: Installation, name: str) -> None:
    workload = workload_named(written(BASE), name)
    probes = [workload.container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    (endpoint,) = the(MONITORS, "PodMonitor", name)["spec"]["podMetricsEndpoints"]
    service = await _start(workload, badges).ready()
    async with httpx.AsyncClient(base_url=service.url) as client:
        assert [(await client.get(probe["path"])).status_code for probe in probes] == [200, 200, 200]
        assert "# HELP badges_" in (await client.get(endpoint["path"])).text
    service.stop()
    assert service.wait() == 0


def _start(workload: Workload, badges: Installation) -> Service:
    """With what the pod's ConfigMap says, but for the port, which another process may have."""
    variables = environment(written(BASE), workload)
    if workload.name == "badges-api":
        return badges.gateway(**_settings("BADGES_API_", variables))
    return badges.worker(**_settings("BADGES_WORKER_", variables))


def _settings(prefix: str, variables: Mapping[str, str | None]) -> dict[str, str]:
    own = {name.removeprefix(prefix).lower(): value for name, value in variables.items() if name.startswith(prefix)}
    return {name: value for name, value in own.items() if value is not None and name != "port"}
