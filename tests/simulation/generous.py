"""The players' reducer with two rules of the tests' own, so that in every run something goes from partition to
partition and somebody comes into groups and leaves them, whatever the programme has.
"""

from typing import Any
from zlib import crc32

from actors.partition import PartState
from actors.processor import Folded, Known
from domain.entries import Event, LogEntry, encode_entry
from domain.ids import partition_of
from domain.player import Snapshot

FANS = ("fans/0", "fans/1")


class Generous:
    """Who wins has a friend place a bet, in the friend's own log; each bet of a player moves it between groups."""

    def __init__(self, reducer: Any, players: tuple[str, ...], partitions: int) -> None:
        self._reducer = reducer
        self._players = players
        self._partitions = partitions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reducer, name)

    async def fold(
        self, partition: int, part: PartState, states: dict[str, Snapshot], entries: list[LogEntry], known: Known
    ) -> Folded[Snapshot]:
        folded: Folded[Snapshot] = await self._reducer.fold(partition, part, states, entries, known)
        for entry in entries:
            what = entry.entry
            if not isinstance(what, Event) or what.name not in ("bet_placed", "bet_won"):
                continue
            drawn = crc32(what.id.encode())
            folded.commit.groups.append((drawn % 3 > 0, FANS[drawn % 2], what.player))
            if what.name == "bet_won":
                friend = self._players[drawn % len(self._players)]
                gift = Event(friend, f"gift:{what.player}:{what.id}", "bet_placed", what.occurred_at)
                folded.commit.relays.append((partition_of(friend, self._partitions), encode_entry(gift)))
        return folded
