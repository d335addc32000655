"""Players in processes of their own: ``placement: vip`` or ``dedicated``.

The owner of the partition calls the player's Ray actor once a batch and commits what it answers, so the commit
protocol is the same. Whatever goes wrong there (not up yet, another version, no answer within a second) the batch
is folded in the host: placement never costs an event.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from actors.beliefs import BeliefVersions
from actors.models import ModelVersions
from actors.player import Player, Told, Versions
from actors.processor import Known
from actors.programme import ProgrammeVersions
from actors.settings import MemberSettings
from actors.turns import Turns
from domain.entries import LogEntry
from domain.ids import is_nobody, partition_of
from domain.player import Snapshot, snapshot_from_parts
from store.beliefs import BeliefsStore
from store.client import connect
from store.keys import PLAYERS
from store.models import Models
from store.programmes import Programmes

DEADLINE_S = 1.0  # of one call; then the process is ended and the batch folded in the host

_encoder = msgspec.msgpack.Encoder()
_turns = msgspec.msgpack.Decoder(Turns)
_entries = msgspec.msgpack.Decoder(list[LogEntry])


class DedicatedPlayer:
    """What runs inside the player's own process: the same ``Player``, alone."""

    def __init__(self, player: str, settings: MemberSettings) -> None:
        self._id = player
        self._settings = settings
        self._redis = connect(settings.redis_url)
        self._programmes = ProgrammeVersions(Programmes(self._redis))
        self._models = ModelVersions(Models(self._redis))
        self._beliefs = BeliefVersions(BeliefsStore(self._redis))
        self._player = Player(Snapshot(player))
        self._epoch = ""
        self._partition = partition_of(player, settings.partitions)

    def pid(self) -> int:
        """Return the process id; answered once the actor is up."""
        return os.getpid()

    async def take(self, base: int, epoch: str, versions: Versions, entries: bytes, late: list[str]) -> bytes:
        """Fold a batch over version ``base``; the encoded ``Turns``, b"" when that version is not to be had.

        What was folded under one ownership of the partition may not have been committed, and another owner may
        have committed something else under the same version: a new epoch reads the state anew.
        """
        if self._player.snapshot.version != base or self._epoch != epoch:
            await self._reload()
            self._epoch = epoch
            if self._player.snapshot.version != base:
                return b""
        rules = await self._programmes.ensure(versions.programme)
        scoring = await self._models.ensure(versions.model) if rules.models is not None else None
        beliefs = await self._beliefs.ensure(versions.beliefs)
        told = Told(rules, self._partition, self._settings.store_seed, scoring, beliefs)
        turns, after = self._player.take(_entries.decode(entries), told, late=frozenset(late))
        self._player.snapshot = after  # a batch that is not committed shows as another version next time
        return _encoder.encode(turns)

    async def close(self) -> None:
        """Close the connection to the store."""
        await self._redis.aclose()

    async def _reload(self) -> None:
        stored: dict[Any, Any] = await self._redis.hgetall(PLAYERS.state(self._partition, self._id))
        parts = {name.decode(): value for name, value in stored.items()}
        self._player = Player(snapshot_from_parts(self._id, int(parts.pop("v", b"0")), parts))


class Handle(Protocol):
    """A dedicated player's process as its host sees it (a Ray actor, wrapped in ``ray_actors``)."""

    async def pid(self) -> int:
        """Wait until the process is up."""

    async def take(self, base: int, epoch: str, versions: Versions, entries: bytes, late: list[str]) -> bytes:
        """Fold there."""

    def kill(self) -> None:
        """End the process."""


class DedicatedPool:
    """The processes of a host's dedicated players.

    Args:
        start: Starts (or finds) the process of a player.
    """

    def __init__(self, placement: str, limit: int, start: Callable[[str], Handle]) -> None:
        self._placement = placement
        self._limit = limit
        self._start = start
        self._up: dict[str, tuple[Handle, int]] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        self.refused = 0
        self.failed = 0  # processes that were ended; their players went on in the host

    def wants(self, snapshot: Snapshot) -> bool:
        """Tell whether the player's process is up; starts one for a player that should have it."""
        player = snapshot.player
        if player in self._up:
            return True
        if self._selected(snapshot) and player not in self._starting:
            if len(self._up) + len(self._starting) < self._limit:
                self._starting[player] = asyncio.create_task(self._bring_up(player))
            else:
                self.refused += 1
        return False

    async def take(self, snapshot: Snapshot, entries: list[LogEntry], versions: Versions, known: Known) -> Turns | None:
        """Fold in the player's process; None when it did not answer well, and the host must fold."""
        handle, _ = self._up[snapshot.player]
        late = sorted(known.late)
        call = handle.take(snapshot.version, known.epoch, versions, _encoder.encode(entries), late)
        try:
            answer = await asyncio.wait_for(call, DEADLINE_S)
        except Exception:  # Ray raises many kinds; all mean: it is gone or stuck, and the host has the same code
            self._end(snapshot.player)
            return None
        return _turns.decode(answer) if answer else None

    def where(self) -> dict[str, int]:
        """Return the process id of each dedicated player that is up."""
        return {player: pid for player, (_, pid) in self._up.items()}

    async def settled(self) -> None:
        """Wait until every process that is being started is up, or given up."""
        await asyncio.gather(*self._starting.values())

    def _selected(self, snapshot: Snapshot) -> bool:
        if is_nobody(snapshot.player) or snapshot.identity.merged_into:
            return False  # nobody lives there
        if self._placement == "dedicated":
            return True
        return self._placement == "vip" and snapshot.profile.traits.get("vip") is True

    async def _bring_up(self, player: str) -> None:
        handle = self._start(player)
        try:
            self._up[player] = (handle, await handle.pid())
        except Exception:  # the process did not come up: the player stays shared, and is tried again later
            self.failed += 1
            handle.kill()
        finally:
            del self._starting[player]

    def _end(self, player: str) -> None:
        self.failed += 1
        handle, _ = self._up.pop(player)
        handle.kill()
