"""The protocols of the store over the model: what a process calls."""

from collections.abc import Collection

from domain.entries import BoardFrozen, LogEntry
from domain.ids import partition_of
from domain.step import BoardScore, Freeze
from store.intake import internal_bucket
from store.keys import PLAYERS, Lane
from store.ports import (
    Appended,
    Claim,
    Claimed,
    Commit,
    Grant,
    Incoming,
    InFlight,
    Outgoing,
    Settlement,
    Token,
    Verdict,
    Visit,
    Waiting,
    Walk,
)
from tests.simulation.model import ModelStore, by_board, by_destination


class ModelLane:
    """``LaneStore`` over the model."""

    def __init__(self, store: ModelStore, lane: str, clock: str = "store") -> None:
        self._store = store
        self._lane = lane
        self._clock = clock

    async def acquire(self, partition: int, owner: str, nonce: str, ttl_ms: int) -> Grant:
        return self._store.acquire(self._lane, partition, owner, nonce, ttl_ms)

    async def renew(self, tokens: list[Token], ttl_ms: int) -> list[Verdict]:
        return [self._store.renew(self._lane, t, ttl_ms) for t in tokens]

    async def release(self, token: Token) -> None:
        self._store.release(self._lane, token)

    async def read(self, after: dict[int, str], limit: int, block_ms: int) -> dict[int, list[LogEntry]]:  # noqa: ARG002
        found = {p: self._store.read(self._lane, p, offset, limit) for p, offset in after.items()}
        return {p: entries for p, entries in found.items() if entries}

    async def waiting(self, partitions: list[int]) -> list[int]:
        return [self._store.of(partition).lanes[self._lane].waiting for partition in partitions]

    async def load(self, wanted: list[tuple[int, str]]) -> list[dict[str, bytes]]:
        return [self._store.load(self._lane, p, player) for p, player in wanted]

    async def stopped(self, wanted: list[tuple[int, str]]) -> list[bool]:
        return [self._store.stopped(p, player, self._lane, self._clock) for p, player in wanted]

    async def commit(self, batches: list[tuple[Token, Commit]]) -> list[tuple[Verdict, str]]:
        return [self._store.commit(self._lane, token, c) for token, c in batches]

    async def fire(self, tokens: list[Token], limit: int) -> list[int]:
        return [self._store.fire(self._lane, t, limit, self._clock) for t in tokens]


class ModelWays:
    """``Ways`` over the model."""

    def __init__(self, store: ModelStore, clock: str = "store") -> None:
        self._store = store
        self._clock = clock

    async def outbox(self, partitions: list[int], limit: int) -> dict[int, list[Outgoing]]:
        return {p: rows for p in partitions if (rows := self._store.outbox(p, limit))}

    async def relay(self, rows: dict[int, list[Outgoing]]) -> dict[int, int]:
        for source, theirs in rows.items():
            for to, some in by_destination(theirs).items():
                self._store.relay(source, to, some, self._clock)
        return {source: len(theirs) for source, theirs in rows.items()}

    async def score(self, scores: list[BoardScore]) -> set[str]:
        for board, rows in by_board(scores).items():
            self._store.boards.score(board, rows)
        return set()

    async def freeze(self, freezes: list[Freeze]) -> list[BoardFrozen | None]:
        return [self._store.boards.freeze(freeze) for freeze in freezes]

    async def relayed(self, until: dict[int, str]) -> None:
        for partition, last in until.items():
            self._store.relayed(partition, last)

    async def walks(self, partitions: list[int]) -> dict[int, list[Walk]]:
        return {p: walks for p in partitions if (walks := self._store.walks(p))}

    async def members(self, wanted: list[tuple[int, str, str]], limits: list[int]) -> list[list[str]]:
        return [self._store.members(*what, limit) for what, limit in zip(wanted, limits, strict=True)]

    async def visit(self, visits: list[Visit], bound: int) -> list[Verdict]:
        return [self._store.visit(visit, bound, self._clock) for visit in visits]


