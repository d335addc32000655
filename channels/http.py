"""HTTP as all adapters speak it: pooled, bounded, no redirects, no proxies; and what an answer means.

What httpx raises does not say whether the request had left. The pool's trace does, so a refused connection is a
``Retry`` and a silence after the request an ``Unclear``.
"""

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from ssl import SSLContext
from typing import Any

import httpcore
import httpx
import msgspec
from msgspec import Struct

from channels.guard import GuardedBackend, Refused
from channels.ports import Rejected, Result, Retry, Unclear

BODY_MAX = 65_536  # bytes read of an answer; the rest is not waited for
DETAIL_MAX = 300  # characters of a provider's words that are kept
RETRY_AFTER_MAX = 86_400.0  # seconds that a provider may ask for

_UNCLEAR = frozenset({504, 520, 524})  # a gateway gave up waiting: what it waited for may have been done
_DONE = "http11.send_request_headers.started"


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


class _Transport(httpx.AsyncHTTPTransport):
    """A pool of connections, with the guard's backend under it where addresses come from outside."""

    def __init__(self, connections: int, backend: httpcore.AsyncNetworkBackend | None) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=15)
        super().__init__(verify=_tls(), trust_env=False, limits=limits)
        if backend is not None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=_tls(),
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=15,
                network_backend=backend,
            )


@cache
def _tls() -> SSLContext:
    """Return the trusted roots; reading them takes 30 ms, so all adapters share them."""
    return httpx.create_ssl_context(trust_env=False)


class Http:
    """Requests to one provider."""

    def __init__(
        self, *, timeout_s: float, connections: int, is_guarded: bool = False, backend: GuardedBackend | None = None
    ) -> None:
        self._timeout_s = timeout_s
        guard = backend or GuardedBackend() if is_guarded else None
        self._client = httpx.AsyncClient(
            transport=_Transport(connections, guard),
            follow_redirects=False,
            trust_env=False,
            timeout=timeout_s,
            headers={"user-agent": "playtower", "accept-encoding": "identity"},
        )

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
        sent: list[str] = []

        async def trace(event: str, _info: object) -> None:
            if event == _DONE:
                sent.append(event)

        answer: Answer | None = None
        try:
            async with (
                asyncio.timeout(timeout_s or self._timeout_s),
                self._client.stream(
                    "POST", url, headers=headers, content=content, data=form, extensions={"trace": trace}
                ) as response,
            ):
                names = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status_code, names, b"")
                body = b""
                async for piece in response.aiter_raw():
                    body += piece
                    answer = Answer(response.status_code, names, body[:BODY_MAX])
                    if len(body) >= BODY_MAX:
                        break
        except TimeoutError:
            return answer or Failure("no answer in time", bool(sent))
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            is_refused = isinstance(_root(error), Refused)
            detail = str(_root(error)) if is_refused else _SAID.get(type(error), type(error).__name__)
            return answer or Failure(detail, bool(sent), is_refused)
        except (httpx.InvalidURL, UnicodeError, ValueError):
            return Failure("expected an address that can be called", has_left=False, is_refused=True)
        return answer

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()


_SAID: dict[type[BaseException], str] = {
    httpx.ConnectError: "no connection",
    httpx.ConnectTimeout: "no connection in time",
    httpx.PoolTimeout: "all connections are busy",
    httpx.ReadTimeout: "no answer in time",
    httpx.ReadError: "the connection broke",
    httpx.RemoteProtocolError: "the connection ended without an answer",
}


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


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
