"""The deterministic simulation: real processors, members and reducers over a modelled store that fails.

One ``Random(seed)``, one virtual clock. First everything goes wrong, then it is calm and all must drain; then the
laws are checked (``tests/simulation/laws.py``). ``python -m tests.simulation.world --seed N --trace`` replays a seed.
"""

import argparse
import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from random import Random
from typing import Any, cast
from unittest.mock import patch

from actors.carrier import Carrier
from actors.member import Member
from actors.processor import SET_ASIDE_AFTER, Folded, Known, Processor
from actors.reducers import PlayerReducer, TowerReducer
from domain.entries import Command, Event, ProgrammePublished, WalkAsked, encode_entry
from domain.ids import partition_of
from store.intake import buckets
from store.ports import Appended, Commit, Incoming, Outgoing, Token, Unavailable, Verdict, Visit, decode_walk
from tests.simulation import laws
from tests.simulation.clock import VirtualLoop
from tests.simulation.faults import FakeRedis, FaultyIntake, FaultyLane, FaultyProgrammes, FaultyWays, Mix, Wire
from tests.simulation.generous import FANS, Generous
from tests.simulation.model import ModelStore
from tests.simulation.programmes import versions
from tests.simulation.visitors import Visitor, is_a_step

START = 1_772_409_600_000  # 2026-03-02T00:00:00Z
PARTITIONS = 2
PLAYERS = ("ann", "bob", "cleo", "dan", "eve")
CLIENTS = 3
FAULTS_S = 8.0
WAKE_S = 3.0  # into the calm, those that stand still go on: zombies in a world that has moved on
CALM_S = 60.0  # most that draining may take; it takes a few
SETTLE_S = 6.0  # after that, for the timers that are set
SEED_OF_STORE = "simulated"
IDLE_MS = 200  # how often a member with nothing to do looks: a quarter of the steps of a run at its own 50
HITS_MIN = SET_ASIDE_AFTER - 1  # without so many of them no entry may be suspected


class Died(BaseException):
    """What a dead process's coroutine ends with, once nobody looks any more."""


@dataclass
class Observed:
    """What the checks need beside the store's own state."""

    acked: dict[tuple[str, str], str] = field(default_factory=dict)  # player, id -> offset
    known: dict[tuple[str, int], list[tuple[str, Known]]] = field(default_factory=dict)  # lane, p -> (end, known)
    excluded: set[str] = field(default_factory=set)
    broken_laws: list[str] = field(default_factory=list)
    faults: int = 0
    hits: int = 0  # faults that leave an acquisition without its owner: deaths, pauses, lost answers to one
    verdicts: dict[str, int] = field(default_factory=dict)
    relays: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)  # source -> (to, entry), as committed
    walks: dict[tuple[int, str], set[str]] = field(default_factory=dict)  # p, walk -> who it must visit
    ambushes: dict[str, int] = field(default_factory=dict)  # deaths at a step of a merge
    walks_asked: set[str] = field(default_factory=set)
    walks_stopped: set[str] = field(default_factory=set)


