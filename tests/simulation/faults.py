"""What may go wrong between a process and the store, and the fakes through which a process sees it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from redis.exceptions import ConnectionError as RedisConnectionError

from domain.entries import BoardFrozen, LogEntry
from domain.step import BoardScore, Freeze
from store.intake import internal_bucket
from store.keys import PLAYERS, Lane
from store.ports import Appended, Commit, Grant, Incoming, Outgoing, Token, Unavailable, Verdict, Visit, Walk
from tests.simulation.model import by_board, by_destination

if TYPE_CHECKING:
    from tests.simulation.process import Life
    from tests.simulation.world import World

T = TypeVar("T")


class Mix(Struct, frozen=True):
    """How likely each fault is, drawn per seed: some kinds are off, so that others are seen alone."""

    lost: float = 0.0  # a request never arrives
    late: float = 0.0  # it arrives after the caller gave up
    mute: float = 0.0  # it is done, the reply is lost
    ghost: float = 0.0  # it is done, and done again later
    cut: float = 0.0  # of a pipeline only a part arrives
    crash: float = 0.0  # the process dies before or after a call
    pause: float = 0.0  # the process stands still, for longer than its lease
    pause_s: float = 1.0
    latency_s: float = 0.002
    down_s: float = 0.0  # the store is gone for so long, now and then
    step_ms: int = 0  # the store's clock jumps by up to so much, both ways
    resend: float = 0.0  # a client sends again what was acknowledged

    @classmethod
    def drawn(cls, r: Random) -> "Mix":
        def some(most: float) -> float:
            return r.uniform(0, most) if r.random() < 0.6 else 0.0

        return cls(
            lost=some(0.15),
            late=some(0.1),
            mute=some(0.15),
            ghost=some(0.1),
            cut=some(0.15),
            crash=some(0.03 if r.random() < 0.9 else 0.3),
            pause=some(0.03),
            pause_s=r.uniform(0.5, 8),
            latency_s=r.choice([0.001, 0.005, 0.05]),
            down_s=some(3.0),
            step_ms=int(some(5_000)),
            resend=some(0.3),
        )


class Wire:
    """Carries one process's calls to the store, and what happens to them on the way."""

    def __init__(self, world: "World", process: "Life | None") -> None:
        self.world = world
        self._process = process

    async def call(self, what: str, *steps: Callable[[], T], repeats: bool = True) -> list[T]:
        """Carry out the steps of one pipeline, each atomic; return the replies.

        Args:
            repeats: It may be done twice; not so where one connection could never do that.

        Raises:
            Unavailable: no reply; none, some or all may have been done, or will be.
        """
        world, mix, r = self.world, self.world.mix, self.world.random
        await self._gate()
        await world.travel()
        if world.is_calm:
            replies = [step() for step in steps]
            await self._gate()
            return replies
        if world.is_down:
            await self._give_up(what, "down")
        x = r.random()
        if (x := x - mix.lost) < 0:
            await self._give_up(what, "lost")
        if (x := x - mix.late) < 0:
            world.later(r.uniform(0.01, 5), what, steps)
            await self._give_up(what, "late")
        if (x := x - mix.cut) < 0:
            for step in steps[: r.randrange(len(steps) + 1)]:
                step()
            await self._give_up(what, "cut")
        replies = [step() for step in steps]
        if repeats and r.random() < mix.ghost:
            world.later(r.uniform(0.001, 5), what, steps)
        if r.random() < mix.mute:
            await self._give_up(what, "mute")
        await world.travel()
        await self._gate()
        return replies

    async def _give_up(self, what: str, why: str) -> None:
        self.world.note("unavailable", self._process.name if self._process else "client", what, why)
        self.world.seen.hits += what == "acquire"
        await asyncio.sleep(self.world.random.uniform(0.05, 0.5))
        await self._gate()
        raise Unavailable(why)

    async def _gate(self) -> None:
        if self._process is not None:
            await self._process.gate()


