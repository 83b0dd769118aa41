"""Where Kafka, Postgres and the gateway are: from options, the environment, or the stack in this folder."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field, PostgresDsn, TypeAdapter, ValidationError

from badgectl.failures import CommandError
from messaging.secret_files import FiledSettings
from messaging.settings import KafkaSettings

STACK_FILE = Path(".badges") / "stack.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway, and the key to speak to it with."""

    url: str
    key: str


class _DatabaseSettings(FiledSettings):
    url: str = Field(default="", validation_alias="BADGES_DATABASE_URL")


def kafka_settings() -> KafkaSettings:
    """`BADGES_KAFKA_*`, else the stack here.

    Raises:
        CommandError: neither, or the settings are not right.
    """
    try:
        given = KafkaSettings()
        if "bootstrap" in given.model_fields_set:
            return given
        stack = _stack("BADGES_KAFKA_BOOTSTRAP")
        return KafkaSettings(bootstrap=str(_fact(stack, "kafka_bootstrap")))
    except ValidationError as error:
        raise CommandError(f"BADGES_KAFKA_*: {error}") from error


def database_url() -> str:
    """`BADGES_DATABASE_URL`, else the stack here.

    Raises:
        CommandError: neither, or not a URL of Postgres.
    """
    url = _database_url_given() or str(_fact(_stack("BADGES_DATABASE_URL"), "postgres_dsn"))
    try:
        TypeAdapter(PostgresDsn).validate_python(url)
    except ValidationError as error:
        raise CommandError(f"the database URL is not right: {error.errors()[0]['msg']}") from error
    if not url.startswith("postgresql://"):
        raise CommandError("the database URL must begin with postgresql://")
    return url


def tenant_id(given: str | None) -> UUID:
    """Return the tenant that was given, else the live demo tenant of the stack here.

    Raises:
        CommandError: neither, or not a UUID.
    """
    text = given if given is not None else str(_fact(_stack("--tenant"), "tenant", "id"))
    try:
        return UUID(text)
    except ValueError as error:
        raise CommandError(f"the tenant's id must be a UUID, not {text!r}") from error


def gateway(url: str | None, key: str | None) -> Gateway:
    """Return the gateway of the options (or `BADGES_URL`, `BADGES_KEY`), else of the stack here.

    The stack's key goes to the stack's gateway alone, never to a URL that was given.

    Raises:
        CommandError: something is missing.
    """
    if url is None:
        stack = _stack("--url and --key (or BADGES_URL and BADGES_KEY)")
        return Gateway(url=str(_fact(stack, "api_url")), key=key or str(_fact(stack, "tenant", "live_key")))
    if key is None:
        raise CommandError("with --url say --key too (or BADGES_KEY)")
    return Gateway(url=url, key=key)


def _database_url_given() -> str:
    try:
        return _DatabaseSettings().url
    except ValidationError as error:
        raise CommandError(error.errors()[0]["msg"]) from error


def process_urls() -> Sequence[str]:
    """Return where processes can be asked whether they are ready: `BADGES_URL`, else the stack here, else nowhere.

    The stack here is not asked when the environment leads to other servers.
    """
    if url := os.environ.get("BADGES_URL"):
        return [url.rstrip("/")]
    others = {"BADGES_KAFKA_BOOTSTRAP", "BADGES_DATABASE_URL", "BADGES_SECRETS_DIR"}
    if others & os.environ.keys() or not STACK_FILE.exists():
        return []
    stack = _stack("BADGES_URL")
    return [str(_fact(stack, name)) for name in ("api_url", "worker_url")]


def _stack(instead: str) -> Mapping[str, Any]:
    try:
        content = json.loads(STACK_FILE.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CommandError(f"no stack is up in this folder: run `badgectl up` here, or set {instead}") from error
    except (OSError, ValueError) as error:
        raise CommandError(f"{STACK_FILE} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CommandError(f"{STACK_FILE} does not hold an object")
    return content


def _fact(stack: Mapping[str, Any], *path: str) -> object:
    value: Any = stack
    for name in path:
        if not isinstance(value, dict) or name not in value:
            raise CommandError(f"{STACK_FILE} does not say {'.'.join(path)}")
        value = value[name]
    return value
