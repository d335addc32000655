"""A player's whole gamification turn.

An event goes through profile, metrics, earn rules, missions, achievements and levels, in that order; rewards are
posted as they are earned, and levels come last because rewards may raise them. Effects are in the order things
happened. Nothing here reads a clock: ``entry.at`` is now, ``event.occurred_at`` is when.
"""

from msgspec.structs import replace

from domain.entries import (
    Command,
    Event,
    KeeperAnswered,
    KeeperAsked,
    LogEntry,
    MergeAsked,
    Merged,
    TimerFired,
    Visited,
)
from domain.ids import survivor
from domain.player import Snapshot, snapshot_from_parts
from domain.step import Draws, Grant, Step
from gamification import asking, claims, cycles, merge, rewards, rooms
from gamification.achievements import advance_achievements
from gamification.commands import COMMANDS
from gamification.earning import earn
from gamification.keeping import Keeper
from gamification.levels import raise_levels
from gamification.metrics import counted
from gamification.missions import advance_missions
from gamification.profile import note_profile
from gamification.rollback import room as rollback
from gamification.rollback.rules import NAME as ROLLBACK
from gamification.rollback.unwinding import TIMER as ROLLBACK_WAITS
from gamification.rules import MetricRule, Reward, Rules
from gamification.working import Turn


def take_turn(rules: Rules, snapshot: Snapshot, entry: LogEntry, draws: Draws) -> Step[Snapshot]:
    """Apply one entry to the player; where events may be rolled back, keep it, or unwind what it says did not stand.

    What is not gamification's (other commands, other timers, other entries) returns the snapshot unchanged. ``draws``
    is for rules of chance. ``version`` is the shell's to raise.
    """
    if (rule := rules.rooms.get(ROLLBACK)) is None:
        step = take_once(rules, snapshot, entry, draws)
    else:
        step = rollback.through(rule, rules, snapshot, entry, draws, take_once, give_once)
    return rollback.with_other_keys(step, snapshot.journal.generation) if step.keys else step


def take_once(rules: Rules, snapshot: Snapshot, entry: LogEntry, draws: Draws) -> Step[Snapshot]:
    """Apply one entry to the player, and keep nothing of it."""
    what = entry.entry
    if isinstance(what, Event):
        return _on_event(Turn(rules, snapshot, entry.at, what.id, what, offset=entry.offset, draws=draws), what)
    if isinstance(what, Command):
        return _on_command(rules, snapshot, entry, what, draws)
    if isinstance(what, TimerFired):
        return _on_timer(rules, snapshot, entry, what, draws)
    if isinstance(what, MergeAsked):
        return _on_merge_asked(rules, snapshot, entry, what)
    if isinstance(what, Merged):
        return _on_merged(rules, snapshot, entry, what)
    if isinstance(what, KeeperAnswered):
        return _on_answer(rules, snapshot, entry, what, draws)
    if isinstance(what, Visited) and (visit := rooms.VISITS.get(what.kind)):
        turn = Turn(rules, snapshot, entry.at, what.walk, offset=entry.offset, draws=draws)
        visit(turn, what)
        return _settled(turn)
    return Step(snapshot)


def take_keeper_turn(rules: Rules, snapshot: Snapshot, entry: LogEntry, draws: Draws) -> Step[Snapshot]:
    """Apply one entry to a keeper (``gamification.keeping``); of a kind that nobody knows it changes nothing."""
    keeper = Keeper(rules, snapshot, entry.at, entry.offset, getattr(entry.entry, "cause", ""), draws)
    if (take := rooms.KEEPERS.get(keeper.kind)) is not None:
        take(keeper, entry.entry)
    elif isinstance(entry.entry, KeeperAsked):
        keeper.answer(entry.entry, "unknown_keeper")
    return keeper.finished()


def take_grants(rules: Rules, snapshot: Snapshot, at: int, cause: str, grants: tuple[Grant, ...]) -> Step[Snapshot]:
    """Post what other rules ask for, and raise the levels that follow; what passes the ledger's bound is not given."""
    if (rule := rules.rooms.get(ROLLBACK)) is None:
        return give_once(rules, snapshot, at, cause, grants)
    return rollback.given(rule, rules, snapshot, at, cause, grants, give_once)


def give_once(rules: Rules, snapshot: Snapshot, at: int, cause: str, grants: tuple[Grant, ...]) -> Step[Snapshot]:
    """Post, and keep nothing of it."""
    turn = Turn(rules, snapshot, at, cause)
    for grant in grants:
        turn.offset = grant.key
        reward = Reward("currency", grant.currency, grant.amount)
        rewards.grant(turn, (reward,), grant.rule, rules.version, grant.budget)
    raise_levels(turn)
    return turn.finished()


