"""Ada plays where bets may be rolled back; beside her, the same stream without what was rolled back."""

from typing import Any

from msgspec.structs import replace

from domain.effects import Answered, Posting, lifetime_change
from domain.entries import Command, Event, LogEntry, TimerFired
from domain.game_effects import CaseOpened, RolledBack
from domain.player import Balance, Snapshot, changed_parts, snapshot_from_parts
from domain.step import Draws, Grant, Step
from gamification.rollback.recording import GAME_PARTS
from gamification.rules import Rules
from gamification.turn import take_grants, take_turn
from tests.gamification.playing import NOON, programme

ROLLBACK = {"events": ["bet_placed", "bet_settled"], "is": "rollback", "by": ["properties.tx", "properties.round"]}

SPENDING = ("adjust", "buy_freeze")
Row = LogEntry | tuple[int, str, tuple[Grant, ...]]


def rolling(changes: dict[str, Any] | None = None, version: int = 1, older: Any = None, **kinds: Any) -> Rules:
    """Compile a programme whose bets may be rolled back."""
    settings = {"main": {"rollback": ROLLBACK | (changes or {})}}
    return programme(version, older=older, settings=settings, **kinds)


class Roller:
    """Folds rows as they come, and fires timers as they are due; what it is left with can be compared."""

    def __init__(self, rules: Rules, now: int = NOON, player: str = "ada") -> None:
        self.player = player
        self.rules = rules
        self.now = now
        self.snapshot = Snapshot(self.player)
        self.rows: list[Row] = []
        self.armed: dict[TimerFired, None] = {}
        self.effects: list[Any] = []
        self.keys: dict[str, str] = {}
        self.board: dict[str, tuple[int, float | None, int]] = {}
        self.written: list[int] = []  # bytes, by turn
        self.relays: list[Any] = []
        self.told: list[Any] = []

    def fold(self, row: Row) -> list[Any]:
        """Take one row; what it did."""
        before = self.snapshot
        if isinstance(row, LogEntry):
            if isinstance(row.entry, TimerFired):
                self.armed.pop(row.entry, None)
            step = take_turn(self.rules, before, row, Draws("seed", 0, row.offset))
        else:
            step = take_grants(self.rules, before, *row)
        self.rows.append(row)
        self._keep(before, step)
        return list(step.effects)

    def _keep(self, before: Snapshot, step: Step[Snapshot]) -> None:
        fields = changed_parts(before, step.state)
        self.written.append(sum(map(len, fields.values())))
        whole = changed_parts(Snapshot(self.player), step.state)
        assert snapshot_from_parts(self.player, 0, whole) == step.state, "the stored form loses something"
        kept = {name: data for name, data in fields.items() if name.startswith("journal")}
        again = snapshot_from_parts(self.player, 0, kept, before.journal).journal if kept else before.journal
        assert again == step.state.journal, "what was written does not lead on from what was stored"
        self.snapshot = step.state
        self.effects += step.effects
        self.relays += step.relays
        self.told += step.told
        for key in step.keys:
            assert self.keys.setdefault(key.key, key.cause) == key.cause, f"{key.key} would stop the partition"
        for op in step.timers:
            if op.set:
                self.armed[op.timer] = None
            else:
                self.armed.pop(op.timer, None)
        for score in step.scores:
            if score.version > self.board.get(score.board, (0, None, 0))[0]:
                self.board[score.board] = (score.version, score.score, score.reached_at)

    def take(self, entry: Any) -> list[Any]:
        """Take an entry of its own, now."""
        return self.fold(LogEntry(f"{len(self.rows) + 1}-0", self.now, entry))

    def passes(self, ms: int) -> None:
        """Let time go by; timers fire when they are due."""
        until = self.now + ms
        while due := min((timer for timer in self.armed if timer.due <= until), key=_order, default=None):
            self.now = max(self.now, due.due)
            self.take(due)
        self.now = until

    def does(self, name: str, late_ms: int = 0, **properties: Any) -> list[Any]:
        """Send an event that occurred so long ago."""
        return self.take(Event(self.player, f"e{len(self.rows) + 1}", name, self.now - late_ms, properties))

    def takes_back(self, name: str = "bet_placed", **properties: Any) -> list[Any]:
        """Send the rollback of what has these properties."""
        return self.does(name, status="Rollback", **properties)

    def given(self, amount: int) -> list[Any]:
        """Let a journey give points."""
        return self.fold((self.now, f"g{len(self.rows) + 1}", (Grant("points", amount, "journeys/hello/gift"),)))

    def balance(self, currency: str = "points") -> int:
        return self.snapshot.wallet.get(currency, Balance()).balance

    def game(self) -> dict[str, Any]:
        """Return what is compared: the parts of the game, without versions of scores and answers once delivered."""
        parts = {name: getattr(self.snapshot, name) for name in GAME_PARTS}
        parts["wallet"] = {name: held for name, held in parts["wallet"].items() if held != Balance()}
        parts["metrics"] = {name: held for name, held in parts["metrics"].items() if held.buckets or held.values}
        parts["runs"] = {name: replace(run, version=0) for name, run in parts["runs"].items()}
        parts["asks"] = parts["asks"].open
        return parts | {"profile": self.snapshot.profile}

    def check_ledger(self) -> None:
        """Postings add up to what is held, each balance on the way, and all accounts to zero."""
        balances: dict[str, int] = {}
        lifetimes: dict[str, int] = {}
        accounts: dict[str, int] = {}
        for effect in self.effects:
            if isinstance(effect, Posting):
                balances[effect.currency] = balances.get(effect.currency, 0) + effect.amount
                assert balances[effect.currency] == effect.balance_after
                more = lifetime_change(effect.account, effect.amount)
                lifetimes[effect.currency] = lifetimes.get(effect.currency, 0) + more
                accounts[effect.currency] = accounts.get(effect.currency, 0) - effect.amount
        for currency, held in self.snapshot.wallet.items():
            assert (held.balance, held.lifetime) == (balances.get(currency, 0), lifetimes.get(currency, 0))
            assert held.balance + accounts.get(currency, 0) == 0


