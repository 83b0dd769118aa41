"""`GET /admin/participants/{participant_id}/badges/{badge_code}/explain`."""

from collections.abc import Sequence

from fastapi import APIRouter

from api.auth import Admin
from api.explanation_bodies import ExplanationResponse, explanation_response
from api.routes.documentation import EVERYWHERE, MISSING_SCOPE, answer, problems, unfit
from api.routes.explain_examples import EXPLANATIONS
from api.routes.path_texts import BadgeCode, ParticipantId
from api.services import Wired
from domain.explanations import Explanation, RequestsWaiting, explain
from messaging.lag import count_waiting
from storage.explanations import find_explanation, find_similar_codes

router = APIRouter(prefix="/admin", tags=["Explanations"])


@router.get(
    "/participants/{participant_id}/badges/{badge_code}/explain",
    summary="Explain why a participant has a badge, or has it not",
    responses={
        200: answer("All that is known of the two.", EXPLANATIONS),
        **problems(
            *EVERYWHERE, MISSING_SCOPE, unfit("path", "badge_code", "must have 1 to 50 characters", "value_error")
        ),
    },
)
async def explain_badge(
    services: Wired,
    principal: Admin,
    participant_id: ParticipantId,
    badge_code: BadgeCode,
) -> ExplanationResponse:
    """Awarded when, by which request, from where, and whether the event is out; or rejected and why; or never seen.

    Neither an unknown code nor a participant never seen before is an error. Nothing of other tenants is shown,
    but for the count of requests that wait.
    """

    async def look() -> Explanation:
        async with services.database.reading() as connection:
            return await find_explanation(
                connection, tenant_id=principal.tenant_id, participant_id=participant_id, badge_code=badge_code
            )

    async def count() -> RequestsWaiting | None:
        return await count_waiting(
            services.producer.client,
            services.topics,
            tenant_id=principal.tenant_id,
            participant_id=participant_id,
        )

    async def find_similar() -> Sequence[str]:
        async with services.database.reading() as connection:
            return await find_similar_codes(connection, tenant_id=principal.tenant_id, badge_code=badge_code)

    return explanation_response(await explain(look, count, find_similar))
