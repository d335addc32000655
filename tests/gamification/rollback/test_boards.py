"""A bet that is rolled back is taken off the board, and whoever has joined stays in."""

from domain.game_effects import CaseOpened, LeaderboardMoved
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