class WatchedStore(ModelStore):
    """The model, telling the world of every call as it is carried out."""

    def __init__(self, world: "World", guards_off: frozenset[str] = frozenset()) -> None:
        super().__init__(world.store_ms, guards_off)
        self._world = world

    def commit(self, lane: str, token: Token, c: Commit) -> tuple[Verdict, str]:
        world = self._world
        verdict, detail = super().commit(lane, token, c)
        world.note("commit", lane, token.partition, token.epoch, c.start, c.end, c.done, verdict, detail)
        counts = world.seen.verdicts
        counts[verdict.value] = counts.get(verdict.value, 0) + 1
        if verdict is Verdict.OK:
            _, known = world.folded.get(id(c), (c, Known()))
            world.seen.known.setdefault((lane, token.partition), []).append((c.end, known))
            for player, _, legal in c.inbox:
                if player in world.seen.excluded and not legal:
                    world.seen.broken_laws.append(f"{player} was sent a message after the exclusion was confirmed")
            self._watch_ways(token.partition, c)
            if world.ambush and any(is_a_step(body) for _, body in c.relays):
                world.lie_in_wait(world.life_of(self.of(token.partition).lanes[lane].owner), "after the commit")
        return verdict, detail

    def _watch_ways(self, partition: int, c: Commit) -> None:
        """Remember what was left for other partitions, and whom the walks under way must visit."""
        seen, shared = self._world.seen, self.of(partition)
        seen.excluded.update(player for player, _ in c.stops)
        seen.relays.setdefault(partition, []).extend(c.relays)
        for walk, record in c.walks:
            if record and (partition, walk) not in seen.walks:
                group = decode_walk(record).group
                seen.walks[partition, walk] = set(shared.groups.get(group, ()) if group else shared.players)
        for walk in shared.walk_at:
            left = {who for add, name, who in c.groups if not add and name == decode_walk(shared.walks[walk]).group}
            seen.walks[partition, walk] -= left

    def relay(self, source: int, to: int, rows: list[Outgoing], clock: str = "store") -> int:
        count = super().relay(source, to, rows, clock)
        self._world.note("relay", source, to, [row.id for row in rows], count)
        if self._world.ambush and count and any(is_a_step(row.body) for row in rows):
            self._world.lie_in_wait(self._world.life_of(self.of(source).lanes["players"].owner), "after the relay")
        return count

    def visit(self, visit: Visit, bound: int, clock: str = "store") -> Verdict:
        verdict = super().visit(visit, bound, clock)
        walk = visit.walk
        self._world.note("visit", visit.token.partition, walk.id, visit.came_from, walk.cursor, walk.outcome, verdict)
        return verdict

    def acquire(self, lane: str, partition: int, owner: str, nonce: str, ttl_ms: int) -> Any:
        grant = super().acquire(lane, partition, owner, nonce, ttl_ms)
        self._world.note("acquire", lane, partition, owner, grant.token.epoch, grant.offset, grant.tries)
        return grant

    def ingest(self, lane: str, partition: int, rows: list[Incoming], **settings: Any) -> list[Appended] | Verdict:
        answers = super().ingest(lane, partition, rows, **settings)
        self._world.note("ingest", partition, [r.message_id for r in rows], answers)
        return answers

    def fire(self, lane: str, token: Token, limit: int, clock: str = "store") -> int:
        count = super().fire(lane, token, limit, clock)
        if count:
            self._world.note("fire", lane, token.partition, token.epoch, count)
        return count

    def exclude(self, partition: int, player: str, reason: str, body: bytes) -> int:
        sends = super().exclude(partition, player, reason, body)
        seen = self._world.seen.excluded
        seen.add(player) if reason else seen.discard(player)
        self._world.note("exclude", player, reason)
        return sends


