"""Mutations that come with an ``Idempotency-Key`` are done once: the first answer is kept for a day and given again.

This stands before all routes. What it leaves out has the same by another way, or needs none: commands of players are
entries of a log, which knows their ids for three days (``api.commands``); an API key's secret is never stored
(``api.keys``); events have ids of their own; an exclusion must not wait for anything.

Should a gateway die at work, another takes the request up when its lease lapses. So whatever must not happen twice
gives its effect a name made of the key besides (a run's id, a version's key): this layer makes the answers equal.
"""

import asyncio
import contextlib
import logging
import re
from hashlib import blake2b
from itertools import chain, repeat
from typing import Any

from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.clock import new_id
from api.auth import credential, principal_of
from api.context import Context
from api.idempotency import REPLAYED, REQUIRED, TAKEN
from api.intake import PATHS
from api.masks import ID_MAX, check_id
from api.problems import refused
from domain.errors import Conflict, EngineError, Unauthorised
from store.kept_answers import ANSWER_BYTES_MAX, LEASE_MS, KeptAnswer, KeptAnswers, Reused
from store.ports import Unavailable

_log = logging.getLogger("playtower.api")

METHODS = ("POST", "PUT", "PATCH", "DELETE")
WAIT_MAX_S = 15.0  # for a first request that another gateway works on
_PAUSES_S = (0.02, 0.05, 0.1, 0.2)  # between looks; the last again and again
_RENEW_S = LEASE_MS / 1000 / 3

# Paths that this layer leaves alone, each with why.
FREE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(path), why)
    for path, why in (
        ("|".join(map(re.escape, PATHS)), "an event has an id of its own"),
        (r"/v1/cloudevents", "an event has an id of its own"),
        (r"/v1/hooks/[^/]+(/.*)?", "what a provider or source reports has an id of its own"),
        (r"/v1/players/[^/]+/exclusion", "a stop waits for nothing; asking twice excludes once"),
        (r"/v1/players/[^/]+/(token|links)", "makes a token, changes nothing"),
        (r"/v1/channels/[^/]+/hook-token", "makes a token, changes nothing"),
        (r"/v1/templates/check|/v1/templates/[^/]+/preview", "changes nothing"),
        (r"/v1/keys", "the answer is the key's secret, which is never stored; asked again it is derived again"),
        (r"/v1/messages", "an entry of the player's log"),
        (r"/v1/messages/[^/]+/review", "an entry of the player's log"),
        (r"/v1/journeys/[^/]+/(entries|exits)", "an entry of the player's log"),
        (r"/v1/players/[^/]+/(adjustments|missions|completions|streaks|tournaments)(/.*)?", "an entry of a log"),
        (r"/v1/players/[^/]+/(store|purchases|minigames|plays|raffles)(/.*)?", "an entry of a log"),
        (
            r"/v1/me/(missions|completions|streaks|tournaments|store|purchases|minigames|plays|raffles)(/.*)?",
            "the same",
        ),
        (r"/v1/(tournaments|grants)/.*", "an entry of a log"),
    )
)
# Of these it is known what was done: whoever asks again is told the same.
_KEPT = frozenset({*range(200, 300), 404, 409, 410})
_HEADERS = frozenset({b"content-type", b"etag", b"location", b"cache-control", b"preference-applied"})


def is_free(path: str) -> bool:
    """Tell whether the layer leaves a path alone."""
    return not path.startswith("/v1/") or any(pattern.fullmatch(path) for pattern, _ in FREE)


