"""What a member remembers of the turns it took, for the live page and the metrics: the latest, and how many."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from domain.effects import (
    Chose,
    Effect,
    JourneyEnded,
    JourneyEntered,
    JourneyStepped,
    LevelChanged,
    MissionCompleted,
    PatternChanged,
    Scored,
    SegmentEntered,
    SegmentLeft,
)

RECENT_MAX = 20  # of completions or decisions, and of steps of journeys
CHOICES_MAX = 200  # whose draws are counted each by its name; of those that came first

Told = tuple[int, str, str, str]  # at (ms), player, what, id

_OF: dict[type, Callable[[Any], tuple[str, str]]] = {
    MissionCompleted: lambda effect: ("mission", effect.mission),
    LevelChanged: lambda effect: ("level", effect.level),
    SegmentEntered: lambda effect: ("segment_entered", effect.segment),
    SegmentLeft: lambda effect: ("segment_left", effect.segment),
    JourneyEntered: lambda effect: ("journey_entered", f"{effect.journey}//"),
    JourneyStepped: lambda effect: ("journey_step", f"{effect.journey}/{effect.node}/{effect.outcome}"),
    JourneyEnded: lambda effect: ("journey_ended", f"{effect.journey}/{effect.node}/{effect.outcome}"),
    Chose: lambda effect: (_CHOSE, effect.choice),
    Scored: lambda effect: ("scored", effect.model),
    PatternChanged: lambda effect: ("pattern", f"{effect.pattern}.{effect.by}"),
}
_CHOSE = "chose"
_SEGMENTS = ("segment_entered", "segment_left")
DAILY = ("scored", "pattern")  # counted by day only (``actors.notes``)
_JOURNEYS = ("journey_entered", "journey_step", "journey_ended")


def told(effects: Iterable[Effect]) -> list[tuple[str, str]]:
    """Return what the live page and the metrics hear of a turn: what and the id. Cheap: every turn asks."""
    return [of(effect) for effect in effects if (of := _OF.get(type(effect))) is not None]


class Recent:
    """The latest completions, decisions and steps of a member, and what was counted since it started."""

    def __init__(self) -> None:
        self.completions: deque[Told] = deque(maxlen=RECENT_MAX)
        self.steps: deque[Told] = deque(maxlen=RECENT_MAX)
        self.counts: Counter[str] = Counter()  # segment_entered, journey_ended:goal, chose:winback, ...

    def add(self, rows: Iterable[Told]) -> None:
        """Note what a commit brought."""
        for row in rows:
            what = row[2]
            if what in _JOURNEYS:
                self.steps.append(row)
                self.counts[f"{what}:{row[3].rpartition('/')[2]}" if what == "journey_ended" else what] += 1
            elif what in _SEGMENTS:
                self.counts[what] += 1
            elif what == _CHOSE:
                named = f"{_CHOSE}:{row[3]}"
                self.counts[named if named in self.counts or len(self.counts) < CHOICES_MAX else f"{_CHOSE}:"] += 1
            elif what not in DAILY:
                self.completions.append(row)
