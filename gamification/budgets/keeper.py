"""The keeper of a budget: what is reserved and confirmed never passes the amount, whoever asks and whenever.

=========== ==================================================================================================
reserve     room: ``ok`` with the period; else it waits in order (``queue``), or ``budget_spent``
confirm     what was reserved is given for good; not answered
release     what was reserved is not given: there is room again; not answered
=========== ==================================================================================================

Confirm and release name the period of the reservation: those of an earlier one change nothing in this one.
"""

from typing import Any

import msgspec
from msgspec import Struct, structs
from msgspec.structs import replace

from domain.entries import Entry, KeeperAnswered, KeeperAsked, TimerFired
from domain.game_effects import BudgetAlert
from gamification.budgets.rules import BudgetRule
from gamification.keeping import Keeper
from gamification.periods import number_of, starts_at

KIND = "budget"
TIMER = "budget_look"
# Asks of one budget, beyond it: budget_spent. Each is some 50 bytes, and every commit writes all of them: 100 KB took
# the store a millisecond or two, 10,000 (530 KB) took 12. A longer line of before is served to its end.
WAITING_MAX = 2_000
SERVED_MAX = 500  # of those that wait, in one turn; the next ones a second later
LOOK_MS = 60_000  # how often a budget for which somebody waits looks whether its amount was raised
NO_BUDGET = -1  # period of an ask that no budget counts: it was deleted
_FULL = 100  # percent


class Kept(Struct, frozen=True):
    """What the keeper keeps. ``reserved + confirmed + left == amount``, and none is below zero while it stands."""

    period: int = 0
    per: str = ""  # as of the period; another one begins a new period
    amount: int = 0  # last seen
    reserved: int = 0
    confirmed: int = 0
    told: int = 0  # percent, the highest alert of the period
    waiting: list[Any] = []  # [ask's id, amount], in order; plain, since thousands are not to be read each turn
    look_at: int = 0  # ms, the timer that is set

    @property
    def spent(self) -> int:
        """Return what is not left."""
        return self.reserved + self.confirmed

    @property
    def left(self) -> int:
        """Return what may still be given; 0 where the amount was lowered below what is spent."""
        return max(0, self.amount - self.spent)


def read(kept: dict[str, Any]) -> Kept:
    """Read what the keeper's snapshot holds."""
    return msgspec.convert(kept, Kept)


def kept_as(kept: Kept) -> dict[str, Any]:
    """Return what the snapshot holds."""
    return structs.asdict(kept)


def at_moment(kept: Kept, rule: BudgetRule, now: int) -> Kept:
    """Return the budget as it stands: a period that is over is followed by a fresh one."""
    period = number_of(now, rule.zone, rule.per) if rule.per else 0
    if period != kept.period or (rule.per or "") != kept.per:
        kept = replace(kept, period=period, per=rule.per or "", reserved=0, confirmed=0, told=0)
    if kept.amount != rule.amount:  # an alert below which the share has fallen may come again
        share = 100 * kept.spent // rule.amount
        kept = replace(kept, amount=rule.amount, told=kept.told if kept.told <= share else 0)
    return kept


def take(keeper: Keeper, entry: Entry) -> None:
    """Take a keeper's turn."""
    before = read(keeper.kept)
    budgets = keeper.rules.rooms.get("budgets")
    rule: BudgetRule | None = budgets.all.get(keeper.name) if budgets is not None else None
    if isinstance(entry, TimerFired) and entry.due != before.look_at:
        return  # it was replaced by an earlier one
    kept = replace(before, look_at=0) if isinstance(entry, TimerFired) else before
    if rule is None:
        kept = _without_budget(keeper, kept, entry)
    else:
        kept = at_moment(kept, rule, keeper.at)
        if isinstance(entry, KeeperAsked):
            kept = _asked(keeper, rule, kept, entry)
        kept = _alerted(keeper, rule, _served(keeper, rule, kept))
    kept = _watched(keeper, rule, kept)
    if kept != before:
        keeper.kept = kept_as(kept)