def document_keys(document: dict[str, Any]) -> None:
    """Let the OpenAPI document say where a key is taken though it is not required."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method.upper() not in METHODS:
                continue
            parameters = operation.setdefault("parameters", [])
            known = [one for one in parameters if one["name"].lower() == "idempotency-key"]
            for one in known:
                one["required"] = one.get("description") == REQUIRED  # the route itself says what to do without one
            if not known and not is_free(path):
                header = {"name": "Idempotency-Key", "in": "header", "required": False, "description": TAKEN}
                parameters.append({**header, "schema": {"type": "string", "maxLength": ID_MAX}})


class Once:
    """Keeps the first answer of a mutation that has a key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._here: dict[tuple[str, bytes], asyncio.Future[KeptAnswer | None]] = {}  # what this process works on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in METHODS or is_free(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = headers.get("idempotency-key", "")
        context: Context = scope["app"].state.context
        try:
            caller = await _caller(context, headers) if key else ""
            if not caller:
                await self._app(scope, receive, send)
                return
            check_id(key, "Idempotency-Key")
            body = await _whole(receive)
            name = _digest(caller, key, scope["method"], scope["path"])
            answer, is_first = await self._together((name, _fingerprint(scope, body)), context, scope, body, receive)
        except (EngineError, Unavailable) as error:
            await refused(error)(scope, receive, send)
            return
        headers_out = list(answer.headers) if is_first else _replayed(answer)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers_out})
        await send({"type": "http.response.body", "body": answer.body})

    async def _together(
        self, asked: tuple[str, bytes], context: Context, scope: Scope, body: bytes, receive: Receive
    ) -> tuple[KeptAnswer, bool]:
        """Let equal requests at this gateway wait for the first of them, whatever it is answered."""
        while (first := self._here.get(asked)) is not None:
            if (answer := await asyncio.shield(first)) is not None:
                return answer, False
        mine = self._here[asked] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer, is_first = await self._answered(asked, context, scope, body, receive)
            return answer, is_first
        finally:
            del self._here[asked]
            mine.set_result(answer)  # None: it failed, the next one begins

    async def _answered(
        self, asked: tuple[str, bytes], context: Context, scope: Scope, body: bytes, receive: Receive
    ) -> tuple[KeptAnswer, bool]:
        """Return the answer, and whether this request was the one that was worked on."""
        kept, holder = KeptAnswers(context.redis), new_id()
        name, fingerprint = asked
        deadline = asyncio.get_running_loop().time() + WAIT_MAX_S
        for pause_s in chain(_PAUSES_S, repeat(_PAUSES_S[-1])):
            found = await kept.begin(name, fingerprint, holder)
            if isinstance(found, Reused):
                raise Conflict("this Idempotency-Key was used with another body", code="idempotency_mismatch")
            if isinstance(found, KeptAnswer):
                return found, False
            if found is None:
                if (answer := await self._work(kept, name, holder, scope, body, receive)) is not None:
                    return answer, True
                continue  # this process stood still so long that another has taken it up: what that says counts
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(pause_s)
        raise Conflict(
            "the first request with this Idempotency-Key is still under way; ask again",
            code="idempotency_in_progress",
            retry_after_s=1,
        )

    async def _work(
        self, kept: KeptAnswers, name: str, holder: str, scope: Scope, body: bytes, receive: Receive
    ) -> KeptAnswer | None:
        """Let the route answer, and keep what it says; None when the lease was lost meanwhile."""
        renewing = asyncio.create_task(_renewed(kept, name, holder))
        is_over = False
        try:
            answer = await _asked(self._app, scope, body, receive)
            if _is_kept(answer):
                stays = KeptAnswer(answer.status, tuple(h for h in answer.headers if h[0] in _HEADERS), answer.body)
                is_over = True
                if not await kept.keep(name, holder, stays):
                    return None
            return answer
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
            if not is_over:
                with contextlib.suppress(Unavailable, RedisError):  # it lapses by itself
                    await kept.free(name, holder)


async def _caller(context: Context, headers: Headers) -> str:
    """Return who asks; "" when the route is to say that nobody known does."""
    try:
        secret = credential(headers.get("authorization"))
        return (await principal_of(context, secret)).id if secret else ""
    except Unauthorised:
        return ""


async def _renewed(kept: KeptAnswers, name: str, holder: str) -> None:
    """Renew the lease until it is lost; what the store says against it does not spoil the answer."""
    while True:
        await asyncio.sleep(_RENEW_S)
        try:
            if not await kept.renew(name, holder):
                return
        except Unavailable:
            continue
        except RedisError:
            _log.exception("the lease of an Idempotency-Key could not be renewed")


async def _asked(app: ASGIApp, scope: Scope, body: bytes, receive: Receive) -> KeptAnswer:
    """Return what the application answers."""
    status, headers, said, is_given = 0, [], bytearray(), False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def noted(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            said.extend(message.get("body", b""))

    await app(scope, given, noted)
    return KeptAnswer(status, tuple(headers), bytes(said))


def _is_kept(answer: KeptAnswer) -> bool:
    """Tell whether an answer is the last word: not where it says to ask again, or that the request must change."""
    if any(name == b"retry-after" for name, _ in answer.headers) or len(answer.body) > ANSWER_BYTES_MAX:
        return False
    return answer.status in _KEPT


def _replayed(answer: KeptAnswer) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer given again; of one that is not kept those that say when to ask."""
    if not _is_kept(answer):
        return list(answer.headers)
    length = [] if answer.status == 204 else [(b"content-length", str(len(answer.body)).encode())]
    headers = [header for header in answer.headers if header[0] in _HEADERS]
    return [*headers, *length, (REPLAYED.lower().encode(), b"true")]


async def _whole(receive: Receive) -> bytes:
    """Return the body, which has been read to its bound before (``api.limits``)."""
    read = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        read += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(read)


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _fingerprint(scope: Scope, body: bytes) -> bytes:
    return blake2b(scope.get("query_string", b"") + b"\0" + body, digest_size=8).digest()
