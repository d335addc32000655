"""A world with tournaments: bets score in runs that end while everything fails.

Three races of overlapping times, one in cohorts with tiers, one for a price that some register for and withdraw from.
What must hold of them at the end is ``broken``.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from functools import lru_cache
from typing import Any

from actors.partition import decode_part
from actors.programme import Programme
from domain.calendar import as_datetime
from domain.effects import Posting
from domain.entries import Command, encode_entry
from domain.game_effects import PrizeWon
from domain.ids import partition_of
from domain.player import Snapshot
from domain.runs import RunRecord
from gamification.tournaments.kept import boards, kept_from
from gamification.tournaments.records import OVER, TIER
from store.ports import Incoming
from tests.simulation.people import People
from tests.simulation.programmes import _compiled as compiled
from tests.simulation.programmes import _documents as documents_of
from tests.simulation.racing import _effects, _owner
from tests.simulation.stage import PARTITIONS, PLAYERS, START
from tests.simulation.visitors import states_of
from tests.simulation.world import World

PRIZES = (1_000, 500, 300)
PRICE = 5


def _race(first_s: float, last_s: float, **more: Any) -> dict[str, Any]:
    times = {"from": as_datetime(START + int(first_s * 1_000)), "until": as_datetime(START + int(last_s * 1_000))}
    prizes = [{"from": n, "rewards": [{"amount": amount}]} for n, amount in enumerate(PRIZES, 1)]
    bets = [{"event": "bet_placed", "score": {"count": True}}]
    return {"schedule": times, "events": bets, "settle": 1, "prizes": prizes, **more}


def _documents(version: int) -> dict[str, dict[str, Any]]:
    tiers = {"size": 2, "tiers": ["bronze", "silver"], "promote": 1, "demote": 1}
    price = {"registration": "buy_in", "buy_in": {"amount": PRICE}, "players": {"min": 2, "max": 3}}
    return {
        **documents_of(version),
        "tournaments": {
            "long": _race(0, 6),
            "short": _race(1, 4, players={"max": 3}),
            "tiers": _race(0, 5, cohorts=tiers),
            "paid": _race(3, 7, **price),
        },
    }


@lru_cache(maxsize=1)
def racing_versions() -> dict[int, Programme]:
    """Return versions 0 (empty) to 3, all but the first with the tournaments."""
    return compiled(_documents)


class Racers(People):
    """Beside all others somebody who registers players, and takes some back."""

    def all(self) -> list[Coroutine[Any, Any, None]]:
        """Return what everybody does until it is calm."""
        return [*super().all(), self.registrar()]

    async def registrar(self) -> None:
        """Register and withdraw, each until it is answered."""
        r, intake, count = self._world.random, self._intake(), 0
        while not self._world.is_calm:
            await asyncio.sleep(r.uniform(0.05, 0.4))
            count += 1
            name = r.choice(["register", "register", "withdraw"])
            player = r.choice([*PLAYERS, *self._devices[-3:]])
            command = Command(player, f"cmd:r{count}", name, {"tournament": "paid"}, reply_to="gateway")
            bucket, body, other = self._command_bucket(encode_entry(command), self._world.true_ms())
            row = Incoming(player, command.id, "print", bucket, body, other)
            await self._deliver(intake, partition_of(player, PARTITIONS), [row])


class RacingWorld(World):
    """A world with tournaments."""

    def __init__(self, seed: int, *, merges: bool = False, **more: Any) -> None:
        super().__init__(seed, merges=merges, **more)
        self.versions = racing_versions()
        self.people: People = Racers(self, merges=merges)

    async def broken(self) -> list[str]:
        """Return the laws that the run broke, those of tournaments too."""
        return [*await super().broken(), *broken(self)]


def broken(world: World) -> Iterator[str]:
    """Yield what breaks the laws of tournaments."""
    states = states_of(world)
    runs = {actor: state for actor, state in states.items() if actor.startswith("keeper:tournament:")}
    players = {actor: state for actor, state in states.items() if not actor.startswith("keeper:")}
    for keeper, state in runs.items():
        yield from _over(keeper, state, players)
    yield from _prizes(world, states, runs)
    yield from _money(world, players)
    yield from (f"{player} waits for {state.asks.open}" for player, state in players.items() if state.asks.open)


def _over(keeper: str, state: Snapshot, players: dict[str, Snapshot]) -> Iterator[str]:
    """Every run is over, and everybody knows it; nobody was let in beyond the most."""
    name = keeper.removeprefix("keeper:tournament:")
    kept = kept_from(state.kept)
    if kept.status not in OVER:
        yield f"{name} is {kept.status}"
    inside = [player for player, held in players.items() if _record(held, name).status == "finished"]
    are_merged = any(held.identity.merged_into for held in players.values())  # a seat freed after the end is counted
    if kept.status == "finished" and (len(inside) > kept.entrants or (len(inside) < kept.entrants and not are_merged)):
        yield f"{name} counts {kept.entrants} entrants, it has {inside}"
    if name.startswith(("short", "paid")) and kept.entrants > 3:
        yield f"{name} has {kept.entrants} entrants"
    for player, held in players.items():
        if (status := _record(held, name).status) not in OVER:
            yield f"{player} is {status} in {name}, which is {kept.status}"


def _record(state: Snapshot, name: str) -> RunRecord:
    return state.runs.get(name, RunRecord("withdrawn"))


def _prizes(world: World, states: dict[str, Snapshot], runs: dict[str, Snapshot]) -> Iterator[str]:
    """Each place of each frozen table was paid once, to who stood there; a player's score is the one on the board."""
    wanted: Counter[tuple[str, str, int]] = Counter()
    for keeper, state in runs.items():
        kept = kept_from(state.kept)
        name = keeper.removeprefix("keeper:tournament:")
        for board in boards(name, kept) if kept.status == "finished" else ():
            ranking = world.store.boards.board(board).ranking()
            for place, row in enumerate(ranking, 1):
                if place <= len(PRIZES):
                    wanted[_owner(states, row.player), name.partition("@")[0], PRIZES[place - 1]] += 1
                held = _record(states[_owner(states, row.player)], name)
                is_alone = _owner(states, row.player) == row.player and not states[row.player].identity.sources
                if is_alone and held.score != row.score:
                    yield f"{row} is on the board, {row.player} has {held}"
    had: Counter[tuple[str, str, int]] = Counter()
    won = 0
    for player, effect in _effects(world):
        if isinstance(effect, Posting) and effect.rule.startswith("tournaments/") and effect.account == "issued":
            had[_owner(states, player), effect.rule.removeprefix("tournaments/"), effect.amount] += 1
        won += isinstance(effect, PrizeWon)
    if had != wanted or won != wanted.total():
        yield f"the tables say {wanted - had} more, players have {had - wanted} more; {won} prizes were told"


def _money(world: World, players: dict[str, Snapshot]) -> Iterator[str]:
    """Nothing is held, and what is redeemed is the price of who was in to the end."""
    accounts: Counter[str] = Counter()
    for account, amount in _accounts(world):
        accounts[account] += amount
    prices = sum(held.price for state in players.values() for held in state.runs.values() if held.status != TIER)
    if (accounts["held:points"], accounts["redeemed:points"]) != (0, prices):
        yield f"{dict(accounts)}; the prices of who is in are {prices}"


def _accounts(world: World) -> Iterator[tuple[str, int]]:
    for shared in world.store.partitions.values():
        yield from decode_part(shared.lanes["players"].part).accounts.items()
