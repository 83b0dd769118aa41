"""What can go wrong, each with its facts and a stable code.

HTTP meets these in `api.problems`, Kafka in `award_worker.failures`, and nowhere else.
"""


class DomainError(Exception):
    """Something the caller asked for cannot be."""

    code = "error"


class InvalidValueError(DomainError):
    """A value does not fit its documented type, length or content."""

    code = "validation_error"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class JsonMalformedError(DomainError):
    """The bytes are not one JSON value."""

    code = "malformed_json"


class JsonNotUtf8Error(DomainError):
    """The bytes are not UTF-8."""

    code = "not_utf8"


class BadgeNotFoundError(DomainError):
    """No active badge has that code."""

    code = "badge_not_found"

    def __init__(self, badge_code: str) -> None:
        super().__init__(f"Badge '{badge_code}' not found")
        self.badge_code = badge_code


class BadgeCodeConflictError(DomainError):
    """Another badge of the tenant has that code, now or in the past."""

    code = "badge_code_conflict"

    def __init__(self, badge_code: str) -> None:
        super().__init__(f"Badge with code '{badge_code}' already exists")
        self.badge_code = badge_code


class UnauthorizedError(DomainError):
    """The API key is missing, malformed, unknown, expired or revoked.

    The message is the same for all of them: it tells nothing about which part was wrong.
    """

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("X-API-Key is missing, invalid, expired or revoked")


class ForbiddenError(DomainError):
    """The key is good, but its tenant is disabled or it lacks the scope."""

    code = "forbidden"


class StorageError(Exception):
    """Postgres did not do what was asked."""


class StorageUnavailableError(StorageError):
    """Postgres cannot answer now; the same again later may succeed."""


class DataRefusedError(StorageError):
    """Postgres refuses the data itself (SQLSTATE class 22, 23 or 54); it will refuse it again."""

    def __init__(self, message: str, *, sqlstate: str, constraint: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint = constraint
