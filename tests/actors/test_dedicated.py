"""Players in processes of their own: the same fold, and nothing trusted that may not have been committed."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from actors import dedicated
from actors.dedicated import DedicatedPlayer, DedicatedPool
from actors.player import Versions
from actors.processor import Known
from actors.settings import MemberSettings
from actors.turns import Turns
from domain.entries import Event, LogEntry
from domain.ids import partition_of
from domain.player import Identity, Profile, Snapshot
from store.keys import PLAYERS
from tests.conftest import Server

PARTITIONS = 4
ENTRIES = msgspec.msgpack.encode([LogEntry("1-0", 1_000, Event("vip", "m1", "bet_placed", 1_000))])


@pytest.fixture
async def player(server: Server, redis: Redis) -> AsyncIterator[DedicatedPlayer]:
    assert await redis.ping()
    alone = DedicatedPlayer("vip", MemberSettings(server.url, PARTITIONS, "seed"))
    yield alone
    await alone.close()


async def test_a_batch_over_the_known_version_is_folded(player: DedicatedPlayer) -> None:
    turns = msgspec.msgpack.decode(await player.take(0, "7", Versions(0), ENTRIES, []), type=Turns)
    assert (turns.player, turns.base) == ("vip", 0)
    assert "profile" in turns.fields


async def test_a_version_that_is_not_to_be_had_is_left_to_the_host(player: DedicatedPlayer) -> None:
    assert await player.take(3, "7", Versions(0), ENTRIES, []) == b""


async def test_what_another_ownership_folded_is_not_trusted(player: DedicatedPlayer, redis: Redis) -> None:
    await player.take(0, "7", Versions(0), ENTRIES, [])  # version 1 in memory, never committed
    theirs = msgspec.msgpack.encode(Profile(traits={"name": "as committed"}))
    await redis.hset(PLAYERS.state(partition_of("vip", PARTITIONS), "vip"), mapping={"v": "1", "profile": theirs})
    turns = msgspec.msgpack.decode(await player.take(1, "8", Versions(0), ENTRIES, []), type=Turns)
    assert msgspec.msgpack.decode(turns.fields["profile"], type=Profile).traits == {"name": "as committed"}


class Process:
    """A player's process as its host sees it; it answers, or never."""

    def __init__(self, answer: bytes | None = b"") -> None:
        self.answer = answer
        self.killed = False
        self.up = asyncio.Event()

    async def pid(self) -> int:
        await self.up.wait()
        return 42

    async def take(self, base: int, epoch: str, versions: Versions, entries: bytes, late: list[str]) -> bytes:  # noqa: ARG002
        if self.answer is None:
            await asyncio.Event().wait()
        assert self.answer is not None
        return self.answer

    def kill(self) -> None:
        self.killed = True


VIP = Snapshot("vip", profile=Profile(traits={"vip": True}))


async def pool_with(process: Process, limit: int = 4) -> DedicatedPool:
    pool = DedicatedPool("vip", limit, lambda _player: process)
    assert not pool.wants(VIP), "it stays shared until its process is up"
    process.up.set()
    await pool.settled()
    return pool


async def test_a_selected_player_is_served_by_its_process_once_that_is_up() -> None:
    pool = await pool_with(Process())
    assert pool.wants(VIP)
    assert pool.where() == {"vip": 42}
    assert not pool.wants(Snapshot("somebody"))


async def test_a_process_that_does_not_answer_in_time_is_ended_and_the_host_folds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dedicated, "DEADLINE_S", 0.01)
    process = Process(answer=None)
    pool = await pool_with(process)
    assert await pool.take(VIP, [], Versions(0), Known()) is None
    assert process.killed
    assert pool.where() == {}
    assert pool.failed == 1


async def test_beyond_the_limit_players_stay_shared_and_are_counted() -> None:
    pool = DedicatedPool("dedicated", 1, lambda _player: Process())
    assert not pool.wants(Snapshot("first"))
    assert not pool.wants(Snapshot("second"))
    assert pool.refused == 1


@pytest.mark.parametrize("nobody", [Snapshot("key:email:ab"), Snapshot("anon:a", identity=Identity("amelia"))])
async def test_what_is_nobodys_profile_gets_no_process(nobody: Snapshot) -> None:
    pool = DedicatedPool("dedicated", 1, lambda _player: Process())
    assert not pool.wants(nobody)
    assert not pool.wants(Snapshot("first"))
    assert pool.refused == 0
