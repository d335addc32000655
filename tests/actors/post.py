"""A post office for tests: a real courier over the modelled store, obedient adapters, a virtual clock."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from actors.courier import Courier, Links, Surroundings
from channels.ports import Parcel, Result, Sent
from crm.addresses import Address
from domain.dispatch import Dispatch
from domain.entries import ChannelChanged, Event, decode_entry
from domain.ids import partition_of
from store.closures import Closures
from store.dead_letters import DeadLetter, decode_dead_letter
from store.keys import ASSIGNMENT
from store.lives import Life, Lives
from store.ports import Commit
from store.provider_ids import ProviderIds
from store.reach import Reached
from tests.simulation.clock import VirtualLoop
from tests.simulation.model import ModelStore
from tests.simulation.model_faces import ModelIntake, ModelLane, ModelQueue

T = TypeVar("T")
START = 1_772_438_400_000  # 2026-03-02T08:00:00Z
PARTITIONS = 2
DAY_MS = 86_400_000
SECRET = "a-secret-of-the-tests-0123456789abcdef"

Do = Callable[[Parcel], Awaitable[Result]]


def run(story: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a story in virtual time: hours pass at once, in the same order every time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story())


def now_ms() -> int:
    return START + int(asyncio.get_running_loop().time() * 1_000)


class VirtualClock:
    """Shows the running loop's time."""

    def now_ms(self) -> int:
        return now_ms()


