"""Finds what is in flight that nobody will settle: claims of processes that are dead, and claims nobody was told of.

A dead process's claims are settled once its death is known (``store.lives``), never for their age: a paused courier may
wake and send. Of its own claims a courier knows by their tokens, new for every call, which ones it holds; one that it
does not hold was made by a call whose answer was lost, so it was certainly not sent.
"""

from collections.abc import Callable, Collection

from actors.courier.landing import Landed, Try, inherited, put_back, refused
from domain.ids import partition_of
from store.lives import Life, Lives
from store.ports import Claim, Claimed, InFlight, Queue

SUSPECT_MS = 60_000  # a partition where a call of ours may still arrive


def incarnation_of(token: str) -> str:
    """Return whose claim it is."""
    return token.rpartition(":")[0]


class Successor:
    """Settles what others left behind.

    Args:
        is_gone: Tells whether the process of a life on this machine is gone.
    """

    def __init__(
        self, queue: Queue, lives: Lives, life: Life, *, partitions: int, is_gone: Callable[[Life], bool]
    ) -> None:
        self._queue = queue
        self._lives = lives
        self._life = life
        self._partitions = partitions
        self._is_gone = is_gone
        self._suspects: dict[int, int] = {}  # partition -> ms
        self._has_predecessors = True

    async def begin(self, now: int) -> None:
        """Note our life; whoever lived under our name before is dead."""
        await self._lives.begin(self._life)
        await self.bury(now)

    async def bury(self, now: int) -> None:
        """Note the deaths that are known by now.

        Ray starts an actor's next process after the last one has ended; on this machine we look ourselves.
        """
        if not self._has_predecessors:
            return
        others = [life for life in await self._lives.all() if life.incarnation != self._life.incarnation]
        dead = [life.incarnation for life in others if self._is_dead(life)]
        await self._lives.end(dead, now)
        self._has_predecessors = any(life.name == self._life.name for life in others if life.incarnation not in dead)

    def _is_dead(self, life: Life) -> bool:
        if life.node == self._life.node:
            return self._is_gone(life)
        return life.name == self._life.name

    def suspect(self, partition: int, now: int) -> None:
        """Note that a call may have claimed something here, or may yet."""
        self._suspects[partition] = now + SUSPECT_MS

    @property
    def is_suspicious(self) -> bool:
        """Tell whether the store may hold a claim of ours that we do not know."""
        return bool(self._suspects)

    async def look(
        self, owned: Collection[int], held: Collection[tuple[str, str]], now: int
    ) -> list[tuple[str, Landed]]:
        """Return how to settle what nobody else will, each with its channel.

        Args:
            held: Request and token of each claim that this process holds.
        """
        self._suspects = {partition: until for partition, until in self._suspects.items() if now < until}
        asked = sorted({*owned, *self._suspects})
        claims = await self._queue.claimed(asked) if asked else []
        others = [c for c in claims if incarnation_of(c.token) != self._life.incarnation and c.partition in owned]
        dead = await self._lives.ended(incarnation_of(c.token) for c in others) if others else set()
        own = {(c.request, c.token): c for c in claims if self._is_orphan(c, held)}
        left = own | {(c.request, c.token): c for c in others if incarnation_of(c.token) in dead}
        if not left:  # as nearly always: what claims are of is not read
            return []
        partitions = sorted({c.partition for c in left.values()})
        flying = await self._queue.in_flight(partitions, {c.request for c in left.values()})
        return [
            (f.dispatch.channel, self._own(f, now) if key in own else inherited(f, self._partition(f), now))
            for f in flying
            if (key := (f.dispatch.id, f.token)) in left
        ]

    def _is_orphan(self, claim: Claimed, held: Collection[tuple[str, str]]) -> bool:
        is_ours = incarnation_of(claim.token) == self._life.incarnation
        return is_ours and (claim.request, claim.token) not in held

    def _own(self, flying: InFlight, now: int) -> Landed:
        claim = Claim(self._partition(flying), flying.dispatch, flying.tries, flying.refused)
        held = Try(claim, flying.token, flying.claimed_at)
        return refused(held, now) if flying.refused else put_back(held, now)

    def _partition(self, flying: InFlight) -> int:
        return partition_of(flying.dispatch.player, self._partitions)