def _settled(turn: Turn) -> Step[Snapshot]:
    """Let what watches the whole turn have its word, and raise the levels that follow."""
    for settle in rooms.SETTLE:
        settle(turn)
    raise_levels(turn)
    return turn.finished()


def _on_event(turn: Turn, event: Event) -> Step[Snapshot]:
    note_profile(turn, event)
    rules = turn.rules
    movable = rules.by_event.get(event.name)
    if movable is not None:
        _record(turn, movable.metrics, event)
        earn(turn, movable.earn, event)
        advance_missions(turn, movable.missions, event)
        advance_achievements(turn, movable.achievements, event)
    for move in rules.movers.get(event.name, ()):
        move(turn, event)
    return _settled(turn)


def _record(turn: Turn, rules: tuple[MetricRule, ...], event: Event) -> None:
    for rule in rules:
        if rule.where is None or rule.where(turn):
            before = turn.metrics.get(rule.id)
            after = counted(rule, before, event)
            if after is not before:
                turn.set_metric(rule.id, after)


def _on_command(rules: Rules, snapshot: Snapshot, entry: LogEntry, command: Command, draws: Draws) -> Step[Snapshot]:
    answer = COMMANDS.get(command.name) or rooms.COMMANDS.get(command.name)
    if answer is None:
        return Step(snapshot)
    turn = Turn(rules, snapshot, entry.at, command.id, offset=entry.offset, reply_to=command.reply_to, draws=draws)
    answered = answer(turn, command.args)
    step = _settled(turn)
    return step if answered is None else replace(step, effects=(*step.effects, answered))


def _on_timer(rules: Rules, snapshot: Snapshot, entry: LogEntry, timer: TimerFired, draws: Draws) -> Step[Snapshot]:
    turn = Turn(rules, snapshot, entry.at, f"timer:{timer.kind}:{timer.ref}", offset=entry.offset, draws=draws)
    if timer.kind == cycles.TIMER:
        cycles.on_timer(turn, timer.ref, timer.generation)
    elif timer.kind == claims.TIMER:
        claims.on_timer(turn, timer.ref)
    elif fired := rooms.TIMERS.get(timer.kind):
        fired(turn, timer)
        if timer.kind != ROLLBACK_WAITS:  # which is not kept, so it must not move the game
            return _settled(turn)
    else:
        return Step(snapshot)
    return turn.finished()


def _on_answer(
    rules: Rules, snapshot: Snapshot, entry: LogEntry, answer: KeeperAnswered, draws: Draws
) -> Step[Snapshot]:
    """Go on with what a keeper answered, or told unasked."""
    cause, reply_to = answer.cause or answer.id, answer.reply_to
    turn = Turn(rules, snapshot, entry.at, cause, offset=entry.offset, reply_to=reply_to, draws=draws)
    if (asked := asking.answered(turn, answer)) is not None:
        said = rooms.ANSWERS[asked.then](turn, asked, answer)
        step = _settled(turn)
        return step if said is None else replace(step, effects=(*step.effects, said))
    if (hear := rooms.TOLD.get(answer.op)) is not None:
        hear(turn, answer)
        return _settled(turn)
    return Step(snapshot)


def _on_merge_asked(rules: Rules, snapshot: Snapshot, entry: LogEntry, asked: MergeAsked) -> Step[Snapshot]:
    if asked.into == snapshot.player or survivor(snapshot.player, asked.into) != asked.into:
        return Step(snapshot)
    turn = Turn(rules, snapshot, entry.at, f"merge:{asked.into}", offset=entry.offset)
    for room in rooms.ROOMS:
        if room.hand_over is not None:
            room.hand_over(turn, asked.into)
    asking.hand_over(turn)
    merge.hand_over(turn, asked.into)
    return turn.finished()


def _on_merged(rules: Rules, snapshot: Snapshot, entry: LogEntry, merged: Merged) -> Step[Snapshot]:
    if merged.source in snapshot.identity.sources:
        return Step(snapshot)
    turn = Turn(rules, snapshot, entry.at, f"merge:{merged.source}", offset=entry.offset)
    source = snapshot_from_parts(merged.source, 0, merged.parts)
    merge.join(turn, source)
    asking.join(turn, source.asks)
    for room in rooms.ROOMS:
        if room.join is not None:
            room.join(turn, source)
    return _settled(turn)
