"""Lists of badge codes in one query parameter, as CSV (RFC 4180).

A code may hold anything. In double quotes it may hold commas too, and blanks at its ends; a quote
inside them is doubled. Percent-encoding could not tell: most clients encode every comma of a query.
"""

import re

_FIELD = re.compile(r'\s*"((?:[^"]|"")*+)"\s*(?:,|\Z)|([^,]*)(?:,|\Z)')
"""A field in quotes, or all that stands before the next comma. What only looks like quotes is taken as it is."""


def read_codes(csv: str) -> set[str]:
    """Return the codes; blanks around them are dropped, and so are empty fields."""
    return {quoted.replace('""', '"') or plain.strip() for quoted, plain in _FIELD.findall(csv)} - {""}


def write_code(code: str) -> str:
    """Return the list of this one code."""
    if "," in code or code.startswith('"') or code != code.strip():
        return '"' + code.replace('"', '""') + '"'
    return code
