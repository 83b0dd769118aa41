"""What a call can end with instead of a result. All are `BadgesError`; every one can be pickled."""

# ruff: noqa: N818 - callers write `except RateLimited`: these are the API's own words for what happened

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """What is wrong with one value of a call; `loc` begins with `body`, `path` or `query`."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class BadgesError(Exception):
    """The call has no result.

    `status` is the answer's, None when there was no answer. `code` is stable, `detail` is for people.
    `retry_after` is how many seconds the gateway asks to wait, None when it does not say.
    Raised as it is for an error that has no class of its own (413 `payload_too_large`, for one).
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str = "error",
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code
        self.errors = errors
        self.retry_after = retry_after

    def __str__(self) -> str:
        """The detail, and behind it the status and the code."""
        return f"{self.detail} ({self.code if self.status is None else f'{self.status} {self.code}'})"


class Unauthorized(BadgesError):
    """401: the key is missing, invalid, expired or revoked."""


class Forbidden(BadgesError):
    """403: the tenant is disabled, or the key has not the admin scope."""


class BadgeNotFound(BadgesError):
    """404: no active badge has that code, or no badge that id."""


class BadgeCodeConflict(BadgesError):
    """400: another badge has that code, now or in the past."""


class ValidationFailed(BadgesError):
    """422: the call does not fit what is documented. `status` is None when it could not even be sent."""


class RateLimited(BadgesError):
    """429: too many awards for the participant; nothing was done."""


class Unavailable(BadgesError):
    """503, or a proxy's 502 or 504: it is not known whether anything was done."""


class AwardPending(Unavailable):
    """503: the request for the award is in the log, its outcome was not known in time."""


class ConnectionFailed(BadgesError):
    """No answer: nothing listens there, the connection broke, or the time ran out.

    `was_sent` is false when the call cannot have reached the gateway.
    """

    was_sent = True


class UnexpectedAnswer(BadgesError):
    """An answer that is none of the Badges API's: is the URL right?"""
