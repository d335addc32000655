"""Relays and walks beside the turns, over the model of the store."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from actors.carrier import (
    PATIENCE,
    PATIENCE_MS,
    RETRY_MS,
    ROUND_MS,
    VISITS_LEAST,
    VISITS_MAX,
    VISITS_ROUND,
    WALK_BOUND,
    WALKS_EVERY_MS,
    YIELD_MS,
    Carrier,
)
from domain.entries import TimerFired, Visited, decode_entry, encode_entry
from store.ports import Commit, Outgoing, Token, Unavailable, Visit, Walk, Write, decode_walk, encode_walk
from tests.simulation.model import ModelStore
from tests.simulation.model_faces import ModelWays

START = 1_772_409_600_000
MINUTE = 60_000


class House:
    """A store, its partitions' owner and a clock; every entry is done the moment it is appended, unless told."""

    def __init__(self, partitions: int = 2) -> None:
        self.now = START
        self.store = ModelStore(self.now_ms)
        self.ways = Ways(self.store)
        self.partitions = partitions
        self.tokens: dict[int, Token] = {}
        self.commits: Counter[int] = Counter()
        self.carrier = self.new_carrier()

    def now_ms(self) -> int:
        return self.now

    def new_carrier(self) -> Carrier:
        """A process that knows nothing yet and takes everything."""
        self.tokens = {
            p: self.store.acquire("players", p, "host", f"n{self.now}{p}", 0).token for p in range(self.partitions)
        }
        self.carrier = Carrier(self.ways, self, partitions=self.partitions)
        self.carrier.owns(self.tokens)
        return self.carrier

    def commit(self, partition: int, *, is_told: bool = True, **parts: Any) -> None:
        """Commit some parts; without ``is_told`` as by an owner before this one."""
        self.commits[partition] += 1
        here, end = self.commits[partition] - 1, self.commits[partition]
        commit = Commit(f"{here}-0", f"{end}-0", **parts)
        verdict, detail = self.store.commit("players", self.tokens[partition], commit)
        assert verdict == "OK", detail
        if is_told:
            self.carrier.committed(partition, commit)

    def move_in(self, partition: int, count: int, prefix: str = "p") -> None:
        names = [f"{prefix}{partition}-{n:04}" for n in range(count)]
        self.commit(partition, writes=[Write(name, 0, 1, {}) for name in names])

    def begin(self, walk: Walk, *partitions: int) -> None:
        for partition in partitions or range(self.partitions):
            self.commit(partition, walks=[(walk.id, encode_walk(walk))])

    def finish_entries(self) -> None:
        for p in range(self.partitions):
            lane = self.store.of(p).lanes["players"]
            lane.done = lane.entered

    async def walk(self) -> int:
        made = await self.carrier.walk()
        self.finish_entries()
        return made

    def visited(self, partition: int) -> list[str]:
        log = self.store.of(partition).lanes["players"].log.all()
        return [e.player for _, f in log if isinstance(e := decode_entry(f["e"]), Visited)]

    def walk_of(self, partition: int, name: str = "w") -> Walk:
        return decode_walk(self.store.of(partition).walks[name])

    async def carry_for(self, took_ms: int) -> None:
        """Carry all outboxes, in a pass that takes so long."""
        self.commit(0, relays=[(0, encode_entry(Visited("bob", "before", "review")))], is_patient=True)
        self.ways.meanwhile.append(lambda: self.pass_by(took_ms))
        assert await self.carrier.carry() == 1

    def pass_by(self, ms: int) -> None:
        self.now += ms

    def arrived(self, partition: int) -> list[str]:
        log = self.store.of(partition).lanes["players"].log.all()
        return [e.ref for _, f in log if isinstance(e := decode_entry(f["e"]), TimerFired)]


