"""The player is moved from the state with an event to the state without it: what is posted, set, sent and told.

Both states come of the same fold, so whatever differs is because of the event that is left out.
"""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from domain.effects import UNEARNED, AchievementReached, Effect, LevelChanged, MissionProgressed, MissionStatus, Posting
from domain.entries import Entry, KeeperAsked, TimerFired
from domain.game_effects import LeaderboardMoved, SpinsChanged, StreakCounted
from domain.ids import keeper_of
from domain.journal import Correction
from domain.player import Asks, Balance, Snapshot, with_parts
from domain.runs import RunRecord
from domain.step import BoardScore, GroupOp, TimerOp
from gamification.rollback.folding import Folded
from gamification.rollback.recording import GAME_PARTS
from gamification.rollback.rules import RollbackRule
from gamification.rules import MissionRule, Rules
from gamification.store.stock import item_of

RESPENT = "respent"
WRITTEN_OFF = "written_off"
OVER = frozenset({"refused", "withdrawn", "cancelled", "finished"})  # runs whose boards take no scores any more
KEPT_KEEPERS = frozenset({"tournament", "tournaments"})  # who has joined a run stays in it
_NOTHING = Balance()
_SHOWN: dict[str, str] = {"shop": "purchases", "games": "games"}  # parts that are told of as a whole


