"""What looks on while the gateway works: nothing, unless it is traced."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from fastapi.telemetry import TelemetryConfig
from structlog.typing import Processor

from storage.database import Database


def _untraced() -> TelemetryConfig:
    """FastAPI would trace, measure and log by itself where the environment says so; ours is decided in one place."""
    return {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """How FastAPI traces calls, what stands in for a producer and for a database, what is added to each log line."""

    telemetry: TelemetryConfig = field(default_factory=_untraced)
    around_producer: Callable[[AIOKafkaProducer], AIOKafkaProducer] = lambda producer: producer
    create_database: Callable[..., Database] = Database
    log_processors: Sequence[Processor] = ()
