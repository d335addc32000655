"""The gates of the model: ``store/lua/gates.lua`` in plain Python."""

from collections.abc import Callable

from store.gates import plain, read_value
from tests.simulation.model_state import LaneState, PartitionState


def set_stop(shared: PartitionState, player: str, reason: str, until: str) -> None:
    """Add a reason, or replace its end."""
    lines = [line for line in shared.stops.get(player, []) if _reason(line) != reason]
    shared.stops[player] = [*lines, f"{reason}|{until}"]


def lift(shared: PartitionState, player: str, reason: str) -> None:
    """Lift a reason; "" all of them."""
    lines = [line for line in shared.stops.pop(player, []) if reason and _reason(line) != reason]
    if lines:
        shared.stops[player] = lines


def set_mute(shared: PartitionState, is_set: bool, player: str, mark: str) -> None:
    """Set or clear a mark."""
    marks = [old for old in shared.mutes.pop(player, []) if old != mark] + [mark] * is_set
    if marks:
        shared.mutes[player] = marks


def is_stopped(shared: PartitionState, player: str, at: int) -> bool:
    """Tell whether the player is excluded at a time."""
    return player in shared.stops and bool(read_value("\n".join(shared.stops[player]).encode(), at))


def is_muted(shared: PartitionState, player: str, marks: tuple[str, ...]) -> bool:
    """Tell whether one of a dispatch's marks is muted."""
    return not set(marks).isdisjoint(shared.mutes.get(player, ()))


def _reason(line: str) -> str:
    head, bar, tail = line.rpartition("|")
    return head if bar and (not tail or tail.isdigit()) else line


class GatesModel:
    """The part of ``ModelStore`` that closes and opens gates."""

    now_ms: Callable[[], int]
    of: Callable[[int], PartitionState]

    def stopped(self, partition: int, player: str, lane: str = "players", clock: str = "store") -> bool:
        shared = self.of(partition)
        return is_stopped(shared, player, self.time_of(shared.lanes[lane], clock))

    def exclude(
        self, partition: int, player: str, reason: str, body: bytes, clock: str = "store", until: int | None = None
    ) -> int:
        """Set a reason; "" lifts all, as ``Intake.exclude``."""
        if not reason:
            return self.readmit(partition, player, "", body, clock)
        shared = self.of(partition)
        set_stop(shared, player, plain(reason), "" if until is None else str(until))
        return self._told(shared, player, body, clock)

    def readmit(self, partition: int, player: str, reason: str, body: bytes, clock: str = "store") -> int:
        shared = self.of(partition)
        lift(shared, player, plain(reason))
        return self._told(shared, player, body, clock)

    def mute(self, partition: int, player: str, mark: str, is_set: bool, body: bytes, clock: str = "store") -> int:
        shared = self.of(partition)
        set_mute(shared, is_set, player, mark)
        return self._told(shared, player, body, clock)

    def time_of(self, m: LaneState, clock: str) -> int:
        return m.at if clock == "log" else max(self.now_ms(), m.at)

    def _told(self, shared: PartitionState, player: str, body: bytes, clock: str) -> int:
        """Append the entry; how many sends are in flight for the player."""
        m = shared.lanes["players"]
        m.at = self.time_of(m, clock)
        m.log.add("*", {"a": b"%d" % m.at, "e": body}, self.now_ms())
        m.entered += 1
        return len(shared.in_flight.get(player, ()))
