"""Why no broker lets us in: aiokafka logs the reason, and raises an error without it."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from messaging.settings import KafkaSettings

CONNECT_MS = 5000


class KafkaRefusedError(KafkaConnectionError):  # type: ignore[misc]  # aiokafka has no types
    """A broker was found and did not let us in, or cannot be trusted: settings to be mended, not an outage."""

    def __str__(self) -> str:
        """The reason alone; aiokafka would put the name of the class before it."""
        return str(self.args[0])


@asynccontextmanager
async def reasons_told(kafka: KafkaSettings) -> AsyncIterator[None]:
    """Let the error of a client that cannot connect say why.

    Raises:
        KafkaRefusedError: in place of a KafkaConnectionError whose reason can be told.
    """
    try:
        yield
    except KafkaConnectionError as error:
        reason = await find_refusal(kafka)
        if reason is None:
            raise
        raise KafkaRefusedError(reason) from error


async def find_refusal(kafka: KafkaSettings) -> str | None:
    """Return why the first broker that refuses us does; None when none of them does, or none answers."""
    for host, port, _ in collect_hosts(kafka.bootstrap, randomize=False):
        try:
            await _connect(kafka, host, port)
        except (OSError, KafkaError) as error:  # TimeoutError too
            reason = _reason(kafka, error)
            if reason is not None:
                return f"Kafka at {host}:{port} {reason}"
    return None


async def _connect(kafka: KafkaSettings, host: str, port: int) -> None:
    arguments = {name: value for name, value in kafka.connection().items() if name != "bootstrap_servers"}
    connection = await create_conn(host, port, request_timeout_ms=CONNECT_MS, **arguments)
    connection.close()


def _reason(kafka: KafkaSettings, error: Exception) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return f"shows a certificate that is not to be trusted: {error.verify_message} (BADGES_KAFKA_SSL_CAFILE)"
        case ssl.SSLError():
            return f"does not agree on TLS: {error} (BADGES_KAFKA_SECURITY_PROTOCOL, BADGES_KAFKA_SSL_CERTFILE)"
        case SaslAuthenticationFailed():
            return f"does not let in the user {kafka.sasl_username!r}: {error} (BADGES_KAFKA_SASL_PASSWORD)"
        case UnsupportedSaslMechanismError():
            return f"does not know {kafka.sasl_mechanism} (BADGES_KAFKA_SASL_MECHANISM)"
        case KafkaConnectionError():
            expected = "another BADGES_KAFKA_SECURITY_PROTOCOL, or a BADGES_KAFKA_SSL_CERTFILE"
            return f"closes the connection at once: does it expect {expected}?"
        case _:
            return None
