"""What a currency may have beyond a balance: a hold, an expiry, a daily limit (docs/gamification/currencies.md).

What is held back is in no balance and in no account until it is available, so the ledger's sums are true at every
moment. What expires is kept in lots, one for each moment at which something expires, and spent from the first; a
balance beyond all lots (from before the currency expired) stays, and is spent last. Everything goes by turn time but
the daily limit, whose day is that of the event.
"""

from bisect import insort
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from domain.calendar import as_ms, day_starts_at, local_day
from domain.effects import RETURNS, Posting
from domain.entries import TimerFired
from domain.game_effects import CreditLimited, CreditPending, RewardRefused
from domain.player import Balance, Purse, Snapshot
from gamification.room import Room
from gamification.rules import AMOUNT_MAX, PurseRule
from gamification.terms import GRACE_DAYS, Terms, restored

if TYPE_CHECKING:
    from gamification.working import Turn

TIMER = "currency_due"
EXPIRED = "expired"  # account of what was not spent in time
LOTS_MAX = 400  # of one currency: a year of days, and some for changes of zone; then the first two become one
PENDING_MAX = 200  # beyond it credits join the last one, under the currency's own name
_STEPS = 48  # a hold is told apart in so many steps, of a minute at least
_MINUTE_MS = 60_000
_NOTHING = Balance()
_EMPTY = Purse()
_EPOCH_DAY = date(1970, 1, 1).toordinal()

Lots = tuple[tuple[int, int], ...]
Pending = tuple[tuple[int, int, str], ...]


def allowed(turn: "Turn", options: PurseRule, amount: int, rule: str) -> int:
    """Return how much of what is earned the day still allows, and note it; what is over is told.

    An event of an earlier day than the newest is charged to the newest, as for the caps of earn rules.
    """
    if not options.max_per_day:
        return amount
    held = turn.wallet.get(options.currency, _NOTHING)
    purse = held.purse or _EMPTY
    day, used = purse.day
    today = local_day(turn.event_time, turn.zone)
    if today > day:
        day, used = today, 0
    given = max(0, min(amount, options.max_per_day - used))
    if given < amount:
        turn.effects.append(CreditLimited(options.currency, amount - given, options.max_per_day, rule))
    if given:
        purse = replace(purse, day=(day, used + given))
        turn.set_balance(options.currency, Balance(held.balance, held.lifetime, purse))
    return given


