"""The five journeys of the casino programme do what their descriptions say."""

from pathlib import Path
from typing import Any, TypeVar

import pytest

from actors.programme import compile_programme
from crm.programme import CrmRules
from domain.effects import ChoiceEnded, Chose
from domain.entries import Event, Landed
from domain.player import with_parts
from playtower.programme_files import read_programme
from tests.crm.journeys.traveller import DAY, HOUR, MINUTE, NOON, SECOND, Traveller

CASINO = Path(__file__).parents[3] / "examples" / "programmes" / "casino" / "programme"
DOCUMENTS = read_programme(CASINO)
E = TypeVar("E")


@pytest.fixture(scope="module")
def casino() -> CrmRules:
    return compile_programme(1, DOCUMENTS).crm


def player(rules: CrmRules, timezone: str = "Europe/Kyiv", **traits: Any) -> Traveller:
    ada = Traveller(rules, timezone=timezone)
    ada.was_seen(NOON)
    ada.has(**traits)
    return ada


def test_each_says_why_it_is_there() -> None:
    journeys = DOCUMENTS["journeys"]
    assert len(journeys) == 5
    assert all(len(journey["description"]) > 200 for journey in journeys.values())


def test_they_listen_to_events_that_are_sent() -> None:
    named = {
        part["event"] for journey in DOCUMENTS["journeys"].values() for part in _parts(journey) if part.get("event")
    }
    assert named <= DOCUMENTS["events"].keys()


def _parts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(part for child in value.values() for part in _parts(child))]
    return [part for child in value for part in _parts(child)] if isinstance(value, list) else []


def test_the_welcome_takes_two_weeks_for_who_does_nothing(casino: CrmRules) -> None:
    ada = player(casino)
    ada.does("signed_up")
    ada.waits(15 * DAY)
    assert ada.told() == ["welcome", "welcome-look", "welcome-deposit", "welcome-play", "welcome-done"]
    assert 12 * DAY < ada.requests[-1].requested_at - NOON < 15 * DAY


def test_and_two_messages_for_who_does_it_all_at_once(casino: CrmRules) -> None:
    ada = player(casino)
    ada.does("signed_up")
    for event in ("game_opened", "deposit_completed", "bet_placed"):
        ada.waits(6 * MINUTE)
        ada.does(event, amount=500)
    ada.waits(30 * DAY)
    assert ada.told() == ["welcome", "welcome-done"]


def test_and_help_for_who_is_stuck_at_the_cashier(casino: CrmRules) -> None:
    ada = player(casino)
    ada.does("signed_up")
    ada.does("game_opened")
    for _ in range(3):
        assert ada.at("welcome") == "deposit"
        ada.waits(HOUR)
        ada.does("page_viewed", page="cashier")
    assert ada.at("welcome") == "after-help"
    assert {"welcome", "welcome-help"} <= set(ada.told())


@pytest.mark.parametrize(
    ("then", "after", "told"),
    [
        pytest.param("", 90 * SECOND, 1, id="nothing for 90 seconds"),
        pytest.param("session_ended", 5 * SECOND, 1, id="leaves at once"),
        pytest.param("deposit_completed", 5 * SECOND, 0, id="deposits"),
        pytest.param("withdrawal_requested", 5 * SECOND, 0, id="came for the money"),
    ],
)
def test_an_abandoned_deposit_is_answered_within_seconds(casino: CrmRules, then: str, after: int, told: int) -> None:
    ada = player(casino)
    ada.does("page_viewed", page="cashier")
    ada.waits(5 * SECOND)
    if then:
        ada.does(then, amount=500)
    ada.waits(DAY)
    assert set(ada.told()) <= {"deposit-unfinished", "deposit-later"}
    assert [request.requested_at - NOON for request in ada.requests] == [after] * told


def test_who_is_silent_for_thirty_days_is_won_back_or_left_in_peace(casino: CrmRules) -> None:
    outcomes = set()
    for n in range(12):
        ada = Traveller(casino, player=f"player-{n}", timezone="Europe/Kyiv")
        ada.was_seen(NOON)
        ada.does("logged_in")
        ada.waits(30 * DAY + 8 * HOUR)
        assert ada.told() in (["win-back-gift"], ["come-back"])
        if n < 6:
            _returns(ada)
            outcomes.add((ada.told()[0], tuple(ada.told()[1:]), sum(grant.amount for grant in ada.grants)))
            ada.does("bet_placed", amount=25)
            assert ada.at("win-back") == "GOAL"
        else:
            ada.waits(60 * DAY)
            assert (len(ada.told()), ada.told()[1:], ada.at("win-back")) == (2, ["come-back"], "COMPLETED")
    assert outcomes == {("win-back-gift", ("welcome-back",), 100), ("come-back", ("welcome-back",), 0)}


