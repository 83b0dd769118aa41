"""A compose project of the tests' own: built, up, broken, down."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def docker(*words: str) -> str:
    """Run the docker command; return what it prints."""
    return _printed(["docker", *words], os.environ)


def inspected(name: str) -> Any:
    """What the engine knows of a container or an image."""
    return json.loads(docker("inspect", name))[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """The project of docker-compose.yml, under a name and on ports of its own."""

    name: str
    api_port: int
    kafka_port: int

    @property
    def api_url(self) -> str:
        """Where the gateway answers."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def bootstrap(self) -> str:
        """Where Kafka's clients on this machine connect first."""
        return f"127.0.0.1:{self.kafka_port}"

    def compose(self, *words: str) -> str:
        """Run `docker compose` on the project; return what it prints on standard output."""
        environment = {
            **os.environ,
            "API_PORT": str(self.api_port),
            "KAFKA_PORT": str(self.kafka_port),
        }
        return _printed(["docker", "compose", "--project-name", self.name, *words], environment)

    def up(self, *options: str) -> None:
        """Return when every service is healthy and every job done."""
        self.compose("up", "--wait", "--wait-timeout", "180", *options)

    def badgectl(self, *words: str) -> str:
        """Run a command as an operator would; return what it prints."""
        return self.compose("run", "--rm", "--no-TTY", "badgectl", *words)

    def containers(self, service: str) -> Sequence[str]:
        """The ids of the service's containers, ended ones too."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def container(self, service: str) -> str:
        """The id of the service's only container."""
        (found,) = self.containers(service)
        return found

    def crash(self, service: str) -> None:
        """SIGKILL the service's process from within: after a kill by the engine, the engine does not start it again."""
        kill = "import os, pathlib; [os.kill(int(p.name), 9) for p in pathlib.Path('/proc').glob('[0-9]*') if MATCH]"
        match = "int(p.name) not in (1, os.getpid()) and b'-m' in (p / 'cmdline').read_bytes().split(b'\\0')"
        docker("exec", self.container(service), "python", "-IS", "-c", kill.replace("MATCH", match))

    def restarts(self, service: str) -> int:
        """How often the engine has started the service's container again."""
        return int(inspected(self.container(service))["RestartCount"])


def _printed(command: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout
