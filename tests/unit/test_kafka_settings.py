"""Settings of Kafka: what does not fit together is refused, secrets may stand in files, and are never shown."""

from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr, ValidationError

from messaging.settings import KafkaSettings

SECRET = "correct horse"  # noqa: S105 - none
USER = {"sasl_username": "someone", "sasl_password": SecretStr(SECRET)}


@pytest.fixture
def cafile(tmp_path: Path) -> Path:
    """The certificate of some authority."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"security_protocol": "SASL_SSL"}, "SASL_SSL needs sasl_username and sasl_password"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "someone"}, "needs sasl_username and sasl_password"),
        (USER, "sasl_username and sasl_password need SASL_SSL, not PLAINTEXT"),
        ({"security_protocol": "SSL"} | USER, "need SASL_SSL, not SSL"),
        ({"ssl_cafile": "ca.pem"}, "ssl_cafile: needs SSL or SASL_SSL, not PLAINTEXT"),
        ({"security_protocol": "SSL", "ssl_keyfile": "key.pem"}, "ssl_keyfile needs ssl_certfile"),
        ({"security_protocol": "SSL", "ssl_cafile": "/none"}, "ssl_cafile: no certificates and keys to use: .*No such"),
        ({"security_protocol": "SSL", "ssl_cafile": __file__}, "ssl_cafile: no certificates and keys to use"),
        ({"security_protocol": "SSL", "ssl_certfile": __file__}, "ssl_certfile: no certificates and keys to use"),
    ],
)
def test_half_a_protection_is_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as refused:
        KafkaSettings.model_validate(settings)
    assert SECRET not in str(refused.value)


def test_everything_can_be_said_in_the_environment(monkeypatch: pytest.MonkeyPatch, cafile: Path) -> None:
    for name, value in {
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "SCRAM-SHA-256",
        "SASL_USERNAME": "someone",
        "SASL_PASSWORD": SECRET,
        "SSL_CAFILE": str(cafile),
    }.items():
        monkeypatch.setenv(f"BADGES_KAFKA_{name}", value)
    connection = KafkaSettings().connection()
    assert connection["ssl_context"].get_ca_certs()
    assert {name: value for name, value in connection.items() if name != "ssl_context"} == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "someone",
        "sasl_plain_password": SECRET,
    }


def test_password_is_read_from_a_file_of_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "badges_kafka_sasl_password").write_text(f"{SECRET}\n")
    monkeypatch.setenv("BADGES_SECRETS_DIR", str(tmp_path))
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_username="someone")
    assert settings.connection()["sasl_plain_password"] == SECRET


def test_environment_wins_over_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "BADGES_KAFKA_PREFIX").write_text("file_")
    monkeypatch.setenv("BADGES_SECRETS_DIR", str(tmp_path))
    assert KafkaSettings().prefix == "file_"
    monkeypatch.setenv("BADGES_KAFKA_PREFIX", "environment_")
    assert KafkaSettings().prefix == "environment_"


def test_folder_of_secrets_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BADGES_SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(ValidationError, match="BADGES_SECRETS_DIR is not a folder"):
        KafkaSettings()


def test_secrets_are_not_shown(cafile: Path) -> None:
    settings = KafkaSettings.model_validate({"security_protocol": "SASL_SSL", "ssl_cafile": cafile} | USER)
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"
