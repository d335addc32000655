"""A reducer as small as can be, for tests of the processor."""

from typing import Any

from msgspec import Struct, structs

from actors.partition import PartState
from actors.processor import Folded, Known
from domain.entries import Event, LogEntry, TimerFired, encode_entry
from store.ports import Commit, Write

TOLD = encode_entry(TimerFired("ann", "told", "", 0))


class Points(Struct, frozen=True):
    """How many events a player had, and how many of them brought a message."""

    player: str
    version: int = 0
    count: int = 0
    sent: int = 0


class CountingReducer:
    """Counts events, and tells the tower of each. ``deliver``: also sends a message, unless the player is stopped."""

    def __init__(self, *, deliver: bool = False) -> None:
        self._deliver = deliver

    def decode(self, player: str, version: int, parts: dict[str, bytes]) -> Points:
        return Points(player, version, int(parts.get("count", b"0")), int(parts.get("sent", b"0")))

    def parts(self, state: Points) -> dict[str, bytes]:
        return {"count": str(state.count).encode(), "sent": str(state.sent).encode()}

    def version(self, state: Points) -> int:
        return state.version

    async def prepare(self, part: PartState, entries: list[LogEntry]) -> None: ...

    async def fold(
        self, _partition: int, part: PartState, states: dict[str, Points], entries: list[LogEntry], known: Known
    ) -> Folded[Points]:
        folded: Folded[Points] = Folded(Commit("", ""), part=part)
        after: dict[str, Any] = dict(states)
        for entry in entries:
            if not isinstance(entry.entry, Event):
                continue
            player = entry.entry.player
            is_sent = self._deliver and player not in known.stopped
            state = after[player]
            after[player] = structs.replace(state, count=state.count + 1, sent=state.sent + is_sent)
            folded.commit.outputs.append(TOLD)
            folded.commit.inbox += [(player, b"message", False)] * is_sent
        for player, state in after.items():
            base = states[player].version
            folded.states[player] = structs.replace(state, version=base + 1)
            folded.commit.writes.append(Write(player, base, base + 1, self.parts(state)))
        return folded
