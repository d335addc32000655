"""From signals to the numbers that models read: one definition for training and for scoring.

``update`` takes one signal in, ``vector`` gives the features as they are at an instant, and both know nothing but
their arguments: a training set replays old signals through the very functions that run in a turn, so the two cannot
differ, and what comes after an instant cannot leak into its features.

The sums and half-lives follow the recency, frequency and money tradition (Fader, Hardie and Lee 2005: recency against
a player's own rhythm carries most of what is known about staying). Time is event time in ms.
"""

from math import asinh, cos, hypot, isfinite, log, log1p, pi, sin, sqrt
from typing import Literal
from zlib import crc32

from msgspec import Struct

from domain.calendar import DAY_MS
from domain.features import Faded, Features, Spread

Kind = Literal["bet", "win", "deposit", "withdrawal", "purchase", "session", "other"]

SESSION_GAP_MS = 30 * 60_000
AMOUNT_MAX = 1e12  # major units; more counts as this much
TOLD_SECONDS_MAX = 86_400.0  # of a session whose length the platform tells
HALF_LIVES_DAYS = (1, 7, 28)

NAMES = (
    "recency",  # log(1 + days) since the newest signal
    "tenure",  # log(1 + days) since the first
    "gap_mean",  # of log(1 + seconds) between sessions, running
    "gap_sd",
    "gap_max",  # log(1 + days), the longest silence so far
    "lateness",  # the present silence against the player's own rhythm, in standard deviations, -4 to 8
    "lateness_max",  # log of the present silence over the longest one, -8 to 8
    "days_7",  # UTC days with a signal among the last 7, today included
    "days_14",
    "days_28",
    "days_56",
    "days_all",  # log(1 + days with a signal)
    "days_share",  # of the days since the first one, 0 to 1
    "signals_1",  # log(1 + sum with a half-life of 1 day); likewise 7 and 28
    "signals_7",
    "signals_28",
    "signals_trend",  # log of the last week's rate over the last month's
    "sessions_7",
    "sessions_28",
    "seconds_7",
    "seconds_28",
    "session_mean",  # of log(1 + seconds) of a session
    "session_sd",
    "session_last",  # log(1 + seconds) of the last session that is over
    "session_net",  # asinh of what it won less what it staked
    "bets_28",
    "staked_7",  # asinh of the sum
    "staked_28",
    "stake_mean",  # of log(1 + stake)
    "stake_sd",
    "net_28",  # asinh of won less staked
    "deposits_28",
    "deposited_28",
    "since_deposit",  # log(1 + days); without one, as since the first signal
    "withdrawn_28",
    "purchases_28",
    "purchased_28",
    "since_purchase",
    "hour_regularity",  # 0: any hour of the day, 1: always the same
    "games",  # how many different ones, 1 to 64, estimated
)

_DAY_S = 86_400.0
_DAYS_MASK = 2**64 - 1
_WEIGHT_MIN = 0.1  # of a new value in a running mean
_GAP_PRIOR = 12.0  # log(1 + seconds) of a silence of two days: what is expected of a player with none yet
_SD_PRIOR = 1.0
_MONTH_RATE = 7 / 28  # sum over a week's half-life of a steady player, over that of a month's
_NO_SUM = Faded()


class Signal(Struct, frozen=True, gc=False):
    """What one event means to the models.

    Args:
        amount: Money in major units; of ``session`` the seconds that it lasted, when the platform tells.
        game: What was played, "" when nothing says.
    """

    kind: Kind
    amount: float = 0.0
    game: str = ""


