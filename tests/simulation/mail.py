"""The simulation with messages: couriers over the modelled queue and providers, exclusions, consents withdrawn.

``python -m tests.simulation.world --messages --seed N --trace`` replays a seed.
"""

from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from actors.courier.courier import Courier, Surroundings
from actors.courier.parcels import Links
from channels.ports import Parcel
from domain.dispatch import Dispatch
from domain.entries import Event, decode_entry
from store.keys import CHANNELS
from store.lives import Life as Living
from store.ports import Appended, Claim, Commit, Incoming, Settlement, Token, Verdict
from tests.simulation import deliveries, laws
from tests.simulation.faults import FakeRedis, FaultyIntake, FaultyLane, Mix, Wire
from tests.simulation.people import People
from tests.simulation.process import Life, Process
from tests.simulation.programmes import message_documents, message_versions
from tests.simulation.providers import Post, Providers, Try
from tests.simulation.queue_faults import (
    FaultyClosures,
    FaultyIds,
    FaultyLives,
    FaultyQueue,
    FaultyReach,
    LiveProgramme,
)
from tests.simulation.recipients import EXPIRIES_MS, Recipients
from tests.simulation.stage import FAULTS_S, PARTITIONS
from tests.simulation.watched import WatchedStore
from tests.simulation.world import World

EVENINGS = (1_772_476_197_000, 1_772_476_252_000)  # 23:59:57 and 00:00:52 of 2026-03-03 in Kolkata and Colombo
POLL_S = 0.25  # of couriers: a run has few messages and many rounds
IDLE_MS = 300  # of everybody else
LAST_S = FAULTS_S + max(EXPIRIES_MS) / 1_000 + 1.0  # when what callers asked for has expired


@dataclass
class Line:
    """One dispatch, as a commit of the tower put it into a line."""

    dispatch: Dispatch
    number: int  # of its line


@dataclass
class Mail:
    """What the laws of messages need beside the store's state."""

    confirmed: dict[str, int | None] = field(default_factory=dict)  # player -> until: nothing may start to be sent
    muted: set[tuple[str, str]] = field(default_factory=set)  # player, mark: likewise
    said: list[tuple[str, str, bool]] = field(default_factory=list)  # player, mark, granted: in the order of the logs
    queued: dict[str, list[Line]] = field(default_factory=dict)  # request -> its dispatches, in order
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # of a line
    claimed_at: dict[str, int] = field(default_factory=dict)  # request -> ms of the store, the last time
    claimers: dict[str, str] = field(default_factory=dict)  # request -> token of its last claim
    last: dict[tuple[str, str, str], int] = field(default_factory=dict)  # line -> number that was sent last
    ambushes: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def says(self, player: str, mark: str, *, granted: bool) -> None:
        """A consent is given or withdrawn: from a withdrawal on that is confirmed until the next one that is given."""
        self.said.append((player, mark, granted))
        if granted:
            self.muted.discard((player, mark))

    def has_withdrawn(self, player: str, mark: str) -> bool:
        """Tell whether the last that the player said of a consent withdraws it."""
        return next((not granted for who, what, granted in reversed(self.said) if (who, what) == (player, mark)), False)


class MailStore(WatchedStore):
    """The watched store, telling of lines, claims and settlements too."""

    _world: "MailWorld"

    def commit(self, lane: str, token: Token, c: Commit) -> tuple[Verdict, str]:
        verdict, detail = super().commit(lane, token, c)
        mail = self._world.mail
        for dispatch in c.dispatches if verdict is Verdict.OK else ():
            line = (dispatch.player, dispatch.channel, dispatch.lane)
            mail.counts[line] += 1
            mail.queued.setdefault(dispatch.id, []).append(Line(dispatch, mail.counts[line]))
        if c.lifts or c.mutes:
            self._world.seen.broken_laws += deliveries.broken_by_commit(self._world, token.partition)
        return verdict, detail

    def claim(self, token: Token, claimer: str, rooms: list[tuple[str, str, int]], clock: str = "store") -> list[Claim]:
        claims = super().claim(token, claimer, rooms, clock)
        self._watch(claims, token, claimer, clock)
        return claims

    def sweep(
        self, token: Token, claimer: str, rooms: list[tuple[str, str, int]], most: int, clock: str = "store"
    ) -> tuple[list[Claim], list[int]]:
        claims, places = super().sweep(token, claimer, rooms, most, clock)
        self._watch(claims, token, claimer, clock)
        self._world.mail.seen["swept"] += len(claims)
        if sent := [claim.dispatch.id for claim in claims if not claim.refused]:
            self._world.seen.broken_laws.append(f"{sent} were swept and may be sent")
        return claims, places

    def _watch(self, claims: list[Claim], token: Token, claimer: str, clock: str) -> None:
        at = self.sending_at(self.of(token.partition), clock)
        for claim in claims:
            self._world.note("claim", claimer, claim.dispatch.id, claim.refused)
            self._world.mail.claimed_at[claim.dispatch.id] = at
            self._world.mail.claimers[claim.dispatch.id] = claimer
            if not claim.refused:
                self._world.seen.broken_laws += deliveries.broken_by_claim(claim.dispatch, at)

    def ingest(self, lane: str, partition: int, rows: list[Incoming], **settings: Any) -> list[Appended] | Verdict:
        answers = super().ingest(lane, partition, rows, **settings)
        for row, answer in zip(rows, answers, strict=True) if isinstance(answers, list) else ():
            entry = decode_entry(row.body)
            if isinstance(entry, Event) and entry.name == "consent_changed" and not answer.duplicate:
                self._world.mail.says(entry.player, entry.properties["key"], granted=entry.properties["granted"])
        return answers

    def settle(self, partition: int, settlements: list[Settlement], clock: str = "store") -> list[bool]:
        answers = super().settle(partition, settlements, clock)
        for settlement, is_done in zip(settlements, answers, strict=True):
            self._world.note("settle", settlement.request, settlement.token, settlement.due, is_done)
            if is_done and settlement.token != (claimer := self._world.mail.claimers[settlement.request]):
                told = f"{settlement.request} was settled for {settlement.token}, it was claimed by {claimer}"
                self._world.seen.broken_laws.append(told)
        return answers

    def readmit(self, partition: int, player: str, reason: str, body: bytes, clock: str = "store") -> int:
        self._world.mail.confirmed.pop(player, None)
        return super().readmit(partition, player, reason, body, clock)

    def mute(self, partition: int, player: str, mark: str, is_set: bool, body: bytes, clock: str = "store") -> int:
        sends = super().mute(partition, player, mark, is_set, body, clock)
        self._world.note("mute", player, mark, is_set, sends)
        self._world.mail.says(player, mark, granted=not is_set)
        return sends


