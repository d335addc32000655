"""The store's side of the archive: what is to be archived, how far it was, and what may be trimmed.

``{p}:archived`` is a hash: ``players`` and ``tower`` hold the offset of the lane's log that the archive holds,
``<lane>:n`` how many entries that were, ``<lane>:trimming`` the offset up to which the store may have let go,
``<lane>:trimmed`` that up to which it surely has. ``{p}:archived:decisions`` holds, by player, the id of the last
decision that the archive has.
"""

from typing import Any

from msgspec import Struct, structs
from redis.asyncio import Redis

from domain.entries import read_entry
from store.archive.files import place
from store.archive.rows import Raw
from store.keys import ARCHIVIST, PLAYERS, TOWER, Lane, archived, archived_decisions

LANES = (PLAYERS, TOWER)
PAGE = 1_000  # entries read at once
PIPELINE = 500  # commands of one round trip
TRIM_STEP = 10_000  # entries that one XTRIM may remove
_ASKED = "{store}:archive-now"
ASKED_MS = 900_000  # an asker that went away is forgotten
_HOLD = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_MOVE = """
local held = redis.call('HGET', KEYS[1], ARGV[1]) or '0-0'
if held ~= ARGV[2] then return held end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[1], ARGV[1] .. ':n', ARGV[4])
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return ARGV[3]
"""


class CursorMoved(Exception):
    """Somebody else archived meanwhile; nothing was moved."""


class Reached(Struct, frozen=True):
    """How far one lane of a partition is."""

    partition: int
    lane: Lane
    cursor: str = "0-0"  # in the archive up to here
    committed: str = "0-0"
    trimming: str = "0-0"  # the store may lack entries and records up to here: they are the archive's
    trimmed: str = "0-0"
    archived: int = 0  # entries
    done: int = 0
    at: int = 0  # ms, the partition's own time

    @property
    def waiting(self) -> int:
        """Return how many committed entries the archive lacks."""
        return max(1, self.done - self.archived) if place(self.committed) > place(self.cursor) else 0


