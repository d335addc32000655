"""A player's whole CRM turn, after the game's: identity, segments, choices, journeys, in that order.

Segments are judged on what the game's rules just changed, and journeys on the segments; so an event moves all three in
the one turn. Nothing here reads a clock: ``entry.at`` is now.
"""

from crm import identity, segments
from crm.campaigns import LEAVE
from crm.choices import course
from crm.choices.chance import NO_CHANCE, Chance
from crm.journeys import walking
from crm.programme import CrmRules
from crm.working import Turn, World
from domain.effects import PatternChanged
from domain.entries import Command, Event, LogEntry, Merged, TimerFired, Visited
from domain.ids import is_nobody
from domain.player import Snapshot
from domain.step import Step

_COMMANDS = {"enter_journey": walking.on_enter, "exit_journey": walking.on_exit}


def take_turn(
    rules: CrmRules,
    world: World,
    before: Snapshot,
    state: Snapshot,
    entry: LogEntry,
    chance: Chance = NO_CHANCE,
    seen: tuple[PatternChanged, ...] = (),
) -> Step[Snapshot]:
    """Apply one entry to the player.

    Args:
        before: The player before the entry.
        state: The player after the game's part of this turn.
        chance: What draws of choices need.
        seen: What was unlike the player in this turn.
    """
    is_about_identity = identity.concerns(state, entry.entry)
    if not rules.watches_players and not state.journeys and not state.choices.open and not is_about_identity:
        return Step(state)
    turn = _turn(rules, world, before, state, entry, chance, seen)
    if is_about_identity:
        identity.advance(turn, entry.entry)
    if turn.identity.merged_into or is_nobody(state.player):  # nobody's turn: no segments, no journeys
        return turn.finished()
    segments.advance(rules.segments, turn, entry.entry)
    course.advance(rules.choices, turn, entry.entry)
    walking.advance(rules.journeys, turn, entry.entry)
    if isinstance(entry.entry, Visited) and entry.entry.kind == LEAVE:
        _call_off(rules, turn, entry.entry)
    if isinstance(entry.entry, Command) and (answer := _COMMANDS.get(entry.entry.name)):
        turn.effects.append(answer(rules.journeys, turn, entry.entry))
    return turn.finished()


def follow_up(
    rules: CrmRules,
    world: World,
    before: Snapshot,
    state: Snapshot,
    entry: LogEntry,
    chance: Chance = NO_CHANCE,
) -> Step[Snapshot]:
    """Judge again after a journey's own reward or profile change; ``before`` is the player without it."""
    turn = _turn(rules, world, before, state, entry, chance, is_follow_up=True)
    segments.advance(rules.segments, turn, None)
    walking.advance(rules.journeys, turn, None)
    return turn.finished()


def _call_off(rules: CrmRules, turn: Turn, visited: Visited) -> None:
    """End what a run of a campaign began, if it is still under way."""
    record = turn.journeys.get(visited.ref)
    if record and record.active and record.active.cause == visited.args.get("run"):
        walking.on_exit(
            rules.journeys, turn, Command(turn.player, visited.walk, "exit_journey", {"journey": visited.ref})
        )


def _turn(
    rules: CrmRules,
    world: World,
    before: Snapshot,
    state: Snapshot,
    entry: LogEntry,
    chance: Chance,
    seen: tuple[PatternChanged, ...] = (),
    *,
    is_follow_up: bool = False,
) -> Turn:
    what = entry.entry
    by = "time" if isinstance(what, TimerFired) else "merged" if isinstance(what, Merged) else "event"
    return Turn(
        world,
        before,
        state,
        entry.at,
        cause_of(what),
        timezone=rules.timezone,
        event=what if isinstance(what, Event) and not is_follow_up else None,
        by=by,
        chance=chance,
        seen=seen,
    )


def cause_of(what: object) -> str:
    """Return the id that what a turn does is recorded under."""
    if isinstance(what, Event | Command):
        return what.id
    if isinstance(what, TimerFired):
        return f"timer:{what.kind}:{what.ref}:{what.generation}"
    if isinstance(what, Visited):
        return what.walk
    return str(getattr(what, "cause", ""))
