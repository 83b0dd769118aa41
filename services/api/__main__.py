"""`python -m api`: settings, then the gateway, until SIGTERM."""

import signal
import sys

import structlog
import uvicorn
from pydantic import ValidationError

from api.app import create_app
from api.connection import bounded_protocol
from api.settings import ApiSettings
from telemetry.logs import configure_logs

log = structlog.get_logger()


def main() -> None:
    """Read the settings and serve."""
    try:
        settings = ApiSettings()
    except ValidationError as error:
        sys.exit(f"api: the settings are not right:\n{error}")
    configure_logs(settings.log_level)
    # uvicorn raises the signal again once it has drained: an orderly end is no crash.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    log.info("api.starts", port=settings.port, kafka=settings.kafka.bootstrap)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=bounded_protocol(seconds=settings.receive_seconds, connections=settings.connections),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )


if __name__ == "__main__":
    main()