class Move:
    """Gathers what the move takes, from the present state, the fold with the event and the one without it."""

    def __init__(
        self, rule: RollbackRule, rules: Rules, live: Snapshot, past: Folded, other: Folded, at: int, cause: str
    ) -> None:
        self._rule = rule
        self._rules = rules
        self._live = live
        self._past = past
        self._other = other
        self._at = at
        self._cause = f"rollback/{cause}"
        self.effects: list[Effect] = []
        self.timers: list[TimerOp] = []
        self.groups: list[GroupOp] = []
        self.relays: list[Entry] = []
        self.told: list[Entry] = []
        self.scores: list[BoardScore] = []
        self.left: list[str] = []  # what cannot be undone, for a person
        self.written_off: dict[str, int] = {}
        self.changed: list[str] = []
        self._versions: dict[str, int] = {}
        self._kept_runs: dict[str, RunRecord] = {}
        self.state = self._moved()

    @property
    def correction(self) -> Correction | None:
        """Return what later folds must know beside the events left out."""
        if self.written_off or self._versions or self._kept_runs:
            return Correction(self.written_off, self._versions, self._kept_runs)
        return None

    @property
    def debts(self) -> dict[str, int]:
        """Return how far below zero balances are now that were not before."""
        held = self._live.wallet
        return {
            currency: -balance.balance
            for currency, balance in self.state.wallet.items()
            if balance.balance < min(0, held.get(currency, _NOTHING).balance)
        }

    def _moved(self) -> Snapshot:
        live, other = self._live, self._other.state
        parts: dict[str, Any] = {name: getattr(other, name) for name in GAME_PARTS}
        parts["asks"] = Asks(other.asks.open, live.asks.done)  # what was answered stays answered
        parts["wallet"] = self._post()
        parts["runs"] = self._score()
        self._tell()
        self._set_timers()
        self._regroup()
        self._relay()
        self._grant()
        return with_parts(live, **parts)

    def _post(self) -> dict[str, Balance]:
        """Post the differences; below zero they are a debt, or written off."""
        live, wallet = self._live.wallet, dict(self._other.state.wallet)
        for currency in sorted(live.keys() | wallet.keys()):
            held, wanted = live.get(currency, _NOTHING), wallet.get(currency, _NOTHING)
            earned = wanted.lifetime - held.lifetime
            balance = self._posted(currency, held.balance, earned, UNEARNED)
            balance = self._posted(currency, balance, wanted.balance - balance, RESPENT)
            off = min(0, held.balance) - balance
            if off > 0 and self._rule.points == "floor" and not self._rules.currencies.get(currency, False):
                wallet[currency] = replace(wanted, balance=balance + off)
                self._posted(currency, balance, off, WRITTEN_OFF)
                self.written_off[currency] = off
        return wallet

    def _posted(self, currency: str, balance: int, amount: int, account: str) -> int:
        if amount:
            balance += amount
            self.effects.append(Posting(currency, amount, balance, self._cause, self._rules.version, account))
        return balance

    def _score(self) -> dict[str, RunRecord]:
        """Bring boards to the other scores, under a version above the live one. What is over stays as it is."""
        live, runs = self._live.runs, dict(self._other.state.runs)
        for name, held in live.items():
            wanted = runs.get(name)
            if wanted is not None and replace(wanted, version=held.version) == held:
                runs[name] = held
                continue
            self.changed.append(f"runs/{name}")
            if self._is_over(held):
                runs[name] = self._kept_runs[name] = held
                self.left.append(f"run {name} is over with the score {held.score:g}")
                continue
            if wanted is None:  # who has joined stays in it
                wanted = replace(held, score=0.0, reached_at=0, events=0, of=0.0, to=0.0)
                self._kept_runs[name] = wanted
            runs[name] = self._sent(name, held, wanted)
        return runs

    def _is_over(self, held: RunRecord) -> bool:
        """Tell whether the run's boards take no scores any more; prizes may still wait for approval."""
        return held.status in OVER or bool(held.ends_at and self._at >= held.ends_at + held.settle_ms)

    def _sent(self, name: str, held: RunRecord, wanted: RunRecord) -> RunRecord:
        board = wanted.board or held.board
        if not board:  # nothing was sent, or to a board that was left: a later score is sent above it
            if wanted.version != held.version:
                self._versions[name] = held.version
            return replace(wanted, version=held.version)
        if not held.version and not wanted.reached_at:
            return wanted
        version = held.version + 1
        score = wanted.score if wanted.reached_at and wanted.board else None
        self.scores.append(BoardScore(board, self._live.player, version, score, wanted.reached_at))
        tournament, _, run = name.rpartition("@")
        self.effects.append(LeaderboardMoved(board, wanted.score, version, tournament, run))
        self._versions[name] = version
        sent = replace(wanted, version=version)
        if name in self._kept_runs:
            self._kept_runs[name] = sent
        return sent

    def _tell(self) -> None:
        """Tell what differs, so that whoever shows it follows."""
        live, other = self._live, self._other.state
        for name in _differing(live.metrics, other.metrics):
            self.changed.append(f"metrics/{name}")
        for name in _differing(live.missions, other.missions):
            self.changed.append(f"missions/{name}")
            self._tell_mission(name)
        for name in _differing(live.progress.achievements, other.progress.achievements):
            self.changed.append(f"achievements/{name}")
            self._tell_achievement(name)
        for name in _differing(live.progress.levels, other.progress.levels):
            self.changed.append(f"levels/{name}")
            level, previous = other.progress.levels.get(name, ""), live.progress.levels.get(name, "")
            self.effects.append(LevelChanged(name, level, previous, self._is_down(name, level, previous)))
        for name in _differing(live.streaks, other.streaks):
            self.changed.append(f"streaks/{name}")
            if (streak := other.streaks.get(name)) is not None:
                self.effects.append(StreakCounted(name, streak.count, streak.best, streak.cycle, late=True))
            else:
                self.effects.append(StreakCounted(name, 0, 0, -1, late=True))
        for name in _differing(live.games.spins, other.games.spins):
            held = other.games.spins.get(name, 0)
            self.effects.append(SpinsChanged(name, held - live.games.spins.get(name, 0), held, self._cause))
        self.changed += [f"quests/{name}" for name in _differing(live.quests, other.quests)]
        self.changed += [shown for part, shown in _SHOWN.items() if getattr(live, part) != getattr(other, part)]

    def _is_down(self, system: str, level: str, previous: str) -> bool:
        """Tell whether a level is lower than the one before; none at all is the lowest."""
        index = next((known.index for known in self._rules.levels if known.id == system), {})
        return index.get(level, -1) < index.get(previous, -1)

    def _tell_mission(self, name: str) -> None:
        held, wanted = self._live.missions.get(name), self._other.state.missions.get(name)
        status, cycle = (wanted.status, wanted.cycle) if wanted is not None else ("available", 0)
        if held is None or (held.status, held.cycle) != (status, cycle):
            self.effects.append(MissionStatus(name, status, cycle))
        rule: MissionRule | None = self._rules.missions.get(name)
        if rule is None:
            return
        was = held.actual if held is not None and held.cycle == cycle else {}
        now = wanted.actual if wanted is not None else {}
        for task in self._rules.mission_of(rule, wanted).tasks if wanted is not None else rule.tasks:
            if (actual := now.get(task.id, 0)) != was.get(task.id, 0):
                self.effects.append(MissionProgressed(name, task.id, actual, task.expected, cycle))

    def _tell_achievement(self, name: str) -> None:
        """Tell a stage that is reached now; one that is reached no more is only among what ``changed``."""
        _, was = self._live.progress.achievements.get(name, (0, 0))
        _, now = self._other.state.progress.achievements.get(name, (0, 0))
        if (rule := self._rules.achievements.get(name)) is not None:
            for stage in range(was, min(now, len(rule.stages))):
                self.effects.append(AchievementReached(name, stage + 1, rule.stages[stage].at))

    def _set_timers(self) -> None:
        """Leave set what the other fold leaves set: by the last thing each did to a timer."""
        past, other = self._past.timers, self._other.timers
        for timer in {**past, **other}:
            before, after = past.get(timer, _UNTOUCHED), other.get(timer, _UNTOUCHED)
            if before is after:
                continue
            if after is True or (after is _UNTOUCHED and before is False):
                self.timers.append(TimerOp(timer))
            elif before is True or after is False:
                self.timers.append(TimerOp(timer, set=False))

    def _regroup(self) -> None:
        past, other = self._past.groups, self._other.groups
        for group in {**past, **other}:
            is_in = other.get(group, not past.get(group, True))
            if is_in == past.get(group):
                continue
            if not is_in and group.startswith("tournaments/"):
                continue  # who has joined stays in the run
            self.groups.append(GroupOp(group, add=is_in))

    def _relay(self) -> None:
        """Send what only the other fold asks for; what only the past one did has been sent, and stands."""
        past, other = self._past.relays, self._other.relays
        self.relays += [entry for name, entry in other.items() if name not in past]
        self.left += [said for name, entry in past.items() if name not in other and (said := _said(entry))]

    def _grant(self) -> None:
        """Ask the platform for what only the other fold grants; of what only the past one did a person is told."""
        past, other = self._past.told, self._other
        self.told += [entry for name, entry in other.told.items() if name not in past]
        kept = {purchase.id for purchase in other.state.shop.purchases}
        for purchase in self._live.shop.purchases:
            item = item_of(self._rules, purchase.item)
            if purchase.id not in kept and purchase.status in _GRANTS and (item is None or item.is_outside):
                self.left.append(f"{purchase.item} is {_GRANTS[purchase.status]} by the platform ({purchase.id})")


_UNTOUCHED = object()
_GRANTS = {"granting": "being granted", "granted": "granted"}


def _differing(one: dict[str, Any], other: dict[str, Any]) -> Iterable[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _said(entry: Entry) -> str:
    """Return what was asked of whom; "" where nothing has to be put right."""
    if isinstance(entry, TimerFired):
        return ""
    if isinstance(entry, KeeperAsked):
        kind, name = keeper_of(entry.player)
        return "" if kind in KEPT_KEEPERS else f"{entry.op} was asked of {kind} {name} ({entry.id})"
    return f"{type(entry).__name__} was sent to {entry.player}"
