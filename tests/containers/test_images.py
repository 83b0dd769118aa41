"""What is in the images, and what is not."""

import json
import re
from pathlib import Path

import pytest

from containers.composition import ROOT, docker, inspected

pytestmark = [pytest.mark.containers, pytest.mark.timeout(400), pytest.mark.usefixtures("images")]

PACKAGES = {
    "api": {"api"},
    "award-worker": {"award_worker"},
    "badgectl": {"api", "award_worker", "badgectl", "badges_client", "devstack"},
}
SHARED = {"domain", "messaging", "storage", "telemetry"}
MODULES = {"api": "api.app", "award-worker": "award_worker.app", "badgectl": "badgectl.verify_command"}
MEGABYTE = 1_000_000
CODE = Path("/opt/badges/code")

BUILD_TOOLS = ("pip", "pip3", "uv", "hatch", "gcc", "cc", "g++", "ld", "make", "git", "curl", "wget")
INSTALLERS = ("pip", "setuptools", "wheel", "ensurepip", "hatchling", "uv")
CONFINED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")


def run_python(target: str, code: str) -> str:
    """Run a program in the image, confined as compose confines it, and without its network."""
    words = ("--rm", *CONFINED, "--entrypoint", "python", f"badges-{target}", "-c", code)
    return docker("run", *words).strip()


@pytest.fixture(params=PACKAGES)
def target(request: pytest.FixtureRequest) -> str:
    """One image after the other."""
    return str(request.param)


def test_image_runs_its_process_directly_and_not_as_root(target: str) -> None:
    config = inspected(f"badges-{target}")["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python", "-m", target.replace("-", "_")]
    assert config["StopSignal"] == "SIGTERM"


def test_image_says_what_it_is(target: str) -> None:
    labels = inspected(f"badges-{target}")["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "Badges"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["org.opencontainers.image.version"])


def test_services_have_a_health_check(target: str) -> None:
    words = inspected(f"badges-{target}")["Config"]["Healthcheck"]["Test"]
    assert (words == ["NONE"]) is (target == "badgectl")


def test_image_holds_no_tool_to_build_or_fetch_with(target: str) -> None:
    look = (
        "import json, shutil, importlib.util as u; print(json.dumps("
        f"[[n for n in {BUILD_TOOLS} if shutil.which(n)], [n for n in {INSTALLERS} if u.find_spec(n)]]))"
    )
    assert json.loads(run_python(target, look)) == [[], []]


def test_image_holds_the_code_of_its_process_alone(target: str) -> None:
    look = f"import json, os; print(json.dumps([e.name for e in os.scandir('{CODE}') if e.is_dir()]))"
    found = {name for name in json.loads(run_python(target, look)) if not name.endswith(".dist-info")}
    assert found == SHARED | PACKAGES[target]


def test_image_holds_the_versions_of_the_lock(target: str) -> None:
    look = (
        "import json; from importlib.metadata import distributions; "
        "print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in distributions()}))"
    )
    found = json.loads(run_python(target, look))
    del found["badges"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert set(found.items()) <= set(re.findall(r"^([\w-]+)==(\S+)", lock, re.MULTILINE))


def test_process_loads_in_its_image(target: str) -> None:
    assert run_python(target, f"import {MODULES[target]}; print('loaded')") == "loaded"


def test_nothing_in_the_image_may_be_changed_by_its_user(target: str) -> None:
    look = (
        "import os; [print(os.path.join(f, n)) for top in ('/opt', '/usr', '/etc') for f, d, n_ in os.walk(top) "
        "for n in [*d, *n_] if not os.path.islink(p := os.path.join(f, n)) and os.stat(p).st_mode & 0o22]"
    )
    assert run_python(target, look) == ""


def test_image_is_small(target: str) -> None:
    base = inspected("python:3.11-slim-bookworm")["Size"]
    assert (inspected(f"badges-{target}")["Size"] - base) / MEGABYTE < 130
