"""What a player may see of the CRM. Segments, journeys and scores are the operator's view of a person, so they stay
with server keys; a segment marked ``visible: true`` (a VIP club, say) is shown to its members too.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from domain.effects import (
    AskedKeeper,
    ChoiceCounted,
    ChoiceEnded,
    Chose,
    DuplicateProposed,
    Effect,
    Forwarded,
    IdentityLinked,
    JourneyEnded,
    JourneyEntered,
    JourneyStepped,
    PatternChanged,
    ProfileMerged,
    Scored,
    SegmentEntered,
    SegmentLeft,
    TraitsChanged,
)
from domain.game_effects import BudgetAlert, CaseClosed, CaseOpened, TicketsListed

OPERATORS = (
    AskedKeeper,  # how a shared thing is kept
    JourneyEntered,
    JourneyStepped,
    JourneyEnded,
    TraitsChanged,
    DuplicateProposed,
    IdentityLinked,  # whoever sends for an anonymous id must not learn whose it is
    ProfileMerged,
    Forwarded,
    Scored,
    PatternChanged,
    Chose,  # who sees what others get, and how likely, can tell what is thought of them
    ChoiceCounted,
    ChoiceEnded,
    BudgetAlert,
    TicketsListed,  # names other players
    CaseOpened,  # a person at the operator's sees to it
    CaseClosed,
)


def visible_segments(documents: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Return the ids of the segments that their members see."""
    return frozenset(name for name, document in documents.items() if document.get("visible"))


def for_player(effects: Iterable[Effect], visible: Container[str]) -> tuple[Effect, ...]:
    """Return the effects that the player they happened to may see."""
    return tuple(effect for effect in effects if is_for_player(effect, visible))


def is_for_player(effect: Effect, visible: Container[str]) -> bool:
    """Tell whether the player may see an effect."""
    if isinstance(effect, SegmentEntered | SegmentLeft):
        return effect.segment in visible
    return not isinstance(effect, OPERATORS)
