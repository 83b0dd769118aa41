"""What runs on which port: decided by `up`, remembered in `.badges/plan.json`."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from devstack.errors import StackError
from devstack.files import write_private
from devstack.ports import LOOPBACK, is_free, next_free

API, WORKER, KAFKA, POSTGRES = "api", "award_worker", "kafka", "postgres"
"""The kinds of process; of services there may be several, named `api-1`, `api-2`, …"""

CONTROL_USER = "badgectl"
"""Who may talk to the supervisor, with the plan's password."""

_USUAL = {API: 8000, WORKER: 8001, KAFKA: 9092, POSTGRES: 5432}
_MORE_SERVICES, _CONTROLLER, _CONTROL = 8010, 9093, 9001
_NAMES = {API: "the gateway", WORKER: "the worker", KAFKA: "Kafka", POSTGRES: "Postgres"}


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
        return self.api_urls[0]

    @property
    def api_urls(self) -> tuple[str, ...]:
        """The address of each gateway."""
        return tuple(f"http://{LOOPBACK}:{port}" for port in self.api)

    @property
    def worker_url(self) -> str:
        """Where the first worker answers."""
        return self.worker_urls[0]

    @property
    def worker_urls(self) -> tuple[str, ...]:
        """Where each worker answers."""
        return tuple(f"http://{LOOPBACK}:{port}" for port in self.worker)

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
        plan = Plan(**{**saved, "api": tuple(saved["api"]), "worker": tuple(saved["worker"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    ports = (*plan.api, *plan.worker, plan.kafka, plan.controller, plan.postgres, plan.control)
    return plan if plan.api and plan.worker and all(_is_port(port) for port in ports) else None


def _is_port(port: object) -> bool:
    return isinstance(port, int) and 0 < port < 2**16


def choose_ports(wishes: Wishes, remembered: Plan | None, may_take: Callable[[int], bool] = is_free) -> Plan:
    """Return a plan of ports that may be taken: those of last time, then the usual ones, then the next.

    Raises:
        StackError: the port that was asked for is taken.
    """
    if wishes.api_port is not None and not may_take(wishes.api_port):
        msg = f"port {wishes.api_port} is taken"
        raise StackError(msg)
    choice = _Choice(may_take)
    first = _wanted(wishes, remembered)
    first_api = choice.service_port(first[API])
    worker = choice.service_ports([first[WORKER], *(remembered.worker[1:] if remembered else ())], wishes.workers)
    more_api = choice.service_ports(remembered.api[1:] if remembered else (), wishes.gateways - 1)
    return Plan(
        api=(first_api, *more_api),
        worker=worker,
        kafka=choice.port(first[KAFKA]),
        controller=choice.port(remembered.controller if remembered else _CONTROLLER),
        postgres=choice.port(first[POSTGRES]),
        control=choice.port(remembered.control if remembered else _CONTROL),
        control_password=secrets.token_hex(16),
    )


def moved_ports(wishes: Wishes, remembered: Plan | None, plan: Plan) -> Sequence[str]:
    """Return a line for each port that was to be had first and is taken, and what is used in its stead."""
    first, found = _wanted(wishes, remembered), _first_ports(plan)
    return [
        f"port {first[kind]} is taken; {name} listens on {found[kind]}"
        for kind, name in _NAMES.items()
        if first[kind] != found[kind]
    ]


def _wanted(wishes: Wishes, remembered: Plan | None) -> Mapping[str, int]:
    """The ports to try first, by the kind of process."""
    first = _USUAL if remembered is None else {**_USUAL, **_first_ports(remembered)}
    return first if wishes.api_port is None else {**first, API: wishes.api_port}


def _first_ports(plan: Plan) -> Mapping[str, int]:
    services = {kind: ports[0] for kind, ports in ((API, plan.api), (WORKER, plan.worker)) if ports}
    return {**services, KAFKA: plan.kafka, POSTGRES: plan.postgres}


class _Choice:
    """Ports for one plan, none of them twice."""

    def __init__(self, may_take: Callable[[int], bool]) -> None:
        self._may_take = may_take
        self._chosen: set[int] = set()

    def port(self, preferred: int) -> int:
        return next_free(preferred, self._chosen, self._may_take)

    def service_port(self, preferred: int) -> int:
        is_to_be_had = preferred not in self._chosen and self._may_take(preferred)
        return self.port(preferred if is_to_be_had else _MORE_SERVICES)

    def service_ports(self, before: Sequence[int], count: int) -> tuple[int, ...]:
        """Return `count` ports: those of before first, then what is free from the usual one on."""
        more = [_MORE_SERVICES] * (count - len(before))
        return tuple(self.service_port(port) for port in [*before[:count], *more])
