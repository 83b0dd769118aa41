"""Settings of one worker process."""

from pydantic import Field, PostgresDsn
from pydantic_settings import SettingsConfigDict

from messaging.secret_files import FiledSettings
from messaging.settings import KafkaSettings


class WorkerSettings(FiledSettings):
    """`BADGES_WORKER_*`, and `BADGES_DATABASE_URL`."""

    model_config = SettingsConfigDict(
        env_prefix="BADGES_WORKER_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # a mistyped URL holds a password all the same
    )

    database_url: PostgresDsn = Field(validation_alias="BADGES_DATABASE_URL")
    """Direct, not through a transaction pooler: the relay's lock lives in its session."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    host: str = "127.0.0.1"
    """Where `/livez`, `/readyz` and `/metrics` are served."""

    port: int = Field(default=8001, ge=0, le=65535)
    instance_id: str | None = None
    """Names this worker for Kafka, if it has a name that no other one has and that outlives a crash: a pod's name, say.

    Restarted under its name it has its partitions back at once, instead of after the 6 s of its session.
    """

    batch_size: int = Field(default=1000, ge=1, le=5000)
    """Requests in a batch, at most."""

    brake_consecutive: int = Field(default=1000, ge=0)
    """So many rejected requests in a row, and the worker stops consuming. 0 turns this off."""

    brake_ratio: float = Field(default=0.95, ge=0, le=1)
    """Such a share rejected of the last `brake_window` requests, and it stops too. 0 turns this off."""

    brake_window: int = Field(default=2000, ge=1, le=1_000_000)

    rejected_retention_days: int = Field(default=90, ge=1, le=3650)
    """For how long rejected requests are kept in Postgres. Their dead letters stay on Kafka."""

    drain_seconds: int = Field(default=25, ge=1)
    """After SIGTERM the batch under way has so long to be finished; the process ends 10 s later at most."""

    log_level: str = "INFO"
