"""What ``journey.*`` means in a condition, and when time alone changes it. Times are turn time."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from crm.journeys.graph import FIELDS
from crm.journeys.rules import Journey, Timed
from domain.player import Enrolment

PACE_MAX = 100.0
EDGE_MAX_S = 10 * 366 * 86_400  # what a walk comes to later than that is not waited for
_SHARE_OF_TIME_MIN = 0.01  # the first hundredth of the norm's time counts as one: no division by nothing


def pace(journey: Journey, walk: Enrolment, now: int) -> float | None:
    """Return how fast the player is: share of the norm's steps done / share of the norm's time gone.

    1 is the norm. Three of five steps after 20 minutes of 14 days: 0.6 / 0.01 = 60, for less than a hundredth of the
    norm's time counts as a hundredth. Without a step it is 1 until the norm's first step is due (a fifth of 14 days),
    0 from then on. At most 100; None: the journey has no norm.
    """
    norm = journey.config.pace
    if norm is None:
        return None
    done = steps_done(journey, walk)
    if not done:
        return 1.0 if now < _first_step_due(journey, walk) else 0.0
    share_of_time = max((now - walk.entered_at) / (norm.over * 1000), _SHARE_OF_TIME_MIN)
    return min(done / norm.steps / share_of_time, PACE_MAX)


def _first_step_due(journey: Journey, walk: Enrolment) -> int:
    norm = journey.config.pace
    assert norm is not None
    return walk.entered_at + norm.over * 1000 // norm.steps


def steps_done(journey: Journey, walk: Enrolment) -> int:
    """Return how many of the journey's steps are done; steps of an older version do not count."""
    return sum(step.id in walk.steps for step in journey.steps)


class Measures(Mapping[str, Any]):
    """The ``journey.*`` of one walk, worked out when asked for."""

    __slots__ = ("_journey", "_now", "_walk")

    def __init__(self, journey: Journey, walk: Enrolment, now: int) -> None:
        self._journey = journey
        self._walk = walk
        self._now = now

    def __getitem__(self, name: str) -> Any:
        if name not in FIELDS:
            raise KeyError(name)
        return self.get(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a measure; the inherited way through an exception costs as much as the rest of a turn."""
        journey, walk = self._journey, self._walk
        match name:
            case "steps":
                return {step.id: step.id in walk.steps for step in journey.steps}
            case "steps_done":
                return steps_done(journey, walk)
            case "pace":
                return pace(journey, walk, self._now)
            case "elapsed_s":
                return (self._now - walk.entered_at) // 1000
            case "node_elapsed_s":
                return (self._now - walk.arrived_at) // 1000
            case "tries":
                return len(walk.tries)
            case "messages":
                return walk.messages
            case "data":
                return walk.data
            case _:
                return default

    def __iter__(self) -> Iterator[str]:
        return iter(FIELDS)

    def __len__(self) -> int:
        return len(FIELDS)


def edges(journey: Journey, walk: Enrolment, timed: Timed, now: int) -> Iterator[int]:
    """Yield the moments (ms, after now) at which ``journey.*`` passes a number the condition compares it with."""
    for since, numbers in ((walk.entered_at, timed.elapsed), (walk.arrived_at, timed.staying)):
        yield from (at for number in numbers if number <= EDGE_MAX_S and (at := since + ceil(number) * 1000) > now)
    norm, done = journey.config.pace, steps_done(journey, walk)
    if norm is None:
        return
    if not done and timed.paces and (at := _first_step_due(journey, walk)) > now:
        yield at
    for number in timed.paces:
        if done and number > 0:  # from this moment on the pace is less
            span_s = done / norm.steps / number * norm.over  # inf for a number next to 0
            if span_s <= EDGE_MAX_S and (at := walk.entered_at + int(span_s * 1000) + 1) > now:
                yield at
