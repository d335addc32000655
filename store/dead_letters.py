"""Events that were not applied: refused by intake (``{store}:dead``) or set aside by a turn (``{p}:dead``).

Every stream entry has one field ``d``: a ``DeadLetter`` as a MessagePack map (defaults left out), so a field may be
added with a default at any time. A letter's public id names its stream: ``in-<stream id>`` or ``<p>-<stream id>``.
Bounded: a stream keeps about 100,000 letters, the index by event id two generations of as many.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct, structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.client import is_transient
from store.keys import DEAD_LETTERS, dead
from store.ports import Unavailable

LETTERS_MAX = 100_000  # of intake, about; the oldest go
RAW_MAX = 32 * 1024  # bytes kept of a body; what was cut cannot be replayed without a corrected event
REPLAY_KEPT_MS = 30 * 86_400_000  # how long an idempotency key answers the same again
SCAN_CHUNK = 200
SCAN_MAX = 20_000  # letters looked at for one page of a filtered list
INTAKE = "in"
INDEX = f"{DEAD_LETTERS}:index"  # event id -> letter id, of the newest LETTERS_MAX
INDEX_BEFORE = f"{DEAD_LETTERS}:index:before"
REPLAYS = f"{DEAD_LETTERS}:replays"  # letter id -> Replay, json
MESSAGE_FAILED = "message_failed"  # code of a message that no provider took; ``raw`` is its dispatch


class DeadLetter(Struct, frozen=True, omit_defaults=True):
    """One event that was not applied, and why."""

    id: str  # "" as stored; given when read
    at: int  # ms, arrival or turn
    code: str
    detail: str = ""
    path: str = ""  # of what was wrong inside the event; log:<offset> for a turn
    player: str = ""
    event_id: str = ""
    raw: bytes = b""  # the event as it came (JSON), or the log entry's bytes (MessagePack) for a turn
    form: str = "segment"  # how ``raw`` is to be read: segment, cloudevents, dispatch; a turn's is an entry
    type: str = ""  # what the path said of it: track, identify, ...; "" when the body says
    truncated: bool = False  # ``raw`` is the beginning only
    client: bool = False  # sent with a public key or a player's token: sent in again, it may no more than that
    own: str = ""  # the player of the token it came with
    source: str = ""  # id of the key it came with

    @property
    def partition(self) -> int | None:
        """Return the partition whose turn set it aside; None: intake refused it."""
        stream = self.id.partition("-")[0]
        return int(stream) if stream.isdigit() else None

    @property
    def is_message(self) -> bool:
        """Tell whether it is a message on its way out, not an event on its way in."""
        return self.form == "dispatch"

    @property
    def was_in_log(self) -> bool:
        """Tell whether its event id is taken by an entry of the log."""
        return self.partition is not None or self.code == "id_reused"


class Replay(Struct, frozen=True):
    """That a letter was sent in again."""

    n: int
    message_id: str
    player: str
    offset: str
    at: int
    duplicate: bool = False
    by: str = ""  # idempotency key of a replay of many


class ReplayClaim(Struct, frozen=True):
    """What an idempotency key stands for: the letter, the body, and which replay of the letter it is."""

    letter: str
    body: str  # hash
    n: int
    at: int


class ReplayPlan(Struct, frozen=True):
    """What an idempotency key of a replay of many stands for."""

    body: str  # hash
    letters: list[str]  # ids, in the order of their replay
    next: str = ""  # cursor of the letters that match and were too many
    answer: dict[str, Any] | None = None  # None: not all were tried yet


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeadLetter)
Place = tuple[int, int, str]  # (ms, n, stream), the order of a listing


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """Return the stored form of a letter."""
    return _encoder.encode(letter)


def decode_dead_letter(data: bytes, id: str = "") -> DeadLetter:
    """Read a stored letter and give it its public id."""
    letter = _decoder.decode(data)
    return structs.replace(letter, id=id) if id else letter


class DeadLetters:
    """All dead letters of a store, as one list, newest first."""

    def __init__(self, redis: Redis, partitions: int) -> None:
        self._redis: Any = redis
        self._streams = {INTAKE: DEAD_LETTERS, **{str(p): dead(p) for p in range(partitions)}}

    async def add(self, letters: Iterable[DeadLetter]) -> None:
        """Keep what intake refused.

        Raises:
            Unavailable: the store did not answer.
        """
        pipe = self._redis.pipeline(transaction=False)
        kept = [_cut(letter) for letter in letters]
        for letter in kept:
            pipe.xadd(DEAD_LETTERS, {"d": encode_dead_letter(letter)}, maxlen=LETTERS_MAX, approximate=True)
        ids = await _ask(pipe.execute())
        index = {
            letter.event_id: f"{INTAKE}-{stream_id.decode()}"
            for letter, stream_id in zip(kept, ids, strict=True)
            if letter.event_id
        }
        if not index:
            return
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(INDEX, mapping=index)
        pipe.hlen(INDEX)
        _, known = await _ask(pipe.execute())
        if known >= LETTERS_MAX:
            await _ask(self._redis.rename(INDEX, INDEX_BEFORE))

    async def page(self, before: str | None, limit: int) -> tuple[list[DeadLetter], str | None]:
        """Return letters newest first, and the cursor of the next page (None at the end).

        Raises:
            ValueError: the cursor is not one of ours.
        """
        bound = _place(before) if before else None
        pipe = self._redis.pipeline(transaction=False)
        for key in self._streams.values():
            pipe.xrevrange(key, f"{bound[0]}-{bound[1]}" if bound else "+", "-", count=limit + 2)
        found: list[tuple[Place, bytes]] = []
        for stream, entries in zip(self._streams, await _ask(pipe.execute()), strict=True):
            places = ((_place(f"{stream}-{i.decode()}"), fields[b"d"]) for i, fields in entries)
            found += [(place, data) for place, data in places if bound is None or place < bound]
        found.sort(key=lambda item: item[0], reverse=True)
        letters = [decode_dead_letter(data, _name(place)) for place, data in found[:limit]]
        return letters, letters[-1].id if len(found) > limit else None

    async def find(
        self, before: str | None, limit: int, wanted: Callable[[DeadLetter], bool], *, replayed: bool | None = None
    ) -> tuple[list[tuple[DeadLetter, Replay | None]], str | None]:
        """Return the letters that are wanted, newest first, and the cursor of the next page.

        At most ``SCAN_MAX`` letters are looked at, so a page may be short and still have a next one.

        Args:
            replayed: Only those that were sent in again, or only those that were not.

        Raises:
            ValueError: the cursor is not one of ours.
        """
        found: list[tuple[DeadLetter, Replay | None]] = []
        cursor = before
        for _ in range(SCAN_MAX // SCAN_CHUNK):
            letters, following = await self.page(cursor, SCAN_CHUNK)
            letters_wanted = [letter for letter in letters if wanted(letter)]
            replays = await self.replays([letter.id for letter in letters_wanted])
            for letter, replay in zip(letters_wanted, replays, strict=True):
                if replayed is None or replayed == (replay is not None):
                    found.append((letter, replay))
                    if len(found) == limit:
                        return found, letter.id if letter is not letters[-1] or following else None
            if following is None:
                return found, None
            cursor = following
        return found, cursor

    async def get(self, letter_id: str) -> DeadLetter | None:
        """Return a letter by its public id."""
        return (await self.get_all([letter_id]))[0]

    async def get_all(self, letter_ids: list[str]) -> list[DeadLetter | None]:
        """Return letters by their public ids, None for those there are not."""
        pipe = self._redis.pipeline(transaction=False)
        known = [letter_id for letter_id in letter_ids if self._stream(letter_id)]
        for letter_id in known:
            stream_id = letter_id.partition("-")[2]
            pipe.xrange(self._stream(letter_id), stream_id, stream_id)
        answers = await _ask(pipe.execute()) if known else []
        found = {
            letter_id: decode_dead_letter(entries[0][1][b"d"], letter_id)
            for letter_id, entries in zip(known, answers, strict=True)
            if entries
        }
        return [found.get(letter_id) for letter_id in letter_ids]

    def _stream(self, letter_id: str) -> str:
        """Return the key of the stream that a public id names, "" when it names none."""
        try:
            return self._streams.get(_place(letter_id)[2], "")
        except ValueError:
            return ""

    async def of_event(self, event_id: str) -> DeadLetter | None:
        """Return the newest letter that intake wrote about an event id."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hget(INDEX, event_id)
        pipe.hget(INDEX_BEFORE, event_id)
        found = [value for value in await _ask(pipe.execute()) if value]
        return await self.get(found[0].decode()) if found else None

    async def replays(self, letter_ids: list[str]) -> list[Replay | None]:
        """Return the last replay of each letter."""
        if not letter_ids:
            return []
        values = await _ask(self._redis.hmget(REPLAYS, letter_ids))
        return [msgspec.json.decode(value, type=Replay) if value else None for value in values]

    async def claim(self, key: str, letter_id: str, body: str, now: int) -> ReplayClaim:
        """Number a replay; the same idempotency key gives the same claim again, whoever asks."""
        name = f"{DEAD_LETTERS}:replay:{key}"
        if (value := await _ask(self._redis.get(name))) is None:
            n = await _ask(self._redis.hincrby(f"{DEAD_LETTERS}:replay-counts", letter_id, 1))
            fresh = msgspec.json.encode(ReplayClaim(letter_id, body, n, now))
            await _ask(self._redis.set(name, fresh, nx=True, px=REPLAY_KEPT_MS))
            value = await _ask(self._redis.get(name))
        return msgspec.json.decode(value, type=ReplayClaim)

    async def claims(self, key: str, letter_ids: list[str], now: int) -> list[ReplayClaim]:
        """Number the replays of many letters as they came; the same key gives the same claims again."""
        names = [f"{DEAD_LETTERS}:replay:{key}|{letter_id}" for letter_id in letter_ids]  # no key holds a |
        known = await _ask(self._redis.mget(names)) if names else []
        missing = [(name, id) for name, id, value in zip(names, letter_ids, known, strict=True) if value is None]
        if missing:
            pipe = self._redis.pipeline(transaction=False)
            for _, letter_id in missing:
                pipe.hincrby(f"{DEAD_LETTERS}:replay-counts", letter_id, 1)
            numbers = await _ask(pipe.execute())
            pipe = self._redis.pipeline(transaction=False)
            for (name, letter_id), n in zip(missing, numbers, strict=True):
                fresh = msgspec.json.encode(ReplayClaim(letter_id, "", n, now))
                pipe.set(name, fresh, nx=True, px=REPLAY_KEPT_MS)
            await _ask(pipe.execute())
            known = await _ask(self._redis.mget(names))
        return [msgspec.json.decode(value, type=ReplayClaim) for value in known]

    async def mark_replayed(self, letter_id: str, replay: Replay) -> None:
        """Note that a letter was sent in again."""
        await self.mark_all_replayed({letter_id: replay})

    async def mark_all_replayed(self, replays: dict[str, Replay]) -> None:
        """Note that letters were sent in again."""
        if replays:
            marks = {letter_id: msgspec.json.encode(replay) for letter_id, replay in replays.items()}
            await _ask(self._redis.hset(REPLAYS, mapping=marks))

    async def plan(self, key: str, body: str, letter_ids: list[str] | None, following: str = "") -> ReplayPlan | None:
        """Return what an idempotency key stands for: the first plan made under it, ``letter_ids`` if there is none."""
        name = f"{DEAD_LETTERS}:replay-many:{key}"
        if letter_ids is not None:
            plan = msgspec.json.encode(ReplayPlan(body, letter_ids, following))
            await _ask(self._redis.set(name, plan, nx=True, px=REPLAY_KEPT_MS))
        value = await _ask(self._redis.get(name))
        return msgspec.json.decode(value, type=ReplayPlan) if value else None

    async def answered(self, key: str, plan: ReplayPlan, answer: dict[str, Any]) -> None:
        """Keep the answer to a plan, for who asks again."""
        kept = msgspec.json.encode(structs.replace(plan, answer=answer))
        await _ask(self._redis.set(f"{DEAD_LETTERS}:replay-many:{key}", kept, px=REPLAY_KEPT_MS))


def _cut(letter: DeadLetter) -> DeadLetter:
    if len(letter.raw) <= RAW_MAX:
        return letter
    return structs.replace(letter, raw=letter.raw[:RAW_MAX], truncated=True)


def _place(letter_id: str) -> Place:
    stream, ms, n = letter_id.split("-")
    return int(ms), int(n), stream


def _name(place: Place) -> str:
    return f"{place[2]}-{place[0]}-{place[1]}"


async def _ask(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
