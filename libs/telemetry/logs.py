"""Structured logs: one JSON object a line, or coloured text on a terminal."""

import logging
import sys
from collections.abc import Sequence
from typing import Literal

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from telemetry.logs_participants import ParticipantForm

Format = Literal["auto", "json", "console"]


def configure_logs(
    level: str = "INFO",
    *,
    form: Format = "auto",
    participants: ParticipantForm | None = None,
    more: Sequence[Processor] = (),
) -> None:
    """Send our own events and those of the libraries to standard error, in one form.

    Participants are hashed unless told; `more` is added to each line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        participants or ParticipantForm("hashed"),
        *more,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    _quieten_libraries(root.level)


def _quieten_libraries(level: int) -> None:
    """Their ordinary news is noise here; what fails is reported by our own events too."""
    for library in ("aiokafka", "faststream", "uvicorn", "alembic", "asyncio", "urllib3"):
        logger = logging.getLogger(library)
        logger.setLevel(max(logging.WARNING, level))
        logger.handlers, logger.propagate = [], True  # FastStream brings a form of its own
    # It warns of each header that a stranger wrote too long.
    logging.getLogger("opentelemetry").setLevel(max(logging.ERROR, level))


def _rendering(form: Format) -> list[Processor]:
    """Tracebacks without the values of variables: those hold keys and passwords."""
    if form == "console" or (form == "auto" and sys.stderr.isatty()):
        return [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    tracebacks = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return [tracebacks, structlog.processors.JSONRenderer()]
