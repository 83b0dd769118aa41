"""`python -m award_worker`: settings, then the worker, until SIGTERM."""

import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn

import structlog
import uvicorn
import uvloop
from pydantic import ValidationError

from award_worker.app import Adapters, create_worker
from award_worker.settings import WorkerSettings
from telemetry.logs import configure_logs
from telemetry.logs_settings import LogSettings
from telemetry.tracing_wish import TracingSettingError, is_tracing_wanted

PROBE_SECONDS = 2
"""A probe under way at SIGTERM may hold up the end no longer."""

log = structlog.get_logger()


def leave() -> NoReturn:
    """End the process at once, with nothing finished that is under way: it comes again."""
    sys.stderr.flush()
    os._exit(1)


async def serve(settings: WorkerSettings, adapters: Adapters) -> None:
    """Run until a signal: the batch under way is finished and committed, the group left."""
    app = create_worker(settings, leave=leave, adapters=adapters)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=PROBE_SECONDS,
    )
    await uvicorn.Server(config).serve()


def main() -> None:
    """Read the settings and run."""
    try:
        settings, log_settings = WorkerSettings(), LogSettings()
        lent = _adapters(settings)
    except (ValidationError, TracingSettingError) as error:
        sys.exit(f"award_worker: the settings are not right:\n{error}")
    # uvicorn raises the signal again once it has drained: an orderly end is no crash.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with lent as adapters:
        configure_logs(
            settings.log_level,
            form=log_settings.format,
            participants=log_settings.participant_form(),
            more=adapters.log_processors,
        )
        log.info("worker.starts", port=settings.port, kafka=settings.kafka.bootstrap)
        uvloop.run(serve(settings, adapters))


def _adapters(settings: WorkerSettings) -> AbstractContextManager[Adapters]:
    if not is_tracing_wanted(os.environ):
        return nullcontext(Adapters())
    from award_worker.traced import traced  # noqa: PLC0415 - loads OpenTelemetry's SDK, which is an extra

    return traced(settings.kafka)


if __name__ == "__main__":
    main()
