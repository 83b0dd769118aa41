"""Settings of a peer's process."""

from uuid import UUID

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from messaging.settings import KafkaSettings


class PeerSettings(BaseSettings):
    """`PEER_*`, and where Postgres and Kafka are, as for our own processes."""

    model_config = SettingsConfigDict(env_prefix="PEER_", extra="ignore", frozen=True)

    database_url: str = Field(validation_alias="BADGES_DATABASE_URL")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    port: int = 0
    database_connections: int = 10
    """As many as our gateway has."""

    acknowledges_first: bool = False
    """Whether peer (a) takes a message for done when it comes: FastStream's default, which loses it at a crash."""

    tenant_id: UUID = UUID(int=0)
    """Whose lists the bare handler reads: it asks for no key."""