def put_aside(turn: "Turn", options: PurseRule, amount: int, rule: str) -> Literal["ok", "amount_out_of_range"]:
    """Hold back what was earned; it is available when the hold is over, rounded up to a step."""
    held = turn.wallet.get(options.currency, _NOTHING)
    purse = held.purse or _EMPTY
    if max(held.balance, held.lifetime) + sum(row[1] for row in purse.pending) + amount > AMOUNT_MAX:
        return "amount_out_of_range"
    step = max(_MINUTE_MS, -(-options.hold_ms // _STEPS // _MINUTE_MS) * _MINUTE_MS)
    at = -(-(turn.at + options.hold_ms) // step) * step
    pending = _with(purse.pending, (at, amount, rule), options.currency)
    _store(turn, options.currency, held, replace(purse, pending=pending))
    turn.effects.append(CreditPending(options.currency, amount, at, rule))
    return "ok"


def moved(
    turn: "Turn", options: PurseRule, held: Balance, amount: int, balance: int, earned: int, account: str, lot: int = 0
) -> Purse | None:
    """Return the purse after ``amount`` was posted, which leaves ``balance`` and raised ``lifetime`` by ``earned``.

    A credit first fills a debt; the rest is a lot. What comes back without terms joins the lot that expires first;
    where none is left it is a new one.

    Args:
        lot: Of a debit that takes a credit back: when the lot expires that the credit made. It is taken from first.
    """
    purse = held.purse or _EMPTY
    if not (purse.lots or purse.pending or options.expires_ms or options.ends):  # nothing falls due
        if not options.window_days or earned <= 0:
            return held.purse
        credits = _credited(purse.credits, local_day(turn.at, turn.zone), earned, options.window_days)
        return Purse((), (), purse.day, credits, purse.armed)
    purse = _armed(turn, options.currency, _changed(turn, options, held, amount, balance, earned, account, lot))
    return None if purse == _EMPTY else purse


def come_back(turn: "Turn", options: PurseRule, amount: int, terms: Terms) -> Purse | None:
    """Return the purse when ``amount`` comes back with its terms; ``expire`` takes what is over, and sets the timer.

    Of a debt that it fills, what expires first is gone first. What does not expire any more comes back without a term.
    """
    held = turn.wallet.get(options.currency, _NOTHING)
    purse = held.purse or _EMPTY
    if not (expires := _expiry(options, turn.at, turn.zone)):
        return held.purse
    grace = min(expires, _begins(local_day(turn.at, turn.zone) + GRACE_DAYS + 1, turn.zone))
    otherwise = purse.lots[0][0] if purse.lots else expires
    debt = min(amount, max(0, -held.balance))
    lots = purse.lots
    for at, left in _spent(restored(terms, amount, turn.at, grace, otherwise), debt):
        lots = _added(lots, at, left)
    return replace(purse, lots=lots)


def expiry_of(turn: "Turn", currency: str) -> int:
    """Return when the lot expires that a credit makes now; 0: it makes none."""
    options = turn.rules.purses.get(currency)
    return _expiry(options, turn.at, turn.zone) if options is not None else 0


def _changed(
    turn: "Turn", options: PurseRule, held: Balance, amount: int, balance: int, earned: int, account: str, lot: int = 0
) -> Purse:
    purse = held.purse or _EMPTY
    lots = purse.lots
    if amount < 0:
        lots = _taken_back(lots, -amount, lot) if lot else _spent(lots, -amount)
    elif expires := _expiry(options, turn.at, turn.zone):
        fresh = min(amount, max(0, balance))
        at = lots[0][0] if lots and account in RETURNS else expires
        lots = _added(lots, at, fresh) if fresh else lots
    credits = purse.credits
    if options.window_days and earned > 0:
        credits = _credited(credits, local_day(turn.at, turn.zone), earned, options.window_days)
    return Purse(lots, purse.pending, purse.day, credits, purse.armed)


def credited(held: Balance | None, days: int, today: int) -> int:
    """Return the credits of the last local days, ``today`` included."""
    if held is None or held.purse is None:
        return 0
    return sum(amount for day, amount in held.purse.credits if day > today - days)


def settle(turn: "Turn", currency: str) -> None:
    """Make available what was held long enough, and take what has expired. Does nothing before the timer is due."""
    held = turn.wallet.get(currency, _NOTHING)
    purse = held.purse
    if purse is None or not 0 < purse.armed <= turn.at:
        return
    options = turn.rules.purses.get(currency, PurseRule(currency))
    due = [row for row in purse.pending if row[0] <= turn.at]
    purse = replace(purse, pending=purse.pending[len(due) :], armed=0)
    turn.set_balance(currency, Balance(held.balance, held.lifetime, purse))
    for _, amount, rule in due:
        held = turn.wallet[currency]
        balance, lifetime = held.balance + amount, held.lifetime + amount
        if max(balance, lifetime) > AMOUNT_MAX:
            lost = ("currency", currency, amount)
            turn.effects.append(RewardRefused(rule, "amount_out_of_range", rewards=(lost,)))
        else:
            after = _changed(turn, options, held, amount, balance, amount, "issued")
            turn.set_balance(currency, Balance(balance, lifetime, after))
            turn.effects.append(Posting(currency, amount, balance, rule, turn.rules.version, "issued", "available"))
    expire(turn, currency)


def expire(turn: "Turn", currency: str) -> None:
    """Take what has expired, and set the timer for what is due next."""
    held = turn.wallet[currency]
    purse = held.purse or _EMPTY
    over = sum(left for at, left in purse.lots if at <= turn.at)
    over = min(over, max(0, held.balance))  # never below zero, whatever came of the lots
    lots = tuple(lot for lot in purse.lots if lot[0] > turn.at)
    balance = held.balance - over
    if over:
        rule = f"currencies/{currency}"
        turn.effects.append(Posting(currency, -over, balance, rule, turn.rules.version, EXPIRED, "not_spent_in_time"))
    _store(turn, currency, Balance(balance, held.lifetime), replace(purse, lots=lots))


def _credited(credits: Lots, today: int, amount: int, days: int) -> Lots:
    """Return the credits of the last days with one more of today; what a change of zone brings late is today's too."""
    if credits and credits[-1][0] >= today:
        newest, before = credits[-1]
        return (*credits[:-1], (newest, before + amount))
    kept = credits if not credits or credits[0][0] > today - days else tuple(c for c in credits if c[0] > today - days)
    return (*kept, (today, amount))


def _expiry(options: PurseRule, now: int, zone: str) -> int:
    """Return when what is credited now expires, at the end of a local day; 0: never."""
    if options.expires_ms:
        return _begins(local_day(now + options.expires_ms, zone) + 1, zone)
    return _end_of(options.ends, local_day(now, zone), zone) if options.ends else 0


_begins = lru_cache(maxsize=4096)(day_starts_at)  # every credit of a day asks for the same


@lru_cache(maxsize=4096)
def _end_of(ends: str, day: int, zone: str) -> int:
    today = date.fromordinal(_EPOCH_DAY + day)
    if ends == "month_end" and today.month < 12:
        following = date(today.year, today.month + 1, 1)
    else:
        following = date(today.year + 1, 1, 1)
    return day_starts_at(as_ms(datetime(following.year, following.month, 1, tzinfo=UTC)) // 86_400_000, zone)


def _added(lots: Lots, at: int, amount: int) -> Lots:
    if lots and lots[-1][0] == at:
        return (*lots[:-1], (at, lots[-1][1] + amount))
    sums = dict(lots)
    sums[at] = sums.get(at, 0) + amount
    together = sorted(sums.items())
    while len(together) > LOTS_MAX:
        (_, first), (second_at, second), *others = together
        together = [(second_at, first + second), *others]
    return tuple(together)


def _spent(lots: Lots, amount: int) -> Lots:
    """Take from the first lots; what they do not have was not in lots."""
    while lots and amount > 0:
        at, left = lots[0]
        lots = ((at, left - amount), *lots[1:]) if left > amount else lots[1:]
        amount -= left
    return lots


def _taken_back(lots: Lots, amount: int, at: int) -> Lots:
    """Take from the lot that expires then, and what it does not have from the first."""
    part = min(amount, next((left for when, left in lots if when == at), 0))
    rest = tuple((when, left - part if when == at else left) for when, left in lots if when != at or left > part)
    return _spent(rest, amount - part)


def _with(pending: Pending, row: tuple[int, int, str], currency: str) -> Pending:
    rows = list(pending)
    for place, (at, amount, rule) in enumerate(rows):
        if (at, rule) == (row[0], row[2]):
            rows[place] = (at, amount + row[1], rule)
            return tuple(rows)
    if len(rows) >= PENDING_MAX:
        at, amount, _ = rows[-1]
        rows[-1] = (max(at, row[0]), amount + row[1], f"currencies/{currency}")
    else:
        insort(rows, row)
    return tuple(rows)


def _store(turn: "Turn", currency: str, held: Balance, purse: Purse) -> None:
    purse = _armed(turn, currency, purse)
    turn.set_balance(currency, Balance(held.balance, held.lifetime, None if purse == _EMPTY else purse))


def _armed(turn: "Turn", currency: str, purse: Purse) -> Purse:
    """Set the timer for what is due first; one that is set for earlier stays, and finds nothing to do."""
    due = purse.lots[0][0] if purse.lots else 0
    if purse.pending and (not due or purse.pending[0][0] < due):
        due = purse.pending[0][0]
    if not due or 0 < purse.armed <= due:
        return purse
    if purse.armed:
        turn.clear_timer(TIMER, currency, purse.armed)
    turn.set_timer(TIMER, currency, due)
    return replace(purse, armed=due)


def on_timer(turn: "Turn", timer: TimerFired) -> None:
    """Do what is due; a timer that is not the one set changes nothing."""
    held = turn.wallet.get(timer.ref)
    if held is not None and held.purse is not None and held.purse.armed == timer.due:
        settle(turn, timer.ref)


def hand_over(turn: "Turn", _into: str) -> None:
    """End the profile: its purses are told to the other by the snapshot."""
    for currency, held in turn.wallet.items():
        if held.purse is not None:
            if held.purse.armed:
                turn.clear_timer(TIMER, currency, held.purse.armed)
            turn.set_balance(currency, Balance(held.balance, held.lifetime))


def join(turn: "Turn", source: Snapshot) -> None:
    """Add the other profile's lots, what it waits for, what it earned today and lately. Balances were joined before."""
    for currency, other in source.wallet.items():
        held = turn.wallet.get(currency, _NOTHING)
        if held.purse is None and other.purse is None:
            continue
        mine, theirs = held.purse or _EMPTY, other.purse or _EMPTY
        lots = mine.lots
        for at, left in theirs.lots:
            lots = _added(lots, at, left)
        pending = mine.pending
        for row in theirs.pending:
            pending = _with(pending, row, currency)
        credits = dict(mine.credits)
        for day, amount in theirs.credits:
            credits[day] = credits.get(day, 0) + amount
        day = max(mine.day[0], theirs.day[0])
        used = sum(purse.day[1] for purse in (mine, theirs) if purse.day[0] == day)
        lots = _spent(lots, sum(left for _, left in lots) - max(0, held.balance))  # one of the two may be in debt
        joined = Purse(lots, pending, (day, used), tuple(sorted(credits.items())), mine.armed)
        _store(turn, currency, held, joined)
        settle(turn, currency)


ROOM = Room(name="currencies", timers={TIMER: on_timer}, hand_over=hand_over, join=join)
