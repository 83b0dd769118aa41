"""Header fields that are lists: in one line or several (RFC 9110, 5.3), and what Prefer says (RFC 7240)."""

import re
from typing import Annotated

from pydantic import WithJsonSchema

FieldLines = Annotated[list[str] | None, WithJsonSchema({"type": "string"})]
"""Every line of a header field that is a list, None for none. Documented as the one line that most callers send."""

_MEMBER = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
"""A member of a list: up to the next comma that is not in quotes."""


def prefers(preference: str, lines: FieldLines) -> bool:
    """Whether Prefer asks for `preference`, which takes no value; parameters after it change nothing."""
    return any(_asks_for(preference, member) for line in lines or () for member in _MEMBER.findall(line))


def _asks_for(preference: str, member: str) -> bool:
    name, _, value = member.partition(";")[0].partition("=")
    return name.strip().lower() == preference and value.strip() in {"", '""'}
