"""A bet that is rolled back is taken off the board, and whoever has joined stays in."""

from typing import Any

import pytest

from domain.game_effects import CaseOpened, LeaderboardMoved, PrizeWon
from tests.gamification.playing import DAY, MONDAY
from tests.gamification.rollback.rolling import rolling
from tests.gamification.tournaments.hall import Hall, prizes, tournament


def a_race() -> Hall:
    return Hall(rolling(tournaments={"race": tournament(prizes=prizes(100, 50))}))


def board_of(hall: Hall) -> str:
    return hall.record("ada", "race@2026-03-02").board


def test_the_score_falls_and_a_later_bet_scores_again() -> None:
    hall = a_race()
    for player, amount, round_id in (("ada", 10, "r1"), ("bob", 12, "b1"), ("ada", 5, "r2")):
        hall.does(player, amount=amount, round=round_id)
        hall.settle()
    assert hall.table(board_of(hall)) == ["ada", "bob"]
    hall.does("ada", status="rollback", round="r1")
    hall.settle()
    assert hall.table(board_of(hall)) == ["bob", "ada"]
    assert hall.boards[board_of(hall)].rows["ada"].score == 5
    hall.does("ada", amount=20, round="r3")
    hall.settle()
    assert hall.boards[board_of(hall)].rows["ada"].score == 25
    hall.does("ada", status="rollback", round="r3")
    hall.settle()
    assert hall.boards[board_of(hall)].rows["ada"].score == 5, "the versions went on rising"
    assert not hall.happened("ada", CaseOpened)
    assert hall.happened("ada", LeaderboardMoved)[-1].score == 5


def test_who_joined_by_the_bet_stays_in_without_a_score() -> None:
    hall = a_race()
    hall.does("ada", amount=10, round="r1")
    hall.settle()
    hall.does("ada", status="rollback", round="r1")
    hall.settle()
    board = board_of(hall)
    assert hall.table(board) == []
    hall.does("ada", amount=3, round="r2")
    hall.settle()
    assert hall.boards[board].rows["ada"].score == 3
    hall.does("ada", status="rollback", round="r2")
    hall.settle()
    assert hall.table(board) == []
    assert not hall.happened("ada", CaseOpened)


def test_a_final_table_stands_and_is_told() -> None:
    hall = Hall(rolling({"within": "7d"}, tournaments={"race": tournament(prizes=prizes(100))}))
    hall.does("ada", amount=10, round="r1")
    hall.later(MONDAY + DAY + DAY // 2)
    assert hall.balance("ada") == 100
    hall.does("ada", status="rollback", round="r1")
    hall.settle()
    assert [case.about for case in hall.happened("ada", CaseOpened)] == ["not_undone"]
    assert hall.record("ada", "race@2026-03-02").status == "finished"


@pytest.mark.parametrize("more", [{}, {"players": {"max": 1}}, {"cohorts": {"size": 2}}])
def test_the_first_bet_goes_and_the_seat_of_it_stays_the_only_one(more: dict[str, Any]) -> None:
    hall = Hall(rolling(tournaments={"race": tournament(prizes=prizes(100, 50), **more)}))
    for amount, round_id in ((10, "r1"), (5, "r2")):
        hall.does("ada", amount=amount, round=round_id)
        hall.settle()
    hall.does("ada", status="rollback", round="r1")
    hall.settle()
    hall.does("ada", amount=7, round="r3")
    hall.settle()
    assert hall.shown("race@2026-03-02")["entrants"] == 1
    assert [row.score for board in hall.boards.values() for row in board.rows.values()] == [12]
    hall.later(MONDAY + DAY + DAY // 2)
    assert [prize.score for prize in hall.happened("ada", PrizeWon)] == [12]


def test_the_bet_that_joined_goes_before_the_keeper_has_answered() -> None:
    hall = a_race()
    hall.does("ada", amount=10, round="r1")
    hall.one()
    hall.does("ada", status="rollback", round="r1")
    hall.settle()
    hall.does("ada", amount=7, round="r2")
    hall.settle()
    assert hall.record("ada", "race@2026-03-02").status == "scoring"
    assert hall.boards[board_of(hall)].rows["ada"].score == 7


def test_nothing_is_sent_while_there_is_no_board() -> None:
    hall = a_race()
    for amount, round_id in ((10, "r1"), (5, "r2")):
        hall.does("ada", amount=amount, round=round_id)
    hall.does("ada", status="rollback", round="r2")
    hall.settle()
    assert {name: board.rows["ada"].score for name, board in hall.boards.items()} == {"race@2026-03-02": 10}


def test_a_table_that_waits_for_approval_stands_and_is_told() -> None:
    race = tournament(prizes=prizes(100), approval=True)
    hall = Hall(rolling({"within": "7d"}, tournaments={"race": race}))
    hall.does("ada", amount=10, round="r1")
    hall.later(MONDAY + DAY + DAY // 2)
    hall.does("ada", status="rollback", round="r1")
    hall.settle()
    assert [case.about for case in hall.happened("ada", CaseOpened)] == ["not_undone"]
    assert hall.record("ada", "race@2026-03-02").score == 10
