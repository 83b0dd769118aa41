"""`GET /participants/{participant_id}/badges`."""

from collections.abc import Collection, Sequence
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError

from api.auth import Participant, caller_of
from api.bodies import ParticipantBadges
from api.code_lists import read_codes
from api.conditional import CACHE_CONTROL, conditional_json
from api.direct import direct
from api.field_lines import FieldLines
from api.problems import field_errors, invalid, validation_error
from api.routes.documentation import EVERYWHERE, answer, header, problems, unfit
from api.routes.examples import PARTICIPANT_BADGES
from api.routes.path_texts import ParticipantId, participant_in_path
from api.services import Wired, services_of
from domain.badges import ParticipantBadge
from domain.limits import BADGE_CODE_LENGTH, unstorable
from messaging.json_bytes import write_json
from storage.participants import list_participant_badges

MOST_CODES = 100
CACHE_HEADERS = {
    "ETag": header("Changes when the list does.", example='"9f86d081884c7d659a2feaa0c55ad015"'),
    "Cache-Control": header("Keep it, but ask each time whether it still holds.", example=CACHE_CONTROL),
    "Vary": header("The answer is for this key.", example="X-API-Key"),
}

IfNoneMatch: TypeAlias = Annotated[
    FieldLines,
    Header(
        alias="If-None-Match",
        description="The ETag of the list that the caller has; 304 if it still holds.",
        openapi_examples={"etag": {"value": '"9f86d081884c7d659a2feaa0c55ad015"'}},
    ),
]
EarnedOnly: TypeAlias = Annotated[bool, Query(description="When true, only badges the participant has earned.")]
BadgeCodes: TypeAlias = Annotated[
    str | None,
    Query(
        description="Comma-separated list of badge codes to filter to, 100 at most. Blanks around codes are "
        "dropped, unknown codes left out; a hidden badge asked for by its code is shown. CSV: a code with a comma, "
        "or a blank at its ends, goes in double quotes; a quote inside them is doubled.",
        openapi_examples={
            "two_codes": {"value": "power_user,first_steps"},
            "code_with_a_comma": {"value": 'power_user,"first, second"'},
        },
    ),
]

_FLAG = TypeAdapter(bool)


async def _answer(request: Request) -> Response:
    """Read the arguments of `participant_badges`."""
    principal = await caller_of(request)
    participant_id = await participant_in_path(request.path_params["participant_id"])
    query = request.query_params
    return await participant_badges(
        await services_of(request),
        principal,
        participant_id,
        request.headers.getlist("If-None-Match"),
        earned_only=_flag("earned_only", query.get("earned_only", "false")),
        badge_codes=query.get("badge_codes"),
    )


router = APIRouter(tags=["Participants"], route_class=direct(_answer))


@router.get(
    "/participants/{participant_id}/badges",
    summary="List badges for a participant",
    response_model=ParticipantBadges,
    responses={
        200: answer("The list, by `display_order`, then `code`.", {"one_badge": PARTICIPANT_BADGES}, CACHE_HEADERS),
        304: answer("The list is still the one whose ETag was sent in If-None-Match.", {}, CACHE_HEADERS),
        **problems(*EVERYWHERE, unfit("query", "badge_codes", f"may list {MOST_CODES} codes at most", "value_error")),
    },
)
async def participant_badges(
    services: Wired,
    principal: Participant,
    participant_id: ParticipantId,
    if_none_match: IfNoneMatch = None,
    earned_only: EarnedOnly = False,  # noqa: FBT002 - a query parameter
    badge_codes: BadgeCodes = None,
) -> Response:
    """Every active badge that is not hidden, and whatever the participant has earned.

    A participant never seen before is no error: nothing is earned yet.
    """
    codes = _codes(badge_codes)
    rows = await list_participant_badges(
        services.database.fetch,
        tenant_id=principal.tenant_id,
        participant_id=participant_id,
        earned_only=earned_only,
        codes=codes,
    )
    return conditional_json(_content(participant_id, rows), if_none_match)


def _content(participant_id: str, rows: Sequence[ParticipantBadge]) -> bytes:
    """A `ParticipantBadges`. From our own tables: nothing in it needs a check, which takes longer than the query."""
    badges = [
        {
            "code": code,
            "name": name,
            "description": description,
            "icon": icon_url,
            "rarity": rarity,
            "category": category,
            "earned": earned_at is not None,
            "earned_at": earned_at,
        }
        for code, name, description, icon_url, rarity, category, earned_at in rows
    ]
    earned = sum([badge["earned"] is True for badge in badges])
    return write_json(
        {"participant_id": participant_id, "badges": badges, "total": len(badges), "earned_count": earned}
    )


def _flag(name: str, text: str) -> bool:
    try:
        return _FLAG.validate_python(text)
    except ValidationError as error:
        raise validation_error(field_errors(error.errors(), "query", name)) from error


def _codes(badge_codes: str | None) -> Collection[str] | None:
    """The codes to filter to; what cannot be a code is simply unknown."""
    if badge_codes is None:
        return None
    codes = read_codes(badge_codes)
    if len(codes) > MOST_CODES:
        raise invalid("badge_codes", f"may list {MOST_CODES} codes at most", place="query")
    return {code for code in codes if len(code) <= BADGE_CODE_LENGTH and not unstorable(code)}