class ModelIntake:
    """``store.intake.Intake`` over the model."""

    def __init__(self, store: ModelStore, partitions: int, *, bound: int, keep_ms: int, clock: str = "store") -> None:
        self._store = store
        self.partitions = partitions
        self._bound = bound
        self._keep_ms = 0 if clock == "log" else keep_ms
        self._clock = clock

    async def append(self, entries: list[Incoming]) -> list[Appended | Verdict]:
        by_partition: dict[int, list[int]] = {}
        for i, entry in enumerate(entries):
            by_partition.setdefault(partition_of(entry.player, self.partitions), []).append(i)
        answers: list[Appended | Verdict] = [Verdict.BACKLOG] * len(entries)
        for p, places in by_partition.items():
            told = self._store.ingest(
                "players",
                p,
                [entries[i] for i in places],
                bound=self._bound,
                keep_ms=self._keep_ms,
                clock=self._clock,
            )
            if not isinstance(told, Verdict):
                for i, answer in zip(places, told, strict=True):
                    answers[i] = answer
        return answers

    async def append_internal(
        self, partition: int, key: str, body: bytes, lane: Lane = PLAYERS, *, at: int | None = None
    ) -> Appended:
        row = Incoming("", key, "", internal_bucket(lane, at), body)
        keep_ms = 0 if at is None else self._keep_ms
        told = self._store.ingest(lane.name, partition, [row], bound=0, keep_ms=keep_ms, clock=self._clock)
        assert not isinstance(told, Verdict), "internal entries are exempt from the bound"
        return told[0]

    async def exclude(self, player: str, reason: str, body: bytes, until: int | None = None) -> int:
        return self._store.exclude(self._of(player), player, reason, body, self._clock, until)

    async def readmit(self, player: str, reason: str, body: bytes) -> int:
        return self._store.readmit(self._of(player), player, reason, body, self._clock)

    async def mute(self, player: str, mark: str, is_set: bool, body: bytes) -> int:
        return self._store.mute(self._of(player), player, mark, is_set, body, self._clock)

    def _of(self, player: str) -> int:
        return partition_of(player, self.partitions)


class ModelQueue:
    """``Queue`` over the model."""

    def __init__(self, store: ModelStore, clock: str = "store") -> None:
        self._store = store
        self._clock = clock

    async def claim(self, token: Token, claimer: str, rooms: list[tuple[str, str, int]]) -> list[Claim]:
        return self._store.claim(token, claimer, rooms, self._clock)

    async def sweep(
        self, token: Token, claimer: str, rooms: list[tuple[str, str, int]], most: int
    ) -> tuple[list[Claim], list[int]]:
        return self._store.sweep(token, claimer, rooms, most, self._clock)

    async def settle(self, settlements: list[Settlement]) -> list[bool]:
        told = [False] * len(settlements)
        for p in dict.fromkeys(s.partition for s in settlements):
            places = [i for i, s in enumerate(settlements) if s.partition == p]
            answers = self._store.settle(p, [settlements[i] for i in places], self._clock)
            for i, is_done in zip(places, answers, strict=True):
                told[i] = is_done
        return told

    async def claimed(self, partitions: list[int]) -> list[Claimed]:
        return [claim for p in partitions for claim in self._store.claimed(p)]

    async def in_flight(self, partitions: list[int], only: Collection[str] | None = None) -> list[InFlight]:
        return [claim for p in partitions for claim in self._store.in_flight(p, only)]

    async def waiting(self, partitions: list[int]) -> dict[int, dict[tuple[str, str], Waiting]]:
        return {p: found for p in partitions if (found := self._store.waiting(p, self._clock))}

    async def take(self, bucket: str, wanted: int, *, per_s: float, burst: int) -> tuple[int, int]:
        return self._store.take(bucket, wanted, per_s=per_s, burst=burst)

    async def spend(self, channel: str, wanted: int, per_day: int) -> int:
        return self._store.spend(channel, wanted, per_day)

    async def refund(self, channel: str, count: int) -> None:
        self._store.refund(channel, count)
