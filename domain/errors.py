"""Refused requests. One handler renders them as RFC 9457 problem documents (``api/problems.py``)."""

from typing import Any, ClassVar


class EngineError(Exception):
    """A request the engine refuses. The message names what was expected and what came.

    Attributes:
        status: HTTP status.
        code: Stable, machine-readable.
        extra: Further members of the problem document.
        retry_after_s: Given as ``Retry-After`` when set.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problem_code = code or self.code
        self.retry_after_s = retry_after_s
        self.extra = extra


class BadRequest(EngineError):
    """What came is not what the endpoint takes."""


class Unauthorised(EngineError):
    """No key, or one that is not known."""

    status = 401
    code = "unauthorised"


class Forbidden(EngineError):
    """The key or token is known but may not do this."""

    status = 403
    code = "forbidden"


class NotFound(EngineError):
    """There is no such thing."""

    status = 404
    code = "not_found"


class Conflict(EngineError):
    """It contradicts what is there: the same idempotency key with another body, a claim already made."""

    status = 409
    code = "conflict"


class PreconditionFailed(EngineError):
    """If-Match names another version than the current one."""

    status = 412
    code = "etag_mismatch"


class TooLarge(EngineError):
    """Over a size limit."""

    status = 413
    code = "too_large"


class Invalid(EngineError):
    """Well-formed, but not valid: a bad condition tree, an unknown currency."""

    status = 422
    code = "invalid"


class Busy(EngineError):
    """Too much at once; a retry is safe and nothing was applied."""

    status = 429
    code = "backlog_full"


class StoreDown(EngineError):
    """The store does not answer; a retry is safe."""

    status = 503
    code = "store_unavailable"
