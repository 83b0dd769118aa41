"""Settings of one gateway process."""

from typing import Literal

from pydantic import Field, PostgresDsn, RedisDsn
from pydantic_settings import SettingsConfigDict

from messaging.secret_files import FiledSettings
from messaging.settings import KafkaSettings


class ApiSettings(FiledSettings):
    """`BADGES_API_*`, and `BADGES_DATABASE_URL`."""

    model_config = SettingsConfigDict(
        env_prefix="BADGES_API_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # a mistyped URL holds a password all the same
    )

    database_url: PostgresDsn = Field(validation_alias="BADGES_DATABASE_URL")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    awards_per_minute: int = Field(default=120, ge=1)
    """Award calls for one participant; the next one is answered 429."""

    rate_limit_store: Literal["memory"] | RedisDsn = "memory"
    """Where calls are counted: in this process, or for many gateways in Redis (`redis://` or `rediss://`)."""

    rate_limit_when_unknown: Literal["allow", "refuse"] = "allow"
    """What to do with a call while Redis cannot be reached: let it through, or answer 503."""

    receive_seconds: float = Field(default=10, gt=0)
    """A request's head, and then its body, has to arrive within this; else 408."""

    requests_at_once: int = Field(default=500, ge=1)
    """Requests under way; the next one is answered 503."""

    connections: int = Field(default=900, ge=1)
    """Open connections, idle ones too; the next one is answered 503 and closed. Below the usual 1,024 open files."""

    database_connections: int = Field(default=10, ge=1)
    database_pooler: Literal["none", "transaction"] = "none"
    """`transaction`: `BADGES_DATABASE_URL` leads to a pooler such as PgBouncer in transaction mode."""

    drain_seconds: int = Field(default=25, ge=1)
    """After SIGTERM no connection is accepted any more, and what is under way has so long to be answered."""

    log_level: str = "INFO"
