"""A player under two ids: one seat, both scores, nothing paid for twice."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gamification.playing import DAY, HOUR, MINUTE, MONDAY, NOON
from tests.gamification.tournaments.hall import Hall, hall, prizes, tournament

TODAY = "race@2026-03-02"
TOMORROW = "race@2026-03-03"
NIGHT = MONDAY + DAY
ANON = "anon:phone"


def score(world: Hall, player: str, board: str = TODAY) -> float | None:
    row = world.boards[board].rows.get(player)
    return row.score if row else None


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        pytest.param({"sum": "properties.amount"}, 12, id="sums add up"),
        pytest.param({"best": "properties.amount"}, 7, id="the best stands"),
        pytest.param({"ratio": {"of": "properties.amount", "to": "properties.stake"}}, 4, id="ratios are of both sums"),
    ],
)
def test_the_scores_of_both_are_one(how: dict[str, Any], expected: float) -> None:
    world = hall(race=tournament(events=[{"event": "bet_placed", "score": how}]))
    world.does(ANON, amount=5, stake=2)
    world.does("ada", amount=7, stake=1)
    world.settle()
    world.merge(ANON, "ada")
    world.settle()
    assert (score(world, ANON), score(world, "ada")) == (None, expected)
    assert world.shown(TODAY)["entrants"] == 1
    world.later(NIGHT + HOUR)
    assert world.table(TODAY) == ["ada"]


def test_who_was_only_in_as_the_other_takes_over_the_seat() -> None:
    world = hall(race=tournament(prizes=prizes(100)))
    world.does(ANON, amount=5)
    world.settle()
    world.merge(ANON, "ada")
    world.settle()
    world.does("ada", amount=1)
    world.later(NIGHT + HOUR)
    assert (world.table(TODAY), score(world, "ada"), world.balance("ada")) == (["ada"], 6, 100)


def paid(world: Hall, *players: str) -> None:
    for player in players:
        world.asks(player, "adjust", currency="gems", amount=10, reason="a test")
        world.asks(player, "register", tournament="race", run="2026-03-03")


def buy_in(**more: Any) -> Hall:
    return hall(race=tournament(registration="buy_in", buy_in={"currency": "gems", "amount": 10}, **more))


def test_the_second_price_comes_back() -> None:
    world = buy_in()
    paid(world, ANON, "ada")
    world.settle()
    world.merge(ANON, "ada")
    world.settle()
    assert (world.balance("ada", "gems"), world.accounts["redeemed"]) == (10, 10)
    assert world.shown(TOMORROW)["entrants"] == 1


@pytest.mark.parametrize("tables", [{}, {"cohorts": {"size": 2}}])
@pytest.mark.parametrize("scores_again", [False, True])
def test_who_withdrew_with_a_score_and_becomes_one_with_another_in_the_run_is_on_its_board(
    tables: dict[str, Any], scores_again: bool
) -> None:
    """What took the player off the board has a version; scores that come with the merge are sent above it."""
    world = buy_in(**tables)
    paid(world, "ada", ANON)
    world.settle()
    for player, amount in (("ada", 9), (ANON, 5)):
        world.does(player, at=NIGHT + MINUTE, amount=amount)
        world.settle()
    assert score(world, "ada", world.record("ada", TOMORROW).board) == 9
    world.asks("ada", "withdraw", tournament="race", run="2026-03-03")
    world.settle()
    left = world.record("ada", TOMORROW)
    assert (left.status, left.version) == ("withdrawn", 2)
    assert all(board.rows["ada"].score is None for board in world.boards.values() if "ada" in board.rows)
    world.merge(ANON, "ada")
    world.settle()
    if scores_again:
        world.does("ada", at=NIGHT + 2 * MINUTE, amount=1)
        world.settle()
    record = world.record("ada", TOMORROW)
    assert (record.status, record.version > left.version) == ("scoring", True)
    assert score(world, "ada", record.board) == record.score == (6 if scores_again else 5)
    assert (world.balance("ada", "gems"), world.accounts["redeemed"]) == (10, 10), "one seat was paid for"
    assert world.shown(TOMORROW)["entrants"] == 1


@given(seed=st.integers(0, 2**32), cancelled=st.booleans())
def test_however_a_merge_meets_the_answers_one_seat_is_left_and_no_money_is_lost(seed: int, cancelled: bool) -> None:
    rng = Random(seed)
    world = buy_in()
    paid(world, ANON, "ada", "bob")
    for _ in range(rng.randrange(25)):
        world.one(rng)
    world.merge(ANON, "ada")
    for _ in range(rng.randrange(10)):
        world.one(rng)
    if cancelled:
        world.operator(TOMORROW, "cancel_run")
    world.settle(rng)
    held, redeemed = world.accounts["held"], world.accounts["redeemed"]
    gems = sum(world.balance(player, "gems") for player in (ANON, "ada", "bob"))
    assert held == 0
    assert gems + redeemed == -world.accounts["adjusted"]
    entrants = sum(world.record(player, TOMORROW).status == "registered" for player in ("ada", "bob"))
    assert redeemed == 10 * entrants
    assert entrants == (0 if cancelled else 2)
    assert cancelled or world.shown(TOMORROW)["entrants"] == 2


def test_who_arrives_after_the_walk_hears_of_the_end_all_the_same() -> None:
    world = buy_in(players={"min": 2})
    paid(world, ANON)
    world.settle()
    world.merge(ANON, "ada")  # on its way while the run is cancelled
    way = world.outboxes
    waiting = {p: list(rows) for p, rows in way.items()}
    for rows in way.values():
        rows.clear()
    world.later(NIGHT + MINUTE)
    for p, rows in waiting.items():
        way[p].extend(rows)
    world.settle()
    assert (world.record("ada", TOMORROW).status, world.balance("ada", "gems")) == ("cancelled", 10)


def test_places_of_both_on_boards_that_were_frozen_before_are_both_paid() -> None:
    world = hall(race=tournament(cohorts={"size": 2}, prizes=prizes(100)))
    for player in (ANON, "bob", "ada"):
        world.does(player, amount=9)
        world.settle()
    assert world.record("ada", TODAY).board != world.record(ANON, TODAY).board
    for board in (f"{TODAY}/c0-1", f"{TODAY}/c0-2"):
        world.boards[board].is_frozen = True  # what the merge takes off comes too late
    world.merge(ANON, "ada")
    world.later(NIGHT + HOUR)
    assert world.balance("ada") == 200


def test_the_higher_tier_of_the_two_is_kept() -> None:
    tiers = {"size": 3, "tiers": ["bronze", "silver"], "promote": 1}
    world = hall(race=tournament(cohorts=tiers))
    world.does(ANON, amount=5)
    world.later(NIGHT + HOUR)
    assert world.now > NOON
    world.merge(ANON, "ada")
    world.settle()
    assert world.states["ada"].runs["race"].tier == "silver"
