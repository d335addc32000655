"""Currencies that are held back, expire and are limited; the ledger's sums stay true at every moment."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendar import as_ms, day_starts_at
from domain.effects import BOUGHT, Answered, Effect, Posting
from domain.entries import Command, Event, TimerFired
from domain.game_effects import CreditLimited, CreditPending, RewardRefused
from domain.player import Balance, Purse, Snapshot, with_parts
from gamification import ledger, purses
from gamification.programme import InvalidProgramme
from gamification.rules import AMOUNT_MAX, Rules
from gamification.view import player_view
from gamification.working import Turn
from tests.gamification.playing import DAY, HOUR, MINUTE, MONDAY, NOON, SECOND, points, postings, programme
from tests.gamification.test_merge import ADA, GUEST, Two


def rules(version: int = 1, **gems: Any) -> Rules:
    earn = {"event": "bet_placed", "currency": "gems", "amount": 1, "per": {"field": "properties.amount", "unit": 1}}
    return programme(version, currencies={"gems": gems}, earn_rules={"bets": earn})


class Town(Two):
    """Two players who are also asked to pay, and what each of them is worth."""

    def earns(self, amount: int, who: str = ADA, at: int | None = None) -> list[Effect]:
        self.count += 1
        return self.take(Event(who, f"e{self.count}", "bet_placed", self.now if at is None else at, {"amount": amount}))

    def pays(self, amount: int, who: str = ADA) -> list[Effect]:
        self.count += 1
        args = {"currency": "gems", "amount": -amount}
        return self.take(Command(who, f"cmd:{self.count}", "adjust", args))

    def gems(self, who: str = ADA) -> int:
        return self.balance(who, "gems").balance

    def purse(self, who: str = ADA) -> Purse:
        return self.balance(who, "gems").purse or Purse()

    def shown(self) -> dict[str, Any]:
        balances: dict[str, Any] = player_view(self.rules, self.states[ADA], self.now)["balances"]
        gems: dict[str, Any] = balances["gems"]
        return gems


# a currency without options


def test_without_options_nothing_is_kept_and_nothing_more_is_shown() -> None:
    town = Town(rules())
    town.earns(5)
    assert town.states[ADA].wallet == {"gems": Balance(5, 5)}
    assert town.shown() == {"balance": 5, "lifetime": 5}
    assert town.rules.purses == {}


# a hold


def test_what_is_earned_is_available_after_the_hold_and_posted_then() -> None:
    town = Town(rules(pending="24h"))
    assert town.earns(5) == [CreditPending("gems", 5, NOON + DAY, "earn-rules/bets")]
    assert (town.gems(), town.accounts) == (0, {})
    assert town.shown() == {"balance": 0, "lifetime": 0, "pending": 5, "available_at": NOON + DAY, "expires": None}
    refused = town.pays(1)[-1]
    assert isinstance(refused, Answered)
    assert refused.code == "insufficient_balance"
    town.passes(DAY - 1)
    assert town.gems() == 0
    town.passes(1)
    assert (town.gems(), town.balance(ADA, "gems").lifetime, town.accounts["issued:gems"]) == (5, 5, -5)
    assert town.balance(ADA, "gems").purse is None


def test_what_is_posted_after_the_hold_still_names_its_rule() -> None:
    town = Town(rules(pending="1h"))
    town.earns(5)
    town.now += HOUR
    timer = next(iter(town.timers))
    assert town.take(timer) == [Posting("gems", 5, 5, "earn-rules/bets", 1, "issued", "available")]
    assert town.take(timer) == [], "fired again it does nothing"


def test_credits_of_a_step_are_one_and_what_a_person_gives_is_there_at_once() -> None:
    town = Town(rules(pending="24h"))
    for _ in range(3):
        town.earns(5)
        town.now += MINUTE
    assert len(town.purse().pending) == 2
    town.pays(-7)
    assert town.gems() == 7


def test_beyond_the_most_that_wait_credits_join_the_last_and_none_is_available_too_early() -> None:
    several = purses.PENDING_MAX + 3
    earn = {f"r{n:03}": {"event": "bet_placed", "currency": "gems", "amount": 1} for n in range(several)}
    town = Town(programme(currencies={"gems": {"pending": "24h"}}, earn_rules=earn))
    town.earns(0)
    assert len(town.purse().pending) == purses.PENDING_MAX
    assert town.purse().pending[-1] == (NOON + DAY, 4, "currencies/gems")
    town.now += HOUR
    town.earns(0)
    assert town.purse().pending[-1] == (NOON + DAY + HOUR, 4 + several, "currencies/gems")


def test_no_more_waits_than_there_will_be_room_for() -> None:
    town = Town(rules(pending="1h"))
    town.earns(AMOUNT_MAX)
    town.earns(1)
    assert [row[1] for row in town.purse().pending] == [AMOUNT_MAX]


# expiry


def test_what_is_not_spent_expires_first_in_first_out() -> None:
    town = Town(rules(expires="2d"))
    town.earns(5)
    town.passes(DAY)
    town.earns(7)
    assert town.purse().lots == ((MONDAY + 3 * DAY, 5), (MONDAY + 4 * DAY, 7))
    town.pays(3)
    assert town.shown()["expires"] == {"amount": 2, "at": MONDAY + 3 * DAY}
    town.passes(2 * DAY)
    assert town.gems() == 7
    assert town.accounts["expired:gems"] == 2
    assert town.balance(ADA, "gems").lifetime == 12
    town.pays(7)
    town.passes(2 * DAY)
    assert (town.gems(), town.accounts["expired:gems"]) == (0, 2)


def test_an_expiry_is_a_posting_against_the_account_expired() -> None:
    town = Town(rules(expires="1d"))
    town.earns(5)
    town.now += 2 * DAY
    (timer,) = town.timers
    assert town.take(timer) == [Posting("gems", -5, 0, "currencies/gems", 1, "expired", "not_spent_in_time")]


def test_what_is_over_is_over_even_before_its_timer_has_fired() -> None:
    town = Town(rules(expires="1d"))
    town.earns(5)
    town.now += 2 * DAY
    effects = town.pays(1)
    assert [p.account for p in postings(effects)] == ["expired"]
    assert town.gems() == 0


@pytest.mark.parametrize(
    ("ends", "zone", "at"),
    [
        ("year_end", "UTC", 1_798_761_600_000),  # 2027-01-01
        ("month_end", "UTC", 1_775_001_600_000),  # 2026-04-01
        ("year_end", "Asia/Tokyo", 1_798_761_600_000 - 9 * HOUR),
    ],
)
def test_the_end_of_the_month_or_year_is_that_of_the_players_calendar(ends: str, zone: str, at: int) -> None:
    town = Town(rules(expires={"at": ends}))
    town.take(Event(ADA, "e0", "login", NOON, traits={"timezone": zone}))
    town.earns(5)
    assert town.purse().lots == ((at, 5),)


@pytest.mark.parametrize(("month", "following"), [(11, (2026, 12)), (12, (2027, 1))])
def test_the_last_months_of_a_year_end_as_the_others_do(month: int, following: tuple[int, int]) -> None:
    town = Town(rules(expires={"at": "month_end"}))
    town.now = as_ms(datetime(2026, month, 15, tzinfo=UTC))
    town.earns(5)
    assert town.purse().lots == ((as_ms(datetime(*following, 1, tzinfo=UTC)), 5),)


def test_a_lot_that_is_spent_or_taken_back_whole_is_no_lot_any_more() -> None:
    town = Town(rules(expires="2d"))
    town.earns(5)
    town.passes(DAY)
    town.earns(7)
    first, second = town.purse().lots
    turn = Turn(town.rules, town.states[ADA], town.now, "c")
    assert ledger.post(turn, "gems", -7, "rewards/pack", 1, BOUGHT, "refund", second[0]) == "ok"
    kept = turn.wallet["gems"].purse
    assert kept is not None
    assert kept.lots == (first,)
    town.pays(5)
    assert town.purse().lots == (second,)


def test_lots_beyond_the_most_become_one_and_keep_their_sum() -> None:
    lots = tuple((NOON + 2 * DAY + n * HOUR, 1) for n in range(purses.LOTS_MAX))
    town = Town(rules(expires="300d"))
    town.states[ADA] = with_parts(Snapshot(ADA), wallet={"gems": Balance(len(lots), len(lots), Purse(lots))})
    town.earns(1)
    after = town.purse().lots
    assert len(after) == purses.LOTS_MAX
    assert after[:2] == ((lots[1][0], 2), lots[2]), "the first two, at the later moment"
    assert sum(left for _, left in after) == town.gems()


def test_what_was_there_before_the_currency_expired_stays_and_is_spent_last() -> None:
    town = Town(rules())
    town.earns(5)
    town.rules = rules(2, expires="1d")
    town.earns(3)
    town.pays(4)
    assert (town.gems(), town.purse().lots) == (4, ())
    town.earns(3)
    town.passes(3 * DAY)
    assert town.gems() == 4


def test_a_credit_fills_a_debt_before_it_is_a_lot() -> None:
    town = Town(rules(expires="1d", allow_negative=True))
    town.pays(10)
    town.earns(14)
    assert town.purse().lots == ((MONDAY + 2 * DAY, 4),)


def test_what_comes_back_is_not_made_younger() -> None:
    town = Town(rules(expires="1d"))
    town.earns(5)
    town.passes(DAY // 2)
    town.earns(5)
    turn = Turn(town.rules, town.states[ADA], town.now, "c")
    assert ledger.hold(turn, "gems", 2, "store", 1)[0] == "ok"
    ledger.give_back(turn, "gems", 2, "store", 1, "refund")
    purse = turn.wallet["gems"].purse
    assert purse is not None
    assert purse.lots == town.purse().lots


def test_lots_are_those_of_days_so_there_are_never_many() -> None:
    town = Town(rules(expires="30d"))
    for _ in range(200):
        town.earns(1)
        town.passes(7 * HOUR)
    assert len(town.purse().lots) <= 32
    assert town.gems() == sum(left for _, left in town.purse().lots)


def test_options_that_are_taken_away_let_go_of_what_they_held() -> None:
    town = Town(rules(pending="1d"))
    town.earns(5)
    town.rules = rules(2)
    town.passes(DAY)
    assert town.gems() == 5
    assert not town.timers


def test_what_was_spent_when_the_options_were_gone_does_not_expire_too() -> None:
    town = Town(rules(expires="1d"))
    town.earns(100)
    town.rules = rules(2)
    town.pays(100)
    town.passes(10 * DAY)
    assert (town.gems(), town.purse()) == (0, Purse())


def test_a_pending_credit_for_which_there_is_no_room_is_told() -> None:
    town = Town(rules(pending="1h"))
    town.earns(5)
    town.pays(-AMOUNT_MAX)
    town.now += 3 * HOUR
    (timer,) = town.timers
    assert town.take(timer) == [
        RewardRefused("earn-rules/bets", "amount_out_of_range", rewards=(("currency", "gems", 5),))
    ]
    assert town.gems() == AMOUNT_MAX


# a limit for the day


def test_what_passes_the_limit_of_the_day_is_not_given_and_told() -> None:
    town = Town(rules(max_per_day=10))
    town.earns(8)
    assert town.earns(8) == [
        CreditLimited("gems", 6, 10, "earn-rules/bets"),
        Posting("gems", 2, 10, "earn-rules/bets", 1),
    ]
    assert town.earns(1) == [CreditLimited("gems", 1, 10, "earn-rules/bets")]
    town.pays(-50)
    assert town.gems() == 60, "what a person gives is not limited"
    town.passes(DAY)
    town.earns(8)
    assert town.gems() == 68


def test_a_limit_that_was_lowered_below_what_was_earned_takes_nothing() -> None:
    town = Town(rules(max_per_day=10))
    town.earns(8)
    town.rules = rules(2, max_per_day=5)
    assert town.earns(3) == [CreditLimited("gems", 3, 5, "earn-rules/bets")]
    assert town.gems() == 8


def test_of_two_profiles_only_what_was_earned_on_the_newest_day_counts_against_it() -> None:
    town = Town(rules(max_per_day=10))
    town.earns(8, GUEST)
    town.passes(DAY)
    town.earns(3)
    town.meets()
    town.earns(9)
    assert town.gems() == 8 + 10


def test_the_day_is_the_events_in_the_players_zone_and_a_late_one_is_charged_to_the_newest() -> None:
    town = Town(rules(max_per_day=10))
    town.take(Event(ADA, "e0", "login", NOON, traits={"timezone": "Asia/Tokyo"}))
    midnight = day_starts_at(NOON // DAY + 1, "Asia/Tokyo")
    town.now = midnight + HOUR
    town.earns(10, at=midnight - 1)
    town.earns(9, at=midnight)
    town.earns(10, at=midnight - 1)
    assert town.gems() == 20


def test_every_way_of_earning_is_limited_together() -> None:
    earn = {"event": "bet_placed", "currency": "gems", "amount": 8}
    achievement = {"event": "bet_placed", "stages": [{"at": 1, "rewards": [points(8, "gems")]}]}
    one = programme(currencies={"gems": {"max_per_day": 10}}, earn_rules={"e": earn}, achievements={"a": achievement})
    town = Town(one)
    town.does(ADA)
    assert town.gems() == 10


# all together

STEPS = st.lists(
    st.tuples(
        st.sampled_from([ADA, GUEST]),
        st.sampled_from(["earn", "earn", "pay", "give", "wait"]),
        st.integers(1, 50),
        st.sampled_from([0, SECOND, HOUR, 13 * HOUR, DAY, 5 * DAY]),
    ),
    max_size=40,
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "pending": st.sampled_from(["1h", "24h"]),
        "expires": st.sampled_from(["1d", "3d", {"at": "month_end"}]),
        "max_per_day": st.integers(1, 60),
        "allow_negative": st.booleans(),
    },
)


@settings(max_examples=60)
@given(OPTIONS, STEPS, st.booleans())
def test_accounts_and_balances_are_zero_together_and_lots_never_exceed_a_balance(
    options: dict[str, Any], steps: list[tuple[str, str, int, int]], meets: bool
) -> None:
    town = Town(rules(**options))
    for who, what, amount, wait in steps:
        town.passes(wait)
        if what == "earn":
            town.earns(amount, who)
        elif what != "wait":
            town.pays(amount if what == "pay" else -amount, who)
        _check(town)
    if meets:
        promised = sum(row[1] for who in (ADA, GUEST) for row in town.purse(who).pending)
        town.meets()
        _check(town)
        due = [row for row in town.purse().pending if row[0] <= town.now]
        assert not due
        assert town.accounts["merged:gems"] == 0
        assert sum(row[1] for row in town.purse().pending) <= promised
    town.passes(60 * DAY)
    town.passes(60 * DAY)
    _check(town)
    assert not town.purse().pending
    assert not town.purse().lots
    assert not town.timers


def _check(town: Town) -> None:
    accounts = sum(amount for name, amount in town.accounts.items() if name.endswith(":gems"))
    assert accounts + town.gems(ADA) + town.gems(GUEST) == 0
    for who in (ADA, GUEST):
        purse = town.purse(who)
        lots = [left for _, left in purse.lots]
        assert all(left > 0 for left in lots)
        assert sum(lots) <= max(0, town.gems(who))
        assert all(row[1] > 0 for row in purse.pending)
        waiting = [rows[0][0] for rows in (purse.lots, purse.pending) if rows]
        set_ = [timer for timer in town.timers if timer.player == who]
        assert set_ == ([TimerFired(who, purses.TIMER, "gems", purse.armed)] if purse.armed else [])
        assert not waiting or 0 < purse.armed <= min(waiting)


def test_two_profiles_have_the_lots_and_the_waiting_credits_of_both() -> None:
    town = Town(rules(expires="3d", pending="1h"))
    for who in (ADA, GUEST):
        town.earns(5, who)
        town.passes(HOUR)
        town.earns(7, who)
    town.meets()
    assert town.purse().lots == ((MONDAY + 4 * DAY, 17),)
    assert sum(row[1] for row in town.purse().pending) == 7
    assert town.purse(GUEST) == Purse()


@pytest.mark.parametrize(("debtor", "other"), [(ADA, GUEST), (GUEST, ADA)])
def test_a_debt_of_one_is_paid_from_the_lots_of_the_other(debtor: str, other: str) -> None:
    town = Town(rules(expires="3d", allow_negative=True))
    town.earns(5, other)
    town.pays(2, debtor)
    town.meets()
    assert (town.gems(), town.purse().lots) == (3, ((MONDAY + 4 * DAY, 3),))


@pytest.mark.parametrize(
    ("gems", "path"),
    [({"expires": "1h"}, "expires"), ({"pending": "400d"}, "pending"), ({"max_per_day": 0}, "max_per_day")],
)
def test_what_is_wrong_is_said(gems: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidProgramme) as raised:
        rules(**gems)
    assert all(line.startswith(f"currencies/gems: {path}") for line in raised.value.errors)