def update(before: Features, signal: Signal, at: int, *, gap_ms: int = SESSION_GAP_MS) -> Features:
    """Take one signal in.

    A signal older than the newest one counts as if it came with it: sums are of bounded age, none is lost and time
    never runs backwards. Amounts that are no finite positive number count as nothing.

    Args:
        at: ms, when it happened.
        gap_ms: The silence after which a session is over.
    """
    kind = signal.kind
    amount = _amount(signal.amount)
    told_ms = int(min(amount, TOLD_SECONDS_MAX) * 1000) if kind == "session" else 0
    if not before.events:
        return _first(signal, kind, amount, at, told_ms)

    at = max(at, before.last_at)
    start = max(at - told_ms, before.last_at)  # a session that the platform tells of began before its signal
    silence = start - before.last_at
    opens = silence > gap_ms
    if opens:
        began, net, sessions = start, 0.0, _added(before.sessions, at, 1.0)
        previous_length = log1p((before.last_at - before.began_at) / 1000)
        previous_net = before.session_net
        gaps, lengths = _noted(before.gaps, log1p(silence / 1000)), _noted(before.lengths, previous_length)
        gap_max = max(before.gap_max, silence)
        spent = at - start
    else:
        began, net, sessions = before.began_at, before.session_net, before.sessions
        previous_length, previous_net = before.previous_length, before.previous_net
        gaps, lengths, gap_max = before.gaps, before.lengths, before.gap_max
        spent = at - before.last_at

    passed = at // DAY_MS - before.last_at // DAY_MS
    days = ((before.days << passed) & _DAYS_MASK | 1) if passed < 64 else 1
    signals, faded = _added_telling(before.signals, at, 1.0)
    angle = _angle(at)

    bets, staked, won, stakes = before.bets, before.staked, before.won, before.stakes
    deposits, deposited, withdrawn = before.deposits, before.deposited, before.withdrawn
    purchases, purchased = before.purchases, before.purchased
    if kind == "bet":
        bets, staked, stakes = _added(bets, at, 1.0), _added(staked, at, amount), _noted(stakes, log1p(amount))
        net -= amount
    elif kind == "win":
        won = _added(won, at, amount)
        net += amount
    elif kind == "deposit":
        deposits, deposited = _added(deposits, at, 1.0), _added(deposited, at, amount)
    elif kind == "withdrawal":
        withdrawn = _added(withdrawn, at, amount)
    elif kind == "purchase":
        purchases, purchased = _added(purchases, at, 1.0), _added(purchased, at, amount)

    return Features(
        before.events + 1,
        before.first_at,
        at,
        days,
        before.days_all + (passed > 0),
        before.sessions_all + opens,
        began,
        net,
        previous_net,
        previous_length,
        gaps,
        gap_max,
        lengths,
        stakes,
        signals,
        sessions,
        _added(before.seconds, at, spent / 1000) if spent else before.seconds,
        bets,
        staked,
        won,
        deposits,
        deposited,
        withdrawn,
        purchases,
        purchased,
        before.hour_cos * faded + cos(angle),
        before.hour_sin * faded + sin(angle),
        before.games | 1 << (crc32(signal.game.encode()) & 63) if signal.game else before.games,
    )


def opened_session(before: Features, after: Features) -> bool:
    """Say whether the signal between the two was the first of a session."""
    return after.sessions_all > before.sessions_all


