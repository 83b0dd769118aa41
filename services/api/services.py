"""What the endpoints work with, wired once per process."""

from dataclasses import dataclass
from typing import Annotated

from aiokafka import AIOKafkaProducer
from fastapi import Depends, Request

from api.auth import Authenticator
from api.award_calls import AwardCalls
from api.badge_directory import BadgeDirectory
from api.metrics import ApiMetrics
from api.rate_limit import AwardRateLimit
from domain.times import Clock
from messaging.outcome_reader import OutcomeReader
from messaging.topics import Topics
from storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Held in the app's state under `services`."""

    database: Database
    producer: AIOKafkaProducer
    reader: OutcomeReader
    authenticator: Authenticator
    directory: BadgeDirectory
    rate_limit: AwardRateLimit
    award_calls: AwardCalls
    metrics: ApiMetrics
    topics: Topics
    clock: Clock


async def services_of(request: Request) -> Services:
    """The services of the app that answers."""
    services: Services = request.app.state.services
    return services


Wired = Annotated[Services, Depends(services_of)]
