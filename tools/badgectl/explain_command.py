"""`badgectl explain`: why a participant has a badge, or has it not."""

import asyncio
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer
from aiokafka.errors import KafkaError

from badgectl import addresses
from badgectl.explanation_text import explanation_table
from badgectl.failures import CommandError, failures_told
from badgectl.tenant_choice import EnvironmentMeant, TenantMeant, meant_tenant
from badgectl.terminal_text import json_line, result_console
from domain.errors import InvalidValueError
from domain.explanation_facts import explanation_facts
from domain.explanations import Explanation, RequestsWaiting, explain
from domain.limits import BADGE_CODE_LENGTH, PARTICIPANT_ID_LENGTH, check_text
from domain.tenants import Environment
from messaging.group_offsets import open_client
from messaging.lag import count_waiting
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from storage.database import Database
from storage.explanations import find_explanation, find_similar_codes

CONNECT_SECONDS = 5


def explain_badge(
    participant: Annotated[str, typer.Argument(help="The participant's id.")],
    badge: Annotated[str, typer.Argument(help="The badge's code.")],
    *,
    tenant: TenantMeant = None,
    environment: EnvironmentMeant = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as the gateway answers it.")] = False,
) -> None:
    """Say when and by which request the badge was awarded, or why it was rejected, or where to look next."""
    with failures_told():
        try:
            participant_id = check_text("the participant's id", participant, longest=PARTICIPANT_ID_LENGTH)
            badge_code = check_text("the badge's code", badge, longest=BADGE_CODE_LENGTH)
        except InvalidValueError as error:
            raise CommandError(str(error)) from error
        found = asyncio.run(_explain(participant_id, badge_code, tenant, environment))
        if as_json:
            typer.echo(json_line(explanation_facts(found)))
        else:
            result_console().print(explanation_table(found))


async def _explain(
    participant_id: str, badge_code: str, tenant: str | None, environment: Environment | None
) -> Explanation:
    kafka = addresses.kafka_settings()
    database = Database(addresses.database_url(), application="badgectl", pool_size=1)
    try:
        async with database.reading() as connection:
            tenant_id = await meant_tenant(connection, tenant, environment)

        async def look() -> Explanation:
            async with database.reading() as connection:
                return await find_explanation(
                    connection, tenant_id=tenant_id, participant_id=participant_id, badge_code=badge_code
                )

        async def find_similar() -> Sequence[str]:
            async with database.reading() as connection:
                return await find_similar_codes(connection, tenant_id=tenant_id, badge_code=badge_code)

        return await explain(look, lambda: _count(kafka, tenant_id, participant_id), find_similar)
    finally:
        await database.close()


async def _count(kafka: KafkaSettings, tenant_id: UUID, participant_id: str) -> RequestsWaiting | None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS), open_client(kafka) as client:
            return await count_waiting(client, topics_of(kafka), tenant_id=tenant_id, participant_id=participant_id)
    except (KafkaError, TimeoutError):
        return None
