"""Runs Kafka with TLS, SCRAM, client certificates and an authorizer, with certificates made for the run."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from devstack.ports import LOOPBACK
from messaging.settings import KafkaSettings
from ports import free_port
from servers import KafkaProcess

API, WORKER, OPERATOR, UPSTREAM, DOWNSTREAM = (
    "badges-api",
    "badges-worker",
    "badges-operator",
    "upstream",
    "downstream",
)
ADMIN = "admin"
USERS = (API, WORKER, OPERATOR, UPSTREAM, DOWNSTREAM, ADMIN)
PROTOCOLS = ("SASL_SSL", "SASL_PLAINTEXT", "SSL")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureBroker:
    """A running broker. Its plain listener is for the superuser; the others want to know who is there."""

    process: KafkaProcess
    authority: trustme.CA
    folder: Path
    ports: dict[str, int]
    passwords: dict[str, str] = field(default_factory=lambda: {user: secrets.token_hex(8) for user in USERS})

    @property
    def cafile(self) -> Path:
        """The certificate of the authority that all others come from."""
        return self.folder / "ca.pem"

    def superuser(self, prefix: str = "") -> KafkaSettings:
        """Whoever may do anything."""
        return KafkaSettings(bootstrap=self.process.bootstrap, prefix=prefix)

    def user(self, name: str, prefix: str, *, protocol: str = "SASL_SSL", **others: object) -> KafkaSettings:
        """The settings of one who has a password, or with SSL a certificate; `others` win."""
        settings: dict[str, object] = {
            "bootstrap": f"{LOOPBACK}:{self.ports[protocol]}",
            "prefix": prefix,
            "security_protocol": protocol,
        }
        if protocol.startswith("SASL"):
            settings |= {"sasl_username": name, "sasl_password": SecretStr(self.passwords[name])}
        if protocol.endswith("SSL"):
            settings["ssl_cafile"] = self.cafile
        if protocol == "SSL":
            settings["ssl_certfile"] = self.certificate(name)
        return KafkaSettings.model_validate(settings | others)

    def certificate(self, name: str) -> Path:
        """A certificate of this name and its key, in one file."""
        path = self.folder / f"{name}.pem"
        self.authority.issue_cert(f"{name}.example", common_name=name).private_key_and_cert_chain_pem.write_to_path(
            str(path)
        )
        return path


@contextmanager
def secure_broker(folder: Path) -> Iterator[SecureBroker]:
    """Run one on free ports."""
    process = KafkaProcess(folder / "kafka")
    ports = {protocol: free_port() for protocol in PROTOCOLS}
    broker = SecureBroker(process=process, authority=trustme.CA(), folder=folder, ports=ports)
    broker.authority.cert_pem.write_to_path(str(broker.cafile))
    _write_keystore(broker)
    process.server = replace(process.server, users=broker.passwords, overrides=_properties(broker))
    process.start()
    try:
        yield broker
    finally:
        process.stop()


def _write_keystore(broker: SecureBroker) -> None:
    """The broker's own key and certificate; Java reads keys as PKCS #8 alone."""
    made = broker.authority.issue_cert(LOOPBACK)
    key = load_pem_private_key(made.private_key_pem.bytes(), password=None)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(part.bytes() for part in made.cert_chain_pems)
    (broker.folder / "broker.pem").write_bytes(text + chain)


def _properties(broker: SecureBroker) -> dict[str, str]:
    plain = " ".join(f'user_{name}="{password}"' for name, password in broker.passwords.items())
    clients = [f"PLAINTEXT://{broker.process.bootstrap}", *(f"{p}://{LOOPBACK}:{n}" for p, n in broker.ports.items())]
    properties = {
        "listeners": ",".join([*clients, f"CONTROLLER://{LOOPBACK}:{broker.process.server.controller_port}"]),
        "advertised.listeners": ",".join(clients),
        "listener.security.protocol.map": ",".join(
            f"{name}:{name if name != 'CONTROLLER' else 'PLAINTEXT'}"
            for name in ("CONTROLLER", "PLAINTEXT", *broker.ports)
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(broker.folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(broker.cafile),
        "listener.name.ssl.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([a-z-]+).*$/$1/,DEFAULT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        # The broker speaks to its own controller without a name, on the loopback alone.
        "super.users": f"User:ANONYMOUS;User:{ADMIN}",
    }
    security = "org.apache.kafka.common.security"
    for listener in ("sasl_ssl", "sasl_plaintext"):
        for mechanism in ("scram-sha-512", "scram-sha-256"):
            login = f"{security}.scram.ScramLoginModule required;"
            properties[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = login
        login = f"{security}.plain.PlainLoginModule required {plain};"
        properties[f"listener.name.{listener}.plain.sasl.jaas.config"] = login
    return properties