class Ways(ModelWays):
    """The model's ways, counted, with destinations that do not answer."""

    def __init__(self, store: ModelStore) -> None:
        super().__init__(store)
        self.calls: Counter[str] = Counter()
        self.deaf: set[int] = set()
        self.mute = False  # the next visits are made, and not answered
        self.meanwhile: list[Callable[[], None]] = []  # what a step beside commits while the next answer is on its way

    async def outbox(self, partitions: list[int], limit: int) -> Any:
        self.calls["outbox"] += 1
        return self._while_it_travels(await super().outbox(partitions, limit))

    async def walks(self, partitions: list[int]) -> Any:
        self.calls["walks"] += 1
        return self._while_it_travels(await super().walks(partitions))

    def _while_it_travels(self, answer: Any) -> Any:
        while self.meanwhile:
            self.meanwhile.pop()()
        return answer

    async def members(self, wanted: Any, limits: Any) -> Any:
        self.calls["members"] += 1
        return await super().members(wanted, limits)

    async def relay(self, rows: dict[int, list[Outgoing]]) -> dict[int, int]:
        self.calls["relay"] += 1
        await super().relay({p: [row for row in theirs if row.to not in self.deaf] for p, theirs in rows.items()})
        return {
            p: next((i for i, row in enumerate(theirs) if row.to in self.deaf), len(theirs))
            for p, theirs in rows.items()
        }

    async def visit(self, visits: list[Visit], bound: int) -> Any:
        self.calls["visit"] += 1
        answers = await super().visit(visits, bound)
        if self.mute:
            self.mute = False
            raise Unavailable("the reply was lost")
        return answers


@pytest.fixture
def house() -> House:
    return House()


def entry(ref: str) -> bytes:
    return encode_entry(TimerFired("bob", "relayed", ref, 0))


# Relays


async def test_what_a_commit_left_goes_where_it_belongs_in_one_pass(house: House) -> None:
    house.commit(0, relays=[(1, entry("a")), (0, entry("b")), (1, entry("c"))])
    house.commit(1, relays=[(0, entry("d"))])
    assert await house.carrier.carry() == 4
    assert (house.arrived(0), house.arrived(1)) == (["b", "d"], ["a", "c"])
    assert not house.store.of(0).out.ids
    assert house.ways.calls == {"outbox": 1, "relay": 1}
    assert house.carrier.idle_ms() > 0


async def test_what_nobody_waits_for_is_carried_together_a_little_later(house: House) -> None:
    await house.carry_for(10)
    house.commit(0, relays=[(1, entry("a"))], is_patient=True)
    house.commit(1, relays=[(0, entry("b"))])
    house.now += PATIENCE * 10 - 1
    assert (await house.carrier.carry(), house.carrier.idle_ms()) == (1, 1), "the other goes alone"
    house.commit(1, relays=[(0, entry("c"))], is_patient=True)
    house.now += 1
    assert house.carrier.idle_ms() == 0
    assert (await house.carrier.carry(), house.arrived(0), house.arrived(1)) == (2, ["b", "c"], ["a"])


async def test_after_a_pass_that_took_no_time_nothing_waits(house: House) -> None:
    await house.carry_for(0)
    house.commit(0, relays=[(1, entry("a"))], is_patient=True)
    assert (house.carrier.idle_ms(), await house.carrier.carry()) == (0, 1)


async def test_however_long_a_pass_took_nothing_waits_longer_than_the_bound(house: House) -> None:
    await house.carry_for(MINUTE)
    house.commit(0, relays=[(1, entry("a"))], is_patient=True)
    assert house.carrier.idle_ms() == PATIENCE_MS
    house.now += PATIENCE_MS - 1
    assert await house.carrier.carry() == 0
    house.now += 1
    assert await house.carrier.carry() == 1


async def test_the_first_after_a_quiet_time_goes_at_once(house: House) -> None:
    await house.carry_for(10)
    house.now += MINUTE
    assert await house.carrier.carry() == 0
    house.commit(0, relays=[(1, entry("a"))], is_patient=True)
    assert await house.carrier.carry() == 1


async def test_what_somebody_waits_for_takes_along_what_waits_before_it(house: House) -> None:
    await house.carry_for(10)
    house.commit(0, relays=[(1, entry("score"))], is_patient=True)
    house.commit(0, relays=[(1, entry("asked"))])
    assert (house.carrier.idle_ms(), await house.carrier.carry(), house.arrived(1)) == (0, 2, ["score", "asked"])


async def test_a_clock_that_is_set_back_makes_nobody_more_patient(house: House) -> None:
    await house.carry_for(10)
    house.commit(0, relays=[(1, entry("a"))], is_patient=True)
    house.now -= MINUTE
    assert (house.carrier.idle_ms(), await house.carrier.carry()) == (0, 1)


