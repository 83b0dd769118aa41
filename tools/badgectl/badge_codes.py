"""Badge codes made from names."""

import hashlib
import re
import unicodedata

from domain.limits import BADGE_CODE_LENGTH

_ACCENTS = re.compile(r"([a-z])[\u0300-\u036f]+")
_LEAST_DIGITS = 6


def slug(name: str) -> str:
    """`name` in lower case with `_` between its words, at most 50 characters; may be empty.

    Latin letters lose their accents; letters of other scripts stay, with their marks.
    """
    folded = unicodedata.normalize("NFKD", name).casefold()
    plain = unicodedata.normalize("NFC", _ACCENTS.sub(r"\1", folded))
    words = "".join(character if _is_letter(character) else " " for character in plain).split()
    return "_".join(words)[:BADGE_CODE_LENGTH].rstrip("_")


class BadgeCodes:
    """Gives each name a code of its own; the same file gets the same codes each time.

    The first name has the plain slug. Another name that comes to the same slug ("C#" after "C") gets
    the slug and the beginning of the SHA-256 of the name; so does a name with no letter or digit.
    """

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}
        self._owners: dict[str, str] = {}

    def code_of(self, name: str) -> str:
        """Return the code of a name."""
        code = self._codes.get(name)
        if code is None:
            code = slug(name)
            digits = _LEAST_DIGITS
            while not code or code in self._owners:
                code = _distinct(slug(name) or "badge", name, digits)
                digits += 1
            self._codes[name] = code
            self._owners[code] = name
        return code


def _distinct(code: str, name: str, digits: int) -> str:
    mark = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:digits]
    return f"{code[: BADGE_CODE_LENGTH - digits - 1].rstrip('_')}_{mark}"


def _is_letter(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")
