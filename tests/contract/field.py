"""One partition as its tower and its couriers use it, over any store."""

from dataclasses import dataclass
from typing import Any

from domain.dispatch import Dispatch
from domain.entries import TimerFired, encode_entry
from store.keys import TOWER
from store.ports import Claim, Commit, Settlement, Token, Verdict
from tests.contract.script import HOUR
from tests.contract.sides import START, Side

ANN, BOB = "ann", "bob"
TURN = "turn"
SMS: list[tuple[str, str, int]] = [("sms", "bulk", 9)]


def dispatch(id: str, player: str = ANN, **other: Any) -> Dispatch:
    """Return a promotion by SMS that may be sent for an hour."""
    fields: dict[str, Any] = {
        "channel": "sms", "purpose": "promo", "template": "news", "content": {"text": "Hi"}, "cleared_at": START,
        "send_until": START + HOUR, "expires_at": START + 9 * HOUR, "marks": ("promo", "sms", "sms:d1"),
    }  # fmt: skip
    return Dispatch(id, player, **(fields | other))


def body(ref: str, player: str = ANN) -> bytes:
    return encode_entry(TimerFired(player, "landed", ref, 0))


@dataclass
class Field:
    """The partition 0 of 1."""

    side: Side
    clock: str = "store"

    async def opened(self, courier: str = "courier-1") -> "Field":
        self.tower = self.side.lane("tower", self.clock)
        self.channels = self.side.lane("channels", self.clock)
        self.players = self.side.lane("players", self.clock)
        self.queue = self.side.queue(self.clock)
        self.intake = self.side.intake(bound=1, keep_ms=0, clock=self.clock, partitions=1)
        self.host = (await self.players.acquire(0, "host", "p1", HOUR)).token
        self.token = (await self.tower.acquire(0, "coordinator", "t1", HOUR)).token
        self.lease = (await self.channels.acquire(0, courier, "c1", 0)).token
        self.at, self.folded, self.count = "0-0", "0-0", 0
        return self

    async def write(self, **parts: Any) -> Verdict:
        """Commit as the tower, under an entry of its own."""
        self.count += 1
        told = await self.intake.append_internal(0, f"entry-{self.count}", body("x"), TOWER)
        at = str(START) if self.clock == "log" else ""
        ((verdict, _),) = await self.tower.commit([(self.token, Commit(self.at, told.offset, 1, at=at, **parts))])
        if verdict is Verdict.OK:
            self.at = told.offset
        return verdict

    async def turn(self, end: str = "", **parts: Any) -> Verdict:
        """Commit as a host, up to an entry or one of its own."""
        self.count += 1
        end = end or (await self.intake.append_internal(0, f"turn-{self.count}", body(TURN))).offset
        at = str(START) if self.clock == "log" else ""
        ((verdict, _),) = await self.players.commit([(self.host, Commit(self.folded, end, 1, at=at, **parts))])
        if verdict is Verdict.OK:
            self.folded = end
        return verdict

    async def clear(self, *dispatches: Dispatch) -> None:
        assert await self.write(dispatches=list(dispatches)) is Verdict.OK

    async def claim(
        self, rooms: list[tuple[str, str, int]] | None = None, *, by: str = "one", lease: Token | None = None
    ) -> list[Claim]:
        return await self.queue.claim(lease or self.lease, by, SMS if rooms is None else rooms)

    async def told(self, **rooms: Any) -> list[tuple[str, int, str]]:
        """Claim; id, tries and refusal of each."""
        return [(c.dispatch.id, c.tries, c.refused) for c in await self.claim(**rooms)]

    async def settle(self, request: str, *, player: str = ANN, by: str = "one", **other: Any) -> bool:
        (is_done,) = await self.queue.settle([Settlement(0, player, request, by, **other)])
        return is_done

    async def exclude(self, reason: str, until: int | None = None, player: str = ANN) -> int:
        return await self.intake.exclude(player, reason, body(reason), until)

    async def log(self) -> list[Any]:
        found = (await self.players.read({0: "0-0"}, 1_000, 0)).get(0, [])
        return [e for e in found if e.entry.ref != TURN]

    async def arrived(self) -> list[str]:
        return [e.entry.ref for e in await self.log()]
