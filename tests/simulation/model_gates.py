"""The gates of the model: ``store/lua/gates.lua`` in plain Python."""

from collections.abc import Callable

from store.gates import plain, read_line, read_value
from store.ports import Commit
from tests.simulation.model_state import LaneState, PartitionState
from tests.simulation.streams import parsed


def set_stop(shared: PartitionState, player: str, reason: str, until: str) -> None:
    """Add a reason, or put its end off."""
    for line in shared.stops.get(player, []):
        known = line[len(reason) + 1 :]
        if _reason(line) == reason and until and (not known or int(known) > int(until)):
            until = known
    lines = [line for line in shared.stops.get(player, []) if _reason(line) != reason]
    shared.stops[player] = [*lines, f"{reason}|{until}"]


def lift(shared: PartitionState, player: str, reason: str) -> None:
    """Lift a reason; "" all of them."""
    lines = [line for line in shared.stops.pop(player, []) if reason and _reason(line) != reason]
    if lines:
        shared.stops[player] = lines


def reasons(shared: PartitionState, player: str) -> list[str]:
    """Return why the player is stopped, whether it still runs or not."""
    return [_reason(line) for line in shared.stops.get(player, ()) if line]


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
    _off: frozenset[str]

    def stopped(self, partition: int, player: str, lane: str = "players", clock: str = "store") -> bool:
        shared = self.of(partition)
        return is_stopped(shared, player, self.time_of(shared.lanes[lane], clock))

    def exclude(
        self, partition: int, player: str, reason: str, body: bytes, clock: str = "store", until: int | None = None
    ) -> int:
        """Set a reason; "" lifts all, as ``Intake.exclude``."""
        if not reason:
            return self.readmit(partition, player, "", body, clock)
        shared, reason = self.of(partition), plain(reason)
        set_stop(shared, player, reason, "" if until is None else str(until))
        shared.gated["s", player, reason] = self._told(shared, body, clock)
        return len(shared.in_flight.get(player, ()))

    def readmit(self, partition: int, player: str, reason: str, body: bytes, clock: str = "store") -> int:
        shared, reason = self.of(partition), plain(reason)
        for each in [reason] if reason else reasons(shared, player):
            shared.gated.pop(("s", player, each), None)
        lift(shared, player, reason)
        self._told(shared, body, clock)
        return len(shared.in_flight.get(player, ()))

    def mute(self, partition: int, player: str, mark: str, is_set: bool, body: bytes, clock: str = "store") -> int:
        shared = self.of(partition)
        set_mute(shared, is_set, player, mark)
        entry = self._told(shared, body, clock)
        if is_set:
            shared.gated["m", player, mark] = entry
        else:
            shared.gated.pop(("m", player, mark), None)
        return len(shared.in_flight.get(player, ()))

    def write_gates(self, shared: PartitionState, c: Commit, off: str) -> None:
        """Write what turns say of gates, up to the entry ``off``; what an answered call closed after it stays so."""
        for player, reason in c.lifts:
            if reason:
                some = [reason]
            elif not (some := reasons(shared, player)):
                lift(shared, player, "")
            for each in some:
                if not self._is_closed_after(shared, ("s", player, each), off):
                    lift(shared, player, each)
        for player, line in c.stops:
            reason, until = read_line(line)
            if not self._is_closed_after(shared, ("s", player, reason), off):
                set_stop(shared, player, reason, until)
        for is_set, player, mark in c.mutes:
            if not self._is_closed_after(shared, ("m", player, mark), off):
                set_mute(shared, is_set, player, mark)

    def _is_closed_after(self, shared: PartitionState, gate: tuple[str, str, str], off: str) -> bool:
        entry = shared.gated.get(gate)
        if entry and parsed(entry) > parsed(off) and "gate-order" not in self._off:
            return True
        shared.gated.pop(gate, None)
        return False

    def time_of(self, m: LaneState, clock: str) -> int:
        return m.at if clock == "log" else max(self.now_ms(), m.at)

    def _told(self, shared: PartitionState, body: bytes, clock: str) -> str:
        """Append the entry; its id."""
        m = shared.lanes["players"]
        m.at = self.time_of(m, clock)
        m.entered += 1
        return m.log.add("*", {"a": b"%d" % m.at, "e": body}, self.now_ms())
