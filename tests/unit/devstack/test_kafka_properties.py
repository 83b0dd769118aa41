"""The broker's settings that our promises of delivery need."""

import pytest

from devstack.kafka import server_properties

PROMISED = {
    "auto.create.topics.enable": "false",
    "offsets.retention.minutes": "525600",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
}


@pytest.mark.parametrize(("name", "value"), PROMISED.items())
def test_the_setting_is_as_promised(name: str, value: str) -> None:
    assert server_properties(port=1, controller_port=2)[name] == value


def test_only_the_loopback_address_is_listened_on() -> None:
    listeners = server_properties(port=1, controller_port=2)["listeners"]
    assert listeners == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
