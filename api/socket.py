"""The player's socket ``/v1/ws``: subprotocol ``playtower.v1``, JSON text frames (docs/socket.md).

Everything is bounded: frames in 64 KB, 100 messages a minute, hello within 10 s, 64 frames or 1 MB
waiting to go out. A socket that does not read is cut with 1013 within 5 s and delays nobody; it resumes by cursor.
The token comes in the first message, never in the address; the socket ends with it.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any

import msgspec
from msgspec import Struct
from redis.exceptions import RedisError, ResponseError
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from api import views
from api.auth import Principal, player_of
from api.context import Context
from api.feeds import WHOLE, Position, parse_cursor, place_of
from api.frame_types import Accepted, Error, Resync, Welcome
from api.frames import frames_of
from api.intake import READERS, rules_of, take
from api.masks import id_fault
from domain.entries import Event
from domain.errors import Conflict, EngineError, NotFound, Unauthorised
from domain.ids import partition_of
from store.keys import feed, sockets
from store.ports import Unavailable
from store.tasks import end

PROTOCOL = "playtower.v1"
HELLO_WITHIN_S = 10.0
MESSAGES_MAX = 100  # a minute
QUEUE_FRAMES_MAX = 64
QUEUE_BYTES_MAX = 1024 * 1024
SEND_WITHIN_S = 4.0
CUT = "playtower.cut"  # extension of our server protocol: ends a connection that takes no more bytes
RECEIPTS = ("seen", "clicked", "dismissed")
POLICY, TRY_LATER = 1008, 1013


class Said(Struct, rename="camel"):
    """What a client may say; a ``track`` is read again as an event."""

    type: str
    token: str = ""
    cursor: str | None = None
    id: str | None = None
    message_id: str | None = None
    named: str | None = msgspec.field(default=None, name="message_id")

    @property
    def message(self) -> str:
        return self.named or self.message_id or self.id or ""


_decode = msgspec.json.Decoder(Said).decode


class Ended(Exception):
    """The session is over; the close code and reason say why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Session:
    """One connected player."""

    def __init__(self, websocket: WebSocket, context: Context) -> None:
        self.player = ""
        self.position: Position | None = None
        self._websocket = websocket
        self._context = context
        self._queue: deque[str] = deque()
        self._queued = 0  # bytes
        self._behind = False  # the feed has more than there was room for
        self._writer: asyncio.Task[None] | None = None
        self._arrivals: deque[float] = deque(maxlen=MESSAGES_MAX)
        self._cut = False
        self._expires_s = 0.0  # from hello

    async def run(self) -> None:
        """Serve until either side ends it."""
        try:
            await self._hello()
            async with asyncio.timeout(self._expires_s):
                while True:
                    await self._handle(await self._receive())
        except WebSocketDisconnect:
            pass
        except TimeoutError:
            await self._close(POLICY, "the token has expired")
        except Ended as ended:
            await self._close(ended.code, ended.reason)
        except (Unavailable, RedisError, OSError):
            await self._close(TRY_LATER, "the store does not answer")
        finally:
            self._context.feeds.leave(self)
            if self._writer is not None:
                await end(self._writer)

    # --- out ----------------------------------------------------------------------------------------------------------

    def has_room(self) -> bool:
        if self._cut:
            return False
        if len(self._queue) < QUEUE_FRAMES_MAX and self._queued < QUEUE_BYTES_MAX:
            return True
        self._behind = True
        return False

    def take(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> bool:
        for stream_id, fields in entries:
            place = place_of(stream_id)
            if self.position is None or (*place, WHOLE) <= self.position:
                continue
            for n, frame in self._frames(stream_id, fields):
                if (*place, n) > self.position:
                    if not self.has_room():
                        return False
                    self._push(frame)
                    self.position = (*place, n)
            self.position = (*place, WHOLE)
        return True

    def _frames(self, stream_id: bytes, fields: dict[bytes, bytes]) -> list[tuple[int, str]]:
        """Return an entry's frames; one of a newer version that cannot be read must not stop everybody's feeds."""
        try:
            return frames_of(stream_id, fields, self._context.programme.visible)
        except (msgspec.DecodeError, KeyError):
            self._context.counts["feed_entries_unreadable"] += 1
            return []

    def _push(self, frame: str) -> None:
        self._queue.append(frame)
        self._queued += len(frame)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    def _say(self, frame: Struct) -> None:
        """Send a frame that is not part of the feed. Its number is bounded by what the client says."""
        self._push(msgspec.json.encode(frame).decode())

    async def _write(self) -> None:
        """Send what waits; the task ends when nothing does, so an idle socket has none."""
        while self._queue:
            frame = self._queue.popleft()
            self._queued -= len(frame)
            try:
                async with asyncio.timeout(SEND_WITHIN_S):
                    await self._websocket.send_text(frame)
            except TimeoutError:
                self._context.counts["sockets_cut"] += 1
                await self._end_slow()
                return
            except (WebSocketDisconnect, RuntimeError):  # it closed meanwhile
                self._cut = True
                return
            if self._behind and len(self._queue) <= QUEUE_FRAMES_MAX // 2:
                self._behind = False
                self._context.feeds.mark(self.player)

    async def _end_slow(self) -> None:
        self._cut = True
        self._queue.clear()
        self._context.feeds.leave(self)
        cut = self._websocket.scope.get("extensions", {}).get(CUT)
        if cut is not None:
            cut(TRY_LATER, "too slow")
            return
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(1.0):
                await self._websocket.close(TRY_LATER, "too slow")

    async def _close(self, code: int, reason: str) -> None:
        if self._cut:
            return
        if self._writer is not None and not self._writer.done():
            await asyncio.wait({self._writer}, timeout=1.0)  # an error frame goes before its close
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(1.0):
                await self._websocket.close(code, reason[:120])

    # --- in -----------------------------------------------------------------------------------------------------------

    async def _receive(self) -> str:
        """Return the next text frame.

        Raises:
            Ended: too many came.
        """
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            now = asyncio.get_running_loop().time()
            if len(self._arrivals) == MESSAGES_MAX and now - self._arrivals[0] < 60:
                raise Ended(POLICY, f"more than {MESSAGES_MAX} messages a minute")
            self._arrivals.append(now)
            text = message.get("text")
            if text is not None:
                return str(text)
            self._error("bad_message", "expected a text frame")

    async def _hello(self) -> None:
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                said = _read(await self._receive())
        except TimeoutError as error:
            raise Ended(POLICY, "expected hello within 10 s") from error
        if said is None or said.type != "hello":
            raise Ended(POLICY, 'expected {"type": "hello", "token": ...} first')
        try:
            principal = player_of(said.token, self._context.settings.token_secret)
        except Unauthorised as error:
            raise Ended(POLICY, error.detail) from error
        self._expires_s = max(0.0, principal.expires_at - self._context.clock.now_ms() / 1000)
        self.player = principal.player
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                await self._context.feeds.join(self)  # before its position is read: no poke falls between
        except TimeoutError as error:
            raise Ended(TRY_LATER, "the store does not answer") from error
        await self._start(said.cursor)

    async def _start(self, cursor: str | None) -> None:
        """Find the position to go on from, and bring the client there."""
        p = partition_of(self.player, self._context.partitions)
        key = feed(p, self.player)
        pipe: Any = self._context.redis.pipeline(transaction=False)
        pipe.hset(sockets(p), self.player, self._context.clock.now_ms())
        pipe.xrange(key, "-", "+", count=1)
        pipe.xrevrange(key, "+", "-", count=1)
        pipe.xinfo_stream(key)
        first_time, first, last, info = await pipe.execute(raise_on_error=False)
        for reply in (first_time, first, last):
            if isinstance(reply, Exception):
                raise reply
        end = (*place_of(last[0][0]), WHOLE) if last else (0, 0, WHOLE)
        trimmed = not isinstance(info, ResponseError) and _trimmed(info)
        position = end if cursor is None else _resumed(cursor, first, end, trimmed=trimmed, gap=bool(first_time))
        self._say(Welcome(self.player, _cursor(position or end)))
        if position is None:
            self._say(Resync(_cursor(end), await player_state(self._context, self.player)))
        self.position = position or end
        self._context.feeds.mark(self.player)

    async def _handle(self, text: str) -> None:
        said = _read(text)
        if said is None:
            self._error("bad_message", "expected a JSON object with a type")
        elif said.type == "ack":
            with contextlib.suppress(ValueError):
                parse_cursor(said.cursor or "")
        elif said.type == "track":
            await self._track(text, said.message)
        elif said.type in RECEIPTS:
            await self._receipt(said.type, said.message)
        else:
            self._error("bad_message", f"unknown type {said.type[:40]!r}")

    async def _track(self, text: str, message_id: str) -> None:
        rules = rules_of(self._context, Principal("player", f"player:{self.player}", player=self.player))
        try:
            outcome = await take(self._context, rules, [text.encode()], READERS["track"])
        except EngineError as error:
            self._error(error.problem_code, error.detail, message_id)
            return
        for refusal in outcome.intent.refusals:
            self._error(refusal.code, refusal.detail, message_id, refusal.path)
        for entry in outcome.intent.entries if not outcome.intent.refusals else ():
            self._say(Accepted(entry.message_id, bool(outcome.duplicates)))

    async def _receipt(self, what: str, message_id: str) -> None:
        if fault := id_fault(message_id):
            self._error("bad_id", f"message_id: {fault}")
            return
        event = Event(
            self.player,
            f"{what}:{message_id}",  # once a message and kind; the first counts
            f"message_{what}",
            self._context.clock.now_ms(),
            {"message_id": message_id},
            source="socket",
        )
        try:
            await self._context.players.ref(self.player).tell(event)
        except Conflict:
            pass  # told before
        except EngineError as error:
            self._error(error.problem_code, error.detail, message_id)

    def _error(self, code: str, detail: str, about: str = "", path: str = "") -> None:
        self._say(Error(code, detail, about or None, path or None))


async def player_socket(websocket: WebSocket) -> None:
    """Serve one socket."""
    context: Context = websocket.app.state.context
    allowed = context.settings.socket_origins
    offered = websocket.scope.get("subprotocols", [])
    if (allowed and websocket.headers.get("origin") not in allowed) or (offered and PROTOCOL not in offered):
        await websocket.close()  # before it was accepted: 403
        return
    await websocket.accept(PROTOCOL if offered else None)
    await Session(websocket, context).run()


route = WebSocketRoute("/v1/ws", player_socket)


async def player_state(context: Context, player: str) -> dict[str, Any]:
    """Return the player as ``GET /v1/me`` shows it; only the id when nothing was ever committed, or it was merged."""
    try:
        return await views.player_state(context, player, own=True)
    except (NotFound, Conflict):
        return {"id": player}


def _read(text: str) -> Said | None:
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _resumed(
    cursor: str, first: list[tuple[bytes, Any]], end: Position, *, trimmed: bool, gap: bool
) -> Position | None:
    """Return the position a cursor names; None when something after it is not in the feed any more."""
    try:
        position = parse_cursor(cursor)
    except ValueError:
        return None
    if position > end or (gap and position[:2] != (0, 0)):
        return None
    if trimmed and position[:2] < place_of(first[0][0]):
        return None
    return position


def _trimmed(info: dict[str, Any]) -> bool:
    """Tell whether entries have left the feed."""
    return int(info.get("entries-added", 0)) > int(info["length"])


def _cursor(position: Position) -> str:
    ms, n, frame = position
    return f"{ms}-{n}" if frame == WHOLE else f"{ms}-{n}.{frame}"