async def test_what_a_step_leaves_while_an_outbox_is_read_is_carried_next(house: House) -> None:
    house.commit(0, relays=[(1, entry("a"))])
    house.ways.meanwhile.append(lambda: house.commit(0, relays=[(1, entry("b"))]))
    await house.carrier.carry()
    assert house.carrier.idle_ms() == 0
    await house.carrier.carry()
    assert house.arrived(1) == ["a", "b"]


async def test_a_walk_that_a_step_begins_while_walks_are_looked_up_is_seen_at_once(house: House) -> None:
    house.move_in(0, 1)
    await house.walk()
    house.commit(0, walks=[("w", encode_walk(Walk("w", "review")))])
    house.ways.meanwhile.append(lambda: house.commit(0, walks=[("v", encode_walk(Walk("v", "review")))]))
    for _ in range(3):
        await house.walk()
    assert house.visited(0) == ["p0-0000", "p0-0000"]


async def test_an_outbox_that_an_owner_before_left_is_carried_once_without_being_told(house: House) -> None:
    house.commit(0, relays=[(1, entry("a"))], is_told=False)
    house.new_carrier()
    await house.carrier.carry()
    await house.carrier.carry()
    assert (house.arrived(1), house.ways.calls["outbox"]) == (["a"], 1)


async def test_nothing_is_asked_of_the_store_when_nothing_happened(house: House) -> None:
    await house.carrier.carry()
    await house.carrier.walk()
    house.ways.calls.clear()
    house.commit(0)
    for _ in range(10):
        house.carrier.owns(dict(house.tokens))
        await house.carrier.carry()
        await house.carrier.walk()
    assert house.ways.calls == {}


async def test_a_long_outbox_is_carried_in_passes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.carrier.CARRY_MAX", 2)
    house.commit(0, relays=[(1, entry(ref)) for ref in "abcde"])
    counts = []
    while not house.carrier.idle_ms() or not counts:
        counts.append(await house.carrier.carry())
    assert (counts, house.arrived(1)) == ([2, 2, 1], list("abcde"))


async def test_a_destination_that_does_not_answer_keeps_its_entries_and_holds_up_no_other(house: House) -> None:
    house.ways.deaf = {1}
    house.commit(0, relays=[(0, entry("a")), (1, entry("b")), (0, entry("c"))])
    await house.carrier.carry()
    assert (house.arrived(0), len(house.store.of(0).out.ids)) == (["a", "c"], 2)
    house.ways.deaf = set()
    house.now += RETRY_MS
    await house.carrier.carry()
    assert (house.arrived(0), house.arrived(1), house.store.of(0).out.ids) == (["a", "c"], ["b"], [])


async def test_a_destination_that_does_not_answer_is_not_asked_all_the_time(house: House) -> None:
    house.ways.deaf = {1}
    house.commit(0, relays=[(1, entry("a"))])
    for _ in range(10):
        await house.carrier.carry()
        assert house.carrier.idle_ms() > 0
    assert house.ways.calls["relay"] == 1
    house.now -= 60 * MINUTE  # a clock that was set back does not make it wait for longer
    house.ways.deaf = set()
    await house.carrier.carry()
    assert house.arrived(1) == ["a"]


# Walks


async def test_a_walk_visits_everybody_once_in_bounded_steps_and_says_when_it_ended(house: House) -> None:
    house.move_in(0, 2 * VISITS_MAX + 5)
    house.begin(Walk("w", "journey", "welcome", args={"k": 1}), 0)
    steps = []
    while house.walk_of(0).ended_at == 0:
        steps.append(await house.walk())
        house.now += 1
    assert steps == [VISITS_MAX, VISITS_MAX, 5]
    assert house.visited(0) == sorted(house.store.of(0).players)
    walk = house.walk_of(0)
    assert (walk.visited, walk.outcome, walk.ended_at) == (133, "completed", START + 2)
    visit = decode_entry(house.store.of(0).lanes["players"].log.items[0]["e"])
    assert visit == Visited("p0-0000", "w", "journey", "welcome", {"k": 1})
    assert await house.walk() == 0


