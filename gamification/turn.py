"""A player's whole gamification turn.

An event goes through profile, metrics, earn rules, missions, achievements and levels, in that order; rewards are
posted as they are earned, and levels come last because rewards may raise them. Effects are in the order things
happened. Nothing here reads a clock: ``entry.at`` is now, ``event.occurred_at`` is when.
"""

from domain.entries import Command, Event, LogEntry, MergeAsked, Merged, TimerFired
from domain.ids import survivor
from domain.player import Snapshot, snapshot_from_parts
from domain.step import Draws, Grant, Step
from gamification import claims, cycles, merge
from gamification.achievements import advance_achievements
from gamification.commands import COMMANDS
from gamification.earning import earn
from gamification.ledger import post
from gamification.levels import raise_levels
from gamification.metrics import counted
from gamification.missions import advance_missions
from gamification.profile import note_profile
from gamification.rules import MetricRule, Rules
from gamification.working import Turn


def take_turn(rules: Rules, snapshot: Snapshot, entry: LogEntry, draws: Draws) -> Step[Snapshot]:  # noqa: ARG001
    """Apply one entry to the player.

    What is not gamification's (other commands, other timers, other entries) returns the snapshot unchanged. ``draws``
    is for rules of chance; none of these draws. ``version`` is the shell's to raise.
    """
    what = entry.entry
    if isinstance(what, Event):
        return _on_event(rules, snapshot, entry.at, what)
    if isinstance(what, Command):
        return _on_command(rules, snapshot, entry.at, what)
    if isinstance(what, TimerFired):
        return _on_timer(rules, snapshot, entry.at, what)
    if isinstance(what, MergeAsked):
        return _on_merge_asked(rules, snapshot, entry.at, what)
    if isinstance(what, Merged):
        return _on_merged(rules, snapshot, entry.at, what)
    return Step(snapshot)


def take_grants(rules: Rules, snapshot: Snapshot, at: int, cause: str, grants: tuple[Grant, ...]) -> Step[Snapshot]:
    """Post what other rules ask for, and raise the levels that follow; what passes the ledger's bound is not given."""
    turn = Turn(rules, snapshot, at, cause)
    for grant in grants:
        post(turn, grant.currency, grant.amount, grant.rule, rules.version)
    raise_levels(turn)
    return turn.finished()


def _on_event(rules: Rules, snapshot: Snapshot, at: int, event: Event) -> Step[Snapshot]:
    turn = Turn(rules, snapshot, at, event.id, event)
    note_profile(turn, event)
    movable = rules.by_event.get(event.name)
    if movable is not None:
        _record(turn, movable.metrics, event)
        earn(turn, movable.earn, event)
        advance_missions(turn, movable.missions, event)
        advance_achievements(turn, movable.achievements, event)
    raise_levels(turn)
    return turn.finished()


def _record(turn: Turn, rules: tuple[MetricRule, ...], event: Event) -> None:
    for rule in rules:
        if rule.where is None or rule.where(turn):
            before = turn.metrics.get(rule.id)
            after = counted(rule, before, event)
            if after is not before:
                turn.set_metric(rule.id, after)


def _on_command(rules: Rules, snapshot: Snapshot, at: int, command: Command) -> Step[Snapshot]:
    answer = COMMANDS.get(command.name)
    if answer is None:
        return Step(snapshot)
    turn = Turn(rules, snapshot, at, command.id)
    answered = answer(turn, command.args)
    raise_levels(turn)
    turn.effects.append(answered)
    return turn.finished()


def _on_timer(rules: Rules, snapshot: Snapshot, at: int, timer: TimerFired) -> Step[Snapshot]:
    turn = Turn(rules, snapshot, at, f"timer:{timer.kind}:{timer.ref}")
    if timer.kind == cycles.TIMER:
        cycles.on_timer(turn, timer.ref, timer.generation)
    elif timer.kind == claims.TIMER:
        claims.on_timer(turn, timer.ref)
    else:
        return Step(snapshot)
    return turn.finished()


def _on_merge_asked(rules: Rules, snapshot: Snapshot, at: int, asked: MergeAsked) -> Step[Snapshot]:
    if asked.into == snapshot.player or survivor(snapshot.player, asked.into) != asked.into:
        return Step(snapshot)
    turn = Turn(rules, snapshot, at, f"merge:{asked.into}")
    merge.hand_over(turn, asked.into)
    return turn.finished()


def _on_merged(rules: Rules, snapshot: Snapshot, at: int, merged: Merged) -> Step[Snapshot]:
    if merged.source in snapshot.identity.sources:
        return Step(snapshot)
    turn = Turn(rules, snapshot, at, f"merge:{merged.source}")
    merge.join(turn, snapshot_from_parts(merged.source, 0, merged.parts))
    raise_levels(turn)
    return turn.finished()
