"""Images built, and everything up in them: `make test-containers`. The ordinary run leaves these tests out."""

import subprocess
from collections.abc import Iterator
from secrets import token_hex

import pytest

from containers.composition import Composition
from ports import free_port

NEEDS = "a Docker engine (`docker info` answers) and Docker Compose 2 (`docker compose version`)"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "containers: needs a Docker engine, run by make test-containers")


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers, and compose; without them the run ends at once."""
    for command in (["docker", "info"], ["docker", "compose", "up", "--wait", "--help"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            pytest.exit(f"These tests need {NEEDS}: {error}", returncode=1)
        if done.returncode:
            pytest.exit(f"These tests need {NEEDS}. {' '.join(command)}: {done.stderr.strip()}", returncode=1)


@pytest.fixture(scope="session")
def images(engine: None) -> Composition:  # noqa: ARG001 - only has to be there
    """The project, with its images built and nothing of it running."""
    project = Composition(name=f"badges-tests-{token_hex(3)}", api_port=free_port(), kafka_port=free_port())
    project.compose("build", "api", "award-worker", "migrate")
    return project


@pytest.fixture(scope="session")
def composition(images: Composition) -> Iterator[Composition]:
    """The project, up. In the end nothing of it is left, its data neither."""
    try:
        images.up()
        yield images
    finally:
        print(images.compose("logs", "--no-color", "--tail", "40", "api", "award-worker"))  # noqa: T201 - for failures
        images.compose("--profile", "commands", "down", "--volumes", "--timeout", "40")
