"""What a courier asks of the store, over a wire that fails: the queue, lives, closures, where people are reached."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from domain.entries import ChannelChanged, encode_entry
from domain.ids import partition_of
from domain.player import snapshot_from_parts
from store.keys import TOWER
from store.lives import Life as Living
from store.ports import Claim, Claimed, InFlight, Settlement, Token, Waiting
from store.reach import Reached, reached_of
from tests.simulation.stage import PARTITIONS

if TYPE_CHECKING:
    from tests.simulation.faults import FaultyIntake, Wire


class FaultyQueue:
    """``Queue`` as one process sees it."""

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire
        self._store = wire.world.store

    async def claim(self, token: Token, claimer: str, rooms: list[tuple[str, str, int]]) -> list[Claim]:
        (claims,) = await self._wire.call("claim", lambda: self._store.claim(token, claimer, rooms), repeats=False)
        return claims

    async def sweep(
        self, token: Token, claimer: str, rooms: list[tuple[str, str, int]], most: int
    ) -> tuple[list[Claim], list[int]]:
        step = lambda: self._store.sweep(token, claimer, rooms, most)  # noqa: E731
        (swept,) = await self._wire.call("sweep", step, repeats=False)
        return swept

    async def settle(self, settlements: list[Settlement]) -> list[bool]:
        """One call of the store for each partition, all in one pipeline."""
        places: dict[int, list[int]] = {}
        for n, settlement in enumerate(settlements):
            places.setdefault(settlement.partition, []).append(n)
        steps = [
            lambda p=p, some=some: self._store.settle(p, [settlements[n] for n in some]) for p, some in places.items()
        ]
        told = [False] * len(settlements)
        for some, answers in zip(places.values(), await self._wire.call("settle", *steps), strict=True):
            for n, is_done in zip(some, answers, strict=True):
                told[n] = is_done
        return told

    async def claimed(self, partitions: list[int]) -> list[Claimed]:
        steps = [lambda p=p: self._store.claimed(p) for p in partitions]
        return [claim for some in await self._wire.call("claimed", *steps, repeats=False) for claim in some]

    async def in_flight(self, partitions: list[int], only: Collection[str] | None = None) -> list[InFlight]:
        steps = [lambda p=p: self._store.in_flight(p, only) for p in partitions]
        return [claim for some in await self._wire.call("in flight", *steps, repeats=False) for claim in some]

    async def waiting(self, partitions: list[int]) -> dict[int, dict[tuple[str, str], Waiting]]:
        steps = [lambda p=p: self._store.waiting(p) for p in partitions]
        told = await self._wire.call("waiting", *steps, repeats=False)
        return {p: found for p, found in zip(partitions, told, strict=True) if found}

    async def take(self, bucket: str, wanted: int, *, per_s: float, burst: int) -> tuple[int, int]:
        step = lambda: self._store.take(bucket, wanted, per_s=per_s, burst=burst)  # noqa: E731
        (taken,) = await self._wire.call("take", step)
        return taken

    async def spend(self, channel: str, wanted: int, per_day: int) -> int:
        (granted,) = await self._wire.call("spend", lambda: self._store.spend(channel, wanted, per_day))
        return granted

    async def refund(self, channel: str, count: int) -> None:
        await self._wire.call("refund", lambda: self._store.refund(channel, count))


class FaultyLives:
    """``store.lives.Lives``: what was noted of processes is never lost, only late."""

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire
        self._lives = wire.world.lives
        self._ended = wire.world.ended

    async def begin(self, life: Living) -> None:
        await self._wire.call("begin", lambda: self._lives.update({life.incarnation: life}), repeats=False)

    async def all(self) -> list[Living]:
        (found,) = await self._wire.call("lives", lambda: list(self._lives.values()), repeats=False)
        return found

    async def end(self, incarnations: Iterable[str], now: int) -> None:
        gone = list(incarnations)

        def do() -> None:
            for incarnation in gone:
                self._ended[incarnation] = now
                self._lives.pop(incarnation, None)

        if gone:
            await self._wire.call("end", do)

    async def ended(self, incarnations: Iterable[str]) -> set[str]:
        asked = set(incarnations)
        (found,) = await self._wire.call("ended", lambda: asked & self._ended.keys(), repeats=False)
        return found

    async def settled(self, incarnation: str) -> None:
        await self._wire.call("settled", lambda: self._lives.pop(incarnation, None), repeats=False)

    async def tidy(self, now: int) -> None:
        """Nothing is old here."""
        del now


class FaultyClosures:
    """``store.closures.Closures``."""

    def __init__(self, wire: "Wire", intake: "FaultyIntake") -> None:
        self._wire = wire
        self._intake = intake
        self._closed = wire.world.closed

    async def told(self, partitions: list[int]) -> dict[int, dict[str, str]]:
        def do() -> dict[int, dict[str, str]]:
            return {p: {c: why for (q, c), why in self._closed.items() if q == p} for p in partitions}

        (found,) = await self._wire.call("told", do, repeats=False)
        return found

    async def tell(self, partition: int, key: str, changed: ChannelChanged) -> None:
        place = partition, changed.channel
        if not changed.open:
            await self._wire.call("close", lambda: self._closed.update({place: changed.reason}), repeats=False)
        await self._intake.append_internal(partition, key, encode_entry(changed), TOWER, at=changed.at)
        if changed.open:
            await self._wire.call("open", lambda: self._closed.pop(place, None), repeats=False)


class FaultyReach:
    """``store.reach.Reach``: read from the players' stored states and the mutes."""

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire
        self._store = wire.world.store

    async def load(self, players: list[str]) -> dict[str, Reached]:
        steps = [lambda who=who: self._of(who) for who in dict.fromkeys(players)]
        found = await self._wire.call("reach", *steps, repeats=False)
        return dict(zip(dict.fromkeys(players), found, strict=True))

    def _of(self, player: str) -> Reached:
        shared = self._store.of(partition_of(player, PARTITIONS))
        fields: dict[str, Any] = shared.lanes["players"].states.get(player, {})
        parts = {name: value for name, value in fields.items() if name in ("profile", "air", "identity")}
        return reached_of(snapshot_from_parts(player, 0, parts), frozenset(shared.mutes.get(player, ())))


class FaultyIds:
    """``store.provider_ids.ProviderIds``: nobody asks for them here."""

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire

    async def remember(self, posted: list[Any]) -> None:
        await self._wire.call("ids", lambda: len(posted))


class LiveProgramme:
    """Where a courier reads the live programme: the newest version that every partition was told of."""

    def __init__(self, wire: "Wire", documents: dict[int, Any]) -> None:
        self._wire = wire
        self._documents = documents

    async def current(self) -> tuple[int, Any]:
        newest = max(self._documents)
        (documents,) = await self._wire.call("programme", lambda: self._documents[newest], repeats=False)
        return newest, documents
