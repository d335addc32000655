"""The journal folded again: what the player's game is, and what its turns asked for, with some events left out.

An event that is left out still says who the player is (traits, zone, last seen): that is not earned, and not unwound.
It still joins a run, too: the keeper has given a seat (``gamification.rollback.joins``).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from msgspec.structs import replace as replaced

from domain.entries import Command, Entry, Event, GrantAsked, KeeperAsked, LogEntry, TimerFired
from domain.journal import Correction, Journal, Mark, Taken
from domain.player import Balance, Score, Scores, Snapshot, with_parts
from domain.step import Debits, Draws, Grant, Step
from gamification.levels import keep_level
from gamification.rollback.joins import with_joins
from gamification.rollback.recording import mark_of, marked, profile_of
from gamification.rollback.rules import RollbackRule
from gamification.rules import Rules
from gamification.working import Turn

Take = Callable[[Rules, Snapshot, LogEntry, Draws], Step[Snapshot]]
Give = Callable[[Rules, Snapshot, int, str, tuple[Grant, ...]], Step[Snapshot]]


class OtherVersion(Exception):
    """An entry was taken under a programme version that is not to hand any more."""


@dataclass(slots=True)
class Folded:
    """Where a fold led, and the last thing it did to each timer and group."""

    state: Snapshot
    mark: Mark | None = None  # the newer one, anew
    timers: dict[TimerFired, bool | None] = field(default_factory=dict)  # set, cleared, None: it fired
    groups: dict[str, bool] = field(default_factory=dict)
    relays: dict[str, Entry] = field(default_factory=dict)
    told: dict[str, Entry] = field(default_factory=dict)  # grants asked of the platform, by purchase


@dataclass(frozen=True, slots=True)
class Folder:
    """What folds need beside the journal: the rules, and how a turn is taken."""

    rule: RollbackRule
    rules: Rules
    draws: Draws
    take: Take
    give: Give

    def fold(self, player: str, journal: Journal, left_out: Collection[int]) -> Folded:
        """Fold all entries since the older mark, without those left out.

        Raises:
            OtherVersion: which cannot be done.
        """
        oldest, newest = journal.marks[0], journal.marks[-1]
        folded = Folded(_begun(player, oldest))
        versions: dict[int, Rules] = {}
        for number, taken in journal.entries(oldest.number):
            rules = versions.get(taken.version) or versions.setdefault(taken.version, self._rules(taken.version))
            before = _placed(folded.state, taken)
            if newest is not oldest and number == newest.number:
                folded.mark = mark_of(before, newest.sequence, number, newest.at)
            step = self._step(rules, before, taken, number in left_out)
            _note(folded, taken.entry, step)
            folded.state = self._kept(rules, step.state, taken)
        return folded

    def _rules(self, version: int) -> Rules:
        if version == self.rules.version:
            return self.rules
        if (older := self.rules.older.get(version)) is None:
            raise OtherVersion(str(version))
        before = {number: rules for number, rules in self.rules.older.items() if number < version}
        return replace(older, older=before)

    def _step(self, rules: Rules, state: Snapshot, taken: Taken, is_out: bool) -> Step[Snapshot]:
        what = taken.entry
        if what is None:
            if taken.correction is not None:
                return Step(_corrected(state, taken.correction))
            grants = tuple(Grant(*row) for row in taken.grants)
            return self.give(rules, state, taken.at, taken.cause, grants) if grants else Step(state)
        entry = LogEntry(taken.offset, taken.at, what)
        if not is_out:
            return self.take(rules, state, entry, self._draws(taken))
        step = self.take(rules, state, hollow(entry), self._draws(taken))
        return with_joins(step, state, self.take(rules, state, entry, self._draws(taken)))

    def _draws(self, taken: Taken) -> Draws:
        return self.draws.again(taken.offset, Debits(taken.debits, is_all=isinstance(taken.entry, Command)))

    def _kept(self, rules: Rules, state: Snapshot, taken: Taken) -> Snapshot:
        """Enter the levels that were entered then, where none is ever lowered."""
        if self.rule.levels == "lowered" or not taken.levels:
            return state
        turn = Turn(rules, state, taken.at, taken.cause)
        for system, level in taken.levels:
            keep_level(turn, system, level)
        return turn.finished().state


def hollow(entry: LogEntry) -> LogEntry:
    """Return an event as one that moves nothing: it says who the player is, and that there is one."""
    event = entry.entry
    assert isinstance(event, Event)
    return LogEntry(entry.offset, entry.at, replaced(event, name="", properties={}))


def _begun(player: str, mark: Mark) -> Snapshot:
    return _in_world(with_parts(Snapshot(player), **marked(mark)), mark.scores, mark.tone)


def _placed(state: Snapshot, taken: Taken) -> Snapshot:
    """Return the state as it was when the entry came: with what others than the game had changed."""
    if taken.profile:
        state = with_parts(state, profile=profile_of(taken.profile))
    elif taken.seen != state.profile.last_seen_at:
        state = with_parts(state, profile=replaced(state.profile, last_seen_at=taken.seen))
    if taken.scores is not None and taken.tone is not None:
        state = _in_world(state, taken.scores, taken.tone)
    return state


def _in_world(state: Snapshot, scores: dict[str, float], tone: dict[str, object]) -> Snapshot:
    held = {name: Score(value) for name, value in scores.items()}
    return with_parts(state, scores=Scores(held), air={"tone": tone} if tone else {})


def _corrected(state: Snapshot, correction: Correction) -> Snapshot:
    wallet, runs = dict(state.wallet), state.runs | correction.runs
    for currency, amount in correction.written_off.items():
        held = wallet.get(currency, Balance())
        wallet[currency] = replaced(held, balance=held.balance + amount)
    for run, version in correction.versions.items():
        if run in runs:
            runs[run] = replaced(runs[run], version=version)
    return with_parts(state, wallet=wallet, runs=runs)


def _note(folded: Folded, entry: Entry | None, step: Step[Snapshot]) -> None:
    if isinstance(entry, TimerFired):
        folded.timers[entry] = None
    for op in step.timers:
        folded.timers[op.timer] = op.set
    for group in step.groups:
        folded.groups[group.group] = group.add
    for relay in step.relays:
        folded.relays[_name(relay)] = relay
    for told in step.told:
        if isinstance(told, GrantAsked):
            folded.told[told.id] = told


def _name(relay: Entry) -> str:
    """Return what is the same of an ask in both folds: its id, not on whose behalf it is made."""
    return f"{relay.player}|{relay.id}" if isinstance(relay, KeeperAsked) else repr(relay)
