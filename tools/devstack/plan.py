"""What runs on which port: decided by `up`, remembered in `.badges/plan.json`."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from devstack.errors import StackError
from devstack.files import write_private
from devstack.ports import LOOPBACK, is_free, next_free

API, WORKER, KAFKA, POSTGRES = "api", "award_worker", "kafka", "postgres"
"""The kinds of process; of services there may be several, named `api-1`, `api-2`, …"""

CONTROL_USER = "badgectl"
"""Who may talk to the supervisor, with the plan's password."""

_API, _WORKER, _MORE_SERVICES = 8000, 8001, 8010
_KAFKA, _CONTROLLER, _POSTGRES, _CONTROL = 9092, 9093, 5432, 9001


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller of `up` asked for."""

    gateways: int = 1
    workers: int = 1
    api_port: int | None = None
    """The first gateway's; None leaves it to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The ports of one stack, and the password of its supervisor."""

    api: tuple[int, ...]
    worker: tuple[int, ...]
    kafka: int
    controller: int
    postgres: int
    control: int
    control_password: str

    @property
    def api_url(self) -> str:
        """The first gateway's address."""
        return f"http://{LOOPBACK}:{self.api[0]}"

    @property
    def worker_url(self) -> str:
        """The first worker's address."""
        return f"http://{LOOPBACK}:{self.worker[0]}"

    @property
    def kafka_bootstrap(self) -> str:
        """Where Kafka's clients connect first."""
        return f"{LOOPBACK}:{self.kafka}"

    def save(self, path: Path) -> None:
        """Write the plan for the next `up` and for those who look at this one."""
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")


def load_plan(path: Path) -> Plan | None:
    """Return the plan that was saved; None when there is none, or none that can be read."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return Plan(**{**saved, "api": tuple(saved["api"]), "worker": tuple(saved["worker"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def choose_ports(wishes: Wishes, remembered: Plan | None) -> Plan:
    """Return a plan of free ports: those of last time, then the usual ones, then the next free.

    Raises:
        StackError: the port that was asked for is taken.
    """
    chosen: set[int] = set()
    before = remembered.api if remembered else ()
    if wishes.api_port is not None:
        if not is_free(wishes.api_port):
            msg = f"port {wishes.api_port} is taken"
            raise StackError(msg)
        before = (wishes.api_port, *before[1:])
    first_api = next_free(before[0] if before else _API, chosen)
    worker = _ports(remembered.worker if remembered else (), wishes.workers, _WORKER, chosen)
    more_api = _ports(before[1:], wishes.gateways - 1, _MORE_SERVICES, chosen)
    return Plan(
        api=(first_api, *more_api),
        worker=worker,
        kafka=next_free(remembered.kafka if remembered else _KAFKA, chosen),
        controller=next_free(remembered.controller if remembered else _CONTROLLER, chosen),
        postgres=next_free(remembered.postgres if remembered else _POSTGRES, chosen),
        control=next_free(remembered.control if remembered else _CONTROL, chosen),
        control_password=secrets.token_hex(16),
    )


def _ports(before: tuple[int, ...], count: int, usual: int, chosen: set[int]) -> tuple[int, ...]:
    """Return `count` ports: those of before first, then the usual one and what follows it."""
    wanted = [*before[:count]]
    while len(wanted) < count:
        wanted.append(_MORE_SERVICES if wanted else usual)
    return tuple(next_free(port, chosen) for port in wanted)
