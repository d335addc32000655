"""What a player did becomes numbers: the sums equal those taken over the whole history, whatever came and when."""

from collections.abc import Callable
from itertools import pairwise
from math import exp, inf, isclose, isfinite, log, log1p, nan
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from domain.calendar import DAY_MS
from domain.features import BYTES_MAX, RESPONSES_MAX, Buys, Faded, Features
from ml.features import BUYS, NAMES, SESSION_GAP_MS, SHARE_PRIOR, Kind, Signal, opened_session, update, vector

MONDAY = 1_772_409_600_000  # 2 March 2026, 00:00 UTC
MINUTE, HOUR = 60_000, 3_600_000
KINDS: tuple[Kind, ...] = ("bet", "win", "deposit", "withdrawal", "purchase", "session", "other")
MESSAGES = st.builds(Signal, st.sampled_from(("received", "responded")), game=st.sampled_from(("a", "b", "c", "d")))


DEFINED = {
    "recency": 1.791759,
    "tenure": 2.969631,
    "gap_mean": 12.005428,
    "gap_sd": 1.070699,
    "gap_max": 2.302585,
    "gap_last": 2.302585,
    "lateness": 0.618040,
    "days_7": 1.000000,
    "days_14": 1.000000,
    "days_28": 4.000000,
    "days_56": 4.000000,
    "days_all": 1.609438,
    "days_share": 0.200000,
    "signals_1": 0.030936,
    "signals_7": 1.165604,
    "signals_28": 1.976522,
    "signals_trend": 0.276175,
    "sessions_7": 0.882008,
    "sessions_28": 1.516180,
    "seconds_7": 6.106292,
    "seconds_28": 7.322948,
    "session_mean": 3.818582,
    "session_sd": 2.743439,
    "session_last": 0.000000,
    "session_net": 0.000000,
    "bets_28": 1.105814,
    "staked_7": 1.854112,
    "staked_28": 3.008894,
    "stake_mean": 1.728196,
    "stake_sd": 0.692779,
    "net_28": -1.486093,
    "deposits_28": 0.495215,
    "deposited_28": 4.160455,
    "since_deposit": 2.943086,
    "withdrawn_28": 3.343554,
    "purchases_28": 0.633173,
    "purchased_28": 1.701802,
    "since_purchase": 1.791759,
    "hour_regularity": 0.792085,
    "games": 1.109195,
    "buy_days": 1.098612,
    "buy_span": 2.639057,
    "buy_age": 2.944439,
    "buy_mean": 3.314186,
    "messages_28": 1.017820,
    "responses_28": 0.633181,
    "response_share": 0.326607,
}
LAWS = settings(max_examples=50, deadline=None)


class Act(NamedTuple):
    """One signal, ``wait`` ms after the one before it."""

    wait: int
    signal: Signal


def signals(amounts: st.SearchStrategy[float]) -> st.SearchStrategy[Signal]:
    return st.builds(Signal, st.sampled_from(KINDS), amounts, st.sampled_from(("", "crash", "roulette")))


WAITS = st.one_of(st.integers(0, 2 * HOUR), st.integers(0, 4 * DAY_MS), st.integers(0, 90 * DAY_MS))
PLAIN = signals(st.floats(0, 1e6)).filter(lambda signal: signal.kind != "session")
HISTORIES = st.lists(st.builds(Act, WAITS, PLAIN), min_size=1, max_size=20)
WILD = st.lists(
    st.tuples(
        st.one_of(st.integers(-(2**62), 2**62), st.integers(MONDAY, MONDAY + 400 * DAY_MS)),
        signals(st.one_of(st.floats(), st.sampled_from((nan, inf, -inf, 1e308, -5.0)))) | MESSAGES,
    ),
    max_size=20,
)


def timed(history: list[Act]) -> list[tuple[int, Signal]]:
    """Return the signals with their times."""
    at, rows = MONDAY, []
    for act in history:
        at += act.wait
        rows.append((at, act.signal))
    return rows


