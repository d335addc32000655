"""HTTP as all adapters speak it: pooled, bounded, no redirects, no proxies; and what an answer means.

What a client raises does not say whether the request had left. The pool's trace does, so a refused connection is a
``Retry`` and a silence after the request an ``Unclear``. aiohttp, which ``pywebpush`` brings: httpx took ten times as
much of a processor with 16 requests at once (its pool looks at every connection for every request).
"""

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from ssl import SSLContext, create_default_context
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from channels.guard import Guard, Refused
from channels.ports import Rejected, Result, Retry, Unclear

BODY_MAX = 65_536  # bytes read of an answer; the rest is not waited for
DETAIL_MAX = 300  # characters of a provider's words that are kept
RETRY_AFTER_MAX = 86_400.0  # seconds that a provider may ask for

_UNCLEAR = frozenset({504, 520, 524})  # a gateway gave up waiting: what it waited for may have been done
_IDLE_S = 4.0  # that a connection is kept for: less than Node's 5, so that servers rarely end one we are using


class Answer(Struct, frozen=True):
    """What a provider said."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # at most BODY_MAX of it; what came before it was cut

    def json(self) -> dict[str, Any]:
        """Return the body's object, an empty one when it is none."""
        try:
            value = msgspec.json.decode(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def retry_after_s(self, now: int) -> float:
        """Return the seconds that ``Retry-After`` asks for, 0 when it says nothing; ``now`` in ms."""
        return retry_after(self.headers.get("retry-after", ""), now)


class Failure(Struct, frozen=True):
    """No answer."""

    detail: str
    has_left: bool  # the request, or a part of it, was on its way
    is_refused: bool = False  # by the guard


@cache
def _tls() -> SSLContext:
    """Return the trusted roots; reading them takes 30 ms, so all adapters share them."""
    return create_default_context()


class Http:
    """Requests to one provider."""

    def __init__(
        self, *, timeout_s: float, connections: int, is_guarded: bool = False, guard: Guard | None = None
    ) -> None:
        self._timeout_s = timeout_s
        self._connections = connections
        self._guard = guard or Guard() if is_guarded else None
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer | Failure:
        """Post a body or a form, and read the answer within the time."""
        sending = _Sending()
        try:
            async with (
                asyncio.timeout(timeout_s or self._timeout_s),
                self._opened().post(
                    url,
                    headers=headers,
                    data=content if form is None else dict(form),
                    allow_redirects=False,
                    trace_request_ctx=sending,
                ) as response,
            ):
                names = {name.lower(): value for name, value in response.headers.items()}
                sending.answer = Answer(response.status, names, b"")
                body = b""
                async for piece in response.content.iter_any():
                    body += piece
                    sending.answer = Answer(response.status, names, body[:BODY_MAX])
                    if len(body) >= BODY_MAX:
                        response.close()
                        break
        except TimeoutError:
            return sending.answer or Failure("no answer in time", sending.has_left)
        except (aiohttp.InvalidURL, UnicodeError):
            return Failure("expected an address that can be called", has_left=False, is_refused=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return sending.answer or _failure(error, sending.has_left)
        assert sending.answer is not None
        return sending.answer

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """Return the pool, made with the first request: it belongs to the loop that runs then."""
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(_left)
            trace.on_connection_reuseconn.append(_left)
            connector = aiohttp.TCPConnector(
                limit=self._connections,
                ssl=_tls(),
                keepalive_timeout=_IDLE_S,
                use_dns_cache=False,
                resolver=self._guard,
                socket_factory=self._guard.socket if self._guard else None,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                trace_configs=[trace],
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # ``post`` has its own, over all of it
                headers={"User-Agent": "playtower", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._session


class _Sending:
    """How far a request has come."""

    def __init__(self) -> None:
        self.has_left = False  # it has a connection, and is being written
        self.answer: Answer | None = None


async def _left(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.has_left = True


def _failure(error: Exception, has_left: bool) -> Failure:
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, Refused):
        cause = cause.__cause__
    if isinstance(cause, Refused):
        return Failure(str(cause), has_left=False, is_refused=True)
    if not has_left:
        return Failure("no connection", has_left=False)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Failure("the connection ended without an answer", has_left=True)
    return Failure(f"the connection broke: {type(error).__name__}", has_left=True)


def retry_after(value: str, now: int) -> float:
    """Read a ``Retry-After``: seconds, or a date of HTTP; 0 when it is neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), RETRY_AFTER_MAX)
    try:
        at = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0
    return min(max(at - now / 1000, 0), RETRY_AFTER_MAX)


def of_failure(failure: Failure, *, is_provider: bool = True) -> Result:
    """Return what no answer means: nothing may be sent there, nothing had left, or nobody knows."""
    if failure.is_refused:
        return Rejected(failure.detail)
    if failure.has_left:
        return Unclear(failure.detail, is_provider=is_provider)
    return Retry(failure.detail, is_provider=is_provider)


def of_trouble(answer: Answer, now: int, detail: str = "", *, is_provider: bool = True) -> Result | None:
    """Return what a status means that is the provider's trouble, not the message's; None when it is no such status.

    A 500, 502 or 503 says that the provider has not taken it. What a gateway gave up waiting for is unclear.
    """
    said = f"{answer.status} {detail}".strip()[:DETAIL_MAX]
    if answer.status in _UNCLEAR:
        return Unclear(said, is_provider=is_provider)
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return Retry(said, is_provider=is_provider, after_s=answer.retry_after_s(now))
    if answer.status in (401, 403, 407):  # the connector's key is wrong or was withdrawn: every message would fail
        return Retry(said, is_provider=is_provider)
    return None


def text_of(*parts: object) -> str:
    """Join what a provider said as one bounded line."""
    return " ".join(" ".join(str(part).split()) for part in parts if part not in (None, ""))[:DETAIL_MAX]
