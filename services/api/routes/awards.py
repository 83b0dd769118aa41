"""`POST /badges/award`."""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from structlog.contextvars import bind_contextvars

from api.auth import KEY_NEEDED, caller_of
from api.bodies import AcceptedResponse, AwardBody, AwardResponse, body_documentation, json_body
from api.code_lists import write_code
from api.direct import direct
from api.field_lines import prefers
from api.paths import PREFIX
from api.problems import too_many_awards
from api.routes.documentation import (
    AWARD_PENDING,
    EVERYWHERE,
    TOO_MANY,
    UNKNOWN_CODE,
    WITH_A_BODY,
    answer,
    header,
    problems,
    rate_limit_headers,
    unfit,
)
from api.routes.examples import ACCEPTED, AWARD_ANSWERS, AWARD_REQUESTS, LIST_LINK, LOCATION
from api.services import Services
from domain.awards import AwardRequest
from domain.request_sources import key_source
from domain.tenants import Principal
from messaging.award_outcomes import AwardedAnswer
from messaging.json_bytes import write_json

RESPOND_ASYNC = "respond-async"
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "title": "Prefer"},
    "description": "`respond-async` (RFC 7240): answer 202 as soon as Kafka has the request.",
    "examples": {"respond_async": {"value": RESPOND_ASYNC}},
}

router = APIRouter(tags=["Awards"], route_class=direct())
_read = json_body(AwardBody)


@router.post(
    "/badges/award",
    summary="Award a badge to a participant",
    response_model=AwardResponse,
    responses={
        200: answer(
            "The award is committed, and its event will be emitted exactly once.",
            AWARD_ANSWERS,
            rate_limit_headers(required=True),
            LIST_LINK,
        ),
        202: answer(
            "Asked for with `Prefer: respond-async`: Kafka has acknowledged the request.",
            {"accepted": ACCEPTED},
            {
                "Location": header("The participant's badges, filtered to the code.", example=LOCATION),
                "Preference-Applied": header("What of Prefer was heeded.", example=RESPOND_ASYNC),
                **rate_limit_headers(required=True),
            },
        )
        | {"model": AcceptedResponse},
        **problems(
            *EVERYWHERE,
            *WITH_A_BODY,
            unfit("body", "badge_code", "Input should be a valid string", "string_type"),
            TOO_MANY,
            UNKNOWN_CODE,
            AWARD_PENDING,
            headers=rate_limit_headers(required=False),
        ),
    },
    openapi_extra={**KEY_NEEDED, "parameters": [PREFER], **body_documentation(AwardBody, AWARD_REQUESTS)},
)
async def award_badge(request: Request) -> Response:
    """Idempotent on (participant_id, badge_code).

    A duplicate call returns the original award with `already_earned: true`. No Idempotency-Key header is
    needed. Repeating the call is always safe.
    """
    services: Services = request.app.state.services
    principal = await caller_of(request)
    body = await _read(request)
    award = _request(services, principal, body)
    bind_contextvars(request_id=award.request_id, participant_id=body.participant_id)
    with services.metrics.award_call():
        headers = await _count_call(request, services, principal, body)
        await services.directory.require_active(principal.tenant_id, body.badge_code)
        if prefers(RESPOND_ASYNC, request.headers.getlist("Prefer")):
            await services.award_calls.publish(award)
            services.metrics.award("accepted").inc()
            return _accepted(headers, body)
        answer = await services.award_calls.award(award)
    services.metrics.award("already_earned" if answer.already_earned else "awarded").inc()
    return Response(_content(body, answer), media_type="application/json", headers=headers)


def _content(body: AwardBody, answer: AwardedAnswer) -> bytes:
    """An `AwardResponse`."""
    return write_json(
        {
            "participant_id": body.participant_id,
            "badge_code": body.badge_code,
            "badge_name": answer.badge_name,
            "icon": answer.icon,
            "rarity": answer.rarity,
            "earned_at": answer.earned_at,
            "already_earned": answer.already_earned,
        }
    )


async def _count_call(request: Request, services: Services, principal: Principal, body: AwardBody) -> Mapping[str, str]:
    """Count the call; the headers that tell of it go on the answer, whatever that is."""
    count = await services.rate_limit.count(principal, body.participant_id)
    headers = request.state.rate_limit_headers = count.headers
    if not count.is_allowed:
        raise too_many_awards(limit=count.limit, seconds=count.wait_seconds)
    return headers


def _request(services: Services, principal: Principal, body: AwardBody) -> AwardRequest:
    return AwardRequest(
        tenant_id=principal.tenant_id,
        participant_id=body.participant_id,
        badge_code=body.badge_code,
        metadata=body.metadata,
        earned_at=services.clock(),
        request_id=str(uuid4()),
        source=key_source(principal.key_id),
    )


def _accepted(headers: Mapping[str, str], body: AwardBody) -> Response:
    """202, with the address of the participant's list, filtered to the badge."""
    participant = quote(body.participant_id, safe="")
    code = quote(write_code(body.badge_code), safe="")
    accepted = AcceptedResponse(participant_id=body.participant_id, badge_code=body.badge_code)
    return Response(
        accepted.model_dump_json(),
        status_code=202,
        media_type="application/json",
        headers={
            **headers,
            "Location": f"{PREFIX}/participants/{participant}/badges?badge_codes={code}",
            "Preference-Applied": RESPOND_ASYNC,
        },
    )