def _asked(keeper: Keeper, rule: BudgetRule, kept: Kept, asked: KeeperAsked) -> Kept:
    amount = int(asked.args["amount"])
    if asked.op == "reserve":
        if amount <= rule.amount and not kept.waiting and amount <= kept.left:
            keeper.answer(asked, period=kept.period)
            return replace(kept, reserved=kept.reserved + amount)
        if amount <= rule.amount and rule.do == "queue" and len(kept.waiting) < WAITING_MAX:
            keeper.tell(asked.asker, "reward_waiting", f"waits:{asked.id}", ask=asked.id)
            return replace(kept, waiting=[*kept.waiting, [asked.id, amount]])
        keeper.answer(asked, "budget_spent")
        return kept
    return _ended(kept, asked, amount)


def _ended(kept: Kept, asked: KeeperAsked, amount: int) -> Kept:
    """End a reservation of the present period: confirmed, or released."""
    if asked.args["period"] != kept.period:
        return kept
    amount = min(amount, kept.reserved)
    confirmed = kept.confirmed + amount if asked.op == "confirm" else kept.confirmed
    return replace(kept, reserved=kept.reserved - amount, confirmed=confirmed)


def _served(keeper: Keeper, rule: BudgetRule, kept: Kept) -> Kept:
    """Answer those who wait, in order, while there is room for the first; one that never fits gives way."""
    done, left, reserved = 0, kept.left, kept.reserved
    for ask_id, amount in kept.waiting[:SERVED_MAX]:
        if amount > rule.amount:
            _answer(keeper, ask_id, "budget_spent")
        elif amount <= left:
            _answer(keeper, ask_id, "ok", period=kept.period)
            left, reserved = left - amount, reserved + amount
        else:
            break
        done += 1
    return replace(kept, waiting=kept.waiting[done:], reserved=reserved) if done else kept


def _without_budget(keeper: Keeper, kept: Kept, entry: Entry) -> Kept:
    """Nobody limits any more: who asks or waits is given. What was reserved ends as it would: the budget may return."""
    if isinstance(entry, KeeperAsked):
        if entry.op == "reserve":
            keeper.answer(entry, period=NO_BUDGET)
        else:
            kept = _ended(kept, entry, int(entry.args["amount"]))
    for ask_id, _ in kept.waiting[:SERVED_MAX]:
        _answer(keeper, ask_id, "ok", period=NO_BUDGET)
    return replace(kept, waiting=kept.waiting[SERVED_MAX:])


def _answer(keeper: Keeper, ask_id: str, code: str, **data: Any) -> None:
    asker = ask_id.partition("@")[2]  # ``asking.ask`` makes it so
    keeper.relays.append(KeeperAnswered(asker, keeper.id, ask_id, "reserve", code, data, cause=ask_id))


def _alerted(keeper: Keeper, rule: BudgetRule, kept: Kept) -> Kept:
    """Tell of each share that is reached, once in a period."""
    share = 100 * kept.spent // rule.amount
    for percent in sorted({rule.alert_at, _FULL}):
        if kept.told < percent <= share:
            keeper.effects.append(BudgetAlert(rule.id, percent, kept.spent, rule.amount, kept.period))
            kept = replace(kept, told=percent)
    return kept


def _watched(keeper: Keeper, rule: BudgetRule | None, kept: Kept) -> Kept:
    """See to it that those who wait are looked after: at the next period, when the amount is raised, in bursts."""
    if not kept.waiting:
        return kept
    if rule is None or (kept.waiting[0][1] <= kept.left):
        due = keeper.at + 1_000
    else:
        due = keeper.at + LOOK_MS
        if rule.per:
            due = min(due, starts_at(kept.period + 1, rule.zone, rule.per))
    due = max(due, keeper.at + 1)
    if kept.look_at and kept.look_at <= due:
        return kept
    keeper.set_timer(TIMER, keeper.name, due)
    return replace(kept, look_at=due)