def after(rows: list[tuple[int, Signal]], start: Features | None = None) -> Features:
    state = start or Features()
    for at, signal in rows:
        state = update(state, signal, at)
    return state


def named(state: Features, at: int) -> dict[str, float]:
    return dict(zip(NAMES, vector(state, at), strict=True))


def of_kind(kind: Kind, *, money: bool) -> Callable[[Signal], float]:
    return lambda signal: (signal.amount if money else 1.0) if signal.kind == kind else 0.0


SUMS: dict[str, Callable[[Signal], float]] = {
    "signals": lambda _: 1.0,
    "bets": of_kind("bet", money=False),
    "staked": of_kind("bet", money=True),
    "won": of_kind("win", money=True),
    "deposits": of_kind("deposit", money=False),
    "deposited": of_kind("deposit", money=True),
    "withdrawn": of_kind("withdrawal", money=True),
    "purchases": of_kind("purchase", money=False),
    "purchased": of_kind("purchase", money=True),
}


@LAWS
@given(history=HISTORIES)
def test_a_fading_sum_is_the_sum_over_the_whole_history(history: list[Act]) -> None:
    rows = timed(history)
    state = after(rows)
    for name, worth in SUMS.items():
        held: Faded = getattr(state, name)
        for half_life, value in ((1, held.day), (7, held.week), (28, held.month)):
            whole = sum(
                worth(signal) * exp(-log(2) * (held.at - at) / DAY_MS / half_life)
                for at, signal in rows
                if worth(signal)
            )
            assert isclose(value, whole, rel_tol=1e-9, abs_tol=1e-9), (name, half_life)


@LAWS
@given(history=HISTORIES)
def test_sessions_are_what_lies_between_long_silences(history: list[Act]) -> None:
    rows = timed(history)
    silences = [later - earlier for (earlier, _), (later, _) in pairwise(rows)]
    long = [silence for silence in silences if silence > SESSION_GAP_MS]
    state = after(rows)
    assert state.sessions_all == 1 + len(long)
    assert state.gap_max == max(long, default=0)
    assert state.gap_last == (long[-1] if long else 0)
    within = sum(silence for silence in silences if silence <= SESSION_GAP_MS) / 1000
    assert state.seconds.month <= within + 1e-6
    assert (state.seconds.month > 0) == (within > 0)
    begins = [at for (before, _), (at, _) in pairwise(rows) if at - before > SESSION_GAP_MS]
    assert state.began_at == (begins[-1] if begins else rows[0][0])
    net = sum(
        signal.amount if signal.kind == "win" else -signal.amount
        for at, signal in rows
        if at >= state.began_at and signal.kind in ("bet", "win")
    )
    assert state.session_net == pytest.approx(net, abs=1e-6)


