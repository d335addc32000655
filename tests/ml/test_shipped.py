"""The model that ships: it fits this engine and its card, and does not claim to know other people's players."""

from importlib import resources

import pytest

from domain.calendar import DAY_MS
from domain.features import Features
from ml.features import NAMES, Signal, update, vector
from ml.net import HEADS, Model, load

SHIPPED = resources.files("ml").joinpath("shipped")


@pytest.fixture(scope="module")
def model() -> Model:
    return load(SHIPPED.joinpath("churn.json").read_bytes())


def state(days: int, *signals: Signal) -> Features:
    """Return a player who was there on so many days in a row, at the same hour, with some signals each day."""
    known = Features()
    for day in range(days):
        for number, signal in enumerate(signals or (Signal("other"),)):
            known = update(known, signal, (20_000 + day) * DAY_MS + number * 60_000)
    return known


def test_the_card_is_of_these_bytes(model: Model) -> None:
    card = SHIPPED.joinpath("card.md").read_text(encoding="utf-8")
    assert model.artefact.checksum in card
    assert model.artefact.origin.fingerprint in card


def test_it_knows_churn_and_engagement_and_nothing_of_purchases(model: Model) -> None:
    assert set(model.heads) == set(HEADS) - {"purchase_7d"}
    bets = [name for name in NAMES if "bet" in name or "stake" in name or "deposit" in name]
    first = model.artefact.layers[0].weight
    zero = [name for at, name in enumerate(model.artefact.names) if all(row[at] == 0 for row in first)]
    assert bets
    assert set(bets) <= set(zero)


def test_silence_raises_churn_and_lowers_engagement(model: Model) -> None:
    known = state(12)
    told = [model.score(vector(known, known.last_at + days * DAY_MS)).values for days in (0, 1, 2, 4, 8, 16)]
    churn, days = [one["churn"] for one in told], [one["engagement"] for one in told]
    assert churn == sorted(churn)
    assert days == sorted(days, reverse=True)
    assert churn[0] < 0.5 < churn[-1]


def test_who_comes_daily_is_less_at_risk_than_who_came_once(model: Model) -> None:
    once, daily = state(1), state(20)
    told = [model.score(vector(known, known.last_at + DAY_MS)).values["churn"] for known in (once, daily)]
    assert told[1] < told[0] - 0.2


def test_its_confidence_is_low_and_lowest_of_new_players(model: Model) -> None:
    new, known = state(1), state(28)
    sure = [model.score(vector(one, one.last_at)).confidence for one in (new, known)]
    assert sure[0] <= 0.1
    assert sure[0] < sure[1] <= 0.4


def test_a_casino_player_is_less_familiar_than_one_who_only_plays(model: Model) -> None:
    plays, bets = state(10), state(10, Signal("deposit", 50.0), Signal("bet", 5.0), Signal("win", 8.0))
    sure = [model.score(vector(one, one.last_at)).confidence for one in (plays, bets)]
    assert sure[1] < sure[0] * 0.85