class Hashes:
    """The few commands of Redis that couriers use beside the queue, in memory."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[str, str]] = {}
        self.values: dict[str, str] = {}

    def pipeline(self, transaction: bool = True) -> "_Pipeline":  # noqa: ARG002 - redis-py's own signature
        return _Pipeline(self)

    async def hset(self, key: str, field: str = "", value: Any = "", mapping: dict[str, Any] | None = None) -> None:
        rows = mapping if mapping is not None else {field: value}
        self.hashes.setdefault(key, {}).update({name: _text(what) for name, what in rows.items()})

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        return {name.encode(): value.encode() for name, value in self.hashes.get(key, {}).items()}

    async def hmget(self, key: str, fields: list[str]) -> list[bytes | None]:
        held = self.hashes.get(key, {})
        return [held[name].encode() if name in held else None for name in fields]

    async def hdel(self, key: str, *fields: str) -> None:
        for name in fields:
            self.hashes.get(key, {}).pop(name, None)

    async def set(self, key: str, value: str, px: int = 0) -> None:
        assert px > 0, "nothing is kept for ever"
        self.values[key] = value

    async def get(self, key: str) -> bytes | None:
        return self.values[key].encode() if key in self.values else None


class _Pipeline:
    def __init__(self, redis: Hashes) -> None:
        self._redis = redis
        self._asked: list[Any] = []

    def __getattr__(self, command: str) -> Callable[..., None]:
        return lambda *args, **kwargs: self._asked.append((command, args, kwargs))

    async def execute(self) -> list[Any]:
        return [await getattr(self._redis, command)(*args, **kwargs) for command, args, kwargs in self._asked]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class Provider:
    """An adapter that does as it is told, and remembers what reached it."""

    kind = "smtp"

    def __init__(self, do: Do, *, kinds: frozenset[str] = frozenset({"email"}), is_idempotent: bool = False) -> None:
        self.do = do
        self.address_kinds = kinds
        self.is_idempotent = is_idempotent
        self.parcels: list[tuple[int, Parcel]] = []
        self.is_closed = False

    async def send(self, parcel: Parcel) -> Result:
        self.parcels.append((now_ms(), parcel))
        return await self.do(parcel)

    async def close(self) -> None:
        self.is_closed = True

    @property
    def ids(self) -> list[str]:
        """Return the requests that reached it, in order."""
        return [parcel.id for _, parcel in self.parcels]


async def takes_all(parcel: Parcel) -> Result:
    """Take everything, after 50 ms."""
    await asyncio.sleep(0.05)
    return Sent(f"its-{parcel.id}")


@dataclass
class Office:
    """Everything of a story."""

    documents: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    providers: dict[str, Any] = field(default_factory=dict)  # by connector
    addresses: dict[str, dict[str, tuple[Address, ...]]] = field(default_factory=dict)  # others have an e-mail
    suppressed: dict[str, frozenset[str]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)  # incarnations whose processes are gone

    def __post_init__(self) -> None:
        self.redis: Any = Hashes()
        self.store = ModelStore(now_ms)
        self.intake: Any = ModelIntake(self.store, PARTITIONS, bound=0, keep_ms=DAY_MS)
        self.queue: Any = ModelQueue(self.store)
        self.log: list[str] = []
        self.couriers: dict[str, tuple[Courier, asyncio.Task[None]]] = {}
        self._numbers = 0

    def connector(self, name: str, provider: Any, *, kind: str = "smtp", **limits: Any) -> None:
        """Publish a connector."""
        self.providers[name] = provider
        self.documents.setdefault("connectors", {})[name] = {"kind": kind, **limits}

    async def current(self) -> tuple[int, dict[str, dict[str, dict[str, Any]]]]:
        return 1, self.documents

    async def load(self, players: list[str]) -> dict[str, Reached]:
        return {
            player: Reached(
                self.addresses.get(player, {"email": (Address("email", f"{player}@example.com"),)}),
                self.suppressed.get(player, frozenset()),
            )
            for player in players
        }

    def start(self, name: str = "courier-0", *, queue: Any = None, owns: range = range(PARTITIONS)) -> Courier:
        """Start a courier, and let the director give it partitions."""
        self._numbers += 1
        life = Life(f"life-{self._numbers}", name, "here", self._numbers)
        around = Surroundings(
            redis=self.redis,
            queue=queue or self.queue,
            lane=ModelLane(self.store, "channels"),
            programmes=self,
            reach=self,
            closures=Closures(self.redis, self.intake),
            lives=Lives(self.redis),
            provider_ids=ProviderIds(self.redis),
            make_adapter=lambda connector, _document: self.providers[connector],
            clock=VirtualClock(),
            rng=Random(self._numbers),
            links=Links("https://play.example", SECRET),
            nonce=self._nonce,
            is_gone=lambda life: life.incarnation in self.dead,
            log=self.log.append,
        )
        assigned = self.redis.hashes.setdefault(ASSIGNMENT, {})
        assigned.update({f"channels:{partition}": name for partition in owns})
        courier = Courier(around, life, partitions=PARTITIONS)
        self.couriers[name] = (courier, asyncio.create_task(courier.run()))
        return courier

    def kill(self, name: str = "courier-0", *, is_known: bool = True) -> str:
        """End a courier where it stands, like ``kill -9``; its incarnation."""
        courier, task = self.couriers.pop(name)
        task.cancel()
        for sending in list(courier.sends):
            sending.cancel()
        if is_known:
            self.dead.add(courier.heartbeat.incarnation)
        return courier.heartbeat.incarnation

    async def stop(self, name: str = "courier-0") -> None:
        """Stop a courier in order."""
        courier, task = self.couriers.pop(name)
        courier.stop()
        await task

    def _nonce(self) -> str:
        self._numbers += 1
        return f"nonce-{self._numbers}"

    def clear(self, *dispatches: Dispatch) -> None:
        """Put messages into their lines, as a commit of the tower does."""
        for dispatch in dispatches:
            shared = self.store.of(partition_of(dispatch.player, PARTITIONS))
            self.store.write_aloft(shared, Commit("0-0", "0-0", dispatches=[dispatch]), now_ms())

    def events(self, player: str = "") -> list[Event]:
        """Return what the players were told, by partition and in order."""
        logs = [self.store.of(p).lanes["players"].log for p in range(PARTITIONS)]
        read = [decode_entry(fields["e"]) for log in logs for fields in log.items]
        return [e for e in read if isinstance(e, Event) and (not player or e.player == player)]

    def outcomes(self, player: str = "") -> list[tuple[str, str]]:
        """Return the request and what became of it, of each event."""
        return [(e.properties["message_id"], e.name.removeprefix("message_")) for e in self.events(player)]

    def told(self, partition: int = 0) -> list[ChannelChanged]:
        """Return what a tower was told of channels."""
        log = self.store.of(partition).lanes["tower"].log
        read = [decode_entry(fields["e"]) for fields in log.items]
        return [entry for entry in read if isinstance(entry, ChannelChanged)]

    def letters(self) -> list[DeadLetter]:
        """Return the dead letters."""
        streams = [self.store.of(p).dead for p in range(PARTITIONS)]
        return [decode_dead_letter(fields["d"]) for stream in streams for fields in stream.items]

    def in_flight(self) -> int:
        return sum(len(self.store.of(p).queue.claims) for p in range(PARTITIONS))

    def waiting(self) -> int:
        return sum(len(self.store.of(p).queue.dispatches) for p in range(PARTITIONS))


def message(
    request: str, player: str = "amelia", *, purpose: str = "promo", channel: str = "email", **more: Any
) -> Dispatch:
    """Return a message that was cleared just now."""
    now = now_ms()
    given: dict[str, Any] = {"send_until": now + DAY_MS, "expires_at": now + DAY_MS, "marks": (purpose, channel)}
    content = {"subject": "Hello", "html": "<p>Hello</p>", "text": "Hello"}
    return Dispatch(
        request, player, channel, purpose, "hello", content, cleared_at=now, **(given | more)
    )  # fmt: skip


def answers(*results: Result) -> Do:
    """Answer one after the other, the last one for ever."""
    left = list(results)

    async def do(_: Parcel) -> Result:
        return left.pop(0) if len(left) > 1 else left[0]

    return do


async def never(_: Parcel) -> Result:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")
