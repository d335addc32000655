"""From signals to the numbers that models read: one definition for training and for scoring.

``update`` takes one signal in, ``vector`` gives the features as they are at an instant, and both know nothing but
their arguments: a training set replays old signals through the very functions that run in a turn, so the two cannot
differ, and what comes after an instant cannot leak into its features.

The sums and half-lives follow the recency, frequency and money tradition (Fader, Hardie and Lee 2005: recency against
a player's own rhythm carries most of what is known about staying). Time is event time in ms.
"""

from math import asinh, cos, hypot, isfinite, log, log1p, pi, sin
from typing import Literal
from zlib import crc32

from msgspec import Struct, structs

from domain.calendar import DAY_MS
from domain.features import NEVER_BOUGHT, NONE_SEEN, NOTHING, RESPONSES_MAX, Buys, Faded, Features, Messages, Spread
from ml.sums import SD_PRIOR, Fades, added, added_by, deviation, faded, faded_months, fades, noted

Kind = Literal["bet", "win", "deposit", "withdrawal", "purchase", "session", "other", "received", "responded"]
MESSAGE_KINDS = frozenset(("received", "responded"))  # what was sent to a player shows nobody to be there
BUYS = frozenset(("deposit", "purchase"))

SESSION_GAP_MS = 30 * 60_000
AMOUNT_MAX = 1e12  # major units; more counts as this much
TOLD_SECONDS_MAX = 86_400.0  # of a session whose length the platform tells

NAMES = (
    "recency",  # log(1 + days) since the newest signal
    "tenure",  # log(1 + days) since the first
    "gap_mean",  # of log(1 + seconds) between sessions, running
    "gap_sd",
    "gap_max",  # log(1 + days), the longest silence so far
    "gap_last",  # log(1 + days), the silence that the newest session ended
    "lateness",  # the present silence against the player's own rhythm, in standard deviations, -4 to 8
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
    "games",  # log(1 + how many different ones), estimated; 267 and more are one
    "buy_days",  # log(1 + UTC days with a deposit or a purchase); this one and the next three are what
    "buy_span",  # ``ml.lifetime`` reads: log(1 + days from the first of them to the newest)
    "buy_age",  # log(1 + days since the first), whole ones as in the span
    "buy_mean",  # log(1 + what was paid on such a day on average)
    "messages_28",  # log(1 + fading sum) of messages that went out to the player
    "responses_28",  # of those opened or clicked
    "response_share",  # of the former to the latter, drawn towards ``SHARE_PRIOR`` where there were few; 0 to 1
)

_Session = tuple[int, int, float, float, float, Spread, int, int, Spread]  # sessions_all to lengths, as in ``Features``
_Payments = tuple[Faded, Faded, Faded, Faded, Faded, Faded, Faded, Faded]

SHARE_PRIOR, _SHARE_COUNT = 0.25, 4.0  # of messages responded to, and how many messages this counts as

_DAYS_MASK = 2**64 - 1
_GAP_PRIOR = 12.0  # log(1 + seconds) of a silence of two days: what is expected of a player with none yet
_MONTH_RATE = 7 / 28  # sum over a week's half-life of a steady player, over that of a month's


