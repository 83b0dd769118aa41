"""Every client of Kafka proves who it is, and has the broker prove it too."""

from pathlib import Path

import httpx
import pytest
import trustme
from pydantic import SecretStr

from award_api import AWARD
from devstack.seed import DemoTenant
from messaging.clients import cluster_id_at
from messaging.refusals import KafkaRefusedError
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import read_topic
from operator_commands import badgectl
from processes import installation
from secure_broker import ADMIN, SecureBroker
from shared import GAMIFY

pytestmark = pytest.mark.timeout(180)

WAYS = [
    pytest.param("SASL_SSL", "SCRAM-SHA-512", id="scram_512_over_tls"),
    pytest.param("SASL_SSL", "SCRAM-SHA-256", id="scram_256_over_tls"),
    pytest.param("SASL_SSL", "PLAIN", id="plain_over_tls"),
    pytest.param("SASL_PLAINTEXT", "SCRAM-SHA-512", id="scram_512_in_the_clear"),
    pytest.param("SSL", "SCRAM-SHA-512", id="client_certificate"),
]


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
async def test_award_goes_from_the_gateway_to_the_event(
    broker: SecureBroker,
    topics: str,
    database_url: str,
    demo: DemoTenant,
    tmp_path: Path,
    protocol: str,
    mechanism: str,
) -> None:
    kafka = broker.user(ADMIN, topics, protocol=protocol, sasl_mechanism=mechanism)
    async with installation(database_url, kafka, tmp_path) as place:
        gateway, worker = place.gateway(), place.worker()
        await gateway.ready()
        await worker.ready()
        async with httpx.AsyncClient(headers={"X-API-Key": demo.live_key}, timeout=15) as client:
            body = {"participant_id": "user_123", "badge_code": "power_user"}
            answer = await client.post(f"{gateway.url}{GAMIFY}{AWARD}", json=body)
        assert answer.status_code == 200, answer.text
        events = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=1)
        listed = await badgectl(place, "events", "--json")
        lag = await badgectl(place, "lag", "--json")
    assert len(events) == 1
    assert listed.out.count("\n") == 1, listed.err
    assert lag.code == 0, lag.err


@pytest.fixture(params=["password", "user", "authority", "host", "certificate", "protocol"])
def mistaken(request: pytest.FixtureRequest, broker: SecureBroker, tmp_path: Path) -> tuple[KafkaSettings, str]:
    """Settings with one mistake, and what tells of it."""
    stranger = trustme.CA()
    stranger.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger.issue_cert("someone.example", common_name=ADMIN).private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "cert.pem")
    )
    address = f"127.0.0.1:{broker.ports['SASL_SSL']}"
    mistakes: dict[str, tuple[KafkaSettings, str]] = {
        "password": (broker.user(ADMIN, "", sasl_password=SecretStr("guess")), "does not let in the user 'admin'"),
        "user": (broker.user(ADMIN, "", sasl_username="nobody"), "does not let in the user 'nobody'"),
        "authority": (broker.user(ADMIN, "", ssl_cafile=tmp_path / "ca.pem"), "is not to be trusted"),
        "host": (
            broker.user(ADMIN, "", bootstrap=address.replace("127.0.0.1", "localhost")),
            "certificate is not valid for 'localhost'",
        ),
        "certificate": (
            broker.user(ADMIN, "", protocol="SSL", ssl_certfile=tmp_path / "cert.pem"),
            "BADGES_KAFKA_SSL_CERTFILE",
        ),
        "protocol": (KafkaSettings(bootstrap=address), "another BADGES_KAFKA_SECURITY_PROTOCOL"),
    }
    return mistakes[request.param]


async def test_refusal_says_what_is_wrong(mistaken: tuple[KafkaSettings, str]) -> None:
    settings, reason = mistaken
    with pytest.raises(KafkaRefusedError, match=reason):
        await cluster_id_at(settings)


async def test_services_and_commands_say_why_they_wait(
    broker: SecureBroker, database_url: str, demo: DemoTenant, tmp_path: Path
) -> None:
    wrong = broker.user(ADMIN, "", sasl_password=SecretStr("guess"))
    async with installation(database_url, wrong, tmp_path) as place:
        services = [place.gateway(), place.worker()]
        for service in services:
            await service.says("does not let in the user 'admin'")
        for arguments in (("events",), ("topics",), ("replay", "--tenant", demo.id, "--yes")):
            told = await badgectl(place, *arguments)
            assert told.code == 1
            assert "does not let in the user 'admin'" in told.err
            assert told.err.count("error:") == 1
    assert not any("guess" in service.log.read_text() for service in services)
