"""Providers that take, refuse, forget and answer late: what they were asked, by whom, and what they accepted."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct

from channels.ports import Parcel, Rejected, Result, Retry, Sent, Unclear

if TYPE_CHECKING:
    from tests.simulation.mail import MailWorld
    from tests.simulation.process import Life

ADDRESS_KINDS = {"smtp": frozenset({"email"}), "twilio": frozenset({"phone"})}
TIMEOUT_S = 2.0  # of a connector; a courier waits no longer


class Post(Struct, frozen=True):
    """How likely a provider does what, drawn per seed."""

    retry: float = 0.0  # certainly not taken, come again
    refused: float = 0.0  # never, this one
    dead: float = 0.0  # of those refused: the address is dead
    unclear: float = 0.0  # it may or may not have been taken
    late: float = 0.0  # taken, but long after nobody waits for the answer
    silent: float = 0.0  # it never answers
    ambush: float = 0.0  # the courier stands still between its claim and the send, while the player is excluded
    down: bool = False  # it is away for a while
    latency_s: float = 0.01

    @classmethod
    def drawn(cls, r: Random) -> "Post":
        def some(most: float) -> float:
            return r.uniform(0, most) if r.random() < 0.6 else 0.0

        return cls(
            retry=some(0.2),
            refused=some(0.1),
            dead=r.choice([0, 0.5]),
            unclear=some(0.2),
            late=some(0.1),
            silent=some(0.05),
            ambush=some(0.3),
            down=r.random() < 0.2,
            latency_s=r.choice([0.005, 0.05, 0.5]),
        )


@dataclass
class Try:
    """One message on its way to a provider."""

    started_at: float  # s of the loop
    courier: str  # life
    player: str
    channel: str
    id: str
    purpose: str
    address: str
    accepted_at: float | None = None
    result: str = ""  # what the courier was told; "" when it died before


class Providers:
    """All providers of a run."""

    def __init__(self, world: "MailWorld", post: Post) -> None:
        self._world = world
        self.post = post
        self.tries: list[Try] = []

    @property
    def accepted(self) -> list[Try]:
        """Return what was taken, in the order in which it was sent."""
        return [one for one in self.tries if one.accepted_at is not None]

    def adapter(self, kind: str, life: "Life") -> "PostAdapter":
        return PostAdapter(self, kind, life)

    async def take(self, parcel: Parcel, life: "Life") -> Result:
        """Be asked to send a message; from the first line on it may leave, whatever becomes of the one who asks."""
        world, post, r = self._world, self.post, self._world.random
        if not world.is_calm and r.random() < post.ambush:
            world.ambush_send(parcel, life)
        try:
            await life.gate()
        except asyncio.CancelledError:  # it woke after its own deadline; the first bytes may be out before it sees that
            if not life.is_over and not world.is_over and r.random() < 0.5:
                self._accept(self._begins(parcel, life))
            raise
        one = self._begins(parcel, life)
        await asyncio.sleep(0.002 if world.is_calm else r.expovariate(1 / post.latency_s))
        result = self._answer(one)
        world.note("provider", parcel.channel, parcel.player, parcel.id, one.accepted_at, type(result).__name__)
        if isinstance(result, Unclear):
            await asyncio.sleep(TIMEOUT_S)
        await life.gate()
        one.result = type(result).__name__
        return result

    def _begins(self, parcel: Parcel, life: "Life") -> Try:
        now, address = self._world.loop.time(), parcel.address.value if parcel.address else ""
        one = Try(now, life.name, parcel.player, parcel.channel, parcel.id, parcel.purpose, address)
        self.tries.append(one)
        self._world.sending(one)
        return one

    def _answer(self, one: Try) -> Result:
        world, post, r = self._world, self.post, self._world.random
        if world.is_calm:
            return self._accept(one)
        if post.down and 2 < world.loop.time() < 6:
            return Retry("503")
        x = r.random()
        if (x := x - post.retry) < 0:
            return Retry("429", after_s=r.choice([0, 0, 1]))
        if (x := x - post.refused) < 0:
            return Rejected("no such number", is_address_dead=r.random() < post.dead)
        if (x := x - post.unclear) < 0:
            if r.random() < 0.5:
                self._accept(one)
            return Unclear("the connection ended")
        if (x := x - post.late) < 0:
            world.loop.call_later(r.uniform(0.1, 5), self._accept, one)
            return Unclear("no answer")
        if (x := x - post.silent) < 0:
            return Unclear("no answer")
        return self._accept(one)

    def _accept(self, one: Try) -> Sent:
        one.accepted_at = self._world.loop.time()
        return Sent(f"p-{len(self.tries)}")


class PostAdapter:
    """A provider as one courier's process sees it."""

    is_idempotent = False

    def __init__(self, providers: Providers, kind: str, life: "Life") -> None:
        self.kind = kind
        self.address_kinds = ADDRESS_KINDS[kind]
        self._providers = providers
        self._life = life

    async def send(self, parcel: Parcel) -> Result:
        return await self._providers.take(parcel, self._life)

    async def close(self) -> None:
        """Nothing is open."""
