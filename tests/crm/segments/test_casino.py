"""The twelve segments of the sample programme, told as the stories of players."""

from pathlib import Path
from typing import Any

import pytest

from actors.programme import Programme, compile_programme
from domain.effects import SegmentEntered, SegmentLeft
from playtower.programme_files import read_programme
from tests.crm.segments.people import DAY, HOUR, NOON, Person, at

CASINO = Path(__file__).parents[3] / "examples" / "programmes" / "casino" / "programme"


@pytest.fixture(scope="module")
def casino() -> Programme:
    documents = read_programme(CASINO)
    return compile_programme(1, {kind: documents[kind] for kind in documents if kind not in ("journeys", "campaigns")})


def moves(changes: list[tuple[int, Any]]) -> list[tuple[float, str]]:
    """Return (days since noon, +segment or -segment)."""
    signs = {SegmentEntered: "+", SegmentLeft: "-"}
    return [((when - NOON) / DAY, signs[type(change)] + change.segment) for when, change in changes]


def test_who_signs_up_and_never_deposits_is_reminded_in_the_first_week_only(casino: Programme) -> None:
    ada = Person(casino)
    ada.does("signed_up")
    assert ada.segments == {"new-players"}
    assert moves(ada.waits(40 * DAY)) == [
        (1, "+first-week-no-deposit"),
        (7, "-new-players"),
        (7, "-first-week-no-deposit"),
        (30, "+lapsed-30d"),
    ]
    assert ada.timers == {}


def test_a_depositor_who_falls_silent_is_at_risk_and_then_lapsed(casino: Programme) -> None:
    ada = Person(casino)
    ada.does("deposit_completed", amount=2000)
    ada.does("deposit_completed", amount=2000, after=DAY)
    assert moves(ada.waits(40 * DAY)) == [
        (7, "-new-players"),
        (8, "+no-deposit-7d"),
        (8, "+at-risk"),
        (31, "+lapsed-30d"),
        (31, "-at-risk"),
    ]
    back = ada.does("deposit_completed", amount=2000)
    assert {type(change).__name__ + " " + change.segment for change in back} == {
        "SegmentLeft lapsed-30d",
        "SegmentLeft no-deposit-7d",
    }


def test_who_visits_without_a_deposit_is_at_risk_only_when_the_visits_end(casino: Programme) -> None:
    ada = Person(casino)
    ada.does("deposit_completed", amount=2000)
    ada.does("deposit_completed", amount=2000)
    ada.does("logged_in", after=6 * DAY)
    assert moves(ada.waits(10 * DAY)) == [(7, "+no-deposit-7d"), (7, "-new-players"), (9, "+at-risk")]
    assert ada.does("logged_in") == [SegmentLeft("at-risk")]


def test_a_birthday_is_the_players_own_day(casino: Programme) -> None:
    ada = Person(casino)
    ada.does("identify", traits={"birthday": "--03-05", "timezone": "Europe/Kyiv"})
    entered, left = [when for when, change in ada.waits(6 * DAY) if change.segment == "birthday-today"]
    assert (entered, left) == (at("2026-03-05T00:00:00+02:00"), at("2026-03-06T00:00:00+02:00"))


def test_high_rollers_by_one_bet_or_by_many_deposits(casino: Programme) -> None:
    ada, bob = Person(casino), Person(casino)
    assert ada.does("bet_placed", amount=20_000) == [SegmentEntered("new-players"), SegmentEntered("high-rollers")]
    bob.does("deposit_completed", amount=60_000)
    assert SegmentEntered("high-rollers") in bob.does("deposit_completed", amount=40_000)
    assert (6.5, "-high-rollers") in moves(ada.waits(8 * DAY)), "seven UTC days, the first one included"


def test_vips_are_chosen_or_grow(casino: Programme) -> None:
    ada = Person(casino)
    assert SegmentEntered("vips") in ada.does("identify", traits={"vip": True})
    assert SegmentLeft("vips") in ada.does("identify", traits={"vip": False})
    assert casino.crm.segments.names["vips"]["en"] == "VIP club"


def test_explorers_winners_and_those_close_to_gold(casino: Programme) -> None:
    ada = Person(casino)
    for game in ("book", "wheel", "poker"):
        ada.does("game_opened", game=game)
    assert SegmentEntered("explorers") in ada.does("game_opened", game="dice")
    won = ada.does("bet_settled", amount=100, payout=100_000, result="win", multiplier=1000)
    assert SegmentEntered("big-winners") in won
    for _ in range(80):
        ada.does("bet_placed", amount=1000, game="dice", game_type="table", after=HOUR // 10)
        if "ready-for-gold" in ada.segments:
            break
    assert ada.snapshot.progress.levels["main"] == "silver"
    assert ada.snapshot.wallet["points"].balance >= 800
    assert ada.segments >= {"ready-for-gold", "explorers", "big-winners"}


def test_membership_of_the_casino_is_what_its_trees_say(casino: Programme) -> None:
    ada = Person(casino)
    steps = ["signed_up", "deposit_completed", "bet_placed", "bet_settled", "game_opened", "logged_in"]
    for i in range(90):
        ada.does(
            steps[i * i % 6], after=(i % 7) ** 3 * HOUR // 2, amount=400 * i, payout=900 * i, result="win", game=f"g{i}"
        )
        assert ada.segments == ada.oracle()
        ada.waits((i % 5) * HOUR)
        assert ada.segments == ada.oracle()
    assert ada.fired > 3
