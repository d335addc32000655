"""What a carrier does for boards before it relays, and the order in which a commit leaves what is shared."""

from collections import Counter

import pytest

from actors.boarding import Boarding
from actors.shared import Shared
from actors.turns import Turns
from domain.entries import Barrier, BoardFrozen, Contributed, TimerFired, decode_entry, encode_entry
from domain.ids import partition_of
from domain.step import BoardScore, Freeze, Toll
from store.ports import BOARD, FREEZE, Commit, Outgoing, decode_freeze, decode_scores, encode_freeze, encode_scores
from tests.simulation.model import ModelStore
from tests.simulation.model_faces import ModelWays

RACE, CUP = "race@1", "cup@1"
KEEPER = "keeper:tournament:race"
PARTITIONS = 2


class DeafWays(ModelWays):
    """The model's ways, where some boards do not answer."""

    def __init__(self) -> None:
        self.store = ModelStore(lambda: 0)
        super().__init__(self.store)
        self.deaf: set[str] = set()
        self.calls: Counter[str] = Counter()

    async def score(self, scores: list[BoardScore]) -> set[str]:
        self.calls["score"] += 1
        await super().score([score for score in scores if score.board not in self.deaf])
        return self.deaf & {score.board for score in scores}

    async def freeze(self, freezes: list[Freeze]) -> list[BoardFrozen | None]:
        self.calls["freeze"] += 1
        answers = await super().freeze(freezes)
        return [None if f.board in self.deaf else a for f, a in zip(freezes, answers, strict=True)]

    def shown(self, board: str) -> list[tuple[str, float | None]]:
        return [(row.player, row.score) for row in self.store.boards.board(board).ranking()]


@pytest.fixture
def ways() -> DeafWays:
    return DeafWays()


def score(player: str, value: float, version: int = 1, board: str = RACE) -> BoardScore:
    return BoardScore(board, player, version, value, 1_000)


def scores(n: int, *rows: BoardScore) -> Outgoing:
    return Outgoing(f"{n}-0", BOARD, encode_scores(list(rows)))


def freeze(n: int, board: str = RACE, most: int = 2) -> Outgoing:
    return Outgoing(f"{n}-0", FREEZE, encode_freeze(Freeze(board, KEEPER, most)))


def other(n: int) -> Outgoing:
    return Outgoing(f"{n}-0", 1, encode_entry(TimerFired("bob", "relayed", str(n), 0)))


async def test_a_page_without_boards_asks_nothing_of_them(ways: DeafWays) -> None:
    pages = {0: [other(1)], 1: [other(1)]}
    assert await Boarding(ways, PARTITIONS).done(pages) == pages
    assert not ways.calls


async def test_scores_of_all_sources_go_in_one_call_and_the_newest_of_a_player_holds(ways: DeafWays) -> None:
    pages = {
        0: [scores(1, score("ann", 5, 5)), other(2), scores(3, score("ann", 7, 7), score("bob", 1))],
        1: [scores(1, score("cleo", 6), score("cleo", 6, board=CUP))],
    }
    assert await Boarding(ways, PARTITIONS).done(pages) == pages
    assert (ways.shown(RACE), ways.shown(CUP)) == ([("ann", 7), ("cleo", 6), ("bob", 1)], [("cleo", 6)])
    assert ways.calls == {"score": 1}


async def test_nothing_at_or_behind_a_row_whose_board_did_not_answer_is_relayed(ways: DeafWays) -> None:
    ways.deaf = {RACE}
    pages = {
        0: [other(1), scores(2, score("ann", 1, board=CUP)), scores(3, score("ann", 1)), other(4), freeze(5, CUP)],
        1: [scores(1, score("bob", 2, board=CUP)), other(2)],
    }
    ready = await Boarding(ways, PARTITIONS).done(pages)
    assert ready == {0: pages[0][:2], 1: pages[1]}
    assert ways.shown(CUP) == [("bob", 2), ("ann", 1)]
    assert not ways.store.boards.board(CUP).is_frozen


