"""Who uses the engine in a run: clients that send, officers that exclude, publishers, and who has walks made."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from domain.entries import BeliefsPublished, Command, Event, ModelPublished, ProgrammePublished, WalkAsked, encode_entry
from domain.ids import partition_of
from ml.choices.beliefs import learnt, summed
from store.intake import buckets, command_buckets
from store.ports import Incoming, Unavailable, Verdict
from tests.simulation.faults import FaultyIntake, Wire
from tests.simulation.generous import FANS
from tests.simulation.programmes import versions
from tests.simulation.stage import CLIENTS, PARTITIONS, PLAYERS
from tests.simulation.visitors import Visitor

TEACHERS = (0, 1)  # who publish beliefs; each takes every other number
MODEL_NUMBERS = ((1, 3, 5, 7, 9), (2, 4, 6, 8, 10))  # of publications, by who publishes

if TYPE_CHECKING:
    from tests.simulation.world import World


class People:
    """All that comes in from outside, over wires that fail.

    Args:
        merges: The clients play anonymously, log in and share devices.
    """

    def __init__(self, world: "World", *, merges: bool) -> None:
        self._world = world
        self._devices: list[str] = []
        self._visitors = [Visitor(n, PLAYERS, self._devices) for n in range(CLIENTS)] if merges else []

    def all(self) -> list[Coroutine[Any, Any, None]]:
        """Return what everybody does until it is calm."""
        trainers: list[Any] = [self.trainer(numbers) for numbers in MODEL_NUMBERS] if self._world.models else []
        trainers += [self.teacher(n) for n in TEACHERS] if self._world.chooses else []
        return [*map(self.client, range(CLIENTS)), self.officer(), self.publisher(), self.walker(), *trainers]

    def _intake(self) -> FaultyIntake:
        return FaultyIntake(Wire(self._world, None))

    async def client(self, number: int) -> None:
        """Send events in small batches until each is acknowledged, sometimes twice, sometimes not in order."""
        r, intake = self._world.random, self._intake()
        count = 0
        while not self._world.is_calm:
            rows: dict[int, list[Incoming]] = {}
            for _ in range(r.randint(1, 6)):
                count += 1
                row = self._row(number, f"c{number}-{count}")
                rows.setdefault(partition_of(row.player, PARTITIONS), []).append(row)
            await asyncio.gather(*[self._deliver(intake, p, batch) for p, batch in rows.items()])
            await asyncio.sleep(r.expovariate(1.5))

    def _row(self, number: int, name: str) -> Incoming:
        r, now = self._world.random, self._world.true_ms()
        player = r.choice([*PLAYERS, *self._devices[-3:]])
        occurred_at = now - r.choice([0, 0, 0, r.randrange(4_000)])
        if r.random() < 0.12:
            kind, args = r.choice(
                [
                    ("adjust", {"currency": "points", "amount": r.randrange(1, 50), "reason": "gift"}),
                    ("message", {"template": "done", "purpose": "promo", "request_id": f"req-{name}"}),
                    ("claim", {"mission": "claimed-wins"}),
                ]
            )
            command = Command(player, f"cmd:{name}", kind, args, reply_to="gateway")
            return Incoming(player, command.id, "print", *self._command_bucket(encode_entry(command), now))
        event = r.choice(["bet_placed"] * 6 + ["bet_won"] * 2 + ["support_case_opened", "support_case_solved"])
        properties = {"case": "c1", "case_id": "c1"} if event.startswith("support") else {}
        if self._visitors:
            sent = self._visitors[number].sends(r, name, event, occurred_at, properties)
        else:
            sent = Event(player, name, event, occurred_at, properties)
        bucket = buckets(occurred_at, now)[0]
        return Incoming(sent.player, name, "print", bucket, encode_entry(sent), occurred_at=occurred_at)

    def _command_bucket(self, body: bytes, now: int) -> tuple[str, bytes, str]:
        bucket, other = command_buckets(now)
        return bucket, body, other

    async def _deliver(self, intake: FaultyIntake, partition: int, batch: list[Incoming]) -> None:
        """Retry until the store has answered; the order within a batch is nobody's promise."""
        r = self._world.random
        while True:
            r.shuffle(batch)
            try:
                answers = await intake.append(partition, batch)
            except Unavailable:
                await asyncio.sleep(r.uniform(0.05, 0.5))
                continue
            if isinstance(answers, Verdict):
                await asyncio.sleep(r.uniform(0.1, 0.5))
                continue
            for row, answer in zip(batch, answers, strict=True):
                before = self._world.seen.acked.setdefault((row.player, row.message_id), answer.offset)
                if answer.mismatch or answer.offset != before:
                    self._world.seen.broken_laws.append(
                        f"{row.message_id} was acknowledged at {before} and {answer.offset}"
                    )
            if self._world.is_calm or r.random() >= self._world.mix.resend:
                return

    async def officer(self) -> None:
        """Exclude and readmit players; each call is repeated until it is answered."""
        r, intake = self._world.random, self._intake()
        while not self._world.is_calm:
            await asyncio.sleep(r.uniform(0.5, 3))
            player, count = r.choice([*PLAYERS, *self._devices[-3:]]), self._world.nonce()
            reason = r.choice(["self_exclusion", ""])
            args = {"reason": reason, "since": self._world.true_ms(), "until": None} if reason else {}
            body = encode_entry(Command(player, f"cmd:{count}", "exclude" if reason else "readmit", args))
            p = partition_of(player, PARTITIONS)
            await self._until_answered(partial(intake.exclude, p, player, reason, body))

    async def publisher(self) -> None:
        """Publish three versions into both lanes' partitions, resuming what was not answered; never out of reach."""
        intake = self._intake()
        for version in versions():
            if version == 0:
                continue
            body = encode_entry(ProgrammePublished(version))
            for p in self._world.random.sample(range(PARTITIONS), PARTITIONS):
                await self._until_answered(partial(intake.append_internal, p, f"publish:{version}", body))
            await asyncio.sleep(self._world.random.uniform(1, 5))

    async def trainer(self, numbers: tuple[int, ...]) -> None:
        """Publish models, one of several who do; what each partition gets in which order is chance."""
        intake = self._intake()
        for number in numbers:
            await asyncio.sleep(self._world.random.uniform(0.3, 2))
            body = encode_entry(ModelPublished(number % len(self._world.models), number))
            for p in self._world.random.sample(range(PARTITIONS), PARTITIONS):
                await self._until_answered(partial(intake.append_internal, p, f"model:{number}", body))

    async def teacher(self, first: int) -> None:
        """Add up what partitions counted of choices and publish it; in which order it arrives where is chance."""
        intake, number, world = self._intake(), first + 1, self._world
        while not world.is_calm:
            await asyncio.sleep(world.random.uniform(0.3, 2))
            sums = summed(shared.sums for shared in world.store.partitions.values())
            world.beliefs[number] = learnt(sums, number, list(sums))
            body = encode_entry(BeliefsPublished(number))
            for p in world.random.sample(range(PARTITIONS), PARTITIONS):
                await self._until_answered(partial(intake.append_internal, p, f"beliefs:{number}", body))
            number += len(TEACHERS)

    async def walker(self) -> None:
        """Have the players visited, all or a group, fast or slow; change one's mind about some."""
        r, intake = self._world.random, self._intake()
        for n in range(r.randint(1, 3)):
            await asyncio.sleep(r.uniform(0.3, 2))
            group, pace = r.choice(["", "", *FANS]), r.choice([0, 120, 120, 600])
            asked = [WalkAsked(f"walk-{n}", "review", group=group, per_minute=pace)]
            if r.random() < 0.3:
                asked.append(WalkAsked(f"walk-{n}", "review", stop=True))
                self._world.seen.walks_stopped.add(f"walk-{n}")
            for what in asked:
                for p in r.sample(range(PARTITIONS), PARTITIONS):
                    key = f"walk:{what.id}:{what.stop}"
                    await self._until_answered(partial(intake.append_internal, p, key, encode_entry(what)))
            self._world.seen.walks_asked.add(f"walk-{n}")

    async def _until_answered(self, ask: Callable[[], Any]) -> None:
        while True:
            try:
                await ask()
            except Unavailable:
                await asyncio.sleep(0.2)
            else:
                return