@LAWS
@given(history=HISTORIES, wait=st.integers(0, 90 * DAY_MS))
def test_active_days_are_those_of_the_calendar(history: list[Act], wait: int) -> None:
    rows = timed(history)
    at = rows[-1][0] + wait
    active = {moment // DAY_MS for moment, _ in rows}
    now = named(after(rows), at)
    for window in (7, 14, 28, 56):
        assert now[f"days_{window}"] == len([day for day in active if at // DAY_MS - day < window])
    assert now["days_all"] == log1p(len(active))
    assert now["days_share"] == len(active) / (at // DAY_MS - rows[0][0] // DAY_MS + 1)


@pytest.mark.parametrize(("away", "days_7", "days_56"), [(0, 7, 56), (3, 4, 53), (56, 0, 0), (64, 0, 0), (900, 0, 0)])
def test_days_leave_their_windows_one_by_one(away: int, days_7: int, days_56: int) -> None:
    daily = after([(MONDAY + day * DAY_MS, Signal("other")) for day in range(80)])
    gone = named(daily, daily.last_at + away * DAY_MS)
    assert (gone["days_7"], gone["days_56"]) == (days_7, days_56)
    back = update(daily, Signal("other"), daily.last_at + away * DAY_MS)
    assert named(back, back.last_at)["days_56"] == min(56, days_56 + 1)


@LAWS
@given(rows=WILD, at=st.integers(-(2**62), 2**62))
@example([(MONDAY, Signal("bet", 1e308)), (MONDAY + 400 * 365 * DAY_MS, Signal("win", 1e308))], 2**62)
@example([(0, Signal("deposit", 1.0)), (0, Signal("session", inf))], 0)
def test_whatever_comes_all_numbers_are_finite_and_the_state_stays_small(
    rows: list[tuple[int, Signal]], at: int
) -> None:
    state = after(rows)
    assert all(isfinite(number) for number in vector(state, at))
    assert len(msgspec.msgpack.encode(state)) <= BYTES_MAX


def test_the_fullest_state_is_within_the_bound_that_is_told() -> None:
    state = Features()
    for number in range(2_000):
        for kind in (*KINDS, "received", "responded"):
            state = update(state, Signal(kind, 1e12, f"game {number}"), MONDAY + number * 45 * MINUTE)  # type: ignore[arg-type]
    assert state.games == 2**64 - 1
    assert all(isfinite(number) for number in vector(state, state.last_at))
    assert 550 < len(msgspec.msgpack.encode(state)) <= BYTES_MAX


@LAWS
@given(history=HISTORIES, signal=PLAIN, late=st.integers(0, 400 * DAY_MS))
def test_a_late_signal_counts_as_if_it_came_with_the_newest(history: list[Act], signal: Signal, late: int) -> None:
    state = after(timed(history))
    assert update(state, signal, state.last_at - late) == update(state, signal, state.last_at)


@LAWS
@given(history=HISTORIES, cut=st.integers(0, 20))
def test_a_state_that_was_stored_goes_on_as_if_it_never_was(history: list[Act], cut: int) -> None:
    rows = timed(history)
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(after(rows[:cut])), type=Features)
    whole = after(rows)
    assert after(rows[cut:], stored) == whole
    assert vector(after(rows[cut:], stored), rows[-1][0]) == vector(whole, rows[-1][0])


@LAWS
@given(history=HISTORIES, first=st.integers(0, 60 * DAY_MS), more=st.integers(1, 60 * DAY_MS))
def test_silence_alone_makes_a_player_older_rarer_and_later(history: list[Act], first: int, more: int) -> None:
    state = after(timed(history))
    earlier, later = named(state, state.last_at + first), named(state, state.last_at + first + more)
    for rises in ("recency", "tenure", "since_deposit", "since_purchase", "lateness"):
        assert later[rises] >= earlier[rises], rises
    for falls in ("days_7", "days_28", "days_share", "signals_1", "signals_28", "sessions_28", "bets_28", "staked_28"):
        assert later[falls] <= earlier[falls], falls


def test_a_session_is_seen_when_it_opens() -> None:
    nobody = Features()
    one = update(nobody, Signal("other"), MONDAY)
    same = update(one, Signal("other"), MONDAY + SESSION_GAP_MS)
    next_one = update(same, Signal("other"), MONDAY + 2 * SESSION_GAP_MS + 1)
    assert [opened_session(*pair) for pair in pairwise((nobody, one, same, next_one))] == [True, False, True]


def test_a_shorter_gap_makes_more_sessions() -> None:
    rows = [(MONDAY + number * 10 * MINUTE, Signal("other")) for number in range(6)]
    state = Features()
    for at, signal in rows:
        state = update(state, signal, at, gap_ms=5 * MINUTE)
    assert (state.sessions_all, after(rows).sessions_all) == (6, 1)


def test_a_session_that_the_platform_tells_of_began_before_its_signal() -> None:
    login = update(Features(), Signal("other"), MONDAY)
    told = update(login, Signal("session", 7_200.0), MONDAY + 2 * HOUR)
    assert told.sessions_all == 1, "from the login on there was no silence"
    assert told.seconds.month == pytest.approx(7_200)
    tomorrow = update(told, Signal("session", 600.0), MONDAY + DAY_MS)
    assert tomorrow.sessions_all == 2
    assert tomorrow.began_at == MONDAY + DAY_MS - 600_000
    assert tomorrow.previous_length == log1p(7_200)


def test_the_last_session_counts_as_soon_as_it_is_over() -> None:
    state = after([(MONDAY, Signal("bet", 10.0)), (MONDAY + 20 * MINUTE, Signal("win", 4.0))])
    playing, over = named(state, state.last_at), named(state, state.last_at + HOUR)
    assert (playing["session_last"], playing["session_net"]) == (0, 0)
    assert over["session_last"] == log1p(1_200)
    assert over["session_net"] == pytest.approx(-2.4918, abs=1e-4)  # asinh(-6)
    assert over["session_mean"] == over["session_last"]
    back = update(state, Signal("bet", 100.0), MONDAY + DAY_MS)
    again = named(back, back.last_at)
    assert (again["session_last"], again["session_net"]) == (over["session_last"], over["session_net"])


def test_regular_players_have_a_small_lateness_and_late_ones_a_large() -> None:
    daily = after([(MONDAY + day * DAY_MS + 20 * HOUR, Signal("bet", 5.0, "crash")) for day in range(30)])
    on_time, late = named(daily, daily.last_at + DAY_MS), named(daily, daily.last_at + 10 * DAY_MS)
    assert abs(on_time["lateness"]) < 0.5
    assert late["lateness"] > 2
    assert on_time["hour_regularity"] == pytest.approx(1.0)
    assert on_time["days_28"] == 27  # of the last 28 days today is still missing
    assert on_time["signals_trend"] == pytest.approx(0.5, abs=0.3)


def test_hours_all_over_the_day_are_no_habit() -> None:
    state = after([(MONDAY + number * 7 * HOUR, Signal("other")) for number in range(240)])
    assert named(state, state.last_at)["hour_regularity"] < 0.1


@pytest.mark.parametrize("games", [1, 10, 40])
def test_games_are_counted_about_right(games: int) -> None:
    rows = [(MONDAY, Signal("bet", 1.0, f"game-{number % games}")) for number in range(200)]
    counted = exp(named(after(rows), MONDAY)["games"]) - 1
    assert counted == pytest.approx(games, rel=0.25)


def test_a_player_who_did_nothing_has_a_vector_too() -> None:
    nobody = named(Features(), MONDAY)
    assert nobody["days_28"] == nobody["signals_28"] == nobody["recency"] == 0
    assert len(set(NAMES)) == len(NAMES) == len(vector(Features(), 0)) == len(vector(after([(5, Signal("bet"))]), 9))


@LAWS
@given(history=HISTORIES)
def test_what_a_signal_says_nothing_of_stays_the_same_object(history: list[Act]) -> None:
    state = after(timed(history))
    seen = update(state, Signal("other"), state.last_at)
    for name in ("bets", "staked", "won", "deposits", "deposited", "withdrawn", "purchases", "purchased", "stakes",
                 "buys", "messages"):  # fmt: skip
        assert getattr(seen, name) is getattr(state, name)
    assert seen.events == state.events + 1


@LAWS
@given(history=HISTORIES, wait=st.integers(0, 90 * DAY_MS))
def test_days_with_a_payment_are_those_of_the_calendar(history: list[Act], wait: int) -> None:
    rows = timed(history)
    state = after(rows)
    paid = [(at, signal.amount) for at, signal in rows if signal.kind in BUYS]
    days = sorted({at // DAY_MS for at, _ in paid})
    assert state.buys == Buys(
        len(days), paid[0][0] if paid else 0, paid[-1][0] if paid else 0, pytest.approx(sum(x for _, x in paid))
    )
    at = rows[-1][0] + wait
    now = named(state, at)
    assert round(exp(now["buy_days"]) - 1, 6) == len(days)
    if days:
        assert round(exp(now["buy_span"]) - 1, 6) == days[-1] - days[0]
        assert round(exp(now["buy_age"]) - 1, 6) == max(days[-1], (at - 1) // DAY_MS) - days[0]
        assert exp(now["buy_mean"]) - 1 == pytest.approx(sum(x for _, x in paid) / len(days), abs=1e-6)


@LAWS
@given(history=HISTORIES, what=st.lists(st.tuples(st.integers(0, 20), MESSAGES), max_size=8))
def test_messages_are_counted_and_change_nothing_else(history: list[Act], what: list[tuple[int, Signal]]) -> None:
    """However many came, and whatever was done with them, the player was no more there than without."""
    rows = timed(history)
    plain = after(rows)
    mixed = list(rows)
    for place, signal in what:
        mixed.insert(place, (mixed[min(place, len(mixed) - 1)][0], signal))
    state = after(mixed)
    assert structs.replace(state, messages=plain.messages) == plain
    assert named(state, plain.last_at)["messages_28"] == pytest.approx(
        log1p(sum(0.5 ** ((plain.last_at - at) / DAY_MS / 28) for at, s in mixed if s.kind == "received")), abs=1e-9
    )
    names = {signal.game for _, signal in mixed if signal.kind == "responded"}
    assert len(state.messages.last) == len(names)


def test_a_message_counts_as_responded_to_once() -> None:
    state = Features()
    for number in range(6):
        state = update(state, Signal("received", game=f"req-{number}"), MONDAY + number)
    for name in ("req-1", "req-1", "req-2", "req-1"):
        state = update(state, Signal("responded", game=name), MONDAY + HOUR)
    assert state.messages.received.month == pytest.approx(6)
    assert state.messages.responded.month == pytest.approx(2)
    for number in range(100):
        state = update(state, Signal("responded", game=f"old-{number}"), MONDAY + HOUR)
    assert len(state.messages.last) == RESPONSES_MAX
    assert state.events == 0
    assert named(state, MONDAY) == named(Features(), MONDAY), "of who was never there nothing is known"
    assert named(update(state, Signal("other"), MONDAY + HOUR), MONDAY + HOUR)["response_share"] == 1


def test_who_answers_messages_is_told_from_who_does_not() -> None:
    def share(sent: int, answered: int) -> float:
        state = update(Features(), Signal("other"), MONDAY)
        for number in range(sent):
            state = update(state, Signal("received", game=f"r{number}"), MONDAY)
        for number in range(answered):
            state = update(state, Signal("responded", game=f"r{number}"), MONDAY)
        return named(state, MONDAY)["response_share"]

    assert share(0, 0) == SHARE_PRIOR
    assert share(20, 0) < share(1, 0) < SHARE_PRIOR < share(1, 1) < share(20, 20) < 1


def test_the_definitions_are_those_that_models_were_trained_with() -> None:
    """Models in use were trained with these numbers. A feature that is to mean something else gets another name."""
    waits: list[tuple[int, Signal]] = [
        (0, Signal("session", 900.0)),
        (12 * HOUR, Signal("deposit", 50.0)),
        (MINUTE, Signal("bet", 5.0, "crash")),
        (2 * MINUTE, Signal("win", 12.5)),
        (3 * DAY_MS, Signal("bet", 7.5, "roulette")),
        (20 * MINUTE, Signal("other")),
        (-HOUR, Signal("bet", 2.5, "crash")),
        (DAY_MS, Signal("withdrawal", 20.0)),
        (9 * DAY_MS, Signal("purchase", 3.0)),
        (0, Signal("received", game="req-1")),
        (0, Signal("received", game="req-2")),
        (MINUTE, Signal("responded", game="req-2")),
    ]
    state = after(timed([Act(wait, signal) for wait, signal in waits]))
    assert named(state, state.last_at + 5 * DAY_MS) == pytest.approx(DEFINED, abs=1e-6)


def test_the_documents_name_every_feature() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "models.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in text] == []