async def test_a_walk_over_nobody_ends_at_once(house: House) -> None:
    house.begin(Walk("w", "review", group="segments/none"))
    await house.walk()
    assert [(house.walk_of(p).outcome, house.walk_of(p).visited) for p in (0, 1)] == [("completed", 0)] * 2


async def test_all_walks_together_are_bounded_in_a_round_and_take_turns() -> None:
    house = House(5)
    for p in range(5):
        house.move_in(p, 100)
    house.begin(Walk("w", "review"))
    assert await house.walk() == VISITS_ROUND
    await house.walk()
    await house.walk()
    assert [len(house.visited(p)) > 0 for p in range(5)] == [True] * 5


async def test_rounds_that_take_long_make_fewer_visits_and_short_ones_more_again() -> None:
    house = House(5)
    for p in range(5):
        house.move_in(p, 300)
    house.begin(Walk("w", "review"))

    async def visits(took_ms: int, rounds: int) -> list[int]:
        made = []
        for _ in range(rounds):
            made.append(await house.walk())
            house.now += took_ms
        return made

    assert await visits(ROUND_MS + 1, 7) == [VISITS_ROUND, 64, 32, 16, 8, VISITS_LEAST, VISITS_LEAST]
    assert (await visits(ROUND_MS, 3))[1:] == [VISITS_LEAST] * 2  # just right: stays as it is
    assert (await visits(1, 4))[1:] == [8, 16, 32]


async def test_a_walk_yields_to_live_traffic_and_asks_again_a_little_later(house: House) -> None:
    house.move_in(0, 3)
    house.begin(Walk("w", "review"), 0)
    lane = house.store.of(0).lanes["players"]
    lane.entered = lane.done + WALK_BOUND
    await house.carrier.carry()
    assert [await house.carrier.walk() for _ in range(5)] == [0] * 5
    assert house.ways.calls["visit"] == 1
    assert house.carrier.idle_ms() > 0
    house.now += YIELD_MS
    assert await house.carrier.walk() == 0
    lane.done += 1
    house.now += YIELD_MS
    assert await house.carrier.walk() == 3
    assert house.carrier.idle_ms() == 0


async def test_a_walk_that_was_asked_to_end_ends_where_it_is(house: House) -> None:
    house.move_in(0, VISITS_MAX + 10)
    house.begin(Walk("w", "review"), 0)
    await house.walk()
    house.commit(0, walks=[("w", b"")])
    assert await house.walk() == 0
    assert (house.walk_of(0).outcome, house.walk_of(0).visited) == ("stopped", VISITS_MAX)


async def test_a_process_that_knows_nothing_goes_on_where_the_walk_is(house: House) -> None:
    house.move_in(0, VISITS_MAX + 10)
    house.begin(Walk("w", "review"), 0)
    await house.walk()
    house.now += 1
    house.new_carrier()
    await house.walk()
    assert house.visited(0) == sorted(house.store.of(0).players)


async def test_after_a_lost_answer_the_walk_goes_on_from_where_the_store_has_it(house: House) -> None:
    house.move_in(0, VISITS_MAX + 10)
    house.begin(Walk("w", "review"), 0)
    house.ways.mute = True
    with pytest.raises(Unavailable):
        await house.carrier.walk()
    house.finish_entries()
    await house.walk()
    assert house.visited(0) == sorted(house.store.of(0).players)


async def test_a_walk_moved_on_by_somebody_else_is_looked_up_again(house: House) -> None:
    house.move_in(0, 3)
    house.begin(Walk("w", "review"), 0)
    house.store.of(0).lanes["tower"].entered = WALK_BOUND  # the walk is looked up, and gets nowhere
    assert await house.walk() == 0
    house.store.of(0).lanes["tower"].done = WALK_BOUND
    house.now += YIELD_MS
    moved = Walk("w", "review", cursor="p0-0001", visited=2)
    house.store.visit(Visit(house.tokens[0], moved, "", []), WALK_BOUND)
    assert await house.walk() == 0
    assert await house.walk() == 1
    assert house.visited(0) == ["p0-0002"]


