"""The process that sends: it owns partitions of the lane ``channels``, claims, sends and settles.

A round settles what has ended, claims as much as the providers can take (urgent lines first, then bulk), and begins to
send it. Sending is concurrent and bounded by each connector's ``in_flight_max``; the round never waits for a provider.

Order per player: only the head of a line (player, channel, urgent or bulk) can be claimed, and the next one only after
it is settled, so the messages of a line reach the provider in their order, whatever is retried and however many
couriers there are. Between two lines of a player there is no order.

A claim is sent at most once by this process, and nobody else can have it until it is settled. Every claim is settled:
by this process, or by its successor (``actors.courier.successor``).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Protocol

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.clock import Clock
from actors.courier import landing
from actors.courier.budgets import Budgets
from actors.courier.closing import OPEN, Teller, Telling, closure_of
from actors.courier.landing import Try
from actors.courier.parcels import Links
from actors.courier.providers import Log, MakeAdapter, Providers
from actors.courier.reading import connectors_in_use, reading_budget
from actors.courier.rooms import Rooms
from actors.courier.sending import Sending
from actors.courier.settling import Settling
from actors.courier.successor import Successor
from actors.ownership import CONTROL_EVERY_MS, LEASE_MS, RENEW_EVERY_MS, Heartbeat, Ownership
from domain.dispatch import Lane
from store.keys import CHANNELS
from store.lives import Life, Lives
from store.ports import Claim, LaneStore, Queue, Refused, Token, Unavailable, Verdict, Waiting, in_all
from store.provider_ids import ProviderIds
from store.reach import Reached

FOLLOW_EVERY_MS = 1_000  # the live programme
LOOK_EVERY_MS = 1_000  # what the dead left in flight
SWEEP_EVERY_MS = 1_000  # what must not be sent, in lines that nobody has room for
SWEEP_MOST = 32  # heads of a room that are looked at, in one partition at a time
POLL_S = 0.05  # the longest pause of a round: a message that was just cleared waits so long
POLL_LEAST_S = 0.01  # the shortest: so much of a busy courier's work is done together
ENDS_WITHIN_MS = 14_000  # what is in flight when we are asked to stop: a timeout, its margin, a settlement
STEP_S = 0.2  # between two looks at what is still in flight then


_NOTHING: tuple[list[Claim], list[int]] = ([], [])  # of a call that was refused
NONE_WAITING = Waiting(0, 0)


class Programmes(Protocol):
    """Where the live programme is read."""

    async def current(self) -> tuple[int, dict[str, dict[str, dict[str, Any]]]]:
        """Return the live version and its documents."""


class Reads(Protocol):
    """Where players' addresses are read."""

    async def load(self, players: list[str]) -> dict[str, Reached]:
        """Return where players can be reached now."""


class Surroundings(Struct, frozen=True):
    """What a courier is handed: the store in its parts, the providers, the clock."""

    redis: Redis  # heartbeat and assignment
    queue: Queue
    lane: LaneStore
    programmes: Programmes
    reach: Reads
    closures: Telling
    lives: Lives
    provider_ids: ProviderIds
    make_adapter: MakeAdapter  # of a connector's document; what it raises makes the connector unusable
    clock: Clock
    rng: Random
    links: Links
    nonce: Callable[[], str]
    is_gone: Callable[[Life], bool]  # whether the process of another life on this machine is gone
    log: Log


