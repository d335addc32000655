"""Boards: players by score, exact ranks, beside the partitions (docs/adr/0012).

A row is absolute: a player's whole score, with a version that rises. So whoever carries rows may do it late or twice.
The ranking: higher scores first; of equal scores who reached it first; then by player id. Ranks begin at 1.
"""

import math
from collections.abc import Iterable
from typing import Any

import msgpack
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.entries import BoardFrozen
from domain.step import BoardScore, Freeze
from store.client import is_transient
from store.keys import BOARDS, board
from store.ports import Unavailable

KEPT_MS = 400 * 86_400_000  # after it was frozen; a board that is not, after it was last written
ROWS_MAX = 64  # of one call: under 1 ms of the server's time, for others wait behind it
LISTED_MAX = 4_096  # names that a process remembers to be on the list
REACHED_MAX = (1 << 48) - 1  # ms, year 10889: what 12 hexadecimal digits hold

_pack = msgpack.Packer(use_bin_type=False).pack


class Row(Struct, frozen=True):
    """A place on a board."""

    rank: int  # from 1
    player: str
    score: float
    reached_at: int  # ms


class Table(Struct, frozen=True):
    """A look at a board: what it says of itself, and some rows in their order, all of one moment."""

    entrants: int
    rows: list[Row] = []
    frozen_at: int = 0  # ms; 0: it takes scores
    late: int = 0  # players whose later score it has not taken, since it was frozen
    rank: int = 0  # of the player that was asked about; 0: not on the board, or none was


class Held(Struct, frozen=True):
    """What a board keeps of one player."""

    version: int
    score: float | None = None  # None: taken off
    reached_at: int = 0  # ms
    late: int = 0  # version of what came after the board was frozen; 0: nothing did


class Boards:
    """All boards of a store.

    Args:
        kept_ms: How long a board is kept.
    """

    def __init__(self, redis: Redis, kept_ms: int = KEPT_MS) -> None:
        self._redis: Any = redis
        self._kept_ms = kept_ms
        self._listed: dict[str, None] = {}  # the latest last

    async def score(self, scores: Iterable[BoardScore]) -> set[str]:
        """Write rows; return the boards of which some may not have been written.

        A score that is no finite number has no place among others and is left out; the rules give none.

        Raises:
            Unavailable: the store did not answer; all may or may not have been written.
        """
        by_board: dict[str, dict[str, BoardScore]] = {}
        for row in scores:
            if row.score is None or math.isfinite(row.score):
                newest = by_board.setdefault(row.board, {})
                if (held := newest.get(row.player)) is None or row.version > held.version:
                    newest[row.player] = row
        await self._enlist(name for name in by_board if name not in self._listed)
        calls = [(name, some) for name, rows in by_board.items() for some in _in_calls(list(rows.values()))]
        pipe = self._redis.pipeline(transaction=False)
        for name, rows in calls:
            pipe.fcall("pt_board", 4, *board(name), self._kept_ms, _pack(rows))
        told = list(zip(calls, await _answers(pipe), strict=True))
        await self._enlist(name for (name, _), reply in told if not _failed(reply) and reply[2])
        return {name for (name, _), reply in told if _failed(reply)}

    async def freeze(self, freezes: list[Freeze]) -> list[BoardFrozen | None]:
        """Have boards take no more scores; what each came to, for its keeper. None: it did not answer.

        A frozen board is the same whenever it is asked again, and so is what is told of it.

        Raises:
            Unavailable: the store did not answer.
        """
        await self._enlist(freeze.board for freeze in freezes if freeze.board not in self._listed)
        pipe = self._redis.pipeline(transaction=False)
        for freeze in freezes:
            pipe.fcall("pt_board_freeze", 4, *board(freeze.board), self._kept_ms, freeze.most)
        return [
            None if _failed(reply) else _frozen(freeze, reply)
            for freeze, reply in zip(freezes, await _answers(pipe), strict=True)
        ]

    async def top(self, name: str, limit: int, after: int = 0) -> Table:
        """Read rows from the rank behind ``after`` on. A board that nobody knows is empty."""
        (table,) = await self._read([(name, "", after, limit)])
        return table

    async def around(self, name: str, player: str, each: int) -> Table:
        """Read a player's rank and the rows beside it, ``each`` before and behind; none when not on the board."""
        (table,) = await self._read([(name, player, -each, 2 * each + 1)])
        return table

    async def standings(self, wanted: list[tuple[str, str]]) -> list[Table]:
        """Read the ranks of players, each on a board, in one round trip; the only row is the player's own."""
        return await self._read([(name, player, 0, 1) for name, player in wanted])

    async def held(self, name: str, players: list[str]) -> list[Held | None]:
        """Read what a board keeps of players; None of those that it never had a row of."""
        _, rows, _, late = board(name)
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(rows, players)
        pipe.hmget(late, players)
        known, came_late = await _read(pipe)
        return [
            _held(row, int(version or 0)) if row or version else None
            for row, version in zip(known, came_late, strict=True)
        ]

    async def known(self, name: str) -> tuple[bool, int]:
        """Tell whether the board is there, and of how many players it ever took a row."""
        _, rows, itself, _ = board(name)
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(itself)
        pipe.hlen(rows)
        is_there, players = await _read(pipe)
        return bool(is_there), players

    async def names(self, limit: int, after: str = "") -> list[str]:
        """Return the next boards by name, ``limit`` of them at most while there are more; expired ones leave the list.

        Raises:
            Unavailable: the store did not answer.
        """
        found: list[str] = []
        while len(found) < limit:
            pipe = self._redis.pipeline(transaction=False)
            pipe.zrangebylex(BOARDS, f"({after}" if after else "-", "+", start=0, num=limit)
            (page,) = await _read(pipe)
            if not page:
                break
            after = page[-1].decode()
            pipe = self._redis.pipeline(transaction=False)
            for name in page:
                pipe.exists(board(name.decode())[2])
            alive = await _read(pipe)
            found += [name.decode() for name, is_there in zip(page, alive, strict=True) if is_there]
            if gone := [name for name, is_there in zip(page, alive, strict=True) if not is_there]:
                pipe = self._redis.pipeline(transaction=False)
                pipe.zrem(BOARDS, *gone)
                await _read(pipe)
        return found[:limit]

    async def _read(self, wanted: list[tuple[str, str, int, int]]) -> list[Table]:
        if not wanted:
            return []
        pipe = self._redis.pipeline(transaction=False)
        for name, player, first, count in wanted:
            pipe.fcall_ro("pt_board_read", 4, *board(name), player, first, count)
        return [_table(reply) for reply in await _read(pipe)]

    async def _enlist(self, names: Iterable[str]) -> None:
        """Put boards on the list: before they are written, and when a write has made one.

        One that is there and not listed would never be found; a reader may strike one off before its first row is in.
        """
        fresh = list(dict.fromkeys(names))
        if not fresh:
            return
        pipe = self._redis.pipeline(transaction=False)
        pipe.zadd(BOARDS, dict.fromkeys(fresh, 0))
        await _read(pipe)
        self._listed.update(dict.fromkeys(fresh))
        while len(self._listed) > LISTED_MAX:
            del self._listed[next(iter(self._listed))]


