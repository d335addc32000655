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

Tally = tuple[float, int, int, float, float]  # score, when it was reached, events, the two sums of a ratio
OPEN = frozenset({"asked", "again", "registered", "scoring"})  # events count


def counts(record: RunRecord, event: Event, now: int) -> bool:
    """Tell whether an event belongs to the run: by its own time within it, and not heard of too late.

    Args:
        now: Turn time; it must be before the end and the time to settle.
    """
    return (
        record.status in OPEN
        and record.starts_at <= event.occurred_at < record.ends_at
        and record.joined_at <= event.occurred_at
        and now < record.ends_at + record.settle_ms
    )


def scored(rule: TournamentRule, record: RunRecord, turn: Turn, event: Event) -> Tally | None:
    """Return the score with all that the event brings; None when that is nothing."""
    tally = before = (record.score, record.reached_at, record.events, record.of, record.to)
    for scoring in rule.scorings:
        if scoring.event == event.name and (scoring.where is None or scoring.where(turn)):
            tally = _with(rule, scoring, tally, turn, event)
    return None if tally is before else tally


def with_tally(record: RunRecord, tally: Tally, status: str, version: int) -> RunRecord:
    """Return the record with a new score. One record is made for each event, not one a step."""
    score, at, events, of, to = tally
    return replace(record, status=status, version=version, score=score, reached_at=at, events=events, of=of, to=to)


def _with(rule: TournamentRule, scoring: ScoringRule, tally: Tally, turn: Turn, event: Event) -> Tally:
    """Add one event; a score that would pass what is exact stays, and of one no better the time it was reached."""
    score, at, events, of, to = tally
    if scoring.parts is not None:
        parts = scoring.parts(event)
        return tally if parts is None else _with_ratio(rule, tally, event.occurred_at, *parts)
    value = scoring.value(turn, event)
    if value is None or abs(value) > AMOUNT_MAX:
        return tally
    if rule.way == "best":
        score, at = best((score, at), (value, max(event.occurred_at, 1)))
    elif value or not at:
        total = score + value
        if -AMOUNT_MAX <= total <= AMOUNT_MAX:
            score, at = total, max(at, event.occurred_at, 1)
    return score, at, events + 1, of, to


def best(one: tuple[float, int], other: tuple[float, int]) -> tuple[float, int]:
    """Return the better of two scores with when it was reached (0: there is none); of equal ones the earlier."""
    if not one[1] or not other[1]:
        return one if one[1] else other
    return min((one, other), key=lambda score: (-score[0], score[1]))


def _with_ratio(rule: TournamentRule, tally: Tally, now: int, above: float, below: float) -> Tally:
    score, at, events, of, to = tally
    of, to, events = of + above, to + below, events + 1
    if abs(of) > AMOUNT_MAX or abs(to) > AMOUNT_MAX:
        return tally
    ratio = ratio_of(rule, events, of, to)
    if ratio is not None and (ratio != score or not at):
        score, at = ratio, max(at, now, 1)
    return score, at, events, of, to


def ratio_of(rule: TournamentRule, events: int, of: float, to: float) -> float | None:
    """Return one sum over the other; None without enough events or a divisor, or beyond what is exact."""
    if events < rule.min_events or not to or abs(of / to) > AMOUNT_MAX:
        return None
    return of / to
