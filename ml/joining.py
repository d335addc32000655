"""Two players turn out to be one person: what the models know of them is joined (docs/identity.md)."""

import msgspec
from msgspec import structs

from domain.calendar import DAY_MS
from domain.features import NEVER_BOUGHT, NO_MESSAGES, RESPONSES_MAX, Buys, Features, Messages
from ml.features import SESSION_GAP_MS
from ml.sums import fades, pooled, summed


def joined(first: Features, second: Features, *, gap_ms: int = SESSION_GAP_MS) -> Features:
    """Return what is known of a person who was two players until now; the order of the two does not matter.

    Sums add up and averages are weighed by what they are of. Days on which both were active are counted once as far
    back as days are known one by one. The newest session is the one of the newer of the two.
    """
    old, new = sorted((first, second), key=_age)
    messages = _joined_messages(old.messages, new.messages)
    if not (first.events and second.events):
        known = first if first.events else second
        return known if known.messages == messages else structs.replace(known, messages=messages)
    at = new.last_at
    passed = at // DAY_MS - old.last_at // DAY_MS
    first_at, apart = min(old.first_at, new.first_at), old.days_all + new.days_all
    shifted = (old.days << passed) & (2**64 - 1) if passed < 64 else 0
    same_session = new.began_at - old.last_at <= gap_ms
    fade = fades(at - old.last_at)[2]
    return Features(
        events=old.events + new.events,
        first_at=first_at,
        last_at=at,
        days=shifted | new.days,
        days_all=min(apart - (shifted & new.days).bit_count(), at // DAY_MS - first_at // DAY_MS + 1),
        sessions_all=old.sessions_all + new.sessions_all - same_session,
        began_at=min(old.began_at, new.began_at) if same_session else new.began_at,
        session_net=new.session_net + (old.session_net if same_session else 0.0),
        previous_net=new.previous_net,
        previous_length=new.previous_length,
        gaps=pooled(old.gaps, new.gaps),
        gap_max=max(old.gap_max, new.gap_max),
        gap_last=new.gap_last,
        lengths=pooled(old.lengths, new.lengths),
        stakes=pooled(old.stakes, new.stakes),
        signals=summed(old.signals, new.signals),
        sessions=summed(old.sessions, new.sessions),
        seconds=summed(old.seconds, new.seconds),
        bets=summed(old.bets, new.bets),
        staked=summed(old.staked, new.staked),
        won=summed(old.won, new.won),
        deposits=summed(old.deposits, new.deposits),
        deposited=summed(old.deposited, new.deposited),
        withdrawn=summed(old.withdrawn, new.withdrawn),
        purchases=summed(old.purchases, new.purchases),
        purchased=summed(old.purchased, new.purchased),
        hour_cos=old.hour_cos * fade + new.hour_cos,
        hour_sin=old.hour_sin * fade + new.hour_sin,
        games=old.games | new.games,
        buys=_joined_buys(old.buys, new.buys),
        messages=messages,
    )


def _joined_buys(one: Buys, other: Buys) -> Buys:
    """Return the payments of both. Which days were the same is not known; there are no more than the span has."""
    if NEVER_BOUGHT in (one, other):
        return other if one == NEVER_BOUGHT else one
    first, last = min(one.first_at, other.first_at), max(one.last_at, other.last_at)
    days = min(one.days + other.days, last // DAY_MS - first // DAY_MS + 1)
    return Buys(days, first, last, one.spent + other.spent)


def _joined_messages(old: Messages, new: Messages) -> Messages:
    if NO_MESSAGES in (old, new):
        return new if old == NO_MESSAGES else old
    return Messages(
        summed(old.received, new.received),
        summed(old.responded, new.responded),
        (*old.last, *(name for name in new.last if name not in old.last))[-RESPONSES_MAX:],
    )


def _age(state: Features) -> tuple[int, bytes]:
    """Return what tells the older of two; where they are of one age, any order that does not depend on theirs."""
    return state.last_at, msgspec.msgpack.encode(state)
