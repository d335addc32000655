"""Events like the casino's: bets of a set of active players, the same for the same seed wherever they are made.

The generator makes the bodies in its own process, the bench makes the same events again to know what to expect.
A player belongs to one connection, so the order in which its events are sent is defined.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

EVENT = "bet_placed"
GAMES = ("starburst", "roulette", "blackjack", "book-of-sun", "crash", "plinko", "baccarat", "keno")
_MIX = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class Bet(Struct, frozen=True):
    """One event of the traffic."""

    id: str
    player: str
    amount: int  # minor units
    game: str


class Traffic(Struct, frozen=True):
    """What a run sends: ``events`` bets in bodies of ``batch``, body ``b`` on connection ``b % connections``.

    ``form`` is segment_batch, segment_single or rival. Every ``repeat_every``-th body is sent twice (0: none).
    """

    run: str
    events: int
    players: int = 5_000
    batch: int = 1
    connections: int = 16
    form: str = "segment_single"
    repeat_every: int = 0
    seed: int = 1
    at: str = ""  # ISO time of all events
    people: str = ""  # whose players, "": the run's own

    @property
    def bodies(self) -> int:
        return -(-self.events // self.batch)

    def bet(self, n: int) -> Bet:
        """Return the ``n``-th event."""
        connection = (n // self.batch) % self.connections
        mixed = ((n + self.seed * 1_000_003) * _MIX) & _MASK
        own = max(1, self.players // self.connections)
        player = connection + self.connections * ((mixed >> 40) % own)
        if self.players < self.connections:
            player %= self.players
        return Bet(
            f"{self.run}-{n}",
            f"{self.people or self.run}-p{player}",
            10 + (mixed >> 20) % 990,
            GAMES[(mixed >> 12) % len(GAMES)],
        )

    def bets(self) -> Iterator[Bet]:
        """Return all events, in order."""
        return map(self.bet, range(self.events))

    def body(self, b: int) -> bytes:
        """Return the ``b``-th body."""
        bets = [self.bet(n) for n in range(b * self.batch, min(self.events, (b + 1) * self.batch))]
        if self.form == "rival":
            return rival_body(bets[0])
        if self.form == "segment_single":
            return segment(bets[0], self.at).encode()
        return ('{"batch":[' + ",".join(segment(bet, self.at) for bet in bets) + "]}").encode()

    def by_player(self) -> dict[str, list[Bet]]:
        """Return what each player is sent, in order."""
        found: dict[str, list[Bet]] = {}
        for bet in self.bets():
            found.setdefault(bet.player, []).append(bet)
        return found


def now_iso() -> str:
    """Return the current time as senders write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def segment(bet: Bet, at: str) -> str:
    """Return a Segment ``track`` call."""
    return (
        f'{{"type":"track","messageId":"{bet.id}","userId":"{bet.player}","event":"{EVENT}","timestamp":"{at}",'
        f'"properties":{{"amount":{bet.amount},"currency":"EUR","game":"{bet.game}","game_type":"slots"}}}}'
    )


def rival_body(bet: Bet) -> bytes:
    """Return the body of workload W1; ``seq`` lets the script count what arrives out of order."""
    return json.dumps(
        {
            "eid": bet.id,
            "uid": bet.player,
            "name": "bet_settled",
            "amount": bet.amount,
            "seq": int(bet.id.rpartition("-")[2]),
        },
        separators=(",", ":"),
    ).encode()
