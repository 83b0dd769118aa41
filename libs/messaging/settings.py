"""How to reach Kafka: settings shared by every process."""

from collections.abc import Mapping
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any, Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class KafkaSettings(BaseSettings):
    """`BADGES_KAFKA_*`: brokers, security, and the names that keep installations apart."""

    model_config = SettingsConfigDict(
        env_prefix="BADGES_KAFKA_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    bootstrap: str = "127.0.0.1:9092"
    """Comma-separated `host:port` of some brokers."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ca_file: Path | None = None
    """Certificates to trust, PEM; the system's when unset."""

    prefix: str = ""
    """Put before the name of every topic, group and transactional id."""

    replication_factor: int = 1
    """For topics that `badgectl` creates. Production: 3, with `min.insync.replicas` 2."""

    def connection(self) -> Mapping[str, Any]:
        """Keyword arguments of every aiokafka client."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
            "ssl_context": self._ssl_context(),
        }
        if self.security_protocol.startswith("SASL"):
            password = self.sasl_password.get_secret_value() if self.sasl_password else None
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": password,
            }
        return arguments

    def _ssl_context(self) -> SSLContext | None:
        if not self.security_protocol.endswith("SSL"):
            return None
        return create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
