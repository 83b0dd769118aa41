"""Ids and codes in paths: any text, percent-encoded."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Path
from structlog.contextvars import bind_contextvars

from api.paths import decode_segment
from api.problems import invalid
from domain.errors import InvalidValueError
from domain.limits import BADGE_CODE_LENGTH, PARTICIPANT_ID_LENGTH, check_text


async def participant_in_path(
    participant_id: Annotated[
        str,
        Path(
            description="Your participant identifier, percent-encoded. 1 to 255 characters once decoded.",
            json_schema_extra={"minLength": 1, "maxLength": PARTICIPANT_ID_LENGTH},
            openapi_examples={"user_123": {"value": "user_123"}},
        ),
    ],
) -> str:
    """The participant's id, decoded; log lines of the call are about this participant."""
    decoded = _decoded("participant_id", participant_id, longest=PARTICIPANT_ID_LENGTH)
    bind_contextvars(participant_id=decoded)
    return decoded


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
    return _decoded("badge_code", badge_code, longest=BADGE_CODE_LENGTH)


ParticipantId: TypeAlias = Annotated[str, Depends(participant_in_path)]
BadgeCode: TypeAlias = Annotated[str, Depends(code_in_path)]


def _decoded(name: str, segment: str, *, longest: int) -> str:
    try:
        return check_text(name, decode_segment(segment), longest=longest)
    except UnicodeDecodeError as error:
        raise invalid(name, "must be UTF-8, percent-encoded", place="path") from error
    except InvalidValueError as error:
        raise invalid(name, error.problem, place="path") from error
