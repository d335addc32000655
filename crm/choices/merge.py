"""Choices of two profiles that become one: the player's own outcomes add up, what is open goes on here."""

from collections.abc import Mapping

from msgspec import structs

from crm.choices.course import add, within_bounds
from crm.working import Turn
from domain.choices import OpenChoice, OwnSums
from domain.player import JourneyRecord, Snapshot

_JOURNEYS = "journeys/"


def join(turn: Turn, source: Snapshot, journeys: Mapping[str, JourneyRecord]) -> None:
    """Take in the other profile's choices, after this player's: of more than are kept the first of these give way.

    Args:
        journeys: This player's, before the other's walks joined: those are numbered after them, and a key names a walk.
    """
    own = dict(turn.choices.own)
    for choice, theirs in source.choices.own.items():
        own[choice] = _added(own[choice], theirs) if choice in own else theirs
    turn.choices = structs.replace(turn.choices, own=within_bounds(own))
    for held in source.choices.open:
        add(turn, _renamed(held, journeys))


def _added(mine: OwnSums, theirs: OwnSums) -> OwnSums:
    if mine.generation != theirs.generation:
        return max(mine, theirs, key=lambda sums: sums.at)
    arms = dict(mine.arms)
    for arm, (n, total) in theirs.arms.items():
        before = arms.get(arm, (0, 0))
        arms[arm] = (before[0] + n, before[1] + total)
    return OwnSums(mine.generation, max(mine.at, theirs.at), arms)


def _renamed(held: OpenChoice, journeys: Mapping[str, JourneyRecord]) -> OpenChoice:
    """Return the choice under a key that is this player's: two walks of the same number are two occasions."""
    if not held.key.startswith(_JOURNEYS):
        return held  # of a slot: what is clicked there says the same key
    journey, number, passed = held.key.removeprefix(_JOURNEYS).rsplit("/", 2)
    record = journeys.get(journey)
    mine = record.entered if record is not None else 0
    return structs.replace(held, key=f"{_JOURNEYS}{journey}/{mine + int(number)}/{passed}")