def _in_calls(rows: list[BoardScore]) -> list[list[str]]:
    """Return rows as the function takes them: text, since numbers in Lua lose digits when they are written."""
    calls = []
    for start in range(0, len(rows), ROWS_MAX):
        call: list[str] = []
        for row in rows[start : start + ROWS_MAX]:
            score = "" if row.score is None else repr(0.0 - row.score)
            call += (row.player, str(row.version), score, f"{min(max(row.reached_at, 0), REACHED_MAX):012x}")
        calls.append(call)
    return calls


def _rows(reply: list[bytes], first: int) -> list[Row]:
    """Read members and scores in their order; ``first`` is the first one's rank."""
    rows = []
    for n, (member, score) in enumerate(zip(reply[::2], reply[1::2], strict=True), first):
        reached, _, player = member.decode().partition("|")
        rows.append(Row(n, player, 0.0 - float(score), int(reached, 16)))
    return rows


def _held(row: bytes | None, late: int) -> Held:
    if row is None:
        return Held(0, late=late)
    version, score, reached = row.decode().split("|")
    return Held(int(version), 0.0 - float(score) if score else None, int(reached, 16), late)


def _table(reply: list[Any]) -> Table:
    entrants, frozen, late, rank, first, rows = reply
    return Table(entrants, _rows(rows, first + 1), int(frozen or 0), late, rank + 1)


def _frozen(freeze: Freeze, reply: list[Any]) -> BoardFrozen:
    entrants, _, rows = reply
    told = tuple((row.player, row.score, row.reached_at) for row in _rows(rows, 1))
    return BoardFrozen(freeze.keeper, freeze.board, entrants, told, cause=f"{freeze.keeper}|{freeze.board}")


def _failed(reply: Any) -> bool:
    return isinstance(reply, Exception)


async def _answers(pipe: Any) -> list[Any]:
    """Execute a pipeline; that one board's store does not answer comes back as a value.

    Raises:
        Unavailable: the store did not answer.
    """
    try:
        replies = list(await pipe.execute(raise_on_error=False))
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
    for reply in replies:
        if isinstance(reply, Exception) and not is_transient(reply):
            raise reply
    return replies


async def _read(pipe: Any) -> list[Any]:
    """Execute a pipeline of which all must answer.

    Raises:
        Unavailable: the store did not answer.
    """
    replies = await _answers(pipe)
    for reply in replies:
        if isinstance(reply, Exception):
            raise Unavailable(str(reply)) from reply
    return replies