def without(live: Roller, rules: Rules) -> Roller:
    """Fold the stream again as if what was rolled back had never come: such events, and rollbacks, move nothing.

    ``rules`` know of no rollbacks, and let balances fall below zero: what was bought was bought. What was refused to
    be sold stays refused.
    """
    gone = {event for effect in live.effects if isinstance(effect, RolledBack) for event in effect.events}
    gone |= {effect.by for effect in live.effects if isinstance(effect, RolledBack)}
    refused = _refused(live)
    other = Roller(rules)
    for i, row in enumerate(live.rows):
        if isinstance(row, LogEntry) and isinstance(row.entry, TimerFired) and _is_ours(row.entry):
            continue
        if i in refused and isinstance(row, LogEntry) and isinstance(row.entry, Command):
            row = replace(row, entry=replace(row.entry, name="adjust", args={}))
        if isinstance(row, LogEntry) and isinstance(row.entry, Event):
            said = row.entry
            if said.id in gone or str(said.properties.get("status")).lower() == "rollback":
                row = replace(row, entry=replace(said, name="nothing"))
        other.fold(row)
        other.now = row.at if isinstance(row, LogEntry) else row[0]
    return other


def _is_ours(timer: TimerFired) -> bool:
    return timer.kind == "rollback_waits"


def _refused(live: Roller) -> set[int]:
    """Return the places of commands that spend and were refused; found by folding once more."""
    again, refused = Roller(live.rules), set()
    for i, row in enumerate(live.rows):
        effects = again.fold(row)
        spends = isinstance(row, LogEntry) and isinstance(row.entry, Command) and row.entry.name in SPENDING
        if spends and any(isinstance(effect, Answered) and effect.code != "ok" for effect in effects):
            refused.add(i)
    return refused


def cases(effects: list[Any]) -> list[str]:
    return [effect.about for effect in effects if isinstance(effect, CaseOpened)]


def _order(timer: TimerFired) -> tuple[int, str, str, int]:
    return timer.due, timer.kind, timer.ref, timer.generation


__all__ = ["Roller", "cases", "rolling", "without"]