class Signal(Struct, frozen=True, gc=False):
    """What one event means to the models.

    Args:
        amount: Money in major units; of ``session`` the seconds that it lasted, when the platform tells.
        game: What was played, "" when nothing says; of ``received`` and ``responded`` the message's id.
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
    if kind in MESSAGE_KINDS:
        return structs.replace(before, messages=_messages(before.messages, signal, at))
    amount = _amount(signal.amount)
    told_ms = int(min(amount, TOLD_SECONDS_MAX) * 1000) if kind == "session" else 0
    if not before.events:
        return _first(signal, amount, max(at, 1), told_ms, before.messages)

    at = max(at, before.last_at)
    start = max(at - told_ms, before.last_at)  # a session that the platform tells of began before its signal
    silence = start - before.last_at
    opens = silence > gap_ms
    spent_ms = at - (start if opens else before.last_at)
    net = amount if kind == "win" else -amount if kind == "bet" else 0.0
    passed = at // DAY_MS - before.last_at // DAY_MS
    by, angle = fades(at - before.last_at), _angle(at)
    return Features(
        before.events + 1,
        before.first_at,
        at,
        ((before.days << passed) & _DAYS_MASK | 1) if passed < 64 else 1,
        before.days_all + (passed > 0),
        *(_next_session(before, start, silence, net) if opens else _same_session(before, net)),
        noted(before.stakes, log1p(amount)) if kind == "bet" else before.stakes,
        added_by(before.signals, by, at, 1.0),
        added(before.sessions, at, 1.0) if opens else before.sessions,
        added_by(before.seconds, _since(before.seconds, before, by, at), at, spent_ms / 1000)
        if spent_ms
        else before.seconds,
        *_payments(before, kind, amount, at, by),
        before.hour_cos * by[2] + cos(angle),
        before.hour_sin * by[2] + sin(angle),
        before.games | _bit(signal.game),
        _bought(before.buys, amount, at) if kind in BUYS else before.buys,
        before.messages,
    )


def opened_session(before: Features, after: Features) -> bool:
    """Say whether the signal between the two was the first of a session."""
    return after.sessions_all > before.sessions_all


def vector(state: Features, at: int, *, gap_ms: int = SESSION_GAP_MS) -> tuple[float, ...]:
    """Return the features as they are at an instant, in the order of ``NAMES``; all are finite.

    A player without silences, sessions or stakes has an expected silence and an expected spread of them, not zero.

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
        lengths = noted(lengths, length)
    else:
        net = state.previous_net

    gap_mean, gap_sd = _gap_mean(state.gaps), deviation(state.gaps)
    passed = at // DAY_MS - state.last_at // DAY_MS
    days = (state.days << passed) & _DAYS_MASK if passed < 64 else 0
    signals_1, signals_7, signals_28 = faded(state.signals, at)
    _, sessions_7, sessions_28 = faded(state.sessions, at)
    _, seconds_7, seconds_28 = faded(state.seconds, at)
    _, staked_7, staked_28 = faded(state.staked, at)
    buys, messages = state.buys, state.messages
    bets, won, deposits, deposited, withdrawn, purchases, purchased, received, responded = faded_months(
        (
            state.bets,
            state.won,
            state.deposits,
            state.deposited,
            state.withdrawn,
            state.purchases,
            state.purchased,
            messages.received,
            messages.responded,
        ),
        at,
    )
    unset = 64 - state.games.bit_count()
    return (
        log1p(recency),
        log1p(age),
        gap_mean,
        gap_sd,
        log1p(state.gap_max / DAY_MS),
        log1p(state.gap_last / DAY_MS),
        _within((log1p(idle_s) - gap_mean) / (gap_sd + 0.5), -4.0, 8.0),
        float((days & 0x7F).bit_count()),
        float((days & 0x3FFF).bit_count()),
        float((days & 0xFFFFFFF).bit_count()),
        float((days & 0xFFFFFFFFFFFFFF).bit_count()),
        log1p(state.days_all),
        min(1.0, state.days_all / (at // DAY_MS - state.first_at // DAY_MS + 1)),
        log1p(signals_1),
        log1p(signals_7),
        log1p(signals_28),
        log((signals_7 + 0.5) / (signals_28 * _MONTH_RATE + 0.5)),
        log1p(sessions_7),
        log1p(sessions_28),
        log1p(seconds_7),
        log1p(seconds_28),
        lengths.mean,
        deviation(lengths),
        length,
        asinh(net),
        log1p(bets),
        asinh(staked_7),
        asinh(staked_28),
        state.stakes.mean,
        deviation(state.stakes),
        asinh(won - staked_28),
        log1p(deposits),
        asinh(deposited),
        log1p((at - (state.deposits.at or state.first_at)) / DAY_MS),
        asinh(withdrawn),
        log1p(purchases),
        asinh(purchased),
        log1p((at - (state.purchases.at or state.first_at)) / DAY_MS),
        min(1.0, hypot(state.hour_cos, state.hour_sin) / state.signals.month),
        log1p(64.0 * log(64.0 / max(unset, 1))),  # linear counting (Whang et al. 1990)
        log1p(buys.days),
        log1p(buys.last_at // DAY_MS - buys.first_at // DAY_MS),
        log1p(_age_days(buys, at)),
        log1p(buys.spent / buys.days) if buys.days else 0.0,
        log1p(received),
        log1p(responded),
        min(1.0, (responded + SHARE_PRIOR * _SHARE_COUNT) / (received + _SHARE_COUNT)),
    )


def _first(signal: Signal, amount: float, at: int, told_ms: int, messages: Messages) -> Features:
    """Return the state after the first signal of all; messages may have come before it."""
    kind, began = signal.kind, max(at - told_ms, 1)
    one, money = Faded(at, 1.0, 1.0, 1.0), Faded(at, amount, amount, amount)
    spent = told_ms / 1000
    angle = _angle(at)
    return Features(
        events=1,
        first_at=began,
        last_at=at,
        days=1,
        days_all=1,
        sessions_all=1,
        began_at=began,
        session_net=-amount if kind == "bet" else amount if kind == "win" else 0.0,
        stakes=noted(NONE_SEEN, log1p(amount)) if kind == "bet" else NONE_SEEN,
        signals=one,
        sessions=one,
        seconds=Faded(at, spent, spent, spent) if told_ms else NOTHING,
        bets=one if kind == "bet" else NOTHING,
        staked=money if kind == "bet" else NOTHING,
        won=money if kind == "win" else NOTHING,
        deposits=one if kind == "deposit" else NOTHING,
        deposited=money if kind == "deposit" else NOTHING,
        withdrawn=money if kind == "withdrawal" else NOTHING,
        purchases=one if kind == "purchase" else NOTHING,
        purchased=money if kind == "purchase" else NOTHING,
        hour_cos=cos(angle),
        hour_sin=sin(angle),
        games=_bit(signal.game),
        buys=Buys(1, at, at, amount) if kind in BUYS else NEVER_BOUGHT,
        messages=messages,
    )


def _next_session(before: Features, start: int, silence: int, net: float) -> _Session:
    """Return what is kept of sessions when one begins: the newest before it is over now."""
    length = log1p((before.last_at - before.began_at) / 1000)
    return (
        before.sessions_all + 1,
        start,
        net,
        before.session_net,
        length,
        noted(before.gaps, log1p(silence / 1000)),
        max(before.gap_max, silence),
        silence,
        noted(before.lengths, length),
    )


def _same_session(before: Features, net: float) -> _Session:
    """Return what is kept of sessions while the newest goes on."""
    return (
        before.sessions_all,
        before.began_at,
        before.session_net + net,
        before.previous_net,
        before.previous_length,
        before.gaps,
        before.gap_max,
        before.gap_last,
        before.lengths,
    )


def _since(sums: Faded, before: Features, by: Fades, at: int) -> Fades:
    """Return how sums fade until ``at``. They are mostly as old as the newest signal, and fade ``by`` as much."""
    return by if sums.at == before.last_at else fades(at - sums.at)


def _payments(before: Features, kind: Kind, amount: float, at: int, by: Fades) -> _Payments:
    """Return the sums of money and of its movements: bets to purchased, in the order of ``Features``."""
    bets, staked, won = before.bets, before.staked, before.won
    deposits, deposited, withdrawn = before.deposits, before.deposited, before.withdrawn
    purchases, purchased = before.purchases, before.purchased
    if kind == "bet":
        by = _since(bets, before, by, at)  # as old as the stakes
        bets, staked = added_by(bets, by, at, 1.0), added_by(staked, by, at, amount)
    elif kind == "win":
        won = added_by(won, _since(won, before, by, at), at, amount)
    elif kind == "deposit":
        deposits, deposited = added(deposits, at, 1.0), added(deposited, at, amount)
    elif kind == "withdrawal":
        withdrawn = added(withdrawn, at, amount)
    elif kind == "purchase":
        purchases, purchased = added(purchases, at, 1.0), added(purchased, at, amount)
    return bets, staked, won, deposits, deposited, withdrawn, purchases, purchased


def _bought(before: Buys, amount: float, at: int) -> Buys:
    """Return what is kept of days with a payment after one more; ``at`` is not before the newest."""
    is_new = not before.days or at // DAY_MS > before.last_at // DAY_MS
    return Buys(before.days + is_new, before.first_at or at, at, before.spent + amount)


def _messages(before: Messages, signal: Signal, at: int) -> Messages:
    """Return what is kept of messages after one that went out, or was opened or clicked."""
    if signal.kind == "received":
        return structs.replace(before, received=added(before.received, max(at, before.received.at, 1), 1.0))
    name = crc32(signal.game.encode(errors="replace"))
    if name in before.last:
        return before
    responded = added(before.responded, max(at, before.responded.at, 1), 1.0)
    return Messages(before.received, responded, (*before.last, name)[-RESPONSES_MAX:])


def _age_days(buys: Buys, at: int) -> int:
    """Return the whole UTC days that have passed since the first payment, the present one only once it is over."""
    if not buys.days:
        return 0
    return max(buys.last_at // DAY_MS, (at - 1) // DAY_MS) - buys.first_at // DAY_MS


def _amount(value: float) -> float:
    return min(value, AMOUNT_MAX) if isfinite(value) and value > 0 else 0.0


def _bit(game: str) -> int:
    """Return the bit of 64 that a game sets; none for no game."""
    return 1 << (crc32(game.encode(errors="replace")) & 63) if game else 0


def _angle(at: int) -> float:
    return at % DAY_MS * (2 * pi / DAY_MS)


def _within(value: float, low: float, high: float) -> float:
    return low if value < low else min(value, high)


def _gap_mean(gaps: Spread) -> float:
    """Return the mean silence, one of two days counted in: a player with a single one tells little."""
    count = min(gaps.count, 10)
    return (count * gaps.mean + _GAP_PRIOR) / (count + 1)


def _of_nobody() -> tuple[float, ...]:
    """Return the vector of a player without any signal."""
    least = dict.fromkeys(NAMES, 0.0) | {
        "gap_mean": _GAP_PRIOR,
        "gap_sd": SD_PRIOR,
        "session_sd": SD_PRIOR,
        "stake_sd": SD_PRIOR,
        "response_share": SHARE_PRIOR,
    }
    return tuple(least.values())


_OF_NOBODY = _of_nobody()
