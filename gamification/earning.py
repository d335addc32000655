"""Points for events (``earn-rules``). The daily cap is of the player's local day of the event's own time."""

from domain.calendar import local_day
from domain.entries import Event
from domain.event_fields import field_value
from gamification.ledger import post
from gamification.rules import EarnRule, whole_amount
from gamification.working import Turn


def earn(turn: Turn, rules: tuple[EarnRule, ...], event: Event) -> None:
    """Post what the event earns; an event without a usable amount earns nothing."""
    for rule in rules:
        if rule.where is not None and not rule.where(turn):
            continue
        amount = _earned(rule, event)
        if amount > 0:
            if rule.max_per_day:
                _post_below_cap(turn, rule, amount, event.occurred_at)
            else:
                post(turn, rule.currency, amount, "earn-rules/" + rule.id, turn.rules.version)


def _earned(rule: EarnRule, event: Event) -> int:
    """Return whole units of the field times the amount; the rest of a unit is not carried to the next event."""
    if not rule.per_field:
        return rule.amount
    return whole_amount(field_value(event, rule.per_field)) // rule.per_unit * rule.amount


def _post_below_cap(turn: Turn, rule: EarnRule, amount: int, at: int) -> None:
    """Post what the day has left. An event of an earlier day than the newest is charged to the newest."""
    day = local_day(at, turn.zone)
    newest, used = turn.earned.get(rule.id, (day, 0))
    if day > newest:
        newest, used = day, 0
    allowed = min(amount, rule.max_per_day - used)
    if allowed > 0 and post(turn, rule.currency, allowed, "earn-rules/" + rule.id, turn.rules.version) == "ok":
        turn.set_earned(rule.id, newest, used + allowed)