def test_what_a_win_back_is_worth_is_told_by_the_deposit_that_follows(casino: CrmRules) -> None:
    """Both offers are tried; half of 100 euros within two weeks is half a success, none in that time is none."""
    rewards = set()
    for n in range(8):
        ada = _silent_for_a_month(casino, f"player-{n}")
        _returns(ada)
        ada.does("bet_placed", amount=25)
        if n % 2:
            ada.does("deposit_completed", amount=5_000)
        ada.waits(15 * DAY)
        (drawn,), (ended,) = _of(Chose, ada), _of(ChoiceEnded, ada)
        assert (drawn.choice, drawn.key) == (ended.choice, ended.key)
        assert {"points": 100, "words": 0}[drawn.arm] == sum(grant.amount for grant in ada.grants)
        assert (ended.outcome, ended.reward) == (("rewarded", 500_000) if n % 2 else ("missed", 0))
        rewards.add(drawn.arm)
    assert rewards == {"points", "words"}


def test_who_shows_a_marker_of_harm_is_not_won_back_with_points(casino: CrmRules) -> None:
    harm = {"exclusions": {"harm": {"until": 0, "ends_by_itself": False}}}
    drawn = set()
    for n in range(8):
        ada = _silent_for_a_month(casino, f"player-{n}", air=harm)
        drawn |= {(one.arm, one.by, one.eligible) for one in _of(Chose, ada)}
    assert drawn == {("words", "only", ("words",)), ("words", "holdout", ("words",))}


def test_the_words_for_who_left_the_cashier_are_drawn_and_a_deposit_soon_after_is_their_success(
    casino: CrmRules,
) -> None:
    told = set()
    for n in range(8):
        ada = Traveller(casino, player=f"player-{n}")
        ada.was_seen(NOON)
        ada.does("page_viewed", page="cashier")
        ada.waits(2 * MINUTE)
        (request,), (drawn,), (waiting,) = ada.requests, _of(Chose, ada), ada.snapshot.choices.open
        assert (request.template, request.tells) == (drawn.arm, True)
        ada.take(Landed(ada.snapshot.player, waiting.request, "sent", "in_app", ada.now))
        ada.does("deposit_completed", amount=1_000)
        assert [ended.outcome for ended in _of(ChoiceEnded, ada)] == ["rewarded"]
        told.add(drawn.arm)
    assert told == {"deposit-unfinished", "deposit-later"}


def _silent_for_a_month(casino: CrmRules, name: str, air: dict[str, Any] | None = None) -> Traveller:
    """A player who has just been asked back."""
    ada = Traveller(casino, player=name, timezone="Europe/Kyiv")
    ada.snapshot = with_parts(ada.snapshot, air=air or {})
    ada.was_seen(NOON)
    ada.does("logged_in")
    ada.waits(30 * DAY + 8 * HOUR)
    return ada


def _of(kind: type[E], ada: Traveller) -> list[E]:
    return [effect for effect in ada.effects if isinstance(effect, kind)]


def _returns(ada: Traveller) -> None:
    """Log in; the game's rules note that the player was seen."""
    before = ada.snapshot
    ada.was_seen(ada.now)
    ada.take(Event(ada.snapshot.player, f"e{len(ada.log)}", "logged_in", ada.now), before)


@pytest.mark.parametrize(("traits", "template"), [({}, "big-win"), ({"vip": True}, "big-win-host")])
def test_a_big_win_is_celebrated_and_nothing_is_asked_for(
    casino: CrmRules, traits: dict[str, Any], template: str
) -> None:
    ada = player(casino, **traits)
    ada.does("bet_settled", amount=100, payout=99_999)
    assert ada.told() == []
    ada.does("bet_settled", amount=100, payout=150_000)
    assert ada.told() == [template]
    ada.waits(2 * DAY)
    assert [(grant.amount, grant.currency) for grant in ada.grants] == [(5, "gems")]
    assert ada.snapshot.profile.traits["last_big_win"] == 150_000


def test_a_withdrawal_is_confirmed_and_ends_the_celebration(casino: CrmRules) -> None:
    ada = player(casino)
    ada.does("bet_settled", amount=100, payout=150_000)
    ada.does("withdrawal_requested", amount=150_000)
    ada.waits(2 * DAY)
    assert (ada.told(), ada.grants) == (["big-win", "payout-on-its-way"], [])


def test_a_birthday_is_greeted_at_ten_where_the_player_is_without_any_event(casino: CrmRules) -> None:
    ada = player(casino, "Asia/Tokyo", birthday="1990-03-04")
    ada.does("logged_in")
    ada.waits(3 * DAY)
    (request,) = [request for request in ada.requests if request.template == "birthday"]
    assert request.requested_at == NOON + 37 * HOUR, "2026-03-04T10:00 in Tokyo"
    assert [(grant.amount, grant.currency) for grant in ada.grants] == [(10, "gems")]
    ada.waits(300 * DAY)
    assert ada.told().count("birthday") == 1
