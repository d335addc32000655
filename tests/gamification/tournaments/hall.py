"""A hall of partitions: logs, outboxes in order, boards, timers, groups and walks, as the shell keeps them.

Whatever waits may come next, in the order of its own log or outbox. What the protocol brings once may be brought
twice here, where the rules are to hold by themselves.
"""

from collections import Counter, deque
from random import Random
from typing import Any

from msgspec.structs import replace

from domain.effects import Effect, Posting
from domain.entries import (
    Barrier,
    BarrierPassed,
    BoardFrozen,
    Command,
    Entry,
    Event,
    KeeperAnswered,
    LogEntry,
    Merged,
    TimerFired,
    Visited,
    WalkAsked,
)
from domain.game_effects import Redeemed
from domain.ids import KEEPER_PREFIX, keeper_id, partition_of
from domain.player import Snapshot, all_parts, snapshot_from_parts
from domain.runs import RunRecord
from domain.step import BoardScore, Draws, Freeze, Step
from gamification import asking
from gamification.rules import Rules
from gamification.tournaments import merging, shown_run
from gamification.tournaments.view import tournaments_view
from gamification.turn import take_keeper_turn, take_turn
from gamification.working import Turn
from tests.gamification.playing import NOON, programme

PARTITIONS = 3
Row = tuple[str, Any]  # board, freeze, entry


def tournament(**more: Any) -> dict[str, Any]:
    """Return a tournament of bets by their amounts."""
    bets = {"event": "bet_placed", "score": {"sum": "properties.amount"}}
    return {"schedule": {"every": "day"}, "events": [bets], **more}


def prizes(*amounts: int) -> list[dict[str, Any]]:
    """Return prizes in points for the first places."""
    return [{"from": n, "rewards": [{"currency": "points", "amount": some}]} for n, some in enumerate(amounts, 1)]


class Board:
    """One board as the store keeps it."""

    def __init__(self) -> None:
        self.rows: dict[str, BoardScore] = {}
        self.is_frozen = False

    def write(self, row: BoardScore) -> None:
        held = self.rows.get(row.player)
        if not self.is_frozen and (held is None or held.version < row.version):
            self.rows[row.player] = row

    def ranked(self) -> list[tuple[str, float, int]]:
        there = [(row.player, row.score, row.reached_at) for row in self.rows.values() if row.score is not None]
        return sorted(there, key=lambda row: (-row[1], row[2], row[0]))