class Source:
    """One store, as the archivist sees it."""

    def __init__(self, redis: Redis, partitions: int) -> None:
        self._redis: Any = redis
        self.partitions = partitions

    async def hold(self, owner: str, ttl_ms: int) -> bool:
        """Take or prolong the archivist's lease; True while it is ours."""
        return bool(await self._redis.eval(_HOLD, 1, ARCHIVIST, owner, ttl_ms))

    async def ask(self, who: str) -> None:
        """Ask the archivist that runs to archive everything at once."""
        await self._redis.set(_ASKED, who, px=ASKED_MS)

    async def asked(self) -> str:
        """Return who asked for that, "" when nobody did."""
        who = await self._redis.get(_ASKED)
        return who.decode() if who else ""

    async def answer(self, who: str) -> None:
        """Note that it was done for who asked."""
        if await self.asked() == who:
            await self._redis.delete(_ASKED)

    async def now_ms(self) -> int:
        """Return the store's own time."""
        seconds, micros = await self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def reached(self) -> list[Reached]:
        """Return how far every lane of every partition is."""
        pipe = self._redis.pipeline(transaction=False)
        places = [(p, lane) for p in range(self.partitions) for lane in LANES]
        for p, lane in places:
            pipe.hmget(archived(p), lane.name, f"{lane.name}:trimming", f"{lane.name}:trimmed", f"{lane.name}:n")
            pipe.hmget(lane.meta(p), "off", "done", "at")
        answers = iter(await pipe.execute())
        found = []
        for p, lane in places:
            (cursor, trimming, trimmed, count), (off, done, at) = next(answers), next(answers)
            held, committed, going, gone = ((value or b"0-0").decode() for value in (cursor, off, trimming, trimmed))
            found.append(Reached(p, lane, held, committed, going, gone, int(count or 0), int(done or 0), int(at or 0)))
        return found

    async def oldest(self, waiting: list[Reached]) -> list[int]:
        """Return when the oldest entry that the archive lacks was appended, ms; 0 when there is none."""
        pipe = self._redis.pipeline(transaction=False)
        for at in waiting:
            pipe.xrange(at.lane.log(at.partition), f"({at.cursor}", at.committed, count=1)
        return [int(page[0][0].split(b"-")[0]) if page else 0 for page in await pipe.execute()]

    async def page(self, at: Reached, after: str, limit: int) -> list[Raw]:
        """Return the next committed entries of a lane, with the records of their turns."""
        log = at.lane.log(at.partition)
        items = await self._redis.xrange(log, f"({after}", at.committed, count=min(limit, PAGE))
        raws = [
            Raw(offset.decode(), int(fields[b"a"]), fields[b"e"], read_entry(fields[b"e"]).player)
            for offset, fields in items
        ]
        return await self._with_records(at.partition, raws) if at.lane is PLAYERS else raws

    async def _with_records(self, p: int, raws: list[Raw]) -> list[Raw]:
        """Add each player's records: one read a player, of as many records as it has entries here."""
        spans: dict[str, list[str]] = {}
        for raw in raws:
            if raw.player:
                spans.setdefault(raw.player, []).append(raw.offset)
        pipe = self._redis.pipeline(transaction=False)
        for player, offsets in spans.items():
            pipe.xrange(PLAYERS.history(p, player), offsets[0], offsets[-1])
        records: dict[tuple[str, str], bytes] = {}
        for player, items in zip(spans, await pipe.execute() if spans else [], strict=True):
            records |= {(player, offset.decode()): fields[b"d"] for offset, fields in items}
        return [structs.replace(raw, record=records.get((raw.player, raw.offset))) for raw in raws]

    async def decisions(self, p: int, players: list[str]) -> list[tuple[str, str, bytes]]:
        """Return the tower's decisions about players that the archive lacks, as (player, id, decision)."""
        found: list[tuple[str, str, bytes]] = []
        for start in range(0, len(players), PIPELINE):
            some = players[start : start + PIPELINE]
            known = await self.decided(p, some)
            after = {player: f"({known[player]}" if player in known else "-" for player in some}
            while after:
                pipe = self._redis.pipeline(transaction=False)
                for player, last in after.items():
                    pipe.xrange(TOWER.history(p, player), last, "+", count=PAGE)
                pages = dict(zip(after, await pipe.execute(), strict=True))
                found += [(who, i.decode(), fields[b"d"]) for who, items in pages.items() for i, fields in items]
                after = {who: f"({items[-1][0].decode()}" for who, items in pages.items() if len(items) == PAGE}
        return found

    async def decided(self, p: int, players: list[str]) -> dict[str, str]:
        """Return the id of the last decision that the archive has of each player."""
        if not players:
            return {}
        known = await self._redis.hmget(archived_decisions(p), players)
        return {player: last.decode() for player, last in zip(players, known, strict=True) if last}

    async def move(self, at: Reached, to: str, count: int, decided: dict[str, str]) -> None:
        """Say that the archive holds the lane up to an offset, and whose decisions up to which id; all at once.

        Raises:
            CursorMoved: the cursor is not where the pass began.
        """
        pairs = [word for pair in decided.items() for word in pair]
        keys = archived(at.partition), archived_decisions(at.partition)
        now = await self._redis.eval(_MOVE, 2, *keys, at.lane.name, at.cursor, to, count, *pairs)
        if now.decode() != to:
            raise CursorMoved(f"partition {at.partition} {at.lane.name}: the cursor is at {now.decode()}")

    async def trim_log(self, p: int, lane: Lane, until: str) -> int:
        """Remove a log's entries up to and with an offset, a bounded number at a time; how many went."""
        return await self._trim(lane.log(p), until)

    async def trim_histories(self, p: int, lane: Lane, until: dict[str, str]) -> None:
        """Remove players' records up to and with an id each."""
        for player, last in until.items():
            await self._trim(lane.history(p, player), last)

    async def note_trim(self, p: int, lane: Lane, until: str, *, ended: bool) -> None:
        """Write down up to where the store lets go: before the first entry goes, and after the last."""
        await self._redis.hset(archived(p), f"{lane.name}:{'trimmed' if ended else 'trimming'}", until)

    async def _trim(self, key: str, until: str) -> int:
        ms, _, n = until.partition("-")
        after = f"{ms}-{int(n) + 1}"
        gone = 0
        while removed := await self._redis.xtrim(key, minid=after, approximate=True, limit=TRIM_STEP):
            gone += removed
        return gone + int(await self._redis.xtrim(key, minid=after, approximate=False))  # less than a node is left
