"""What the images hold is what each process loads: no package is missing, none is for another one."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from badgectl.command_group import COMMANDS
from devstack.kafka import server_properties

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "services", ROOT / "libs", ROOT / "tools"]
OPERATORS = [f"badgectl.{of.partition(':')[0]}" for of in COMMANDS.values() if not of.startswith("stack_commands:")]
BEGINNINGS = {"api": ["api.__main__"], "award-worker": ["award_worker.__main__"], "badgectl": OPERATORS}

LOADED_BY_OTHERS = {
    "cramjam": "aiokafka, for compressed records",
    "fastapi-swagger": "the gateway, for its files",
    "greenlet": "SQLAlchemy with asyncio",
    "httptools": "uvicorn",
    "opentelemetry-api": "the exporter's name stands for the three",
    "opentelemetry-sdk": "the exporter's name stands for the three",
    "redis": "limits",
    "uvloop": "uvicorn",
}


def source_of(module: str) -> Path | None:
    """Our file of that module; None when it is not ours."""
    for root in SOURCES:
        path = root.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file
    return None


def imported(source: Path) -> Iterator[str]:
    """What a file imports anywhere; of `from x import y`, both x and x.y, as y may be a module."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def loaded(beginnings: Sequence[str]) -> tuple[set[str], set[str]]:
    """Our modules that these lead to, and the names of others' packages."""
    ours, others, found = set[str](), set[str](), [*beginnings]
    while found:
        module = found.pop()
        source = source_of(module)
        top = module.partition(".")[0]
        if source is None and not any((root / top).exists() for root in SOURCES):
            others.add(top)
        elif source is not None and module not in ours:
            ours.add(module)
            found += imported(source)
    return ours, others - sys.stdlib_module_names


def listed(target: str) -> set[str]:
    """The packages of an image."""
    lines = (ROOT / "deploy" / "image" / f"{target}.txt").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if not line.startswith("#")}


def dependencies() -> set[str]:
    """The names of all our dependencies, extras too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["tracing"]]
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in wanted}


@pytest.mark.parametrize("target", BEGINNINGS)
def test_image_has_every_package_that_its_process_imports(target: str) -> None:
    _, others = loaded(BEGINNINGS[target])
    distributions = packages_distributions()
    names = {package: {name.lower().replace("_", "-") for name in distributions[package]} for package in others}
    assert {package for package, of in names.items() if not of & listed(target)} == set()


@pytest.mark.parametrize("target", BEGINNINGS)
def test_image_has_no_package_that_its_process_does_not_need(target: str) -> None:
    _, others = loaded(BEGINNINGS[target])
    distributions = packages_distributions()
    needed = {name.lower().replace("_", "-") for package in others for name in distributions[package]}
    assert listed(target) - needed - LOADED_BY_OTHERS.keys() == set()
    assert listed(target) - dependencies() <= {"greenlet"}


@pytest.mark.parametrize(("target", "foreign"), [("api", "award_worker"), ("award-worker", "api")])
def test_no_service_loads_what_only_other_images_hold(target: str, foreign: str) -> None:
    ours, _ = loaded(BEGINNINGS[target])
    assert {module.partition(".")[0] for module in ours}.isdisjoint({foreign, "badgectl", "badges_client", "devstack"})


def test_label_tells_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"ARG VERSION={project['version']}\n" in (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def test_kafka_of_compose_is_set_up_as_the_embedded_one() -> None:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["kafka"]
    settings = {name: str(value) for name, value in composed["environment"].items()}
    embedded = {
        f"KAFKA_{name.replace('.', '_').upper()}": value
        for name, value in server_properties(port=9092, controller_port=9093).items()
    }
    of_this_machine = {name for name in embedded if "LISTENERS" in name or "VOTERS" in name}
    assert {name: settings.get(name) for name in embedded.keys() - of_this_machine} == {
        name: value for name, value in embedded.items() if name not in of_this_machine
    }