class Hall:
    """Everybody, by id.

    Args:
        twice: Told entries, timers, barriers and final tables come twice each.
    """

    def __init__(self, rules: Rules, now: int = NOON, *, twice: bool = False) -> None:
        self.rules = rules
        self.now = now
        self.twice = twice
        self.states: dict[str, Snapshot] = {}
        self.effects: dict[str, list[Effect]] = {}
        self.logs: dict[int, deque[tuple[int, Entry]]] = {p: deque() for p in range(PARTITIONS)}
        self.outboxes: dict[int, deque[Row]] = {p: deque() for p in range(PARTITIONS)}
        self.boards: dict[str, Board] = {}
        self.groups: dict[str, set[str]] = {}
        self.walked: set[tuple[int, str]] = set()
        self.timers: set[TimerFired] = set()
        self.keys: dict[str, str] = {}
        self.accounts: Counter[str] = Counter()
        self.turns = 0
        self.moved: dict[str, str] = {}  # who lives on as whom

    # what happens

    def does(self, player: str, name: str = "bet_placed", *, at: int | None = None, **properties: Any) -> None:
        """Append an event."""
        self.turns += 1
        event = Event(player, f"e{self.turns}", name, self.now if at is None else at, properties)
        self._log(partition_of(player, PARTITIONS), event)

    def asks(self, actor: str, name: str, **args: Any) -> None:
        """Append a command, of a player or a keeper."""
        self.turns += 1
        self._log(partition_of(actor, PARTITIONS), Command(actor, f"cmd:{self.turns}", name, args))

    def operator(self, run: str, name: str) -> None:
        self.asks(keeper_id("tournament", run), name)

    def one(self, rng: Random | None = None) -> bool:
        """Carry one row, or take one turn; False when all is quiet."""
        ways = [("log", p) for p, log in self.logs.items() if log]
        ways += [("outbox", p) for p, outbox in self.outboxes.items() if outbox]
        if not ways:
            return False
        kind, partition = rng.choice(ways) if rng else ways[0]
        if kind == "log":
            self._take(partition, *self.logs[partition].popleft())
        else:
            self._carry(self.outboxes[partition].popleft())
        return True

    def settle(self, rng: Random | None = None) -> None:
        while self.one(rng):
            continue

    def later(self, now: int, rng: Random | None = None) -> None:
        """Let everything arrive, then time pass: timers that are due by then fire in their order."""
        self.settle(rng)
        while self.fires(now):
            self.settle(rng)
        self.now = max(self.now, now)

    def fires(self, now: int) -> bool:
        """Put the next timer that is due by then into its log, whatever still waits there; False: there is none."""
        due = sorted((timer for timer in self.timers if timer.due <= now), key=lambda timer: timer.due)
        if due:
            self.timers.discard(due[0])
            self.now = max(self.now, due[0].due)
            self._append(due[0])
        return bool(due)

    def merge(self, source: str, into: str) -> None:
        """Have a profile hand over at once, and arrive in the other's log; what comes for it later is forwarded."""
        before = self.states.get(source, Snapshot(source))
        turn = Turn(self.rules, before, self.now, f"merge:{into}", offset=f"{self.turns}-9")
        merging.hand_over(turn, into)
        asking.hand_over(turn)
        partition = partition_of(source, PARTITIONS)
        step = turn.finished()
        assert not step.state.runs
        self.states[source] = step.state
        self._write(partition, source, step)
        self.moved[source] = into
        parts = {name: data for name, data in all_parts(before).items() if name != "wallet"}  # not of this room
        self.outboxes[partition].append(("entry", Merged(into, source, parts, f"merge:{source}")))

    # what is there

    def record(self, player: str, run: str) -> RunRecord:
        return self.states[player].runs[run]

    def balance(self, player: str, currency: str = "points") -> int:
        held = self.states.get(player, Snapshot(player)).wallet.get(currency)
        return held.balance if held else 0

    def happened(self, actor: str, kind: Any) -> list[Any]:
        return [effect for effect in self.effects.get(actor, []) if isinstance(effect, kind)]

    def shown(self, run: str) -> dict[str, Any]:
        keeper = self.states.get(keeper_id("tournament", run), Snapshot(""))
        shown = shown_run(self.rules, run, keeper.kept, self.now)
        assert shown is not None
        return shown

    def sees(self, player: str) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = tournaments_view(self.rules, self.states.get(player, Snapshot(player)), self.now)[
            "tournaments"
        ]
        return seen

    def table(self, board: str) -> list[str]:
        return [player for player, _, _ in self.boards[board].ranked()]

    # how it goes

    def _append(self, entry: Entry) -> None:
        """Put an entry into the log it is for; a second time where that must not matter."""
        told = isinstance(entry, KeeperAnswered) and entry.op == "tournament_result"
        again = self.twice and (told or isinstance(entry, TimerFired | BarrierPassed | BoardFrozen | Visited))
        for _ in range(1 + again):
            self._log(partition_of(entry.player, PARTITIONS), entry)

    def _log(self, partition: int, entry: Entry) -> None:
        """Append an entry, stamped with the time; it may wait for its turn."""
        self.logs[partition].append((self.now, entry))

    def _carry(self, row: Row) -> None:
        kind, body = row
        if kind == "board":
            for score in body:
                self.boards.setdefault(score.board, Board()).write(score)
        elif kind == "freeze":
            freeze: Freeze = body
            board = self.boards.setdefault(freeze.board, Board())
            board.is_frozen = True
            rows = board.ranked()
            self._append(BoardFrozen(freeze.keeper, freeze.board, len(rows), tuple(rows[: freeze.most])))
        elif kind == "own":
            partition, entry = body
            self._log(partition, entry)
        else:
            self._append(body)

    def _take(self, partition: int, at: int, entry: Entry) -> None:
        if isinstance(entry, Barrier):
            passed = BarrierPassed(entry.keeper, entry.id, partition, PARTITIONS)
            self.outboxes[partition].append(("entry", passed))
            return
        if isinstance(entry, WalkAsked):
            if (partition, entry.id) not in self.walked:
                self.walked.add((partition, entry.id))
                here = {p for p in self.groups.get(entry.group, set()) if partition_of(p, PARTITIONS) == partition}
                for player in sorted(here):
                    self._append(Visited(player, entry.id, entry.kind, entry.ref, entry.args))
            return
        actor = entry.player
        if (into := self.moved.get(actor)) is not None:
            if isinstance(entry, KeeperAnswered | Event):
                self.outboxes[partition].append(("entry", replace(entry, player=into)))
            return
        self.turns += 1
        logged = LogEntry(f"{self.turns}-0", at, entry)
        take = take_keeper_turn if actor.startswith(KEEPER_PREFIX) else take_turn
        before = self.states.get(actor, Snapshot(actor))
        step: Step[Snapshot] = take(self.rules, before, logged, Draws("seed", partition, logged.offset))
        if any(self.keys.get(key.key) == key.cause for key in step.keys):
            return  # recorded as a late duplicate, nothing of it applied
        for key in step.keys:
            assert key.key not in self.keys, f"{key.key} was taken by {self.keys[key.key]}, {key.cause} wants it"
            self.keys[key.key] = key.cause
        self.states[actor] = snapshot_from_parts(actor, 0, all_parts(step.state))
        assert self.states[actor] == step.state, "the stored form loses something"
        self._write(partition, actor, step)

    def _write(self, partition: int, actor: str, step: Step[Snapshot]) -> None:
        self.effects.setdefault(actor, []).extend(step.effects)
        for effect in step.effects:
            if isinstance(effect, Posting):
                self.accounts[effect.account] -= effect.amount
            elif isinstance(effect, Redeemed):
                self.accounts[effect.source] -= effect.amount
                self.accounts[effect.account] += effect.amount
        for timer in step.timers:
            (self.timers.add if timer.set else self.timers.discard)(timer.timer)
        for op in step.groups:
            (set.add if op.add else set.discard)(self.groups.setdefault(op.group, set()), actor)
        outbox = self.outboxes[partition]
        if step.scores:
            outbox.append(("board", step.scores))
        outbox.extend(("entry", relay) for relay in step.relays)
        outbox.extend(("freeze", freeze) for freeze in step.freezes)
        outbox.extend(("own", (p, entry)) for entry in step.barriers for p in range(PARTITIONS))


def hall(now: int = NOON, *, twice: bool = False, **tournaments: dict[str, Any]) -> Hall:
    """Return a hall of the tournaments given, with the currency gems."""
    documents = {name.replace("_", "-"): document for name, document in tournaments.items()}
    return Hall(programme(tournaments=documents, currencies={"gems": {}}), now, twice=twice)
