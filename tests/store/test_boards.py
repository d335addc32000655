"""Boards on every server: the ranking, versions, freezing, what is told and what is forgotten."""

from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from domain.entries import BoardFrozen
from domain.step import BoardScore, Freeze
from store.boards import Boards, Row, Table
from store.keys import BOARDS, board
from store.ports import Unavailable

RACE = "weekend-race@2026-11-21"
KEEPER = "keeper:tournament:weekend-race"
DAY = 86_400_000


@pytest.fixture
def boards(any_redis: Redis) -> Boards:
    return Boards(any_redis)


def score(player: str, score: float | None, version: int = 1, at: int = 1_000) -> BoardScore:
    return BoardScore(RACE, player, version, score, at)


async def ranking(boards: Boards) -> list[tuple[int, str, float]]:
    return [(row.rank, row.player, row.score) for row in (await boards.top(RACE, 100)).rows]


async def test_higher_scores_rank_higher_and_ranks_begin_at_one(boards: Boards) -> None:
    await boards.score([score("ann", 10), score("bob", 30), score("cleo", 20)])
    assert await ranking(boards) == [(1, "bob", 30), (2, "cleo", 20), (3, "ann", 10)]


async def test_of_equal_scores_who_reached_it_first_ranks_higher_and_then_the_smaller_id(boards: Boards) -> None:
    await boards.score(
        [score("dan", 10, at=7), score("bob", 10, at=8), score("ann", 10, at=8), score("cleo", 10, at=9)]
    )
    assert [player for _, player, _ in await ranking(boards)] == ["dan", "ann", "bob", "cleo"]


async def test_a_row_that_is_no_newer_changes_nothing(boards: Boards) -> None:
    await boards.score([score("ann", 30, version=3)])
    for stale in (score("ann", 99, version=3), score("ann", 20, version=2), score("ann", None, version=1)):
        assert await boards.score([stale]) == set()
    assert await ranking(boards) == [(1, "ann", 30)]


@pytest.mark.parametrize(("older", "newer"), [(9, 10), (2**53, 2**53 + 1), (10**17, 10**18)])
async def test_versions_are_whole_numbers_of_any_size(boards: Boards, older: int, newer: int) -> None:
    await boards.score([score("ann", 1, version=older)])
    await boards.score([score("ann", 2, version=newer)])
    await boards.score([score("ann", 1, version=older)])
    assert await ranking(boards) == [(1, "ann", 2)]


async def test_a_score_may_fall(boards: Boards) -> None:
    await boards.score([score("ann", 30), score("bob", 20)])
    await boards.score([score("ann", 10, version=2, at=5)])
    assert await ranking(boards) == [(1, "bob", 20), (2, "ann", 10)]


async def test_who_is_taken_off_is_not_brought_back_by_an_older_row(boards: Boards) -> None:
    await boards.score([score("ann", 30), score("bob", 20)])
    await boards.score([score("ann", None, version=3)])
    await boards.score([score("ann", 30, version=2)])
    assert await ranking(boards) == [(1, "bob", 20)]
    await boards.score([score("ann", 5, version=4)])
    assert await ranking(boards) == [(1, "bob", 20), (2, "ann", 5)]


async def test_of_several_rows_of_one_call_the_newest_holds(boards: Boards) -> None:
    rows = [score("ann", 1, version=2, at=2), score("ann", 3, version=9, at=9), score("ann", 2, version=5, at=5)]
    await boards.score(rows)
    assert await ranking(boards) == [(1, "ann", 3)]
    await boards.score([score("ann", 4, version=11, at=11), score("ann", None, version=12)])
    assert await ranking(boards) == []


async def test_whole_numbers_are_exact_to_2_to_the_53_and_fractions_come_back_as_they_went(boards: Boards) -> None:
    wanted = [2.0**53, 2.0**53 - 1, 1 / 3, 0.1 + 0.2, 0.0, -0.5]
    await boards.score([score(f"p{n}", value) for n, value in enumerate(wanted)])
    assert [value for _, _, value in await ranking(boards)] == wanted


