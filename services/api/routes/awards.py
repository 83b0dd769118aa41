"""`POST /badges/award`."""

from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Depends, Header, Request, Response

from api.auth import Participant
from api.bodies import AcceptedResponse, AwardBody, AwardResponse, body_documentation, json_body
from api.paths import PREFIX
from api.rate_limit import too_many_awards
from api.routes.documentation import problems
from api.services import Services, Wired
from domain.awards import AwardRequest
from domain.tenants import Principal

SOURCE = "/badges/api"

router = APIRouter(tags=["Awards"])


@router.post(
    "/badges/award",
    summary="Award a badge to a participant",
    response_model=AwardResponse,
    responses={
        202: {"model": AcceptedResponse, "description": "Accepted, with Prefer: respond-async"},
        **problems(401, 403, 404, 413, 415, 422, 429, 503),
    },
    openapi_extra=body_documentation(AwardBody),
)
async def award_badge(
    request: Request,
    response: Response,
    services: Wired,
    principal: Participant,
    body: Annotated[AwardBody, Depends(json_body(AwardBody))],
    prefer: Annotated[str, Header(description="`respond-async`: answer 202 at once")] = "",
) -> AwardResponse | Response:
    """Idempotent on (participant_id, badge_code): a repeat returns the original award.

    200 means: the award is committed, and `badge_awarded` will be emitted exactly once.
    """
    await _count_call(request, response, services, principal, body)
    await services.directory.require_active(principal.tenant_id, body.badge_code)
    award = _request(services, principal, body)
    if _wants_no_answer(prefer):
        await services.award_calls.publish(award)
        return _accepted(response, body)
    answer = await services.award_calls.award(award)
    return AwardResponse(
        participant_id=body.participant_id,
        badge_code=body.badge_code,
        badge_name=answer.badge_name,
        icon=answer.icon,
        rarity=answer.rarity.value,
        earned_at=answer.earned_at,
        already_earned=answer.already_earned,
    )


async def _count_call(
    request: Request,
    response: Response,
    services: Services,
    principal: Principal,
    body: AwardBody,
) -> None:
    """Count the call; its headers go on the answer, whatever that is."""
    count = await services.rate_limit.count(principal, body.participant_id)
    request.state.rate_limit_headers = count.headers
    response.headers.update(count.headers)
    if not count.is_allowed:
        raise too_many_awards(count)


def _request(services: Services, principal: Principal, body: AwardBody) -> AwardRequest:
    return AwardRequest(
        tenant_id=principal.tenant_id,
        participant_id=body.participant_id,
        badge_code=body.badge_code,
        metadata=body.metadata,
        earned_at=services.clock(),
        request_id=str(uuid4()),
        source=SOURCE,
    )


def _wants_no_answer(prefer: str) -> bool:
    """RFC 7240: preferences are separated by commas, their parameters by semicolons."""
    preferences = (part.partition(";")[0].strip().lower() for part in prefer.split(","))
    return "respond-async" in preferences


def _accepted(response: Response, body: AwardBody) -> Response:
    """202, with the address of the participant's list, filtered to the badge."""
    participant = quote(body.participant_id, safe="")
    code = quote(body.badge_code, safe="")
    accepted = AcceptedResponse(participant_id=body.participant_id, badge_code=body.badge_code)
    return Response(
        accepted.model_dump_json(),
        status_code=202,
        media_type="application/json",
        headers={
            **response.headers,
            "Location": f"{PREFIX}/participants/{participant}/badges?badge_codes={code}",
            "Preference-Applied": "respond-async",
        },
    )
