"""How to reach Kafka: settings shared by every process."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from messaging.secret_files import FiledSettings


class KafkaSettings(FiledSettings):
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
    ssl_cafile: Path | None = None
    """Certificates to trust, PEM; the system's when unset."""

    ssl_certfile: Path | None = None
    """Our own certificate, PEM, with those that lead to it, for brokers that ask for one (mutual TLS)."""

    ssl_keyfile: Path | None = None
    """The key of `ssl_certfile`, PEM, unless it stands in the same file."""

    ssl_key_password: SecretStr | None = None
    prefix: str = ""
    """Put before the name of every topic, group and transactional id."""

    replication_factor: int = 1
    """For topics that `badgectl` creates. Production: 3, with `min.insync.replicas` 2."""

    @property
    def uses_sasl(self) -> bool:
        """Whether a user and a password are shown to the broker."""
        return self.security_protocol.startswith("SASL")

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted, and the broker proves its name."""
        return self.security_protocol.endswith("SSL")

    def connection(self) -> Mapping[str, Any]:
        """Keyword arguments of every aiokafka client. The files are read anew each time."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
            "ssl_context": self._ssl_context(),
        }
        if self.uses_sasl and self.sasl_password is not None:
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password.get_secret_value(),
            }
        return arguments

    @model_validator(mode="after")
    def _fit_together(self) -> "KafkaSettings":
        """Half a protection is a mistake: better not to start than to speak in the clear."""
        if self.uses_sasl and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_username and sasl_password")
        if not self.uses_sasl and (self.sasl_username or self.sasl_password):
            raise ValueError(f"sasl_username and sasl_password need SASL_SSL, not {self.security_protocol}")
        files = {"ssl_cafile": self.ssl_cafile, "ssl_certfile": self.ssl_certfile, "ssl_keyfile": self.ssl_keyfile}
        given = [name for name, path in files.items() if path is not None]
        if given and not self.uses_tls:
            raise ValueError(f"{', '.join(given)}: needs SSL or SASL_SSL, not {self.security_protocol}")
        if self.ssl_keyfile and not self.ssl_certfile:
            raise ValueError("ssl_keyfile needs ssl_certfile")
        try:
            self._ssl_context()
        except OSError as error:  # ssl.SSLError too
            raise ValueError(f"{', '.join(given)}: no certificates and keys to use: {error}") from error
        return self

    def _ssl_context(self) -> ssl.SSLContext | None:
        if not self.uses_tls:
            return None
        context = ssl.create_default_context(cafile=self.ssl_cafile)
        if self.ssl_certfile is not None:
            # Without a password OpenSSL would ask the terminal for one.
            password = self.ssl_key_password.get_secret_value() if self.ssl_key_password else ""
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, password)
        return context
