"""What the processor makes of the store's answers, each in the one situation that needs it (over the model)."""

from typing import Any

import pytest

from actors.activations import Activations
from actors.partition import PartState
from actors.player import Player, Told, TurnFailed
from actors.processor import CAREFUL_AFTER, SET_ASIDE_AFTER, Known, PartitionProcessor, PartitionStopped, Processor
from actors.reducers import TowerReducer
from domain.effects import DuplicateLate, decode_record
from domain.entries import Command, Event, Fact, LogEntry, TimerFired, encode_entry
from domain.ids import partition_of
from domain.player import Snapshot
from store.ports import Commit, Grant, Token, Unavailable, Verdict
from tests.contract.script import incoming
from tests.contract.sides import START, ModelSide
from tests.contract.tiny import CountingReducer, Points
from tests.simulation.programmes import versions

ANN, BOB = "ann", "bob"
STOP = encode_entry(Command(ANN, "cmd:1", "exclude"))


class LateLane:
    """A lane whose commits do what the test says before they are carried out."""

    def __init__(self, lane: Any) -> None:
        self._lane = lane
        self.script: list[Any] = []  # one a commit: "late", a function to call first, or None
        self.on_their_way: list[list[tuple[Token, Commit]]] = []
        self.acquired: list[Any] = []  # one an acquisition: "mute" or None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lane, name)

    async def acquire(self, *args: Any) -> Grant:
        grant: Grant = await self._lane.acquire(*args)
        if self.acquired and self.acquired.pop(0) == "mute":
            raise Unavailable
        return grant

    async def commit(self, batches: list[tuple[Token, Commit]]) -> list[tuple[Verdict, str]]:
        step = self.script.pop(0) if self.script else None
        if step == "late":
            self.on_their_way.append(batches)
            raise Unavailable
        if step is not None:
            await step()
        answers: list[tuple[Verdict, str]] = await self._lane.commit(batches)
        return answers


@pytest.fixture
def side() -> ModelSide:
    return ModelSide()


def processor(lane: LateLane, reducer: Any = None) -> Processor[Points]:
    nonces = iter(f"n{i}" for i in range(99))
    return Processor(lane, reducer or CountingReducer(), owner="host-1", nonce=lambda: next(nonces))  # type: ignore[arg-type]


async def test_an_answer_to_an_earlier_fold_of_a_batch_is_not_taken_for_the_last_one(side: ModelSide) -> None:
    """The first commit is delayed, the second one learns that ann is excluded, she is readmitted, and then the first
    arrives: the third is answered ALREADY, but what was written is the first.
    """
    lane = LateLane(side.lane("players"))
    intake = side.intake(bound=0, keep_ms=0, clock="store", partitions=1)
    host = processor(lane, CountingReducer(deliver=True))
    await intake.append([incoming("e1")])
    await host.acquire(0)
    await intake.exclude(ANN, "self", STOP)

    async def readmitted_and_the_first_arrives() -> None:
        await intake.exclude(ANN, "", STOP)
        await lane._lane.commit(lane.on_their_way.pop())

    lane.script = ["late", None, readmitted_and_the_first_arrives]
    await host.step(0)
    await host.acquire(0)
    await intake.append([incoming("e2")])
    await host.step(0)
    ((stored),) = await lane.load([(0, ANN)])
    assert {name: stored[name] for name in ("count", "sent")} == {"count": b"2", "sent": b"2"}


async def test_a_store_that_does_not_answer_sets_no_entry_aside(side: ModelSide) -> None:
    """Only deaths of processes count against an entry; this one lives through every try."""
    lane = LateLane(side.lane("players"))
    await side.intake(bound=0, keep_ms=0, clock="store", partitions=1).append([incoming("e1"), incoming("e2")])
    lane.acquired = ["mute"] * (SET_ASIDE_AFTER + 3)
    host = processor(lane)
    for _ in range(SET_ASIDE_AFTER + 3):
        with pytest.raises(Unavailable):
            await host.acquire(0)
    await host.acquire(0)
    assert await host.step(0) == 2


async def test_after_two_deaths_at_an_offset_entries_go_one_by_one_and_after_four_the_head_is_not_run(
    side: ModelSide,
) -> None:
    await side.intake(bound=0, keep_ms=0, clock="store", partitions=1).append([incoming("e1"), incoming("e2")])
    seen = []
    for _ in range(SET_ASIDE_AFTER + 1):
        host = processor(LateLane(side.lane("players")))
        await host.acquire(0)
        entries = (await side.lane("players").read({0: "0-0"}, 9, 0))[0]
        host.owned[0].accept(entries)
        seen.append((len(host.owned[0].batch), host.owned[0].known.unrun))
    assert seen == [(2, False)] * CAREFUL_AFTER + [(1, False)] * (SET_ASIDE_AFTER - CAREFUL_AFTER) + [(1, True)]


def test_an_entry_of_the_engines_own_is_never_set_aside() -> None:
    timer = LogEntry("5-0", START, TimerFired(ANN, "mission_expires", "three-bets", START))
    with pytest.raises(TurnFailed, match="TimerFired at 5-0"):
        Player(Snapshot(ANN)).take([timer], Told(versions()[1], 0, "seed"), unrun=True)


