"""Walking a journey: entries, steps, and what every event means to those under way."""

from crm.journeys.rules import JourneyRules
from crm.working import Turn
from domain.effects import Answered
from domain.entries import Command, Entry

TIMER = "journey"


def advance(rules: JourneyRules, turn: Turn, entry: Entry | None) -> None:
    """Judge this player's journeys: goal, exit, interrupts, waits; then begin those that the turn begins.

    Args:
        entry: None in a follow-up, when only what ``turn.before`` and ``turn.start`` differ in is new.
    """


def on_enter(rules: JourneyRules, turn: Turn, command: Command) -> Answered:
    """Begin a journey for a caller: ``args`` ``{journey, data}``."""
    del rules, turn
    return Answered("journey_not_found", f"there is no journey {command.args.get('journey')!r}")


def on_exit(rules: JourneyRules, turn: Turn, command: Command) -> Answered:
    """End a journey for a caller: ``args`` ``{journey}``."""
    del rules, turn
    return Answered("journey_not_found", f"there is no journey {command.args.get('journey')!r}")