class CourierProcess(Process):
    """A courier, with the providers at the end of its wires."""

    def __init__(self, world: "MailWorld", name: str) -> None:
        super().__init__(world, name, CHANNELS.name)
        self._mail_world = world

    def _run(self, life: Life, wire: Wire) -> Coroutine[Any, Any, None]:
        world = self._mail_world
        fakes: dict[str, Any] = {
            "redis": FakeRedis(wire),
            "queue": FaultyQueue(wire),
            "lane": FaultyLane(wire, self.lane),
            "programmes": LiveProgramme(wire, message_documents()),
            "reach": FaultyReach(wire),
            "closures": FaultyClosures(wire, FaultyIntake(wire)),
            "lives": FaultyLives(wire),
            "provider_ids": FaultyIds(wire),
        }
        around = Surroundings(
            **fakes,
            make_adapter=lambda _, document: world.providers.adapter(document["kind"], life),
            clock=life,
            rng=Random(f"{world.seed}/{life.name}"),
            links=Links("https://example.com", "secret"),
            nonce=world.nonce,
            is_gone=lambda living: not world.is_alive(living.incarnation),
            log=lambda line: world.note("log", self.name, line),
        )
        courier = Courier(around, Living(life.name, self.name, "node", self.lives), partitions=PARTITIONS)
        self.member = courier
        self.world.note("courier", life.name)
        return courier.run()


class MailWorld(World):
    """A run with messages by several channels.

    Args:
        post: What the providers do; drawn from the seed by default.
    """

    def __init__(
        self,
        seed: int,
        *,
        trace: bool = False,
        guards_off: frozenset[str] = frozenset(),
        mix: Mix | None = None,
        post: Post | None = None,
    ) -> None:
        super().__init__(seed, trace=trace, guards_off=guards_off, mix=mix)
        self.idle_ms = IDLE_MS
        self.versions = message_versions()
        self.starts_at = self.random.choice(EVENINGS)
        self.mail = Mail()
        self.lives: dict[str, Living] = {}
        self.ended: dict[str, int] = {}
        self.closed: dict[tuple[int, str], str] = {}
        self.providers = Providers(self, post or Post.drawn(self.random))
        self.store: MailStore = MailStore(self, guards_off)
        self.people: People = Recipients(self)
        self.processes += [CourierProcess(self, "courier-1"), CourierProcess(self, "courier-2")]

    def sending(self, one: Try) -> None:
        """A courier begins to send."""
        self.note("sends", one.courier, one.player, one.channel, one.id)
        self.seen.broken_laws += deliveries.broken_by_send(self, one)

    def ambush_send(self, parcel: Parcel, life: Life) -> None:
        """Have the courier stand still between its claim and the send, and the player excluded meanwhile."""
        assert isinstance(self.people, Recipients)
        self.mail.ambushes += 1
        life.pause(self.random.uniform(0.3, 4))
        if parcel.player not in self.mail.confirmed:
            self.note("ambush", life.name, parcel.player, parcel.id)
            self.errands.append(self.loop.create_task(self.people.exclude(parcel.player, "self_exclusion", 0)))

    async def broken(self) -> list[str]:
        """Return the laws that the run broke."""
        return [*await laws.broken(self), *deliveries.broken(self)]

    def backlog(self) -> list[str]:
        """Return what still has to be done."""
        waiting = laws.backlog(self)
        if self.loop.time() < LAST_S:
            waiting.append("requests may still be held")
        for p, shared in self.store.partitions.items():
            waiting += [f"{len(shared.queue.dispatches)} dispatches wait in {p}"] * bool(shared.queue.dispatches)
        return waiting

    def run(self) -> "MailWorld":
        """Run to the end and check all laws, as ``World.run``."""
        with patch.multiple("actors.courier.courier", POLL_S=POLL_S):
            super().run()
        return self
