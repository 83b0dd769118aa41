"""`/livez`, `/readyz`, `/metrics`: for orchestrators and Prometheus, without a key."""

import asyncio
from collections.abc import Awaitable, Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.services import Services, Wired
from storage.schema import check_schema

CHECK_SECONDS = 2

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(services: Wired) -> Response:
    """Ready only when Kafka, Postgres and the reader of outcomes are."""
    passed = await _checks(services)
    body = {
        "status": "ready" if all(passed.values()) else "not ready",
        "checks": {name: "ok" if ok else "failing" for name, ok in passed.items()},
    }
    return JSONResponse(body, 200 if all(passed.values()) else 503)


@router.get("/metrics")
async def exposition(services: Wired) -> Response:
    """The numbers as Prometheus reads them; the checks of `/readyz` are made anew."""
    metrics, database, reader = services.metrics, services.database, services.reader
    metrics.note_pool(connections=database.most_connections, in_use=database.connections_in_use)
    metrics.note_outcomes(is_ready=reader.is_ready, waiting=reader.waiting)
    metrics.note_checks(await _checks(services))
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


async def _checks(services: Services) -> Mapping[str, bool]:
    postgres, kafka = await asyncio.gather(_passes(check_schema(services.database)), _passes(_kafka_answers(services)))
    return {"postgres": postgres, "kafka": kafka, "outcomes": services.reader.is_ready}


async def _kafka_answers(services: Services) -> None:
    await services.producer.client.fetch_all_metadata()


async def _passes(check: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check
    except Exception:  # noqa: BLE001 - whatever it is, the check has not passed
        return False
    return True
