"""`python -m api`: settings, then the gateway, until SIGTERM."""

import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext

import structlog
import uvicorn
from pydantic import ValidationError

from api.app import create_app
from api.connection import bounded_protocol
from api.instruments import Instruments
from api.settings import ApiSettings
from telemetry.logs import configure_logs
from telemetry.logs_settings import LogSettings
from telemetry.tracing_wish import TracingSettingError, is_tracing_wanted

log = structlog.get_logger()


def main() -> None:
    """Read the settings and serve."""
    try:
        settings, log_settings, instruments = ApiSettings(), LogSettings(), _instruments()
    except (ValidationError, TracingSettingError) as error:
        sys.exit(f"api: the settings are not right:\n{error}")
    # uvicorn raises the signal again once it has drained: an orderly end is no crash.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with instruments as watching:
        configure_logs(
            settings.log_level,
            form=log_settings.format,
            participants=log_settings.participant_form(),
            more=watching.log_processors,
        )
        log.info("api.starts", port=settings.port, kafka=settings.kafka.bootstrap)
        _serve(settings, watching)


def _instruments() -> AbstractContextManager[Instruments]:
    if not is_tracing_wanted(os.environ):
        return nullcontext(Instruments())
    from api.traced import traced  # noqa: PLC0415 - loads OpenTelemetry's SDK, which is an extra

    return traced()


def _serve(settings: ApiSettings, instruments: Instruments) -> None:
    uvicorn.run(
        create_app(settings, instruments),
        host=settings.host,
        port=settings.port,
        http=bounded_protocol(seconds=settings.receive_seconds, connections=settings.connections),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_seconds,
        reset_contextvars=True,  # a call's log lines must not name the one before it on its connection
    )


if __name__ == "__main__":
    main()
