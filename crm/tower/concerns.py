"""Which entries may change the judgement of a message that waits, so that a round of a game does not re-judge all."""

from crm.tower.airspace import CONTEXT, Waiting
from crm.tower.config import NAMED
from crm.tower.why import Reason
from domain.entries import Fact

_FOR_ALL = frozenset(
    {"excluded", "exclusions", "consent", "consent_pending", "timezone", "merged_into", "reach", "suppressed"}
)
_ROOM = frozenset(
    {
        Reason.CONFLICT_GROUP.value,
        Reason.OUTRANKED.value,
        Reason.CAP_REACHED.value,
        Reason.MINIMUM_GAP.value,
        Reason.FATIGUE.value,
        Reason.TOO_MANY_FLYING.value,
    }
)


def concerns(fact: Fact, held: Waiting) -> bool:
    """Tell whether a fact may end what a message waits for, or the message."""
    name = fact.name
    if name in _FOR_ALL:
        return True
    if name == "round_in_play":
        return not fact.value["open"] and waits_for(held, Reason.ROUND_IN_PLAY.value)
    if name == "support_case":
        if not fact.value["open"] and waits_for(held, Reason.SUPPORT_CASE_OPEN.value):
            return True
        is_upset = fact.value["open"] and fact.value.get("mood") == "negative"
        return not is_upset and waits_for(held, Reason.NEGATIVE_MOOD.value)
    if name.startswith(CONTEXT) and not (fact.value or {}).get("open"):
        context = name.removeprefix(CONTEXT)
        return waits_for(held, context if context in NAMED else f"{Reason.CONTEXT.value}:{context}")
    return False


def waits_for_room(held: Waiting) -> bool:
    """Tell whether a place that is given back may be what a message waits for."""
    return not _ROOM.isdisjoint(held.reasons) or not _ROOM.isdisjoint(held.causes)


def waits_for(held: Waiting, reason: str) -> bool:
    """Tell whether a reason is among those for which a message waits, on any of its channels."""
    return reason in held.reasons or reason in held.causes
