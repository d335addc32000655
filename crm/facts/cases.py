"""What goes on with the player until it is said to be over: support cases and the round of a game."""

from collections.abc import Mapping
from typing import Any

from crm.facts.turn import Heard
from domain.entries import Event

CASES_MAX = 20  # open support cases remembered of one player; the oldest are forgotten
_UPSET = frozenset({"negative", "angry", "upset", "frustrated"})
_MOOD = ("mood", "mood_at")
_NO_CASE: dict[str, Any] = {"open": False, "since": 0, "cases": []}
_NO_ROUND: dict[str, Any] = {"open": False, "since": 0}


def on_case(heard: Heard, event: Event) -> None:
    """Keep ``support_case`` open until every case is solved; a solution that names no case solves them all."""
    known = heard.air.get("support_case") or {}
    case = str(event.properties.get("case_id") or "")[:100]
    others = [name for name in known.get("cases", ()) if name != case]
    if event.name == "support_case_opened":
        since = known["since"] if known.get("open") else event.occurred_at
        heard.tell("support_case", _open(since, [*others, case][-CASES_MAX:], known))
        if mood := mood_of(event):
            on_mood(heard, mood, event.occurred_at)
    elif case and others:
        heard.tell("support_case", _open(known["since"], others, known))
    else:
        heard.tell("support_case", _NO_CASE)


def on_mood(heard: Heard, mood: str, at: int) -> None:
    """Keep the mood of the open case, if one is open; what was said before what is known changes nothing.

    Args:
        at: When it was said, ms: the tower forgets a mood that is too old.
    """
    known = heard.air.get("support_case") or _NO_CASE
    if known["open"] and at >= known.get("mood_at", 0):
        heard.tell("support_case", known | {"mood": mood, "mood_at": at})


def says_mood(event: Event) -> bool:
    """Tell whether the platform says a mood itself; 0 is one, too: neither."""
    said = [event.properties.get(name) for name in ("mood", "sentiment")]
    return any(isinstance(one, int | float) or (isinstance(one, str) and one) for one in said)


def _open(since: int, cases: list[str], known: Mapping[str, Any]) -> dict[str, Any]:
    return {"open": True, "since": since, "cases": cases, **_mood(known)}


def _mood(case: Mapping[str, Any]) -> dict[str, Any]:
    return {name: case[name] for name in _MOOD if case.get(name)}


def mood_of(event: Event) -> str:
    """Return negative or positive, "" when the event does not say."""
    for name in ("mood", "sentiment"):
        said = event.properties.get(name)
        if isinstance(said, str) and said:
            return "negative" if said in _UPSET else "positive"
        if isinstance(said, int | float) and said:
            return "negative" if said < 0 else "positive"
    return ""


def on_round(heard: Heard, event: Event) -> None:
    """Keep ``round_in_play``."""
    known = heard.air.get("round_in_play") or {}
    if event.name == "round_ended":
        heard.tell("round_in_play", _NO_ROUND)
    else:
        heard.tell("round_in_play", {"open": True, "since": known["since"] if known.get("open") else event.occurred_at})


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in another profile's: support cases are those of both, a round goes on if either's does."""
    for name in ("support_case", "round_in_play"):
        if (theirs.get(name) or {}).get("open"):
            heard.tell(name, _both_open(heard.air.get(name) or {}, theirs[name]))


def _both_open(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    if not mine.get("open"):
        return dict(theirs)
    both = {**theirs, "since": min(mine["since"], theirs["since"])}
    if "cases" in theirs:
        both["cases"] = [*dict.fromkeys((*theirs["cases"], *mine.get("cases", ())))][-CASES_MAX:]
    stands = min(mine, theirs, key=_by_mood)
    return {name: value for name, value in both.items() if name not in _MOOD} | _mood(stands)


def _by_mood(case: Mapping[str, Any]) -> tuple[bool, bool, int]:
    """Order cases by whose mood stands: the upset one's, of two alike the one said later."""
    return case.get("mood") != "negative", not case.get("mood"), -case.get("mood_at", 0)
