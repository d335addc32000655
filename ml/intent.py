"""What a player seems to be about in this session: confused, browsing, ready or leaving, and why one thinks so.

It is read from the last 8 gestures of the session, by a handful of weights that were set by hand, from what usability
work calls signs of being lost: errors, asking for help, going back and forth, doing the same again, hurrying from place
to place. There are no labelled sessions to learn them from, so they are few, stand below, and each answer names what
spoke for it. The confidence is a softmax over the four, lowered while little has been seen; below ``UNSURE`` there is
no answer, which is an answer too.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from domain.entries import Event
from domain.habits import HELP, LEAVE, LOOK, OTHER, PAID, PAY, PLAY, TROUBLE, Habits
from ml.features import Signal
from ml.pattern_config import IntentPlan

CONFUSED, BROWSING, READY, LEAVING = LABELS = ("confused", "browsing", "ready", "leaving")
UNSURE = 0.4
GESTURES_MIN = 3  # fewer tell nothing

_BY_SIGNAL = {
    "bet": PLAY,
    "win": PLAY,
    "deposit": PAID,
    "purchase": PAID,
    "withdrawal": LEAVE,
    "session": LEAVE,  # it tells a session's end
    "other": OTHER,
}
_FAILED = ("_failed", "_error", "_declined", "_rejected")
_PLACE_CHARS_MAX = 200
_HURRIED_S = 4  # a place that was left within this many seconds was not what was looked for
_PAUSE_S = 60.0  # a silence in which a session is on its way out

_START = {CONFUSED: -1.5, BROWSING: 0.0, READY: -0.5, LEAVING: -1.5}
# Sign of (share, 0 to 1) -> words for it, and what it says.
WEIGHTS: dict[str, tuple[str, dict[str, float]]] = {
    "trouble": ("something went wrong", {CONFUSED: 4.0, READY: -0.5, BROWSING: -1.0}),
    "help": ("asked for help", {CONFUSED: 3.0, READY: -0.5}),
    "back_and_forth": ("goes back and forth between two places", {CONFUSED: 2.5}),
    "repeats": ("does the same thing again", {CONFUSED: 1.5}),
    "hurried": ("leaves places within seconds", {CONFUSED: 0.8, LEAVING: 0.5, READY: -0.5}),
    "variety": ("looks at many different things", {BROWSING: 2.0, READY: -0.5}),
    "pays": ("has begun to pay", {READY: 3.0, BROWSING: -1.0}),
    "paid": ("has just paid", {READY: 2.0}),
    "plays": ("is playing", {READY: 2.0, BROWSING: -0.5, CONFUSED: -1.0}),
    "leaves": ("has taken a step out", {LEAVING: 4.0, READY: -1.0, BROWSING: -1.0}),
    "pause": ("has been silent", {LEAVING: 4.0, READY: -1.0, BROWSING: -1.0}),
}


class Intent(NamedTuple):
    """``label`` is one of ``LABELS``, "" when one cannot tell; ``reasons`` are words, the strongest first."""

    label: str
    confidence: float  # 0..1
    reasons: tuple[str, ...]


def gesture(signal: Signal, event: Event | None, plan: IntentPlan) -> tuple[int, int]:
    """Return kind and place of what the player did. The place is 16 bits of a hash; 0 is nowhere."""
    kind = _BY_SIGNAL[signal.kind]
    place = signal.game
    if event is not None:
        name = event.name
        kind = plan.kinds.get(name, kind)
        if not kind and name.endswith(_FAILED):
            kind = TROUBLE
        if not place:
            place = _place(event.properties, plan.places)
    return kind or (LOOK if place else OTHER), _hashed(place) if place else 0


def intent(habits: Habits, at: int, session_gap_ms: int) -> Intent:
    """Return what the player is about at an instant; nothing is stored, so it is asked only where it is wanted.

    Args:
        at: ms. The silence since the last gesture counts.
    """
    session = habits.session
    if not session.last_at or at - session.last_at > session_gap_ms:
        return Intent("", 0.0, ("no session is going on",))
    count = len(habits.recent) // 3
    if count < GESTURES_MIN:
        return Intent("", 0.0, ("too little was seen of this session",))
    found = signs(habits, at)
    scores = dict(_START)
    for name, share in found.items():
        for label, weight in WEIGHTS[name][1].items():
            scores[label] += weight * share
    top = max(LABELS, key=scores.__getitem__)
    likely = 1 / sum(math.exp(score - scores[top]) for score in scores.values())
    confidence = round(likely * count / (count + 1), 2)
    told = sorted(
        ((WEIGHTS[name][1].get(top, 0.0) * share, WEIGHTS[name][0]) for name, share in found.items()), reverse=True
    )
    reasons = tuple(words for speaks, words in told if speaks >= 0.25)
    return Intent(top if confidence >= UNSURE else "", confidence, reasons)


def signs(habits: Habits, at: int) -> dict[str, float]:
    """Return how much there is of each sign among the last gestures, 0 to 1; at least one gesture is there."""
    times, kinds, places = habits.recent[::3], habits.recent[1::3], habits.recent[2::3]
    n = len(kinds)
    last = kinds[-3:]
    somewhere = [place for place in places if place]
    dwells = [later - earlier for earlier, later, kind in zip(times, times[1:], kinds, strict=False) if kind == LOOK]
    back = sum(
        places[i] == places[i - 2] != places[i - 1] and bool(places[i]) and bool(places[i - 1]) for i in range(2, n)
    )
    again = sum(
        kinds[i] == kinds[i - 1] != PLAY and places[i] == places[i - 1] and bool(places[i]) for i in range(1, n)
    )
    silent = (at - habits.session.last_at) / 1000
    return {
        "trouble": min(1.0, kinds.count(TROUBLE) / 2),
        "help": min(1.0, float(kinds.count(HELP))),
        "back_and_forth": min(1.0, back / 3),
        "repeats": min(1.0, again / 3),
        "hurried": sum(dwell < _HURRIED_S for dwell in dwells) / len(dwells) if len(dwells) > 1 else 0.0,
        "variety": len(set(somewhere)) / n * (kinds.count(LOOK) / n),
        "pays": float(PAY in last),
        "paid": float(PAID in last),
        "plays": last.count(PLAY) / len(last),
        "leaves": float(LEAVE in kinds[-2:]),
        "pause": min(1.0, max(0.0, silent) / _PAUSE_S / 3),
    }


def _place(properties: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = properties.get(name)
        if value and type(value) is str:
            return value[:_PLACE_CHARS_MAX]
    return ""


@lru_cache(maxsize=4096)
def _hashed(place: str) -> int:
    return crc32(place.encode("utf-8", "replace")) & 0xFFFF
