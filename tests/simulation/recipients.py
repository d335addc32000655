"""Who gets messages in a run, and who asks for them: callers, officers who exclude, players who unsubscribe."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from domain.entries import Command, Event, ProgrammePublished, encode_entry
from domain.ids import partition_of
from store.intake import buckets
from store.ports import Incoming
from tests.simulation.faults import FaultyIntake, Wire
from tests.simulation.people import People
from tests.simulation.programmes import message_versions
from tests.simulation.stage import PARTITIONS, PLAYERS

if TYPE_CHECKING:
    from tests.simulation.mail import MailWorld

CALLERS = 2
ZONES = {"ann": "Asia/Kolkata", "bob": "Asia/Kolkata", "cleo": "Asia/Colombo", "dan": "Europe/Kyiv"}  # eve tells none
EXPIRIES_MS = (2_000, 6_000, 10_000)
MARKS = ("sms", "email", "promo")
WISHES = (
    ("offer", "promo", ["sms"]),
    ("offer", "promo", ["sms", "email"]),
    ("offer", "promo", ["best"]),
    ("offer", "retention", ["sms", "in_app"]),
    ("letter", "retention", ["email"]),
    ("code", "transactional", ["sms"]),
    ("code", "service", ["sms", "email"]),
    ("letter", "service", ["email"]),
    ("notice", "legal", ["email"]),
    ("code", "legal", ["sms"]),  # asked for as legal, and no notice
)
EVENTS = (
    *(["bet_placed"] * 3 + ["bet_won"] * 4),
    *("support_case_opened", "support_case_solved", "consent_changed", "identified"),
)


class Recipients(People):
    """The people of a run with messages."""

    _world: "MailWorld"

    def __init__(self, world: "MailWorld") -> None:
        super().__init__(world, merges=False)
        self._are_known = asyncio.Event()

    def all(self) -> list[Coroutine[Any, Any, None]]:
        """Return what everybody does until it is calm."""
        callers = [self._caller(n) for n in range(CALLERS)]
        return [self._newcomers(), *callers, self.officer(), self.unsubscriber(), self.publisher()]

    async def _caller(self, number: int) -> None:
        await self._are_known.wait()
        await self.client(number)

    async def _newcomers(self) -> None:
        """Everybody says who they are: where they live, their number, their address. Only then are they written to."""
        for player in PLAYERS:
            traits = {"email": f"{player}@example.com", "phone": f"+4474000000{PLAYERS.index(player):02}"}
            traits |= {"timezone": ZONES[player]} if player in ZONES else {}
            event = Event(player, f"hello-{player}", "identified", self._world.true_ms(), {}, traits)
            bucket = buckets(event.occurred_at, event.occurred_at)[0]
            row = Incoming(player, event.id, "print", bucket, encode_entry(event), occurred_at=event.occurred_at)
            await self._deliver(self._intake(), partition_of(player, PARTITIONS), [row])
        self._are_known.set()

    def _row(self, number: int, name: str) -> Incoming:
        r, now = self._world.random, self._world.true_ms()
        player = r.choice(PLAYERS)
        if r.random() < 0.55:
            template, purpose, channels = r.choice(WISHES)
            args = {
                "template": template,
                "purpose": purpose,
                "channels": channels,
                "request_id": f"req-{name}",
                "expires_at": now + r.choice(EXPIRIES_MS),
                "conflict_group": r.choice(["", "", "spring"]),
            }
            command = Command(player, f"cmd:{name}", "message", args, reply_to="gateway")
            return Incoming(player, command.id, "print", *self._command_bucket(encode_entry(command), now))
        event = r.choice(EVENTS)
        properties: dict[str, Any] = {}
        if event.startswith("support"):
            properties = {"case_id": "c1"}
        elif event == "consent_changed":
            properties = _said(r.choice(MARKS), granted=r.random() < 0.8)
        traits = {"email": f"{player}.{number}@example.com"} if event == "identified" else {}
        sent = Event(player, name, event, now, properties, traits)
        return Incoming(player, name, "print", buckets(now, now)[0], encode_entry(sent), occurred_at=now)

    async def officer(self) -> None:
        """Exclude players, each confirmed once nothing is in flight for them; readmit them later."""
        r = self._world.random
        while not self._world.is_calm:
            await asyncio.sleep(r.uniform(0.5, 2))
            player = r.choice([*self._world.mail.confirmed, r.choice(PLAYERS)])
            if player in self._world.mail.confirmed:
                await self.readmit(player)
                if r.random() < 0.6:
                    continue
            if player not in self._world.mail.confirmed:
                reason = r.choice(["self_exclusion", "self_exclusion", "cool_off"])
                await self.exclude(player, reason, self._world.true_ms() + r.choice([2_000, 4_000]))

    async def exclude(self, player: str, reason: str, until: int) -> None:
        """Exclude a player and wait until it can be promised that nothing more is sent."""
        ends = until if reason == "cool_off" else None
        args = {"reason": reason, "since": self._world.true_ms(), "until": ends}
        body = encode_entry(Command(player, f"cmd:{self._world.nonce()}", "exclude", args))
        p, intake = partition_of(player, PARTITIONS), self._intake()
        await self._drained(player, partial(intake.exclude, p, player, reason, body, ends))
        if player in self._world.seen.excluded:  # a readmission that was long under way may have come between
            self._world.mail.confirmed[player] = ends
            self._world.note("confirmed", player, reason)

    async def readmit(self, player: str) -> None:
        body = encode_entry(Command(player, f"cmd:{self._world.nonce()}", "readmit", {}))
        p, intake = partition_of(player, PARTITIONS), self._intake()
        await self._until_answered(partial(intake.exclude, p, player, "", body))

    async def unsubscriber(self) -> None:
        """Withdraw consents by a link: in force at once, confirmed once nothing is in flight."""
        r = self._world.random
        while not self._world.is_calm:
            await asyncio.sleep(r.uniform(0.5, 3))
            player, mark = r.choice(PLAYERS), r.choice(MARKS)
            now = self._world.true_ms()
            event = Event(player, f"gate:{self._world.nonce()}", "consent_changed", now, _said(mark, granted=False))
            p, intake = partition_of(player, PARTITIONS), self._intake()
            if r.random() < 0.4:  # what was given a moment ago must not undo it
                await self._grant(player, mark)
            await self._drained(player, partial(intake.mute, p, player, mark, True, encode_entry(event)))
            if self._world.mail.has_withdrawn(player, mark):  # it may have been given again meanwhile
                self._world.mail.muted.add((player, mark))
                self._world.note("unsubscribed", player, mark)
            if r.random() < 0.8:
                await asyncio.sleep(r.uniform(0.3, 1))
                await self._grant(player, mark)

    async def _grant(self, player: str, mark: str) -> None:
        now = self._world.true_ms()
        given = Event(player, f"g-{self._world.nonce()}", "consent_changed", now, _said(mark, granted=True))
        row = Incoming(player, given.id, "print", buckets(now, now)[0], encode_entry(given), occurred_at=now)
        await self._deliver(self._intake(), partition_of(player, PARTITIONS), [row])

    async def _drained(self, player: str, ask: Callable[[], Coroutine[Any, Any, int]]) -> None:
        """Ask until it is answered, then look until nothing is in flight."""
        intake = self._intake()
        sends = await self._answer(ask)
        while sends:
            await asyncio.sleep(0.2)
            sends = await self._answer(partial(intake.in_flight, partition_of(player, PARTITIONS), player))

    async def _answer(self, ask: Callable[[], Coroutine[Any, Any, int]]) -> int:
        answers: list[int] = []

        async def once() -> None:
            answers.append(await ask())

        await self._until_answered(once)
        return answers[-1]

    async def publisher(self) -> None:
        """Publish both versions, the first at once."""
        intake = FaultyIntake(Wire(self._world, None))
        for version in message_versions():
            if version:
                body = encode_entry(ProgrammePublished(version))
                for p in self._world.random.sample(range(PARTITIONS), PARTITIONS):
                    await self._until_answered(partial(intake.append_internal, p, f"publish:{version}", body))
                await asyncio.sleep(self._world.random.uniform(1, 5))


def _said(key: str, *, granted: bool) -> dict[str, Any]:
    kind = "purpose" if key in ("promo", "retention") else "channel"
    return {"key": key, kind: key, "granted": granted, "source": "test", "proof": "said so"}
