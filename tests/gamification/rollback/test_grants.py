"""What a platform grants, when the event that earned it, or one before it, is rolled back."""

from typing import Any

import pytest

from domain.effects import Posting
from domain.entries import Command, GrantAsked
from domain.game_effects import CaseOpened
from domain.granting import told
from domain.player import Asks, Snapshot, with_parts
from domain.runs import RunRecord
from domain.shop import Purchase
from gamification.rules import Rules
from gamification.tournaments import records
from gamification.tournaments.entering import ask_to_join, record_for
from gamification.tournaments.windows import run_at
from gamification.working import Turn
from tests.gamification.playing import HOUR, NOON, mission, points
from tests.gamification.rollback.rolling import Roller, cases, rolling
from tests.gamification.tournaments.hall import tournament

SPINS = {"type": "bonus", "grant": {"connector": "platform"}, "confirm_within": "72h"}
PLATFORM = {"platform": {"kind": "webhook", "url": "https://platform.example", "secret": {"env": "GRANTS"}}}


def granting(count: int = 1, **more: Any) -> Rules:
    """Return a programme where so many bets earn spins that the platform grants; gems, which expire, buy a mug."""
    return rolling(
        connectors=PLATFORM,
        currencies={"gems": {"expires": "10d"}},
        earn_rules={"gems": {"event": "bet_placed", "currency": "gems", "amount": 10}},
        rewards={
            "spins": SPINS,
            "mug": {"type": "thing", "price": {"currency": "gems", "amount": 10}},
            "coin": {"type": "currency", "gives": [points(5)]},
        },
        missions={"bets": mission(count, rewards=[{"kind": "item", "item": "spins"}])},
        **more,
    )


def purchases(ada: Roller) -> list[Purchase]:
    return list(ada.snapshot.shop.purchases)


@pytest.mark.parametrize(("confirmed", "word"), [(False, "being granted"), (True, "granted")])
def test_a_grant_whose_bet_is_rolled_back_is_a_case_for_a_person(confirmed: bool, word: str) -> None:
    ada = Roller(granting())
    ada.does("bet_placed", round="r1")
    (purchase,) = purchases(ada)
    if confirmed:
        ada.take(told("ada", purchase.id, "granted", ""))
    effects = ada.takes_back(round="r1")
    (case,) = [effect for effect in effects if isinstance(effect, CaseOpened)]
    assert (case.about, case.events) == ("not_undone", ("e1",))
    assert f"spins is {word} by the platform ({purchase.id})" in case.detail
    assert purchases(ada) == []


def test_what_failed_before_and_what_was_given_here_leave_no_case() -> None:
    ada = Roller(granting())
    ada.does("bet_placed", round="r1")
    ada.take(told("ada", purchases(ada)[0].id, "failed", "no such game"))
    assert cases(ada.takes_back(round="r1")) == []
    local = {"kind": "item", "item": "coin"}
    bob = Roller(rolling(rewards={"coin": {"type": "currency", "gives": [points(5)]}}, missions={
        "bets": mission(1, rewards=[local])
    }))  # fmt: skip
    bob.does("bet_placed", round="r1")
    assert bob.balance() == 5
    assert cases(bob.takes_back(round="r1")) == []
    assert bob.balance() == 0


def test_what_another_bet_earns_now_is_asked_of_the_platform() -> None:
    ada = Roller(granting(2))
    for round_id in ("r1", "r2", "r3"):
        ada.does("bet_placed", round=round_id)
    (first,) = [entry for entry in ada.told if isinstance(entry, GrantAsked)]
    assert cases(ada.takes_back(round="r1")) == ["not_undone"]
    asked = [entry for entry in ada.told if isinstance(entry, GrantAsked)]
    (purchase,) = purchases(ada)
    assert [entry.id for entry in asked] == [first.id, purchase.id]
    assert purchase.id != first.id


def test_a_purchase_keeps_the_id_that_the_platform_knows_whatever_is_rolled_back_before_it() -> None:
    ada = Roller(granting())
    ada.does("bet_placed", round="r1")
    ada.take(Command("ada", "cmd:1", "buy", {"item": "mug"}))
    mug = purchases(ada)[-1]
    assert mug.item == "mug"
    ada.takes_back(round="r1")
    assert [purchase.id for purchase in purchases(ada)] == [mug.id]
    assert ada.balance("gems") == -10
    effects = ada.take(told("ada", mug.id, "failed", "sold out"))
    assert [effect.amount for effect in effects if isinstance(effect, Posting)] == [10]
    assert ada.balance("gems") == 0
    ada.check_ledger()


def test_the_terms_of_a_price_are_those_of_the_state_without_the_event() -> None:
    ada = Roller(granting(9))
    ada.does("bet_placed", round="r1")
    ada.does("bet_placed", round="r2")
    ada.take(Command("ada", "cmd:1", "buy", {"item": "mug"}))
    assert cases(ada.takes_back(round="r1")) == []
    assert ada.balance("gems") == 0
    ada.take(told("ada", purchases(ada)[0].id, "failed", "sold out"))
    held = ada.snapshot.wallet["gems"]
    assert held.balance == 10
    assert held.purse is not None
    assert [left for _, left in held.purse.lots] == [10]
    ada.passes(11 * 24 * HOUR)
    assert ada.balance("gems") == 0
    ada.check_ledger()


def test_a_seat_is_asked_for_under_one_id_whatever_the_tier() -> None:
    """A fold in which the player has another tier asks for the very same seat, which is not sent again."""
    tiers = {"size": 3, "tiers": ["bronze", "silver"], "promote": 1}
    rules = rolling(tournaments={"race": tournament(cohorts=tiers)})
    rule = records.tournaments(rules).rules["race"]
    run = run_at(rule.schedule, rule.zone, NOON)
    assert run is not None
    asked = {}
    for tier in ("bronze", "silver"):
        ada = with_parts(Snapshot("ada"), runs={"race": RunRecord(records.TIER, tier=tier)})
        turn = Turn(rules, ada, NOON, "e1", offset="7-0")
        ask_to_join(turn, rule, run.id, record_for(rule, run, joined_at=0))
        asks: Asks = turn.part("asks")
        (ask_id,) = asks.open
        asked[tier] = ask_id
        assert turn.relays[0].args["tier"] == tier  # type: ignore[union-attr]
    assert asked["bronze"] == asked["silver"]
