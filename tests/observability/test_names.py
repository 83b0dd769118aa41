"""The metrics, the page that describes them, the dashboard, the alerts and the runbook speak of the same names."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from api.metrics import ApiMetrics
from award_worker.metrics import WorkerMetrics
from telemetry import metrics as catalogue

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "badges.json"
PAGE = ROOT / "docs" / "metrics.md"
SPEAK_OF_METRICS = (DASHBOARD, PAGE, ROOT / "docs" / "runbook.md", *(ROOT / "deploy" / "prometheus").rglob("*.yml"))
OF_HISTOGRAMS = ("_bucket", "_count", "_sum")
# Other things of ours that begin like a metric.
NO_METRICS = {"badges_client", "badges_relay_marker", "badges_outbox", "badges_owner"}


def exported() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Every metric of gateway and worker by its name in Prometheus, with its type and its labels."""
    found = {}
    labels = {metric.name: metric.labels for metric in described()}
    for registry in (ApiMetrics().registry, WorkerMetrics().registry):
        for family in registry.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            if name.startswith("badges_"):
                found[name] = (family.type, labels[name])
    return found


def described() -> Iterator[catalogue.Metric]:
    """Every metric of the catalogue."""
    yield from (value for value in vars(catalogue).values() if isinstance(value, catalogue.Metric))


def panels() -> Iterator[Mapping[str, Any]]:
    """Every panel of the dashboard but the titles of rows."""
    yield from (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def spoken_of(text: str) -> set[str]:
    """The metrics named in a text, without what a histogram adds."""
    names = set(re.findall(r"\bbadges_[a-z_]*[a-z]", text)) - NO_METRICS
    histograms = {name for name, (kind, _) in exported().items() if kind == "histogram"}
    return {next((h for h in histograms if name in {f"{h}{end}" for end in OF_HISTOGRAMS}), name) for name in names}


def test_every_metric_of_the_catalogue_is_exported() -> None:
    assert {metric.name for metric in described()} == set(exported())


def test_names_are_in_the_style_of_prometheus() -> None:
    for name, (kind, _) in exported().items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|millis|minutes|kb|mb|percent)(_|$)", name)


def test_page_describes_every_metric_with_its_type_and_labels() -> None:
    rows = re.findall(r"^\| `(badges_\w+)` \| (\w+) \| (.*?) ?\| \S.*\|$", PAGE.read_text(), re.MULTILINE)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told == dict(exported())


@pytest.mark.parametrize("path", SPEAK_OF_METRICS, ids=lambda path: path.name)
def test_every_name_is_that_of_a_metric(path: Path) -> None:
    assert spoken_of(path.read_text()) <= set(exported())


def test_dashboard_shows_every_metric() -> None:
    shown = spoken_of(" ".join(target["expr"] for panel in panels() for target in panel["targets"]))
    # It is one of the checks too.
    assert set(exported()) - shown == {"badges_api_outcome_reader_is_ready"}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_panels_take_their_data_from_the_source_that_is_chosen() -> None:
    (variable,) = json.loads(DASHBOARD.read_text())["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    for panel in panels():
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == f"${{{variable['name']}}}", panel["title"]
