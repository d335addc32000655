"""Refusals as RFC 9457 problem documents: ``application/problem+json`` with a stable ``code``.

``message`` repeats ``detail``: Segment's clients read ``code`` and ``message`` of an error.
"""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from actors.clock import new_id
from domain.errors import EngineError, StoreDown
from store.client import is_transient
from store.ports import Unavailable

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("playtower.api")
OWN_MEMBERS = frozenset(("type", "title", "status", "detail", "code", "message", "retry_after_s"))
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def problem(status: int, code: str, detail: str, *, retry_after_s: int | None = None, **extra: Any) -> Response:
    """Return a problem document."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "message": detail}
    return Response(msgspec.json.encode(body | extra), status, headers, MEDIA_TYPE)


def refused(error: Exception) -> Response:
    """Return the document of any exception; what nobody foresaw is a 500 with an id and no trace."""
    if isinstance(error, EngineError):
        return problem(error.status, error.problem_code, error.detail, retry_after_s=error.retry_after_s, **error.extra)
    if isinstance(error, Unavailable) or (isinstance(error, RedisError | OSError) and is_transient(error)):
        return refused(StoreDown("the store does not answer; a retry is safe", retry_after_s=1))
    incident = new_id("err_")
    _log.error("unexpected error %s", incident, exc_info=error)
    return problem(500, "internal_error", f"an unexpected error; quote {incident}", incident=incident)


def install(app: FastAPI) -> None:
    """Render every refusal of the application as a problem document."""

    async def any_error(_request: Request, error: Exception) -> Response:
        return refused(error)

    async def http_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = problem(error.status_code, _CODES.get(error.status_code, "bad_request"), str(error.detail))
        response.headers.update(error.headers or {})
        return response

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [{"path": _path(item["loc"]), "detail": str(item["msg"])} for item in error.errors()]
        malformed = any(item["type"] == "json_invalid" for item in error.errors())
        first = f"{errors[0]['path']}: {errors[0]['detail']}" if errors else "not valid"
        return problem(400 if malformed else 422, "bad_request" if malformed else "invalid", first, errors=errors)

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    for kind in (EngineError, Unavailable, RedisError, Exception):
        app.add_exception_handler(kind, any_error)


def _path(location: tuple[Any, ...]) -> str:
    inside = location[1:] if location and location[0] in ("body", "query", "path", "header") else location
    return ".".join(str(part) for part in inside)
