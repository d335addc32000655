"""Why a player must not be contacted: several reasons at once, each with its own end, or none (docs/tower.md).

Adding a reason never allows more, and a shorter one never shortens a longer one of the same reason. A cool-off and an
operator's own reasons end by themselves at ``until``; the grave ones end only by a readmission, whatever their
``until`` says. What this module decides reaches the store's stop in the same commit: a claim sees what the tower
sees.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from crm.facts.turn import Heard
from domain.calendar import LATEST_MS, as_ms

Exclusions = dict[str, dict[str, Any]]  # reason -> {"since", "until", "ends_by_itself"}; "again": its latest beginning

NEVER_ENDING = frozenset({"self_exclusion", "closed", "under_age", "blocked", "harm", "register", "deceased"})
REASONS = NEVER_ENDING | {"cool_off"}  # that have a meaning here; all others are an operator's own words
RAISED_BY = {
    "player_excluded": "",  # the event names the reason
    "self_excluded": "self_exclusion",
    "cool_off_started": "cool_off",
    "account_closed": "closed",
    "player_blocked": "blocked",
    "harm_marker_raised": "harm",
    "age_verification_failed": "under_age",
}
LIFTED_BY = {"player_readmitted": "", "harm_marker_cleared": "harm"}
MERGED = "merged"  # the stop of an id that lives on under another: what waits in its lines must not be claimed
REASONS_MAX = 20  # of one player; further ones of an operator's own count as this one reason:
OTHER = "excluded"
_REASON_CHARS_MAX = 100
_APART = re.compile(r"[\s_-]+")
_UNFIT = re.compile(r"[|\x00-\x1f\x7f]+")  # the store keeps ``reason|until``, one a line
_FOREVER = 2**62


def reason_of(stated: object) -> str:
    """Return a reason as it is kept everywhere: one that has a meaning here in its one spelling, others as written."""
    text = " ".join(_UNFIT.sub(" ", stated).split())[:_REASON_CHARS_MAX] if isinstance(stated, str) else ""
    known = _APART.sub("_", text.lower())
    return known if known in REASONS else text or OTHER


def stop_of(reason: str, exclusion: Mapping[str, Any]) -> str:
    """Return an exclusion as the store's stop takes it (``store.ports.Commit.stops``)."""
    return f"{reason}|{exclusion['until']}" if exclusion["ends_by_itself"] else reason


def known(told: Mapping[str, Any]) -> Exclusions:
    """Return the exclusions that were told; of a player of an older version the one that it knew."""
    if "exclusions" in told:
        held: Exclusions = told["exclusions"]
        return held
    one = told.get("excluded")
    if not one:
        return {}
    return {reason_of(one.get("reason")): _exclusion(reason_of(one.get("reason")), one.get("since", 0), one["until"])}


def exclude(heard: Heard, reason: str, since: int, stated: Mapping[str, Any], *, is_told: bool = False) -> None:
    """Exclude the player for one more reason, or longer for the same.

    Args:
        stated: ``until``, ms or ISO 8601 with its offset; what is neither excludes without an end.
        is_told: It is an event's word, which is not trusted: an end before the beginning is a mistake (seconds for
            milliseconds), so it has no end.
    """
    held = _in_force(known(heard.air), heard.at)
    if reason not in held and len(held) >= REASONS_MAX:
        reason = OTHER
    until = _instant(stated.get("until"))
    new = _exclusion(reason, since, None if is_told and until is not None and until < since else until)
    held[reason] = _stricter(held[reason], new) if reason in held else new
    _tell(heard, _in_force(held, heard.at), (reason,))  # one that comes when it is over excludes nobody


def readmit(heard: Heard, reason: str, before: int | None = None) -> None:
    """Lift one reason, or all of them.

    Args:
        before: Lift only what began then or earlier: a readmission that comes late must not end what came after it.
    """
    held = known(heard.air)
    lifted = [
        name
        for name, exclusion in held.items()
        if (not reason or name == reason) and (before is None or _begun(exclusion) <= before)
    ]
    # A reason that is not known here is lifted in the store all the same: it may be a stop of an older version.
    heard.lifts += dict.fromkeys([*lifted, reason] if reason and reason not in held else lifted)
    _tell(heard, {name: value for name, value in held.items() if name not in lifted}, ())


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in another profile's exclusions: of the same reason the stricter stands; what is over does not come along.

    All are told again, and stop the player again: the store may know the stop under the other id only.
    """
    brought = _in_force(known(theirs), heard.at)
    if not brought:
        return
    both = _in_force(known(heard.air), heard.at)
    for reason, exclusion in brought.items():
        both[reason] = _stricter(both[reason], exclusion) if reason in both else exclusion
    _tell(heard, both, both, again=True)


def strictest(exclusions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the exclusion that lasts longest, as the fact ``excluded`` tells it: ``{reason, since, until}``."""
    if not exclusions:
        return None
    reason, found = min(exclusions.items(), key=lambda item: (-_ends(item[1]), item[1]["since"], item[0]))
    return {"reason": reason, "since": found["since"], "until": found["until"] if found["ends_by_itself"] else None}


def _tell(heard: Heard, exclusions: Exclusions, stopped: Iterable[str], *, again: bool = False) -> None:
    heard.tell("exclusions", exclusions)
    heard.tell("excluded", strictest(exclusions), again=again)
    heard.stops += [stop_of(reason, exclusions[reason]) for reason in stopped if reason in exclusions]


def _exclusion(reason: str, since: int, until: int | None) -> dict[str, Any]:
    return {"since": since, "until": until, "ends_by_itself": until is not None and reason not in NEVER_ENDING}


def _stricter(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return both as one: the earlier beginning, the later end, and no end by itself if either has none.

    The later beginning is kept as ``again``: only a readmission that comes after it ends both.
    """
    until = None if one["until"] is None or other["until"] is None else max(one["until"], other["until"])
    since, again = min(one["since"], other["since"]), max(_begun(one), _begun(other))
    return {
        "since": since,
        "until": until,
        "ends_by_itself": until is not None and one["ends_by_itself"] and other["ends_by_itself"],
        **({"again": again} if again > since else {}),
    }


def _begun(exclusion: Mapping[str, Any]) -> int:
    """Return its latest beginning."""
    return int(exclusion.get("again", exclusion["since"]))


def _ends(exclusion: Mapping[str, Any]) -> int:
    return int(exclusion["until"]) if exclusion["ends_by_itself"] else _FOREVER


def _in_force(exclusions: Mapping[str, dict[str, Any]], at: int) -> Exclusions:
    return {reason: exclusion for reason, exclusion in exclusions.items() if _ends(exclusion) > at}


def _instant(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= LATEST_MS else None
    try:
        return as_ms(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except ValueError:
        return None
