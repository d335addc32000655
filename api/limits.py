"""What a request's body may cost before anybody has asked who sends it: so many bytes, so many seconds.

The framework reads and parses JSON ahead of the key's check, so the bound stands before it. A body that passes is
handed on whole; routes may bound theirs further.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import refused
from domain.errors import EngineError, TooLarge

HOOKS = "/v1/hooks/"
HOOK_MAX = 3 * 1024 * 1024  # bytes: Meta batches up to 1,000 updates; bounces bring back what was sent


class BodyTimeout(EngineError):
    """The sender was too slow; the same request may be sent again."""

    status = 408
    code = "body_timeout"


class BodyLimits:
    """Reads bodies to a bound and in time; answers 413 and 408 itself, and ends the connection of who sent those.

    Args:
        most: Bytes of a body; what providers post to hooks has its own bound.
        timeout_s: For the whole body, from the first byte waited for to the last.
    """

    def __init__(self, app: ASGIApp, most: int, timeout_s: float) -> None:
        self._app = app
        self._most = most
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _may_have_body(scope):
            await self._app(scope, receive, send)
            return
        most = max(self._most, HOOK_MAX) if scope["path"].startswith(HOOKS) else self._most
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await _received(Headers(scope=scope), receive, most)
        except (TimeoutError, TooLarge) as error:
            too_slow = BodyTimeout("the body did not arrive in time")
            answer = refused(too_slow if isinstance(error, TimeoutError) else error)
            answer.headers["Connection"] = "close"  # the rest of it is not read
            await answer(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, _again(body, receive), send)


def _may_have_body(scope: Scope) -> bool:
    """Tell whether a body may come; of methods without one, only when it is announced (RFC 9112, 6.3)."""
    if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
        return True
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def _received(headers: Headers, receive: Receive, most: int) -> bytes:
    announced = headers.get("content-length", "")
    too_large = TooLarge(f"expected a body of at most {most} bytes", code="too_large")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > most):
        raise too_large
    read = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        read += message.get("body", b"")
        if len(read) > most:
            raise too_large
        more = message.get("more_body", False)
    return bytes(read)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the whole body first, then what comes after it."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given