class FaultyLane:
    """``LaneStore`` as one process sees it."""

    def __init__(self, wire: Wire, lane: str) -> None:
        self._wire = wire
        self._lane = lane
        self._store = wire.world.store

    async def acquire(self, partition: int, owner: str, nonce: str, ttl_ms: int) -> Grant:
        def do() -> Grant:
            return self._store.acquire(self._lane, partition, owner, nonce, ttl_ms)

        (grant,) = await self._wire.call("acquire", do, repeats=False)
        return grant

    async def renew(self, tokens: list[Token], ttl_ms: int) -> list[Verdict]:
        steps = [lambda t=t: self._store.renew(self._lane, t, ttl_ms) for t in tokens]
        return await self._wire.call("renew", *steps)

    async def release(self, token: Token) -> None:
        await self._wire.call("release", lambda: self._store.release(self._lane, token))

    async def read(self, after: dict[int, str], limit: int, block_ms: int) -> dict[int, list[LogEntry]]:
        if not after:
            return {}

        def do() -> dict[int, list[LogEntry]]:
            found = {p: self._store.read(self._lane, p, offset, limit) for p, offset in after.items()}
            return {p: entries for p, entries in found.items() if entries}

        (found,) = await self._wire.call("read", do, repeats=False)
        if not found and block_ms:
            await asyncio.sleep(block_ms / 1_000)
            (found,) = await self._wire.call("read", do, repeats=False)
        return found

    async def waiting(self, partitions: list[int]) -> list[int]:
        steps = [lambda p=p: self._store.of(p).lanes[self._lane].waiting for p in partitions]
        return await self._wire.call("waiting", *steps, repeats=False)

    async def load(self, wanted: list[tuple[int, str]]) -> list[dict[str, bytes]]:
        if not wanted:
            return []
        steps = [lambda p=p, who=who: self._store.load(self._lane, p, who) for p, who in wanted]
        return await self._wire.call("load", *steps, repeats=False)

    async def stopped(self, wanted: list[tuple[int, str]]) -> list[bool]:
        return [self._store.stopped(p, who) for p, who in wanted]

    async def commit(self, batches: list[tuple[Token, Commit]]) -> list[tuple[Verdict, str]]:
        if not batches:
            return []
        return await self._wire.call("commit", *[lambda b=b: self._store.commit(self._lane, *b) for b in batches])

    async def fire(self, tokens: list[Token], limit: int) -> list[int]:
        return await self._wire.call("fire", *[lambda t=t: self._store.fire(self._lane, t, limit) for t in tokens])


class FaultyWays:
    """``Ways`` as one process sees it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._store = wire.world.store

    async def outbox(self, partitions: list[int], limit: int) -> dict[int, list[Outgoing]]:
        steps = [lambda p=p: self._store.outbox(p, limit) for p in partitions]
        found = await self._wire.call("outbox", *steps, repeats=False)
        return {p: rows for p, rows in zip(partitions, found, strict=True) if rows}

    async def relay(self, rows: dict[int, list[Outgoing]]) -> dict[int, int]:
        """Relay in one pipeline; now and then one destination's server does not answer."""
        ways = [(p, to, some) for p, theirs in rows.items() for to, some in by_destination(theirs).items()]
        world = self._wire.world
        failed = {(p, to) for p, to, _ in ways if not world.is_calm and world.random.random() < world.mix.cut}
        going = [way for way in ways if way[:2] not in failed]
        if going:
            await self._wire.call("relay", *[lambda w=way: self._store.relay(*w) for way in going])
        return {
            p: next((i for i, row in enumerate(theirs) if (p, row.to) in failed), len(theirs))
            for p, theirs in rows.items()
        }

    async def score(self, scores: list[BoardScore]) -> set[str]:
        """Write in one pipeline; now and then the server of one board does not answer."""
        rows = by_board(scores)
        failed = self._deaf(rows)
        if going := [name for name in rows if name not in failed]:
            await self._wire.call("score", *[lambda n=n: self._store.boards.score(n, rows[n]) for n in going])
        return failed

    async def freeze(self, freezes: list[Freeze]) -> list[BoardFrozen | None]:
        failed = self._deaf(freeze.board for freeze in freezes)
        going = [freeze for freeze in freezes if freeze.board not in failed]
        if not going:
            return [None] * len(freezes)
        told = await self._wire.call("freeze", *[lambda f=f: self._store.boards.freeze(f) for f in going])
        answers = {id(freeze): answer for freeze, answer in zip(going, told, strict=True)}
        return [answers.get(id(freeze)) for freeze in freezes]

    def _deaf(self, boards: Iterable[str]) -> set[str]:
        world = self._wire.world
        return {name for name in boards if not world.is_calm and world.random.random() < world.mix.cut}

    async def relayed(self, until: dict[int, str]) -> None:
        await self._wire.call("relayed", *[lambda u=u: self._store.relayed(*u) for u in until.items()])

    async def walks(self, partitions: list[int]) -> dict[int, list[Walk]]:
        found = await self._wire.call("walks", *[lambda p=p: self._store.walks(p) for p in partitions], repeats=False)
        return {p: walks for p, walks in zip(partitions, found, strict=True) if walks}

    async def members(self, wanted: list[tuple[int, str, str]], limits: list[int]) -> list[list[str]]:
        if not wanted:
            return []
        steps = [lambda w=w, n=n: self._store.members(*w, n) for w, n in zip(wanted, limits, strict=True)]
        return await self._wire.call("members", *steps, repeats=False)

    async def visit(self, visits: list[Visit], bound: int) -> list[Verdict]:
        return await self._wire.call("visit", *[lambda v=v: self._store.visit(v, bound) for v in visits])


