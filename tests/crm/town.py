"""A town of players without a store: whole turns over logs in memory, relays delivered when the town says so."""

from collections import Counter, defaultdict
from typing import Any

from actors.player import Player, Told
from actors.programme import Programme, compile_programme
from actors.turns import Turns
from domain.effects import Effect, Posting, decode_record
from domain.entries import Entry, Event, Fact, LogEntry, MergeAsked, TimerFired, decode_entry
from domain.player import Snapshot, all_parts, snapshot_from_parts

NOON = 1_772_452_800_000
MINUTE = 60_000


def documents(**more: Any) -> dict[str, dict[str, Any]]:
    """Return a programme of one earn rule, a mission with a timer and a segment, with more kinds beside it."""
    return {
        "currencies": {"points": {}},
        "earn-rules": {"bets": {"event": "bet_placed", "amount": 5}},
        "missions": {
            "ten": {"tasks": [{"id": "bets", "event": "bet_placed", "count": 10}], "time_limit_s": 3600},
        },
    } | {kind.replace("_", "-"): value for kind, value in more.items()}


class Town:
    """Everybody, and what is on its way between them."""

    def __init__(self, programme: Programme | None = None) -> None:
        self.told = Told(programme or compile_programme(1, documents()), 0, "seed")
        self.states: dict[str, Snapshot] = {}
        self.on_the_way: list[Entry] = []
        self.timers: set[bytes] = set()
        self.groups: dict[str, set[str]] = defaultdict(set)
        self.accounts: Counter[str] = Counter()
        self.facts: list[Fact] = []
        self.stops: dict[str, set[str]] = {}  # as the store has them: ``reason`` or ``reason|until``
        self.mutes: dict[str, set[str]] = defaultdict(set)
        self.outputs: list[Entry] = []  # for the tower's log, all of them
        self.proposed: list[bytes] = []
        self.effects: dict[str, list[Effect]] = defaultdict(list)
        self.now = NOON
        self.count = 0

    def of(self, player: str) -> Snapshot:
        return self.states.get(player, Snapshot(player))

    def take(self, entry: Entry) -> list[Effect]:
        """Take one turn and keep what it writes."""
        self.count += 1
        player = entry.player
        turns, state = Player(self.of(player)).take([LogEntry(f"{self.count}-0", self.now, entry)], self.told)
        assert not turns.failed, turns.failed
        stored = snapshot_from_parts(player, state.version, all_parts(state))
        assert stored == state, "the stored form loses something"
        self.states[player] = stored
        self.on_the_way += [decode_entry(body) for _, body in turns.relays]
        return self._keep(player, turns)

    def _keep(self, player: str, turns: Turns) -> list[Effect]:
        for is_set, _, member in turns.timers:
            self.timers.add(member) if is_set else self.timers.discard(member)
        for add, group in turns.groups:
            self.groups[group].add(player) if add else self.groups[group].discard(player)
        self.accounts.update(turns.accounts)
        outputs = [decode_entry(body) for body in turns.outputs]
        self.outputs += outputs
        self.facts += [fact for fact in outputs if isinstance(fact, Fact)]
        self._shut(player, turns)
        self.proposed += turns.duplicates
        effects = [effect for _, data in turns.history for effect in decode_record(data).effects]
        self.effects[player] += effects
        return effects

    def _shut(self, player: str, turns: Turns) -> None:
        """Do as the store's gates do: lifts before stops, one stop a reason."""
        held = {stop.partition("|")[0]: stop for stop in self.stops.get(player, set())}
        for reason in turns.lifts:
            held.pop(reason, None)
        held |= {stop.partition("|")[0]: stop for stop in turns.stops}
        if turns.lifts or turns.stops:
            self.stops[player] = set(held.values())
        for is_set, mark in turns.mutes:
            (self.mutes[player].add if is_set else self.mutes[player].discard)(mark)

    def does(self, player: str, name: str = "bet_placed", *, anonymous: str = "", **more: Any) -> list[Effect]:
        event = Event(player, f"e{self.count}", name, self.now, **{"properties": {}, **more}, anonymous=anonymous)
        return self.take(event)

    def settle(self) -> None:
        """Deliver everything that is on its way, in order, until nothing is."""
        for _ in range(1_000):
            if not self.on_the_way:
                return
            self.take(self.on_the_way.pop(0))
        raise AssertionError(f"they never stop: {self.on_the_way[:3]}")

    def asked(self) -> list[tuple[str, str]]:
        """Return who was asked to join whom, of what is on its way."""
        return [(e.player, e.into) for e in self.on_the_way if isinstance(e, MergeAsked)]

    def armed(self, player: str) -> list[TimerFired]:
        timers = [decode_entry(member) for member in self.timers]
        return [t for t in timers if isinstance(t, TimerFired) and t.player == player]

    def points(self, player: str) -> int:
        held = self.of(player).wallet.get("points")
        return held.balance if held else 0

    def lives_on_as(self, player: str) -> str:
        while owner := self.of(player).identity.merged_into:
            player = owner
        return player

    def posted(self, player: str) -> int:
        return sum(e.amount for e in self.effects[player] if isinstance(e, Posting))