async def test_what_is_no_number_is_left_out(boards: Boards) -> None:
    await boards.score([score("ann", float("nan")), score("bob", float("inf")), score("cleo", 1)])
    assert await ranking(boards) == [(1, "cleo", 1)]


async def test_a_frozen_board_takes_nothing_and_counts_who_came_late(boards: Boards) -> None:
    await boards.score([score("ann", 30), score("bob", 20, version=5)])
    await boards.freeze([Freeze(RACE, KEEPER, 1)])
    late = [score("cleo", 99), score("bob", 50, version=6), score("ann", 99, version=1)]
    for _ in range(2):  # carried twice
        await boards.score(late)
    table = await boards.top(RACE, 10)
    assert [(row.player, row.score) for row in table.rows] == [("ann", 30), ("bob", 20)]
    assert table.late == 2, "Ann's row was an old one, and none of them counts twice"
    assert table.frozen_at > 0


async def test_freezing_tells_the_first_rows_and_tells_the_same_again(boards: Boards) -> None:
    await boards.score([score("ann", 30, at=3), score("bob", 20, at=2), score("cleo", 10, at=1)])
    first = await boards.freeze([Freeze(RACE, KEEPER, 2)])
    await boards.score([score("dan", 99)])
    assert await boards.freeze([Freeze(RACE, KEEPER, 2)]) == first
    assert first == [BoardFrozen(KEEPER, RACE, 3, (("ann", 30.0, 3), ("bob", 20.0, 2)), f"{KEEPER}|{RACE}")]


async def test_a_board_that_nobody_scored_on_freezes_empty(boards: Boards) -> None:
    (told,) = await boards.freeze([Freeze(RACE, KEEPER, 5)])
    assert told is not None
    assert (told.entrants, told.rows) == (0, ())
    await boards.score([score("ann", 1)])
    assert (await boards.top(RACE, 5)).rows == []


async def test_pages_go_on_behind_a_rank(boards: Boards) -> None:
    await boards.score([score(f"p{n}", 100 - n) for n in range(7)])
    first, second = await boards.top(RACE, 3), await boards.top(RACE, 3, after=3)
    assert [row.rank for row in (*first.rows, *second.rows)] == [1, 2, 3, 4, 5, 6]
    assert first.entrants == 7


async def test_a_player_sees_rank_and_neighbours(boards: Boards) -> None:
    await boards.score([score(f"p{n}", 100 - n, at=n) for n in range(7)])
    table = await boards.around(RACE, "p4", 1)
    assert (table.rank, [row.rank for row in table.rows]) == (5, [4, 5, 6])
    assert [row.player for row in (await boards.around(RACE, "p0", 2)).rows] == ["p0", "p1", "p2"]
    assert [row.player for row in (await boards.around(RACE, "p6", 2)).rows] == ["p4", "p5", "p6"]


async def test_who_is_not_on_a_board_has_no_rank_and_no_neighbours(boards: Boards) -> None:
    await boards.score([score("ann", 1), score("bob", 1)])
    await boards.score([score("bob", None, version=2)])
    assert await boards.around(RACE, "bob", 3) == Table(1)
    assert await boards.around("another@1", "ann", 3) == Table(0)


async def test_many_standings_take_one_look(boards: Boards) -> None:
    await boards.score([score("ann", 30, at=3), score("bob", 20, at=2)])
    ann, bob, nobody = await boards.standings([(RACE, "ann"), (RACE, "bob"), (RACE, "cleo")])
    assert (ann.rank, ann.rows) == (1, [Row(1, "ann", 30, 3)])
    assert (bob.rank, nobody.rank, nobody.entrants) == (2, 0, 2)