class Courier(Ownership):
    """One sender.

    Args:
        life: Of this process; what it claims carries its incarnation.
        partitions: Of the whole store.
    """

    def __init__(self, around: Surroundings, life: Life, *, partitions: int) -> None:
        super().__init__(around.redis, around.clock, name=life.name, lane=CHANNELS.name, incarnation=life.incarnation)
        self._around = around
        self._queue = around.queue
        self._providers = Providers(around.make_adapter, around.log)
        self._budgets = Budgets(around.queue)
        self._rooms = Rooms(around.queue, self._providers, self._budgets)
        self._settling = Settling(around.queue, around.provider_ids)
        self._wake = asyncio.Event()
        self._sending = Sending(
            self._providers, self._budgets, self._settling, around.links, around.clock, around.rng, around.log,
            self._wake.set,
        )  # fmt: skip
        self._teller = Teller(around.closures, life.incarnation)
        self._successor = Successor(around.queue, around.lives, life, partitions=partitions, is_gone=around.is_gone)
        self._tokens: dict[int, Token] = {}
        self._waiting: Mapping[int, Mapping[tuple[str, str], Waiting]] = {}  # by partition, channel and lane
        self._claimed: list[Try] = []  # not yet on their way
        self._places: dict[tuple[int, str, str], int] = {}  # partition, room -> where the next sweep begins
        self._calls = 0
        self._turn = 0
        self._broken: dict[str, str] = {}
        self._has_begun = False
        self._has_followed = False

    @property
    def sends(self) -> Collection[asyncio.Task[None]]:
        """Return the sends under way."""
        return self._sending.tasks

    # Ownership

    def stop(self) -> None:
        """Ask it to claim no more, end what is in flight, settle it and give its partitions back."""
        super().stop()
        self._wake.set()

    def _owned(self) -> Collection[int]:
        return self._tokens.keys()

    async def _acquire(self, partition: int) -> None:
        try:
            grant = await self._around.lane.acquire(
                partition, self.heartbeat.name, self._around.nonce(), LEASE_MS
            )  # fmt: skip
        except Refused as refused:
            if refused.verdict is Verdict.BROKEN:
                self._broken[str(partition)] = refused.detail
            return
        self._broken.pop(str(partition), None)
        self._tokens[partition] = grant.token

    async def _release(self, partition: int) -> None:
        if (token := self._tokens.pop(partition, None)) is not None:
            await self._around.lane.release(token)

    async def _renew(self) -> None:
        held = list(self._tokens.items())
        verdicts = await self._around.lane.renew([token for _, token in held], LEASE_MS)
        for (partition, _), verdict in zip(held, verdicts, strict=True):
            if verdict is not Verdict.OK:
                self._lose(partition, verdict, "")

    def _lose(self, partition: int, verdict: Verdict, detail: str) -> None:
        """Forget a partition; what of it is in flight is sent and settled all the same."""
        self._tokens.pop(partition, None)
        self.heartbeat.lost += 1
        if verdict is Verdict.BROKEN:
            self._broken[str(partition)] = detail or "broken"

    # The round

    async def _round(self) -> None:
        now = self._clock.now_ms()
        if not self._has_begun:
            await self._successor.begin(now)
            self._has_begun = True
        await self._keep(now)
        if self._is_due("follow", now, FOLLOW_EVERY_MS) or not self._has_followed:
            await self._follow(now)
        await self._settling.settle(now)
        if self._is_due("look", now, LOOK_EVERY_MS):
            await self._look(now)
        await self._tell(now)
        has_more = await self._work(now)
        await self._settling.settle(now)
        await self._budgets.give_back()
        self.heartbeat.beat += 1
        if not self._stopping.is_set():
            await self._wait(POLL_LEAST_S if has_more else self._pause_s(now))

    def _pause_s(self, now: int) -> float:
        """Return how long to wait: until the next token, or the next look for messages."""
        more_s = (self._rooms.more_at - now) / 1_000 if self._rooms.more_at else POLL_S
        return min(POLL_S, max(POLL_LEAST_S, more_s))

    async def _keep(self, now: int) -> None:
        if self._is_due("control", now, CONTROL_EVERY_MS):
            await self._control(now)
        if self._is_due("renew", now, RENEW_EVERY_MS) and self._tokens:
            await self._renew()

    async def _follow(self, now: int) -> None:
        """Use the connectors and budgets of the live programme."""
        _, documents = await self._around.programmes.current()
        await self._providers.follow(connectors_in_use(documents), now)
        channels = documents.get("policies", {}).get("default", {}).get("channels", {})
        self._budgets.follow({**channels, **reading_budget(documents)})
        self._has_followed = True

    async def _look(self, now: int) -> None:
        """Settle what the dead left in flight, and what of ours nobody told us of."""
        await self._successor.bury(now)
        for channel, landed in await self._successor.look(self._owned(), self._settling.held, now):
            self._settling.land(channel, landed)
        await self._settling.settle(now)

    async def _tell(self, now: int) -> None:
        """Tell the towers which channels closed or opened."""
        await self._budgets.look(now)
        for channel in self._providers.channels:
            closure = closure_of(self._providers.of(channel), now)
            self._teller.note(channel, self._budgets.closure(channel, now) if closure == OPEN else closure)
        self._teller.forget_others(self._providers.channels)
        await self._teller.tell(self._owned(), self._providers.channels, now)

    async def _wait(self, seconds: float) -> None:
        """Wait until something was sent, we are asked to stop, or the time is over; a little in any case."""
        await self._pause(POLL_LEAST_S)
        try:
            await asyncio.wait_for(self._wake.wait(), max(0.0, seconds - POLL_LEAST_S))
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    # Claim and send

    async def _work(self, now: int) -> bool:
        """Claim and begin to send; True when there may be more at once."""
        self._rooms.more_at = 0
        await self._send_claimed()
        if not self._tokens:
            return False
        self._waiting = await self._queue.waiting(sorted(self._tokens))
        urgent = await self._pass("urgent", now)
        bulk = await self._pass("bulk", now)
        if self._is_due("sweep", now, SWEEP_EVERY_MS):
            await self._sweep()
        return urgent or bulk

    async def _sweep(self) -> None:
        """End what must not be sent (excluded, muted, taken back, late) of channels without room, a part each time."""
        rooms = [(channel, lane) for lane, channels in self._rooms.shut.items() for channel in channels]
        places, self._places = self._places, {}
        for partition in sorted(self._tokens) if rooms else ():
            asked = [(channel, lane, places.get((partition, channel, lane), 0)) for channel, lane in rooms]
            if self._stopping.is_set() or partition not in self._tokens:
                continue
            token, (claims, nexts) = self._next_token(), _NOTHING
            async with self._calling(partition):
                claims, nexts = await self._queue.sweep(self._tokens[partition], token, asked, SWEEP_MOST)
            self._places |= {(partition, *room): place for room, place in zip(rooms, nexts, strict=False)}
            await self._take(claims, token)

    async def _pass(self, lane: Lane, now: int) -> bool:
        """Fill the rooms of one kind of lines; True when all of some channel's room was used."""
        due = {room: waits.due for room, waits in in_all(self._waiting).items() if waits.due}
        rooms = await self._rooms.open(lane, due, now)
        claimed: Counter[str] = Counter()
        try:
            if rooms:
                await self._claim(lane, rooms, claimed)
                await self._send_claimed()
        finally:
            self._rooms.close(rooms, claimed)
        return any(claimed[channel] >= room for channel, room in rooms.items())

    async def _claim(self, lane: str, rooms: Mapping[str, int], claimed: Counter[str]) -> None:
        """Claim from one partition after the other that has something due, until the rooms are full.

        The first is another one each time. Those with nothing due are not asked: that would cost a round trip each.
        """
        order = [p for p in sorted(self._tokens) if self._is_wanted(p, lane, rooms)]
        if not order:  # the leases were lost since this round began
            return
        self._turn += 1
        start = self._turn % len(order)
        for partition in order[start:] + order[:start]:
            while partition in self._tokens:
                asked = [
                    (c, lane, room - claimed[c])
                    for c, room in rooms.items()
                    if room > claimed[c] and self._is_wanted(partition, lane, (c,))
                ]
                if not asked or self._stopping.is_set() or not await self._claim_of(partition, asked, claimed):
                    break

    def _is_wanted(self, partition: int, lane: str, channels: Collection[str]) -> bool:
        there = self._waiting.get(partition, {})
        return any((channel, lane) in there and there[channel, lane].due for channel in channels)

    async def _claim_of(self, partition: int, asked: list[tuple[str, str, int]], claimed: Counter[str]) -> bool:
        """Claim from one partition; True when it may have more: what was refused took up no room."""
        token, (claims, _) = self._next_token(), _NOTHING
        async with self._calling(partition):
            claims = await self._queue.claim(self._tokens[partition], token, asked)
        claimed.update(claim.dispatch.channel for claim in claims if not claim.refused)
        return await self._take(claims, token)

    def _next_token(self) -> str:
        """Return a token for one call: claims whose answer is lost are told apart by it."""
        self._calls += 1
        return f"{self.heartbeat.incarnation}:{self._calls}"

    @asynccontextmanager
    async def _calling(self, partition: int) -> AsyncIterator[None]:
        """A call that claims: being refused loses the partition; without an answer it may have claimed all the same."""
        try:
            yield
        except Refused as refused:
            self._lose(partition, refused.verdict, refused.detail)
        except BaseException:
            self._successor.suspect(partition, self._clock.now_ms())
            raise

    async def _take(self, claims: list[Claim], token: str) -> bool:
        """Hold what was claimed and settle what was refused; True when something was."""
        now, has_refused = self._clock.now_ms(), False
        for claim in claims:
            held = Try(claim, token, now)
            self._settling.hold(held)
            if claim.refused:
                has_refused = True
                self._settling.land(claim.dispatch.channel, landing.refused(held, now))
            else:
                self._claimed.append(held)
        if has_refused:
            await self._settling.settle(now)
        return has_refused

    async def _send_claimed(self) -> None:
        """Send what is claimed to the addresses of now."""
        if self._claimed:
            reached = await self._around.reach.load([held.dispatch.player for held in self._claimed])
            claimed, self._claimed = self._claimed, []
            for held in claimed:
                self._sending.begin(held, reached[held.dispatch.player])

    # The end

    async def _finish(self) -> None:
        """Let what is in flight end, and settle it; what was claimed and not begun is put back."""
        now = self._clock.now_ms()
        for held in self._claimed:
            self._settling.land(held.dispatch.channel, landing.put_back(held, now))
        self._claimed = []
        until = now + ENDS_WITHIN_MS
        while (self._sending.tasks or self._settling.is_due) and now < until:
            try:
                await self._settling.settle(now)
                await self._say(now)
                self.heartbeat.beat += 1
                if self._tokens:
                    await self._renew()
            except (Unavailable, RedisError, OSError):
                pass  # asked again until the time is over; then the successor does it
            if self._sending.tasks:
                await asyncio.wait(self._sending.tasks, timeout=STEP_S)
            elif self._settling.is_due:
                await asyncio.sleep(STEP_S)
            now = self._clock.now_ms()
        for task in list(self._sending.tasks):
            task.cancel()
        await self._providers.close()

    async def _forget(self) -> None:
        """Leave; one that leaves nothing in flight needs no successor."""
        await super()._forget()
        try:
            await self._budgets.give_back()
            if not self._settling.held and not self._successor.is_suspicious:
                await self._around.lives.settled(self.heartbeat.incarnation)
        except (Unavailable, RedisError, OSError):
            return

    def _describe(self, beat: Heartbeat) -> None:
        beat.stopped = self._broken | {str(p): why for p, why in self._settling.broken.items()}
        counts = self._settling.landings
        beat.entries = sum(sum(words.values()) for words in counts.values())
        now, waiting = self._clock.now_ms(), in_all(self._waiting)
        beat.channels = {
            channel: {
                "waiting": {lane: waiting.get((channel, lane), NONE_WAITING).all for lane in ("urgent", "bulk")},
                "in_flight": sum(provider.in_flight for provider in self._providers.of(channel)),
                "open": not self._teller.closure(channel).reason,
                "reason": self._teller.closure(channel).reason,
                "until": self._teller.closure(channel).until,
                "landings": dict(counts.get(channel, {})),
                "connectors": {provider.id: provider.described(now) for provider in self._providers.of(channel)},
            }
            for channel in sorted({*self._providers.channels, *counts, *(channel for channel, _ in waiting)})
        }
