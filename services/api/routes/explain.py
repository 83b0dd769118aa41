"""`GET /admin/participants/{participant_id}/badges/{badge_code}/explain`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from api.auth import Admin
from api.explanation_bodies import ExplanationResponse, explanation_response
from api.paths import decode_segment
from api.problems import ProblemError, invalid
from api.routes.documentation import EVERYWHERE, MISSING_SCOPE, answer, problems, unfit
from api.routes.explain_examples import EXPLANATIONS
from api.routes.participants import participant_in_path
from api.services import Wired
from domain.errors import InvalidValueError
from domain.explanations import Explanation, RequestsWaiting, explain
from domain.limits import BADGE_CODE_LENGTH, check_text
from messaging.lag import count_waiting
from storage.explanations import find_explanation

router = APIRouter(prefix="/admin", tags=["Explanations"])


async def code_in_path(
    badge_code: Annotated[
        str,
        Path(
            description="The badge's code, percent-encoded. 1 to 50 characters once decoded.",
            json_schema_extra={"minLength": 1, "maxLength": BADGE_CODE_LENGTH},
            openapi_examples={"power_user": {"value": "power_user"}},
        ),
    ],
) -> str:
    """The badge's code, decoded."""
    try:
        return check_text("badge_code", decode_segment(badge_code), longest=BADGE_CODE_LENGTH)
    except UnicodeDecodeError as error:
        raise _bad_code("must be UTF-8, percent-encoded") from error
    except InvalidValueError as error:
        raise _bad_code(error.problem) from error


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
    participant_id: Annotated[str, Depends(participant_in_path)],
    badge_code: Annotated[str, Depends(code_in_path)],
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

    return explanation_response(await explain(look, count))


def _bad_code(problem: str) -> ProblemError:
    return invalid("badge_code", problem, place="path")