class Process:
    """One host or coordinator: lives, stands still, dies and starts again with nothing in memory."""

    def __init__(self, world: "World", name: str, lane: str) -> None:
        self.world = world
        self.name = name
        self.lane = lane
        self.lives = 0
        self.member: Member[Any] | None = None
        self.processor: Processor[Any] | None = None
        self.task: asyncio.Task[None] | None = None
        self.life: Life | None = None

    def start(self) -> None:
        """Begin a life."""
        self.lives += 1
        self.life = life = Life(self)
        wire = Wire(self.world, life)
        programmes = FaultyProgrammes(wire, versions())
        is_players = self.lane == "players"
        reducer: Any = player_reducer(programmes) if is_players else TowerReducer(programmes)
        lane: Any = FaultyLane(wire, self.lane)
        self.processor = self.world.processor(
            lane, Remembering(reducer, self.world, life), owner=self.name, nonce=self.world.nonce
        )
        redis: Any = FakeRedis(wire)
        ways: Any = FaultyWays(wire)
        carrier = Carrier(ways, life, partitions=PARTITIONS) if is_players else None
        self.member = Member(
            redis, self.processor, life, name=self.name, lane=self.lane, incarnation=str(self.lives), carrier=carrier
        )
        self.task = asyncio.create_task(self.member.run())
        self.task.add_done_callback(self._ended)

    def die(self, why: str = "") -> None:
        """Stop where it stands, like ``kill -9``, and come back a little later."""
        assert self.life is not None
        self.life.is_over = True
        self.world.seen.faults += 1
        self.world.seen.hits += 1
        self.world.note("dies", self.name, why)
        self._restart_soon()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A life that ended by itself: cancelled, stopped, or by an error, as Ray would see it."""
        world = self.world
        if world.is_over or self.life is None or self.life.is_over or task is not self.task:
            return
        if not task.cancelled() and (error := task.exception()) is not None:
            world.seen.broken_laws.append(f"{self.name} ended with {error!r}")
        self.life.is_over = True
        self._restart_soon()

    def _restart_soon(self) -> None:
        world = self.world
        world.loop.call_later(world.random.uniform(0.05, 2), self._restart)

    def _restart(self) -> None:
        if not self.world.is_over:
            self.world.note("starts", self.name)
            self.start()


class Life:
    """A process between two starts; the clock of its machine."""

    def __init__(self, process: Process) -> None:
        self.name = f"{process.name}.{process.lives}"
        self.is_over = False
        self._process = process
        self._paused_until = 0.0
        self._skew_ms = process.world.random.randrange(-5_000, 5_000)

    def now_ms(self) -> int:
        return self._process.world.true_ms() + self._skew_ms

    def die(self, why: str) -> None:
        self._process.die(why)

    async def gate(self) -> None:
        """Between any two awaits: die, stand still, or go on."""
        world = self._process.world
        if not self.is_over and not world.is_calm:
            if world.random.random() < world.mix.crash:
                self._process.die()
            elif world.random.random() < world.mix.pause:
                world.seen.faults += 1
                world.seen.hits += 1
                until = world.loop.time() + world.random.expovariate(1 / world.mix.pause_s)
                self._paused_until = min(until, FAULTS_S + WAKE_S)
                world.note("pauses", self.name)
        if (left := self._paused_until - world.loop.time()) > 0:
            await asyncio.sleep(left)
        if self.is_over:
            await world.grave()


class Remembering:
    """A reducer that tells the world what each commit was folded with, so that a refold can know the same."""

    def __init__(self, reducer: Any, world: "World", life: Life) -> None:
        self._reducer = reducer
        self._world = world
        self._life = life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reducer, name)

    async def fold(self, partition: int, part: Any, states: Any, entries: Any, known: Known) -> Folded[Any]:
        folded: Folded[Any] = await self._reducer.fold(partition, part, states, entries, known)
        self._world.folded[id(folded.commit)] = (folded.commit, known)
        if any(is_a_step(body) for _, body in folded.commit.relays):
            self._world.lie_in_wait(self._life, "before the commit")
        return folded


def player_reducer(programmes: Any) -> Any:
    """Return the reducer that the players are folded with, and folded again to check."""
    reducer = PlayerReducer(programmes, store_seed=SEED_OF_STORE, partitions=PARTITIONS)
    return Generous(reducer, PLAYERS, PARTITIONS)


class World:
    """Everything of one run.

    Args:
        guards_off: Guards of the model to leave out, to see that the simulation sees it.
        processor: Makes the processor of a process; a test may give a broken one.
        merges: Clients play anonymously, log in, share devices; processes die at the steps of merges.
    """

    def __init__(
        self,
        seed: int,
        *,
        trace: bool = False,
        guards_off: frozenset[str] = frozenset(),
        processor: Callable[..., Processor[Any]] = Processor,
        mix: Mix | None = None,
        merges: bool = False,
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.mix = mix or Mix.drawn(self.random)
        self.merges = merges
        self.devices: list[str] = []
        self.visitors = [Visitor(n, PLAYERS, self.devices) for n in range(CLIENTS)] if merges else []
        self.ambush = self.random.choice([0, 0.2, 0.5]) if merges else 0
        self.processor = processor
        self.loop = VirtualLoop()
        self.seen = Observed()
        self.folded: dict[int, tuple[Commit, Known]] = {}
        self.is_calm = self.is_down = self.is_over = False
        self.assignment: dict[bytes, bytes] = {}
        self._jump_ms = 0
        self._nonces = 0
        self._print = trace
        self._hash = blake2b(digest_size=16)
        self._graves: list[asyncio.Future[None]] = []
        self.store = WatchedStore(self, guards_off)
        hosts = [("host-1", "players"), ("host-2", "players"), ("tower-1", "tower"), ("tower-2", "tower")]
        self.processes = [Process(self, name, lane) for name, lane in hosts]

    # The world's ways

    def true_ms(self) -> int:
        return START + int(self.loop.time() * 1_000)

    def store_ms(self) -> int:
        return self.true_ms() + self._jump_ms

    def nonce(self) -> str:
        self._nonces += 1
        return f"nonce-{self._nonces}"

    def note(self, *what: object) -> None:
        """Add a line to the trace."""
        line = f"{self.loop.time():9.3f} " + " ".join(map(str, what))
        self._hash.update(line.encode())
        if self._print:
            sys.stdout.write(line + "\n")

    @property
    def trace_hash(self) -> str:
        return self._hash.hexdigest()

    async def travel(self) -> None:
        await asyncio.sleep(0.002 if self.is_calm else self.random.expovariate(1 / self.mix.latency_s))

    async def grave(self) -> None:
        """Where the coroutines of the dead wait until the run is over."""
        self._graves.append(self.loop.create_future())
        await self._graves[-1]

    def later(self, delay_s: float, what: str, steps: Sequence[Callable[[], object]]) -> None:
        """Carry out a delayed or repeated request, whose reply nobody hears."""

        def arrive() -> None:
            if not self.is_down and not self.is_over:
                self.note("late", what)
                for step in steps:
                    try:
                        step()
                    except Exception as refused:
                        self.note("late refused", refused)

        self.seen.faults += 1
        self.loop.call_later(delay_s, arrive)

    def life_of(self, name: str) -> "Life | None":
        """Return the present life of a process."""
        return next((process.life for process in self.processes if process.name == name), None)

    def lie_in_wait(self, life: "Life | None", where: str) -> None:
        """Now and then kill a process at a step of a merge: before it is written, after, or once it is relayed."""
        if life is None or life.is_over or self.is_calm or not self.ambush:
            return
        if self.random.random() < self.ambush:
            self.seen.ambushes[where] = self.seen.ambushes.get(where, 0) + 1
            life.die(where)

    # The people in it

    def wire(self) -> FaultyIntake:
        return FaultyIntake(Wire(self, None))

    async def client(self, number: int) -> None:
        """Send events in small batches until each is acknowledged, sometimes twice, sometimes not in order."""
        r, intake = self.random, self.wire()
        count = 0
        while not self.is_calm:
            rows: dict[int, list[Incoming]] = {}
            for _ in range(r.randint(1, 6)):
                count += 1
                row = self._row(number, f"c{number}-{count}")
                rows.setdefault(partition_of(row.player, PARTITIONS), []).append(row)
            await asyncio.gather(*[self._deliver(intake, p, batch) for p, batch in rows.items()])
            await asyncio.sleep(r.expovariate(1.5))

    def _row(self, number: int, name: str) -> Incoming:
        r, now = self.random, self.true_ms()
        player = r.choice([*PLAYERS, *self.devices[-3:]])
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
        if self.visitors:
            sent = self.visitors[number].sends(r, name, event, occurred_at, properties)
        else:
            sent = Event(player, name, event, occurred_at, properties)
        bucket = buckets(occurred_at, now)[0]
        return Incoming(sent.player, name, "print", bucket, encode_entry(sent), occurred_at=occurred_at)

    def _command_bucket(self, body: bytes, now: int) -> tuple[str, bytes, str]:
        bucket, other = buckets(None, now)
        return bucket, body, other

    async def _deliver(self, intake: FaultyIntake, partition: int, batch: list[Incoming]) -> None:
        """Retry until the store has answered; the order within a batch is nobody's promise."""
        r = self.random
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
                before = self.seen.acked.setdefault((row.player, row.message_id), answer.offset)
                if answer.mismatch or answer.offset != before:
                    self.seen.broken_laws.append(f"{row.message_id} was acknowledged at {before} and {answer.offset}")
            if self.is_calm or r.random() >= self.mix.resend:
                return

    async def officer(self) -> None:
        """Exclude and readmit players; each call is repeated until it is answered."""
        r, intake = self.random, self.wire()
        while not self.is_calm:
            await asyncio.sleep(r.uniform(0.5, 3))
            player, count = r.choice([*PLAYERS, *self.devices[-3:]]), self.nonce()
            reason = r.choice(["self_exclusion", ""])
            args = {"reason": reason, "since": self.true_ms(), "until": None} if reason else {}
            body = encode_entry(Command(player, f"cmd:{count}", "exclude" if reason else "readmit", args))
            p = partition_of(player, PARTITIONS)
            await self._until_answered(partial(intake.exclude, p, player, reason, body))

    async def publisher(self) -> None:
        """Publish three versions into both lanes' partitions, resuming what was not answered; never out of reach."""
        intake = self.wire()
        for version in versions():
            if version == 0:
                continue
            body = encode_entry(ProgrammePublished(version))
            for p in self.random.sample(range(PARTITIONS), PARTITIONS):
                await self._until_answered(partial(intake.append_internal, p, f"publish:{version}", body))
            await asyncio.sleep(self.random.uniform(1, 5))

    async def walker(self) -> None:
        """Have the players visited, all or a group, fast or slow; change one's mind about some."""
        r, intake = self.random, self.wire()
        for n in range(r.randint(1, 3)):
            await asyncio.sleep(r.uniform(0.3, 2))
            group, pace = r.choice(["", "", *FANS]), r.choice([0, 120, 120, 600])
            asked = [WalkAsked(f"walk-{n}", "review", group=group, per_minute=pace)]
            if r.random() < 0.3:
                asked.append(WalkAsked(f"walk-{n}", "review", stop=True))
                self.seen.walks_stopped.add(f"walk-{n}")
            for what in asked:
                for p in r.sample(range(PARTITIONS), PARTITIONS):
                    key = f"walk:{what.id}:{what.stop}"
                    await self._until_answered(partial(intake.append_internal, p, key, encode_entry(what)))
            self.seen.walks_asked.add(f"walk-{n}")

    async def _until_answered(self, ask: Callable[[], Any]) -> None:
        while True:
            try:
                await ask()
            except Unavailable:
                await asyncio.sleep(0.2)
            else:
                return

    async def director(self) -> None:
        """Assign partitions, and change one's mind."""
        r = self.random
        while not self.is_calm:
            self._assign(r)
            await asyncio.sleep(r.expovariate(1.0))

    def _assign(self, r: Random) -> None:
        for lane in ("players", "tower"):
            names = [process.name for process in self.processes if process.lane == lane]
            for p in range(PARTITIONS):
                self.assignment[f"{lane}:{p}".encode()] = r.choice(names).encode()

    async def nemesis(self) -> None:
        """Take the store away, turn its clock, cancel and stop processes."""
        r, mix = self.random, self.mix
        while not self.is_calm:
            await asyncio.sleep(r.uniform(1, 6))
            if mix.step_ms:
                self._jump_ms = r.randrange(-mix.step_ms, mix.step_ms + 1)
                self.note("clock", self._jump_ms)
            if mix.down_s and r.random() < 0.5 and not self.is_calm:
                self.is_down = True
                self.note("down")
                await asyncio.sleep(r.uniform(0, mix.down_s))
                self.is_down = False
                self.note("up")
            if mix.crash and r.random() < 0.5:
                process = r.choice(self.processes)
                if process.task is not None and process.life is not None and not process.life.is_over:
                    kind = r.choice(["cancel", "stop"])
                    self.note(kind, process.name)
                    assert process.member is not None
                    process.task.cancel() if kind == "cancel" else process.member.stop()

    # The run

    def run(self) -> "World":
        """Run to the end and check all laws.

        Raises:
            AssertionError: a law was broken; the message names the seed.
        """
        try:
            idle = patch.multiple("actors.member", BLOCK_MS=IDLE_MS, FIRE_EVERY_MS=IDLE_MS)
            with idle, patch.multiple("actors.carrier", VISITS_MAX=1, CARRY_MAX=3):  # few players, and yet many steps
                self.loop.run_until_complete(self._run())
        finally:
            self.is_over = True
            self._bury()
        problems = self.seen.broken_laws
        assert not problems, f"seed {self.seed}: " + "; ".join(problems[:5])
        return self

    async def _run(self) -> None:
        self._assign(self.random)
        for process in self.processes:
            process.start()
        people = [self.client(i) for i in range(CLIENTS)] + [
            self.officer(),
            self.publisher(),
            self.walker(),
            self.director(),
            self.nemesis(),
        ]
        tasks = [asyncio.create_task(person) for person in people]
        await asyncio.sleep(FAULTS_S)
        self.note("calm")
        self.is_calm, self.is_down, self._jump_ms = True, False, max(0, self._jump_ms)
        self._assign(self.random)
        await self._drained(tasks)
        await asyncio.sleep(SETTLE_S)
        await self._drained(tasks)
        self.seen.broken_laws += _at_once(laws.broken(self))

    async def _drained(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        until = self.loop.time() + CALM_S
        while self.loop.time() < until:
            self._person()
            if all(task.done() for task in tasks) and not laws.backlog(self):
                break
            await asyncio.sleep(0.5)
        for task in tasks:
            if task.done():
                task.result()

    def _person(self) -> None:
        """Look at what was stopped because processes died at it, find nothing wrong with it, and let it go on."""
        for process in self.processes:
            processor = process.processor
            for p, why in list(processor.stopped.items() if processor else ()):
                if "its process died" in why and self.seen.hits >= HITS_MIN:
                    self.note("a person lets go on", process.lane, p)
                    self.store.of(p).lanes[process.lane].tries = 0
                    del processor.stopped[p]  # type: ignore[union-attr]

    def _bury(self) -> None:
        """End all coroutines, so that none complains when it is collected."""
        for future in self._graves:
            future.cancel()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()


def _at_once(check: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Finish a coroutine that never waits, without giving the loop's other tasks a turn."""
    try:
        check.send(None)
    except StopIteration as done:
        return cast(list[str], done.value)
    raise AssertionError("the laws waited for something")


def run_seed(seed: int, *, merges: bool = False) -> tuple[int, str]:
    """Run one seed; return it with what went wrong, or "" when nothing did."""
    gc.disable()  # a run leaves cycles; collecting them now and then is cheaper than all the time
    try:
        World(seed, merges=merges).run()
    except Exception as error:
        return seed, f"{type(error).__name__}: {error}"
    finally:
        if seed % 20 == 0:
            gc.collect()
    return seed, ""


def run_seeds(seeds: Sequence[int], workers: int | None = None, *, merges: bool = False) -> dict[int, str]:
    """Run seeds over several processes; return those that failed, with what went wrong."""
    with ProcessPoolExecutor(max_workers=workers or os.cpu_count()) as pool:
        return {
            seed: problem
            for seed, problem in pool.map(partial(run_seed, merges=merges), seeds, chunksize=10)
            if problem
        }


def main() -> int:
    """Replay a seed, or run many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many to run, without --seed")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--merges", action="store_true", help="with anonymous play and logins")
    options = parser.parse_args()
    if options.seed is not None:
        world = World(options.seed, trace=options.trace, merges=options.merges)
        sys.stdout.write(f"{world.mix}\n")
        world.run()
        sys.stdout.write(
            f"clean: {len(world.seen.acked)} acknowledged, {world.seen.faults} faults, {world.trace_hash}\n"
        )
        return 0
    started = time.perf_counter()
    failed = run_seeds(range(options.first, options.first + options.seeds), merges=options.merges)
    for seed, problem in failed.items():
        sys.stdout.write(f"{seed}: {problem[:400]}\n")
    rate = options.seeds / (time.perf_counter() - started)
    sys.stdout.write(f"{len(failed)} of {options.seeds} seeds failed, {rate:.1f} seeds/s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
