"""What an event does to a player's score in a run. Pure: (record, event) -> record.

The time at which a score was reached is that of the event which brought it, by the event's own time; of a sum it is the
latest that counted, of a best value the earliest. So the order in which events arrive decides no tie.
"""

from msgspec.structs import replace

from domain.entries import Event
from domain.runs import RunRecord
from gamification.rules import AMOUNT_MAX
from gamification.tournaments.rules import ScoringRule, TournamentRule
from gamification.working import Turn

OPEN = frozenset({"asked", "again", "registered", "scoring"})  # events count


def counts(record: RunRecord, event: Event, now: int) -> bool:
    """Tell whether an event belongs to the run: by its own time within it, and not heard of too late.

    Args:
        now: Turn time; it must be before the end and the time to settle.
    """
    return (
        record.status in OPEN
        and max(record.starts_at, record.joined_at) <= event.occurred_at < record.ends_at
        and now < record.ends_at + record.settle_ms
    )


def scored(rule: TournamentRule, record: RunRecord, turn: Turn, event: Event) -> RunRecord:
    """Return the record with all that the event brings; the very same one when that is nothing."""
    for scoring in rule.scorings:
        if scoring.event == event.name and (scoring.where is None or scoring.where(turn)):
            record = _with(rule, scoring, record, turn, event)
    return record


def _with(rule: TournamentRule, scoring: ScoringRule, record: RunRecord, turn: Turn, event: Event) -> RunRecord:
    if scoring.parts is not None:
        parts = scoring.parts(event)
        return record if parts is None else _with_ratio(rule, record, event.occurred_at, *parts)
    value = scoring.value(turn, event)
    if value is None:
        return record
    counted = replace(record, events=record.events + 1)
    if rule.way == "best":
        return _reached(counted, *best((record.score, record.reached_at), (value, event.occurred_at)))
    return _reached(counted, record.score + value, max(record.reached_at, event.occurred_at))


def best(one: tuple[float, int], other: tuple[float, int]) -> tuple[float, int]:
    """Return the better of two scores with when it was reached (0: there is none); of equal ones the earlier."""
    if not one[1] or not other[1]:
        return one if one[1] else other
    return min((one, other), key=lambda score: (-score[0], score[1]))


def _with_ratio(rule: TournamentRule, record: RunRecord, at: int, above: float, below: float) -> RunRecord:
    of, to, events = record.of + above, record.to + below, record.events + 1
    if abs(of) > AMOUNT_MAX or abs(to) > AMOUNT_MAX:
        return record
    counted = replace(record, of=of, to=to, events=events)
    return with_ratio(rule, counted, max(record.reached_at, at))


def with_ratio(rule: TournamentRule, record: RunRecord, at: int) -> RunRecord:
    """Return the record with the score of its two sums; without enough events or a divisor the score stays."""
    if record.events < rule.min_events or not record.to:
        return record
    return _reached(record, record.of / record.to, at)


def _reached(record: RunRecord, score: float, at: int) -> RunRecord:
    """Return the record with a score; one beyond what is exact counts for nothing."""
    if abs(score) > AMOUNT_MAX:
        return record
    if record.reached_at and score == record.score and not at < record.reached_at:
        return record  # nothing better: the earlier event had reached it
    return replace(record, score=score, reached_at=max(1, at))
