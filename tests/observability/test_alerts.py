"""The alert rules: understood by Prometheus, each tested by promtool, each with its section in the runbook."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from debian import debian_program

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
PARTS = ("**Means**", "**See**", "**Do**", "**Over** ")


def alerts() -> Sequence[Mapping[str, Any]]:
    """Every rule."""
    rules = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


def promtool(*words: str | Path) -> str:
    """What promtool says; it has to be content."""
    program, environment = debian_program("promtool", ("prometheus",))
    done = subprocess.run(
        [program, *words], env=environment, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def sections() -> Mapping[str, str]:
    """The runbook's headings as GitHub links to them, each with what stands below it."""
    found = re.split(r"^##+ (.*)\n", RUNBOOK, flags=re.MULTILINE)[1:]
    return {anchor(title): text for title, text in zip(found[::2], found[1::2], strict=True)}


def anchor(title: str) -> str:
    """A heading's address."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_prometheus_understands_the_configuration_and_its_rules() -> None:
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert f"SUCCESS: {len(alerts())} rules found" in said


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    promtool("test", "rules", path)


def test_promtool_notices_an_alert_that_does_not_fire(tmp_path: Path) -> None:
    rules = (PROMETHEUS / "alerts.yml").read_text().replace("badges_relay_is_refusing) == 1", "up) == 2")
    (tmp_path / "alerts.yml").write_text(rules)
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "relay.yml").write_text((PROMETHEUS / "tests" / "relay.yml").read_text())
    with pytest.raises(AssertionError, match="BadgesRelayRefuses"):
        promtool("test", "rules", folder / "relay.yml")


def test_every_alert_is_tested_for_firing_and_for_silence() -> None:
    cases = [
        case
        for path in RULE_TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    names = {rule["alert"] for rule in alerts()}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(rule: Mapping[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
    section = sections()[rule["alert"].lower()]
    assert all(part in section for part in PARTS)


def test_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    told = re.findall(r"^### (Badges\w+)$", RUNBOOK, re.MULTILINE)
    assert told == sorted(told, key=[rule["alert"] for rule in alerts()].index)
    assert len(told) == len(alerts())


def test_links_inside_the_runbook_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]*)\)", RUNBOOK)) <= set(sections())
