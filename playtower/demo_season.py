"""What simulated players do with the season, beside playing: they collect, register, spin and buy, now and then.

Bets and visits come by themselves (``demo_traffic``); this is the part that a player does by pressing something. One
looks at what their page would show (``GET /v1/players/{id}``) and does one thing of it. ``wishes`` is pure: what there
is to do. The player whose page the demo opens is left alone, so that there is something left to press.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

import httpx

from actors.clock import new_id

EVERY_S = 0.7  # between two who press something
SPENDS = 0.3  # share of visits in which gems or points may be spent
OPEN = ("registering", "running")


@dataclass(frozen=True)
class Wish:
    """One thing that could be pressed."""

    path: str  # below /v1/players/{id}
    body: dict[str, Any]
    costs: bool = False


def wishes(state: dict[str, Any]) -> Iterator[Wish]:
    """Yield what a player could do, as their state shows it."""
    for mission in state.get("missions", ()):
        for waiting in mission["unclaimed"]:
            yield Wish(f"completions/{quote(waiting['completion_id'], safe='')}/claim", {})
        if mission["opt_in"] and mission["status"] == "available":
            yield Wish(f"missions/{mission['id']}/opt-in", {})
    for play in state.get("plays", ()):
        if play["status"] == "drawn":
            yield Wish(f"plays/{quote(play['id'], safe='')}/acknowledgement", {})
    for win in state.get("wins", ()):
        if win["status"] == "won":
            yield Wish(f"raffles/claims/{quote(win['id'], safe='')}", {})
    for game in state.get("minigames", ()):
        yield from _plays(game)
    for race in state.get("tournaments", ()):
        late = race["players"]["min"] and race["status"] == "running"  # who was to come had to come before it began
        if race["registration"] != "auto" and race["status"] in OPEN and not race["me"]["status"] and not late:
            yield Wish(f"tournaments/{race['id']}/registration", {"run": race["run"]}, bool(race["buy_in"]))
    for item in state.get("store", ()):
        if item["can_buy"]:
            yield Wish(f"store/{item['id']}/purchases", {}, costs=True)


def _plays(game: dict[str, Any]) -> Iterator[Wish]:
    path = f"minigames/{game['id']}/plays"
    if game["type"] == "calendar":
        if any(cell["status"] == "open" for cell in game["cells"]):
            yield Wish(path, {})
    elif game["spins"] or (game["attempts_left"] and not game["buy_in"]):
        yield Wish(path, {})
    elif game["attempts_left"]:
        yield Wish(path, {}, costs=True)


def chosen(state: dict[str, Any], rng: Random) -> Wish | None:
    """Return what a player does: mostly what is free, now and then what costs."""
    all_of_them = list(wishes(state))
    free = [wish for wish in all_of_them if not wish.costs]
    if free and (rng.random() >= SPENDS or len(free) == len(all_of_them)):
        return rng.choice(free)
    costly = [wish for wish in all_of_them if wish.costs]
    return rng.choice(costly) if costly and rng.random() < SPENDS else None


@dataclass
class Pressed:
    """What the run has done so far; the caller may read it while it runs."""

    done: int = 0
    refused: int = 0  # no more seats, too little left, ... as players are refused


async def run(
    url: str,
    key: str,
    players: Sequence[str],
    *,
    seed: int,
    stop: asyncio.Event,
    every_s: float = EVERY_S,
    client: httpx.AsyncClient | None = None,
    pressed: Pressed | None = None,
) -> Pressed:
    """Let one player after another press something until ``stop`` is set. An engine that is away is waited for."""
    pressed = pressed if pressed is not None else Pressed()
    rng = Random(f"season:{seed}")
    own = client or httpx.AsyncClient(timeout=15)
    headers = {"Authorization": f"Bearer {key}"}
    try:
        while not stop.is_set():
            with suppress(httpx.TransportError):
                await _visit(own, f"{url.rstrip('/')}/v1/players/{rng.choice(players)}", headers, rng, pressed)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s * rng.uniform(0.5, 1.5))
    finally:
        if client is None:
            await own.aclose()
    return pressed


async def _visit(
    client: httpx.AsyncClient, player: str, headers: dict[str, str], rng: Random, pressed: Pressed
) -> None:
    seen = await client.get(player, headers=headers)
    if seen.status_code != 200:  # not here yet, or the engine is busy
        return
    if (wish := chosen(seen.json(), rng)) is None:
        return
    answer = await client.post(
        f"{player}/{wish.path}", json=wish.body, headers=headers | {"Idempotency-Key": new_id("press-")}
    )
    if answer.status_code < 300:
        pressed.done += 1
    else:
        pressed.refused += 1