async def test_strange_ids_are_ids(boards: Boards) -> None:
    names = ["a|b", "ünique", "{x}", "keeper:no", ""]
    await boards.score([score(name, 5) for name in names])
    assert [player for _, player, _ in await ranking(boards)] == sorted(names, key=str.encode)
    assert (await boards.around(RACE, "a|b", 0)).rank == 2


async def test_more_rows_than_one_call_takes(boards: Boards) -> None:
    await boards.score([score(f"p{n:04}", n) for n in range(1_000)])
    table = await boards.top(RACE, 1)
    assert (table.entrants, table.rows[0].player) == (1_000, "p0999")


async def test_a_board_and_all_of_it_expires(any_redis: Redis) -> None:
    boards = Boards(any_redis, kept_ms=10 * DAY)
    await boards.score([score("ann", 1)])
    await boards.score([score("ann", None, version=2)])
    await boards.score([score("ann", 3, version=3)])  # the ranking was empty in between: it is a new key
    left = [await any_redis.pttl(key) for key in board(RACE)[:3]]
    assert all(9 * DAY < ms <= 10 * DAY for ms in left), left
    await boards.freeze([Freeze(RACE, KEEPER, 1)])
    await boards.score([score("bob", 1)])
    left = [await any_redis.pttl(key) for key in board(RACE)]
    assert all(9 * DAY < ms <= 10 * DAY for ms in left), left


async def test_boards_are_listed_until_they_expire(any_redis: Redis, boards: Boards) -> None:
    names = [f"race@{n}" for n in range(5)]
    await boards.score([BoardScore(name, "ann", 1, 1.0, 0) for name in names])
    assert await boards.names(3) == names[:3]
    assert await boards.names(3, after=names[2]) == names[3:]
    await any_redis.delete(*board(names[1]))
    assert await boards.names(3) == [names[0], *names[2:4]]
    assert await any_redis.zcard(BOARDS) == 4
    await boards.score([BoardScore(names[1], "ann", 1, 1.0, 0)])  # it is there again, and so on the list
    assert await boards.names(9) == names


async def test_a_store_that_is_gone_is_told() -> None:
    lost = Boards(Redis(unix_socket_path="/nowhere"))
    with pytest.raises(Unavailable):
        await lost.score([score("ann", 1)])
    with pytest.raises(Unavailable):
        await lost.top(RACE, 1)


Change = tuple[str, int, int | None, int]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cleo", "dan"]),
        st.integers(1, 9),
        st.none() | st.integers(-3, 3),
        st.integers(0, 3),
    ),
    max_size=30,
)


@given(changes=CHANGES, cuts=st.lists(st.integers(0, 30), max_size=4), shuffled=st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_the_order_and_however_often_a_board_shows_the_newest_of_each(
    redis: Redis, changes: list[Change], cuts: list[int], shuffled: Random
) -> None:
    """Ranks are a permutation of 1 to n, in the order of the rule."""
    await redis.flushdb()
    boards = Boards(redis)
    first: dict[tuple[str, int], BoardScore] = {}  # a version means one score
    for player, version, value, at in changes:
        first.setdefault((player, version), BoardScore(RACE, player, version, value, at))
    rows = [first[player, version] for player, version, _, _ in changes]
    shuffled.shuffle(rows)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for start, end in pairwise(edges):
        await boards.score(rows[start:end])
    newest: dict[str, BoardScore] = {}
    for row in rows:
        if row.player not in newest or row.version > newest[row.player].version:
            newest[row.player] = row
    on = [row for row in newest.values() if row.score is not None]
    on.sort(key=lambda row: (-Fraction(row.score or 0), row.reached_at, row.player))
    told = await boards.top(RACE, 100)
    assert [(row.rank, row.player, row.score, row.reached_at) for row in told.rows] == [
        (rank, row.player, row.score, row.reached_at) for rank, row in enumerate(on, 1)
    ]
    for row in on:
        assert (await boards.around(RACE, row.player, 0)).rows[0].player == row.player