async def test_a_freeze_becomes_what_its_keeper_is_told_under_its_own_id(ways: DeafWays) -> None:
    pages = {0: [scores(1, score("ann", 5), score("bob", 9), score("cleo", 1)), other(2), freeze(3), other(4)]}
    told = BoardFrozen(KEEPER, RACE, 3, (("bob", 9.0, 1_000), ("ann", 5.0, 1_000)), f"{KEEPER}|{RACE}")
    expected = Outgoing("3-0", partition_of(KEEPER, PARTITIONS), encode_entry(told))
    ready = await Boarding(ways, PARTITIONS).done(pages)
    assert ready == {0: [*pages[0][:2], expected, pages[0][3]]}
    later = {0: [scores(5, score("dan", 99)), *pages[0]]}
    again = await Boarding(ways, PARTITIONS).done(later)
    assert again[0][3] == expected, "who freezes again tells the same"


async def test_nothing_at_or_behind_a_freeze_that_was_not_answered_is_relayed(ways: DeafWays) -> None:
    ways.deaf = {CUP}
    pages = {0: [other(1), freeze(2, CUP), other(3)], 1: [freeze(1, RACE), other(2)]}
    ready = await Boarding(ways, PARTITIONS).done(pages)
    assert ready[0] == pages[0][:1]
    assert [row.id for row in ready[1]] == ["1-0", "2-0"]
    assert decode_entry(ready[1][0].body) == BoardFrozen(KEEPER, RACE, 0, (), f"{KEEPER}|{RACE}")


def test_a_commit_leaves_scores_first_and_answers_to_barriers_last() -> None:
    shared, commit = Shared(), Commit("0-0", "1-0")
    commit.relays.append((1, b"an ask"))
    shared.passed(0, b"passed")
    shared.add(
        Turns(
            "ann", 0, scores=[score("ann", 1, 1), score("ann", 2, 2)], tolls=[Toll(KEEPER, 5, "e1")],
            freezes=[Freeze(CUP, KEEPER, 3)], barriers=[encode_entry(Barrier(KEEPER, "run"))],
        )
    )  # fmt: skip
    shared.add(Turns("bob", 0, scores=[score("bob", 3), score("bob", 4, board=CUP)], tolls=[Toll(KEEPER, 6, "e2")]))
    shared.write(commit, PARTITIONS)
    race, cup, ask, tolls, frozen, *barriers, passed = commit.relays
    assert (race[0], decode_scores(race[1])) == (BOARD, [score("ann", 2, 2), score("bob", 3)])
    assert (cup[0], decode_scores(cup[1])) == (BOARD, [score("bob", 4, board=CUP)])
    assert ask == (1, b"an ask")
    assert decode_entry(tolls[1]) == Contributed(KEEPER, (("ann", 5, "e1"), ("bob", 6, "e2")))
    assert (frozen[0], decode_freeze(frozen[1])) == (FREEZE, Freeze(CUP, KEEPER, 3))
    assert [to for to, _ in barriers] == [0, 1]
    assert passed == (0, b"passed")


@pytest.mark.parametrize(
    ("turns", "is_patient"),
    [
        (Turns("ann", 0, scores=[score("ann", 1)], tolls=[Toll(KEEPER, 5, "e1")]), True),
        (Turns("ann", 0, relays=[(KEEPER, b"an ask")]), True),
        (Turns("ann", 0, relays=[(KEEPER, b"an ask")], is_awaited=True), False),
        (Turns("ann", 0, freezes=[Freeze(CUP, KEEPER, 3)]), False),
        (Turns("ann", 0, barriers=[encode_entry(Barrier(KEEPER, "run"))]), False),
    ],
)
def test_what_nobody_waits_for_may_wait(turns: Turns, is_patient: bool) -> None:
    commit = Commit("0-0", "1-0")
    shared = Shared()
    shared.add(turns)
    shared.add(Turns("bob", 0, scores=[score("bob", 1)]))
    shared.write(commit, PARTITIONS)
    assert commit.is_patient is is_patient
