"""When volumes are told: a name that stopped, an hour with far too few or far too many. One name at a time.

Two looks. ``closed`` takes an hour that is over: it is judged, and learnt. ``looked`` is asked every minute: has a name
been silent for too long, or brought already more than its whole hour should. Both give the state that follows; an alarm
that opens or ends is in it, so the caller compares.

Nothing is told in the first day of a name.
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, structs

from domain.calendar import DAY_MS
from ml.watch.volumes import (
    FEW,
    HOUR_MS,
    MANY,
    Forecast,
    Usual,
    chance,
    chance_of_none,
    forecast,
    forecasts,
    hour_of_week,
    learnt,
)

What = Literal["stopped", "few", "many"]

CHANCE_OF_NONE = 3e-4  # below it a silence is no chance; all three chosen on the plays of ``ml.evaluation.volumes``
CHANCE_OF_FEW = 3e-3  # the same of an hour with few events
CHANCE_OF_MANY = 1e-6
DUE_LEAST = 10.0  # events that should have come, or their absence says nothing
MANY_LEAST = 20  # events
HOURS_LEAST = 24  # learnt of a name before a silence is told
SILENCE_MOST_MS = 7 * DAY_MS  # who is silent longer is not missed any more
ODD_MOST_MS = DAY_MS  # of an open alarm; then its hours are learnt as any: what lasts is no fault


class Alarm(Struct, frozen=True):
    """What is unlike any week."""

    what: What
    at: int  # ms, told
    since: int  # ms, where the silence or the first such hour began
    until: int  # ms, how far it had been seen
    seen: int  # events in that time
    usual: float  # events that it should have had
    ended: int = 0  # ms; 0: it goes on


class Watched(Struct, frozen=True):
    """One name."""

    usual: Usual = Usual()
    alarm: Alarm | None = None  # open, or the last one
    spoilt: int = 0  # ms; hours that begin before it are neither judged nor learnt


def closed(state: Watched, start: int, count: int, zone: str) -> Watched:
    """Take in an hour that is over.

    Args:
        start: ms, of a UTC hour. Hours come in order, each once; those that were not watched are left out.
    """
    if start < state.spoilt:
        return state
    place, end = hour_of_week(start, zone), start + HOUR_MS
    told, alarm = forecast(state.usual, place), open_alarm(state)
    what = _unlike(count, told)
    if alarm is not None and alarm.what == "stopped":
        what = "stopped"  # its end is an event, not an hour
    elif alarm is not None and what != alarm.what:
        alarm = structs.replace(alarm, ended=start)
    elif alarm is not None and told is not None and alarm.until < end:
        seen, usual = (alarm.seen, alarm.usual) if alarm.since < start else (0, 0.0)  # this hour may be in it in part
        alarm = structs.replace(alarm, until=end, seen=seen + count, usual=round(usual + told.mean, 2))
    elif what is not None and told is not None:
        alarm = Alarm(what, end, start, end, count, round(told.mean, 2))
    is_odd = what is not None and alarm is not None and end - alarm.since <= ODD_MOST_MS
    return Watched(learnt(state.usual, place, count, is_odd=is_odd), alarm or state.alarm, state.spoilt)


def looked(state: Watched, last: int, running: int, now: int, zone: str) -> Watched:
    """Look between two ends of hours.

    Args:
        last: ms, the newest event of the name, or when watching began, if later.
        running: Events of the hour under way.
        now: ms, up to which all events are counted.
    """
    alarm = open_alarm(state)
    if alarm is not None and alarm.what == "stopped":
        if last > alarm.since:
            return Watched(state.usual, structs.replace(alarm, ended=last), (last // HOUR_MS + 1) * HOUR_MS)
        if now - alarm.since > SILENCE_MOST_MS:
            return structs.replace(state, alarm=structs.replace(alarm, ended=now))
        return state
    if state.usual.hours < HOURS_LEAST or now - last > SILENCE_MOST_MS:
        return state
    due, odds = chance_of_none(_windows(state.usual, last, now, zone))
    if due >= DUE_LEAST and odds < CHANCE_OF_NONE:
        if alarm is not None:  # that one ends where the silence begins; the next look tells of the silence
            return structs.replace(state, alarm=structs.replace(alarm, ended=last))
        return structs.replace(state, alarm=Alarm("stopped", now, last, now, 0, round(due, 2)))
    start = now // HOUR_MS * HOUR_MS
    told = forecast(state.usual, hour_of_week(start, zone))
    if alarm is None and start >= state.spoilt and told is not None and _unlike(running, told) == "many":
        return structs.replace(state, alarm=Alarm("many", now, start, now, running, round(told.mean, 2)))
    return state


def open_alarm(state: Watched) -> Alarm | None:
    """Return the alarm that goes on."""
    return state.alarm if state.alarm is not None and not state.alarm.ended else None


def _unlike(count: int, told: Forecast | None) -> What | None:
    if told is None:
        return None
    if count <= told.mean * FEW and told.mean >= DUE_LEAST:
        return "few" if chance(count, told) < CHANCE_OF_FEW else None
    if count >= told.mean * MANY and count >= MANY_LEAST:
        return "many" if chance(count, told) < CHANCE_OF_MANY else None
    return None


def _windows(usual: Usual, since: int, now: int, zone: str) -> Iterator[tuple[Forecast, float]]:
    """Return the hours between two instants with the share of each; hours of which nothing is known are left out."""
    starts = range(since // HOUR_MS * HOUR_MS, now, HOUR_MS)
    expected = forecasts(usual, (hour_of_week(start, zone) for start in starts))
    for start, told in zip(starts, expected, strict=True):
        if told is not None:
            yield told, (min(now, start + HOUR_MS) - max(since, start)) / HOUR_MS