def vector(state: Features, at: int, *, gap_ms: int = SESSION_GAP_MS) -> tuple[float, ...]:
    """Return the features as they are at an instant, in the order of ``NAMES``; all are finite.

    Nothing is zero by accident: where a player has no value yet there is the one that says least.

    Args:
        at: ms; before the newest signal it counts as that one's time.
        gap_ms: As of ``update``: once the newest session is over, it counts among those that are.
    """
    if not state.events:
        return _OF_NOBODY
    at = max(at, state.last_at)
    idle = at - state.last_at
    idle_s = idle / 1000
    recency, age = idle / DAY_MS, (at - state.first_at) / DAY_MS

    length, net, lengths = state.previous_length, state.session_net, state.lengths
    if idle > gap_ms:
        length = log1p((state.last_at - state.began_at) / 1000)
        lengths = _noted(lengths, length)
    else:
        net = state.previous_net

    gap_mean, gap_sd = (state.gaps.mean, sqrt(state.gaps.variance)) if state.gaps.count else (_GAP_PRIOR, _SD_PRIOR)
    passed = at // DAY_MS - state.last_at // DAY_MS
    days = (state.days << passed) & _DAYS_MASK if passed < 64 else 0
    signals_1, signals_7, signals_28 = _faded(state.signals, at)
    _, sessions_7, sessions_28 = _faded(state.sessions, at)
    _, seconds_7, seconds_28 = _faded(state.seconds, at)
    _, staked_7, staked_28 = _faded(state.staked, at)
    games = 64 - state.games.bit_count()
    return (
        log1p(recency),
        log1p(age),
        gap_mean,
        gap_sd,
        log1p(state.gap_max / DAY_MS),
        _within((log1p(idle_s) - gap_mean) / (gap_sd + 0.5), -4.0, 8.0),
        _within(log((idle_s + 60.0) / (state.gap_max / 1000 + 60.0)), -8.0, 8.0),
        float((days & 0x7F).bit_count()),
        float((days & 0x3FFF).bit_count()),
        float((days & 0xFFFFFFF).bit_count()),
        float((days & 0xFFFFFFFFFFFFFF).bit_count()),
        log1p(state.days_all),
        state.days_all / (at // DAY_MS - state.first_at // DAY_MS + 1),
        log1p(signals_1),
        log1p(signals_7),
        log1p(signals_28),
        log((signals_7 + 0.5) / (signals_28 * _MONTH_RATE + 0.5)),
        log1p(sessions_7),
        log1p(sessions_28),
        log1p(seconds_7),
        log1p(seconds_28),
        lengths.mean,
        sqrt(lengths.variance) if lengths.count > 1 else _SD_PRIOR,
        length,
        asinh(net),
        log1p(_faded_month(state.bets, at)),
        asinh(staked_7),
        asinh(staked_28),
        state.stakes.mean,
        sqrt(state.stakes.variance),
        asinh(_faded_month(state.won, at) - staked_28),
        log1p(_faded_month(state.deposits, at)),
        asinh(_faded_month(state.deposited, at)),
        log1p((at - (state.deposits.at or state.first_at)) / DAY_MS),
        asinh(_faded_month(state.withdrawn, at)),
        log1p(_faded_month(state.purchases, at)),
        asinh(_faded_month(state.purchased, at)),
        log1p((at - (state.purchases.at or state.first_at)) / DAY_MS),
        min(1.0, hypot(state.hour_cos, state.hour_sin) / state.signals.month),
        64.0 * log(64.0 / games) if games else 64.0 * log(64.0),  # linear counting (Whang et al. 1990)
    )


def joined(first: Features, second: Features, *, gap_ms: int = SESSION_GAP_MS) -> Features:
    """Return what is known of a person who was two players until now; the order of the two does not matter.

    Sums add up and averages are weighed by what they are of. Days on which both were active are counted once as far
    back as days are known one by one. The newest session is the one of the newer of the two.
    """
    if not (first.events and second.events):
        return first if first.events else second
    old, new = sorted((first, second), key=_age_order)
    at = new.last_at
    passed = at // DAY_MS - old.last_at // DAY_MS
    shifted = (old.days << passed) & _DAYS_MASK if passed < 64 else 0
    same_session = new.began_at - old.last_at <= gap_ms
    fade = 0.5 ** ((at - old.last_at) / DAY_MS / HALF_LIVES_DAYS[2])
    return Features(
        events=old.events + new.events,
        first_at=min(old.first_at, new.first_at),
        last_at=at,
        days=shifted | new.days,
        days_all=old.days_all + new.days_all - (shifted & new.days).bit_count(),
        sessions_all=old.sessions_all + new.sessions_all - same_session,
        began_at=min(old.began_at, new.began_at) if same_session else new.began_at,
        session_net=new.session_net + (old.session_net if same_session else 0.0),
        previous_net=new.previous_net,
        previous_length=new.previous_length,
        gaps=_pooled(old.gaps, new.gaps),
        gap_max=max(old.gap_max, new.gap_max),
        lengths=_pooled(old.lengths, new.lengths),
        stakes=_pooled(old.stakes, new.stakes),
        signals=_summed(old.signals, new.signals),
        sessions=_summed(old.sessions, new.sessions),
        seconds=_summed(old.seconds, new.seconds),
        bets=_summed(old.bets, new.bets),
        staked=_summed(old.staked, new.staked),
        won=_summed(old.won, new.won),
        deposits=_summed(old.deposits, new.deposits),
        deposited=_summed(old.deposited, new.deposited),
        withdrawn=_summed(old.withdrawn, new.withdrawn),
        purchases=_summed(old.purchases, new.purchases),
        purchased=_summed(old.purchased, new.purchased),
        hour_cos=old.hour_cos * fade + new.hour_cos,
        hour_sin=old.hour_sin * fade + new.hour_sin,
        games=old.games | new.games,
    )


def _first(signal: Signal, kind: Kind, amount: float, at: int, told_ms: int) -> Features:
    """Return the state after the first signal of all."""
    one, money = Faded(at, 1.0, 1.0, 1.0), Faded(at, amount, amount, amount)
    spent = told_ms / 1000
    angle = _angle(at)
    return Features(
        events=1,
        first_at=at - told_ms,
        last_at=at,
        days=1,
        days_all=1,
        sessions_all=1,
        began_at=at - told_ms,
        session_net=-amount if kind == "bet" else amount if kind == "win" else 0.0,
        stakes=Spread(1, log1p(amount)) if kind == "bet" else Spread(),
        signals=one,
        sessions=one,
        seconds=Faded(at, spent, spent, spent) if told_ms else _NO_SUM,
        bets=one if kind == "bet" else _NO_SUM,
        staked=money if kind == "bet" else _NO_SUM,
        won=money if kind == "win" else _NO_SUM,
        deposits=one if kind == "deposit" else _NO_SUM,
        deposited=money if kind == "deposit" else _NO_SUM,
        withdrawn=money if kind == "withdrawal" else _NO_SUM,
        purchases=one if kind == "purchase" else _NO_SUM,
        purchased=money if kind == "purchase" else _NO_SUM,
        hour_cos=cos(angle),
        hour_sin=sin(angle),
        games=1 << (crc32(signal.game.encode()) & 63) if signal.game else 0,
    )


def _amount(value: float) -> float:
    return min(value, AMOUNT_MAX) if isfinite(value) and value > 0 else 0.0


def _angle(at: int) -> float:
    return at % DAY_MS * (2 * pi / DAY_MS)


def _within(value: float, low: float, high: float) -> float:
    return low if value < low else min(value, high)


def _faded(sums: Faded, at: int) -> tuple[float, float, float]:
    """Return the sums as they stand at ``at``: (day, week, month)."""
    days = (at - sums.at) / DAY_MS
    if not days:
        return sums.day, sums.week, sums.month
    return sums.day * 0.5**days, sums.week * 0.5 ** (days / 7), sums.month * 0.5 ** (days / 28)


def _faded_month(sums: Faded, at: int) -> float:
    return sums.month * 0.5 ** ((at - sums.at) / DAY_MS / 28) if sums.at else 0.0


def _added(sums: Faded, at: int, amount: float) -> Faded:
    """Return the sums with ``amount`` added at ``at``, which is not before ``sums.at``."""
    day, week, month = _faded(sums, at)
    return Faded(at, day + amount, week + amount, month + amount)


def _added_telling(sums: Faded, at: int, amount: float) -> tuple[Faded, float]:
    """Return as ``_added``, and the factor by which the month's sum faded."""
    days = (at - sums.at) / DAY_MS
    faded = 0.5 ** (days / 28)
    return Faded(
        at, sums.day * 0.5**days + amount, sums.week * 0.5 ** (days / 7) + amount, sums.month * faded + amount
    ), faded


def _summed(one: Faded, other: Faded) -> Faded:
    """Return the two sums as one, at the later of their times."""
    if not (one.at and other.at):
        return one if one.at else other
    at = max(one.at, other.at)
    return Faded(at, *(mine + theirs for mine, theirs in zip(_faded(one, at), _faded(other, at), strict=True)))


def _noted(spread: Spread, value: float) -> Spread:
    """Return the running mean and variance with one value more."""
    count = spread.count + 1
    weight = max(_WEIGHT_MIN, 1.0 / count)
    error = value - spread.mean
    return Spread(count, spread.mean + weight * error, (1.0 - weight) * (spread.variance + weight * error * error))


def _pooled(one: Spread, other: Spread) -> Spread:
    """Return mean and variance over the values of both."""
    count = one.count + other.count
    if not count:
        return one
    share = one.count / count
    mean = share * one.mean + (1.0 - share) * other.mean
    between = share * (1.0 - share) * (one.mean - other.mean) ** 2
    return Spread(count, mean, share * one.variance + (1.0 - share) * other.variance + between)


def _age_order(state: Features) -> tuple[object, ...]:
    return (state.last_at, state.began_at, state.events, state.first_at, state.previous_length, state.previous_net)


def _of_nobody() -> tuple[float, ...]:
    """Return the vector of a player without any signal."""
    least = dict.fromkeys(NAMES, 0.0) | {"gap_mean": _GAP_PRIOR, "gap_sd": _SD_PRIOR, "session_sd": _SD_PRIOR}
    return tuple(least.values())


_OF_NOBODY = _of_nobody()
