"""Who owns what, and when a silent member is ended."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.director import KILL_ALONE_MS, KILL_RELIEVED_MS, MOVES_MAX, Director, assign
from actors.member import LEASE_MS, Heartbeat
from store.keys import ASSIGNMENT, HOSTS
from tests.actors.hands import HandClock, HashStore

MEMBERS = st.lists(st.sampled_from(["ada", "bea", "cem", "dov"]), min_size=1, unique=True)


def test_the_first_member_gets_everything() -> None:
    assert assign(3, ["ada"], {}) == {0: "ada", 1: "ada", 2: "ada"}


def test_orphans_go_to_the_least_loaded_and_nobody_else_moves() -> None:
    before = {0: "ada", 1: "ada", 2: "bea", 3: "cem"}
    assert assign(4, ["ada", "cem"], before) == {0: "ada", 1: "ada", 2: "cem", 3: "cem"}


def test_without_members_nothing_changes() -> None:
    assert assign(2, [], {0: "ada", 1: "ada"}) == {0: "ada", 1: "ada"}


@given(partitions=st.integers(1, 64), members=MEMBERS, before=st.dictionaries(st.integers(0, 63), st.text(max_size=3)))
def test_every_partition_has_a_living_owner_and_rounds_even_out(
    partitions: int, members: list[str], before: dict[int, str]
) -> None:
    owners = before
    for _ in range(partitions // MOVES_MAX + 2):
        owners = assign(partitions, members, owners)
        assert set(owners) == set(range(partitions))
        assert set(owners.values()) <= set(members)
    loads = [list(owners.values()).count(member) for member in members]
    assert max(loads) - min(loads) <= 1
    assert assign(partitions, members, owners) == owners


class Scene:
    """A director, members that beat when told to, and a clock."""

    def __init__(self, *members: str, paused: bool = False, lane: str = "players") -> None:
        self.lane = lane
        self.clock = HandClock()
        self.store = HashStore()
        self.ended: list[str] = []
        self.beats = dict.fromkeys(members, 0)
        self.director = Director(
            self.store, self.clock, name="d", partitions=4, end=self._end, is_paused=lambda _beat: paused
        )

    async def _end(self, beat: Heartbeat) -> None:
        self.ended.append(beat.name)

    async def after(self, ms: int, *beating: str) -> dict[int, str]:
        """Let time pass, some members beat, and the director look; the assignment of the players' lane."""
        self.clock.ms += ms
        for name in beating:
            self.beats[name] += 1
        for name, beat in self.beats.items():
            heartbeat = Heartbeat(name, self.lane, 1, "node", "first", beat=beat)
            if name not in self.ended:
                self.store.hashes.setdefault(HOSTS, {})[name.encode()] = msgspec.json.encode(heartbeat)
        await self.director.round()
        assignment = self.store.hashes.get(ASSIGNMENT, {})
        return {int(field.split(b":")[1]): who.decode() for field, who in assignment.items()}


async def test_a_member_that_does_not_move_for_a_lease_is_relieved() -> None:
    scene = Scene("ada", "bea")
    assert set((await scene.after(0, "ada", "bea")).values()) == {"ada", "bea"}
    assert set((await scene.after(LEASE_MS, "bea")).values()) == {"bea"}
    assert scene.ended == []


async def test_a_relieved_member_is_ended_only_after_a_while() -> None:
    scene = Scene("ada", "bea")
    await scene.after(0, "ada", "bea")
    for _ in range(KILL_RELIEVED_MS // 1_000 - 1):
        await scene.after(1_000, "bea")
    assert scene.ended == []
    await scene.after(1_000, "bea")
    assert scene.ended == ["ada"]


@pytest.mark.parametrize(("paused", "patience"), [(True, LEASE_MS), (False, KILL_ALONE_MS)])
async def test_the_only_member_is_ended_at_once_when_paused_and_later_when_starved(paused: bool, patience: int) -> None:
    scene = Scene("ada", paused=paused)
    await scene.after(0, "ada")
    await scene.after(patience - 1)
    assert scene.ended == []
    await scene.after(1)
    assert scene.ended == ["ada"]


async def test_a_restarted_member_counts_as_alive_at_once() -> None:
    scene = Scene("ada")
    await scene.after(0, "ada")
    await scene.after(LEASE_MS - 1, "ada")
    assert set((await scene.after(LEASE_MS - 1)).values()) == {"ada"}


async def test_a_silent_courier_is_ended_soon_even_where_others_have_taken_over() -> None:
    """What it left in flight is settled only once it is gone, and exclusions are confirmed only then."""
    scene = Scene("ada", "bea", lane="channels")
    assert set((await scene.after(0, "ada", "bea")).values()) == {"ada", "bea"}
    assert set((await scene.after(LEASE_MS, "bea")).values()) == {"bea"}
    await scene.after(KILL_ALONE_MS - LEASE_MS - 1, "bea")
    assert scene.ended == []
    await scene.after(1, "bea")
    assert scene.ended == ["ada"]