class FaultyIntake:
    """The intake as clients and operators see it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._store = wire.world.store

    async def append(self, partition: int, rows: list[Incoming]) -> list[Appended] | Verdict:
        def do() -> list[Appended] | Verdict:
            return self._store.ingest("players", partition, rows, bound=60, keep_ms=72 * 3_600_000, clock="store")

        (answer,) = await self._wire.call("append", do)
        return answer

    async def append_internal(
        self, partition: int, key: str, body: bytes, lane: Lane = PLAYERS, *, at: int | None = None
    ) -> Appended:
        row = Incoming("", key, "", internal_bucket(lane, at), body)
        keep_ms = 0 if at is None else 72 * 3_600_000

        def do() -> list[Appended] | Verdict:
            return self._store.ingest(lane.name, partition, [row], bound=0, keep_ms=keep_ms, clock="store")

        ((appended,),) = await self._wire.call("publish", do)
        return appended

    async def exclude(self, partition: int, player: str, reason: str, body: bytes, until: int | None = None) -> int:
        def do() -> int:
            return self._store.exclude(partition, player, reason, body, until=until)

        (sends,) = await self._wire.call("exclude", do)
        return sends

    async def mute(self, partition: int, player: str, mark: str, is_set: bool, body: bytes) -> int:
        (sends,) = await self._wire.call("mute", lambda: self._store.mute(partition, player, mark, is_set, body))
        return sends

    async def in_flight(self, partition: int, player: str) -> int:
        """Look how many sends are in flight for a player."""

        def do() -> int:
            return len(self._store.of(partition).in_flight.get(player, ()))

        (sends,) = await self._wire.call("in flight", do, repeats=False)
        return sends


class FaultyProgrammes:
    """Versions of programme or model as one process sees them: no memory after a start, a read that may fail."""

    def __init__(self, wire: Wire, versions: Mapping[int, Any]) -> None:
        self._wire = wire
        self._stored = versions
        self._memory: dict[int, Any] = {}

    def get(self, version: int) -> Any:
        return self._memory.get(version)

    async def ensure(self, version: int) -> Any:
        if version not in self._memory:
            (self._memory[version],) = await self._wire.call("programme", lambda: self._stored[version], repeats=False)
        return self._memory[version]


class FakeRedis:
    """The little that ``Member`` asks of Redis itself: its heartbeat and the assignment, which it may see late."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def pipeline(self, **_: Any) -> "FakeRedis":
        return self

    def hset(self, *_: Any) -> None: ...

    def hgetall(self, *_: Any) -> None: ...

    async def hdel(self, *_: Any) -> None: ...

    async def execute(self) -> list[Any]:
        try:
            (view,) = await self._wire.call("control", self._wire.world.assignment.copy, repeats=False)
        except Unavailable as error:
            raise RedisConnectionError(str(error)) from error
        return [1, view]