async def test_a_partition_that_was_lost_is_not_walked(house: House) -> None:
    house.move_in(0, 3)
    house.begin(Walk("w", "review"), 0)
    house.carrier.owns({1: house.tokens[1]})
    assert await house.walk() == 0
    house.carrier.owns(house.tokens)
    house.store.acquire("players", 0, "host", "another", 0)
    assert await house.walk() == 0
    assert house.visited(0) == []


async def test_walks_nobody_told_of_are_found_within_seconds(house: House) -> None:
    await house.walk()
    house.move_in(0, 3)
    house.commit(0, walks=[("w", encode_walk(Walk("w", "review")))], is_told=False)
    house.now += WALKS_EVERY_MS - 1
    assert await house.walk() == 0
    house.now += 1
    assert await house.walk() == 3


async def test_who_comes_and_goes_while_a_group_is_walked_is_met_at_most_once(house: House) -> None:
    names = [f"p{n:03}" for n in range(VISITS_MAX + 10)]
    house.commit(0, groups=[(True, "g", name) for name in names])
    house.begin(Walk("w", "review", group="g"), 0)
    await house.walk()
    house.commit(0, groups=[(False, "g", names[-1]), (False, "g", names[0]), (True, "g", "a"), (True, "g", "z")])
    await house.walk()
    assert house.visited(0) == [*names[:-1], "z"]


# Pace


async def _minutes(house: House, count: int, every_ms: int = 50) -> list[int]:
    """Walk for some minutes; visits made in each."""
    made = []
    for _ in range(count):
        made.append(0)
        for _ in range(MINUTE // every_ms):
            made[-1] += await house.walk()
            house.now += every_ms
    return made


@pytest.mark.parametrize("per_minute", [3, 10, 60, 600])
async def test_a_pace_is_shared_by_the_partitions_and_kept_in_every_minute(per_minute: int) -> None:
    house = House(4)
    for p in range(4):
        house.move_in(p, 500)
    house.begin(Walk("w", "review", per_minute=per_minute))
    made = await _minutes(house, 3, every_ms=250)
    assert max(made) <= per_minute + 4
    assert sum(made) == pytest.approx(3 * per_minute, abs=4)
    by_partition = [len(house.visited(p)) for p in range(4)]
    assert max(by_partition) - min(by_partition) <= 1


async def test_a_slow_pace_is_spread_over_the_minute_not_bunched() -> None:
    house = House(4)
    for p in range(4):
        house.move_in(p, 50)
    house.begin(Walk("w", "review", per_minute=4))
    most = 0
    for _ in range(1_200):
        most = max(most, await house.walk())
        house.now += 100
    assert most == 1
    assert sum(len(house.visited(p)) for p in range(4)) == pytest.approx(8, abs=1)


async def test_after_a_pause_at_most_one_minutes_share_is_made_up_for(house: House) -> None:
    house.move_in(0, 500)
    house.begin(Walk("w", "review", per_minute=60), 0)
    await house.walk()
    house.now += 30 * MINUTE
    assert await house.walk() == 30
    house.now += 100
    assert await house.walk() <= 1


async def test_a_restart_may_lose_a_share_and_visits_nobody_twice(house: House) -> None:
    house.move_in(0, 500)
    house.begin(Walk("w", "review", per_minute=60), 0)
    for _ in range(100):
        house.now += 450
        if house.now % 5 == 0:
            house.new_carrier()
        await house.walk()
    assert len(set(house.visited(0))) == len(house.visited(0)) <= 23


async def test_a_clock_that_was_set_back_holds_up_a_paced_walk_for_no_longer_than_its_pace(house: House) -> None:
    house.move_in(0, 500)
    house.begin(Walk("w", "review", per_minute=120), 0)
    await house.walk()
    house.now -= 60 * MINUTE
    await house.walk()
    house.now += 1_000
    assert await house.walk() == 1


async def test_what_live_traffic_held_up_is_made_up_for(house: House) -> None:
    house.move_in(0, 5)
    house.begin(Walk("w", "review", per_minute=2), 0)
    await house.walk()
    lane = house.store.of(0).lanes["players"]
    lane.entered = lane.done + WALK_BOUND
    for _ in range(700):
        house.now += 100
        assert await house.carrier.walk() == 0
    house.finish_entries()
    house.now += YIELD_MS
    assert await house.walk() == 1