def test_a_late_duplicate_is_known_by_its_key_not_by_an_id_that_another_player_may_use() -> None:
    """Message ids are unique per player only."""

    def bets(player: str) -> list[LogEntry]:
        return [LogEntry(f"{n}-0", START, Event(player, f"e{n}", "bet_placed", START)) for n in (1, 2, 3)]

    told = Told(versions()[1], 0, "seed")
    late = frozenset({f"e3\n{ANN}|missions/three-bets|0|1"})
    hers, _ = Player(Snapshot(ANN)).take(bets(ANN), told, late=late)
    his, state = Player(Snapshot(BOB)).take(bets(BOB), told, late=late)
    effects = decode_record(hers.history[-1][1]).effects
    assert effects == (DuplicateLate(f"{ANN}|missions/three-bets|0|1"),)
    assert his.keys == [(f"{BOB}|missions/three-bets|0|1", "e3")]
    assert state.wallet["points"].balance > 100


async def test_an_entry_that_the_tower_cannot_judge_stops_its_partition_and_no_other() -> None:
    class Programmes:
        def get(self, version: int) -> Any:
            return versions()[version]

        async def ensure(self, version: int) -> Any:
            return versions()[version]

    reducer = TowerReducer(Programmes())
    bad = LogEntry("5-0", START, Fact(ANN, "support_case", "no mapping", START))
    with pytest.raises(PartitionStopped, match="Fact at 5-0"):
        await reducer.fold(0, PartState(programme=1), {ANN: reducer.decode(ANN, 0, {})}, [bad], Known())


async def test_a_player_in_memory_is_not_pushed_out_by_those_its_batch_brings() -> None:
    """Pushed out after it was found in memory, it would be folded as one never seen."""
    reducer = CountingReducer()
    partition = PartitionProcessor(Grant(Token(0, "1", "n"), "0-0", 1, b""), reducer)
    partition.activations = Activations(reducer, hot_max=3, cold_max=1)
    for player in (ANN, "x1", "x2", "x3"):
        partition.activations.activate(player, {"v": b"1", "count": b"7"})
    entries = [
        LogEntry(f"{n}-0", START, Event(who, "e", "bet_placed", START)) for n, who in enumerate((ANN, "y1", "y2"))
    ]
    for player in partition.accept(entries):
        partition.activations.activate(player, {})
    folded = await partition.fold()
    assert folded.states[ANN].count == 8


class CountedLane(LateLane):
    """A lane that notes which partitions were read how far, and how often it was asked what waits."""

    def __init__(self, lane: Any) -> None:
        super().__init__(lane)
        self.reads: list[tuple[list[int], int, int]] = []  # partitions, limit, ms to wait
        self.counted = 0

    async def read(self, after: dict[int, str], limit: int, block_ms: int) -> dict[int, list[LogEntry]]:
        self.reads.append((sorted(after), limit, block_ms))
        found: dict[int, list[LogEntry]] = await self._lane.read(after, limit, block_ms)
        return found

    async def waiting(self, partitions: list[int]) -> list[int]:
        self.counted += 1
        found: list[int] = await self._lane.waiting(partitions)
        return found


async def test_under_load_a_partition_that_lies_behind_is_read_further_so_that_all_end_together(
    side: ModelSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.processor.STEP_MAX", 16)
    monkeypatch.setattr("actors.processor.BATCH_LEAST", 2)
    lane = CountedLane(side.lane("players"))
    host = processor(lane)
    intake = side.intake(bound=0, keep_ms=0, clock="store", partitions=4)
    players = {partition_of(name, 4): name for name in map(str, range(99))}
    await intake.append([incoming(f"e{n}", players[p]) for p in range(4) for n in range(8 if p else 30)])
    for partition in range(4):
        await host.acquire(partition)
    taken = [await host.step(50) for _ in range(4)]
    assert taken == [8, 20, 14, 8]
    assert lane.reads == [
        ([0, 1, 2, 3], 2, 50),
        ([0], 8, 0), ([1, 2, 3], 4, 0),  # 28 wait there, 11.5 in the mean: 10 would be its share, 8 is half a step
        ([0], 8, 0), ([1, 2, 3], 4, 0),
        ([0], 8, 0), ([1, 2, 3], 4, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("behind", [1, 2, 3])
async def test_however_many_lie_behind_a_step_stays_bounded(
    side: ModelSide, monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    """A step that takes longer than a lease loses every partition of the host, again and again."""
    monkeypatch.setattr("actors.processor.STEP_MAX", 16)
    monkeypatch.setattr("actors.processor.BATCH_LEAST", 2)
    lane = CountedLane(side.lane("players"))
    host = processor(lane)
    intake = side.intake(bound=0, keep_ms=0, clock="store", partitions=8)
    players = {partition_of(name, 8): name for name in map(str, range(99))}
    await intake.append([incoming(f"e{n}", players[p]) for p in range(8) for n in range(50 if p < behind else 3)])
    for partition in range(8):
        await host.acquire(partition)
    taken = [await host.step(50) for _ in range(100)]
    assert sum(taken) == behind * 50 + (8 - behind) * 3
    assert max(taken) <= 24
    assert lane.counted > 0


async def test_who_is_not_under_load_is_not_asked_what_waits(side: ModelSide) -> None:
    lane = CountedLane(side.lane("players"))
    host = processor(lane)
    await host.acquire(0)
    intake = side.intake(bound=0, keep_ms=0, clock="store", partitions=1)
    for n in range(3):
        await intake.append([incoming(f"e{n}")])
        assert await host.step(0) == 1
    assert lane.counted == 0
