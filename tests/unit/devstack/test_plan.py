"""Ports: the usual ones, those of last time, or the next that are free."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any

import pytest

from devstack.errors import StackError
from devstack.plan import Plan, Wishes, choose_ports, load_plan, moved_ports
from devstack.ports import is_free, next_free


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def every_port(plan: Plan) -> list[int]:
    return [*plan.api, *plan.worker, plan.kafka, plan.controller, plan.postgres, plan.control]


def test_a_taken_port_is_passed_over(taken_port: int) -> None:
    assert next_free(taken_port, set()) > taken_port


@pytest.mark.parametrize("address", ["127.0.0.1", "", "::"])
@pytest.mark.parametrize("kind", ["api", "worker", "kafka", "controller", "postgres", "control"])
def test_remembered_port_that_somebody_has_taken_since_is_given_up_for_another(address: str, kind: str) -> None:
    family = AF_INET6 if address == "::" else AF_INET
    before = choose_ports(Wishes(), None)
    with socket.create_server((address, 0), family=family, dualstack_ipv6=address == "::") as somebody:
        taken = somebody.getsockname()[1]
        change: dict[str, Any] = {kind: (taken,) if kind in {"api", "worker"} else taken}
        remembered = replace(before, **change)
        now = choose_ports(Wishes(), remembered)
        assert taken not in every_port(now)
        assert len({*every_port(now)}) == 6


def test_port_whose_connections_go_elsewhere_is_not_free_though_it_can_be_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as container:
        monkeypatch.setattr("devstack.ports._can_be_bound", lambda _port: True)  # as a firewall's rule has it
        assert not is_free(container.getsockname()[1])
    assert is_free(next_free(22000, set()))


def test_a_port_is_chosen_once() -> None:
    chosen: set[int] = set()
    assert next_free(20000, chosen) != next_free(20000, chosen)


def test_every_process_has_a_port_of_its_own() -> None:
    ports = every_port(choose_ports(Wishes(gateways=3, workers=2), None))
    assert len(ports) == len(set(ports)) == 9


def test_ports_are_remembered(tmp_path: Path) -> None:
    first = choose_ports(Wishes(gateways=2, workers=2), None)
    first.save(tmp_path / "plan.json")
    again = choose_ports(Wishes(gateways=2, workers=2), load_plan(tmp_path / "plan.json"))
    assert every_port(again) == every_port(first)


def test_each_stack_has_a_password_of_its_own() -> None:
    passwords = {choose_ports(Wishes(), None).control_password for _ in range(2)}
    assert len(passwords) == 2


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(taken_port: int) -> None:
    with pytest.raises(StackError, match=f"^port {taken_port} is taken$"):
        choose_ports(Wishes(api_port=taken_port), None)


def test_a_port_that_was_asked_for_wins_over_the_remembered_one() -> None:
    wanted = next_free(21000, set())
    assert choose_ports(Wishes(api_port=wanted), choose_ports(Wishes(), None)).api == (wanted,)


def test_a_gateway_whose_port_is_taken_moves_out_of_the_workers_way_and_it_is_said(taken_port: int) -> None:
    before = replace(choose_ports(Wishes(), None), api=(taken_port,))
    now = choose_ports(Wishes(), before)
    assert now.api[0] >= 8010
    assert now.worker == before.worker
    said = moved_ports(Wishes(), before, now)
    assert list(said) == [f"port {taken_port} is taken; the gateway listens on {now.api[0]}"]


def test_where_no_port_is_taken_nothing_is_said() -> None:
    before = choose_ports(Wishes(), None)
    assert moved_ports(Wishes(), before, choose_ports(Wishes(), before)) == []


GOOD = '{"api": [1], "worker": [2], "kafka": 3, "controller": 4, "postgres": 5, "control": 6, "control_password": ""}'


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"api": [1]}', '{"api": 1, "worker": []}'),
        *(GOOD.replace("3", other) for other in ("70000", "0", '"9092"', "null")),
        GOOD.replace("[1]", "[]"),
    ],
)
def test_a_plan_that_cannot_be_read_is_forgotten(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(GOOD)
    assert load_plan(tmp_path / "plan.json") is not None
    (tmp_path / "plan.json").write_text(text)
    assert load_plan(tmp_path / "plan.json") is None
