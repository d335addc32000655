"""What simulated players press: what their page offers, mostly for nothing, and never more than there is."""

import asyncio
import json
from collections import Counter
from random import Random
from typing import Any

import httpx
import pytest

from playtower.demo_season import SPENDS, Wish, chosen, run, wishes

NOTHING: dict[str, Any] = {"missions": [], "minigames": [], "tournaments": [], "store": []}
WHEEL = {"id": "wheel", "type": "wheel", "spins": 0, "attempts_left": 1, "buy_in": None}
CARD = {"id": "card", "type": "scratch", "spins": 0, "attempts_left": 3, "buy_in": {"currency": "gems", "amount": 3}}
RACE = {"id": "race", "run": "2026-11-23", "registration": "opt_in", "status": "running"} | {
    "buy_in": None,
    "players": {"min": None, "max": 10},
    "me": {"status": None},
}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param({}, [], id="a programme without a season offers nothing"),
        pytest.param(
            {"missions": [{"id": "m", "opt_in": False, "status": "x", "unclaimed": [{"completion_id": "a/1"}]}]},
            [Wish("completions/a%2F1/claim", {})],
            id="a reward that waits",
        ),
        pytest.param(
            {"missions": [{"id": "m", "opt_in": True, "status": "available", "unclaimed": []}]},
            [Wish("missions/m/opt-in", {})],
            id="a mission to join",
        ),
        pytest.param({"minigames": [WHEEL]}, [Wish("minigames/wheel/plays", {})], id="a spin"),
        pytest.param({"minigames": [WHEEL | {"attempts_left": 0}]}, [], id="no spin left"),
        pytest.param(
            {"minigames": [WHEEL | {"attempts_left": 0, "spins": 2}]},
            [Wish("minigames/wheel/plays", {})],
            id="a spin that was given",
        ),
        pytest.param({"minigames": [CARD]}, [Wish("minigames/card/plays", {}, costs=True)], id="a card costs"),
        pytest.param(
            {"minigames": [{"id": "week", "type": "calendar", "cells": [{"status": "missed"}, {"status": "open"}]}]},
            [Wish("minigames/week/plays", {})],
            id="today's cell",
        ),
        pytest.param(
            {"plays": [{"id": "1-0@ada", "status": "drawn"}, {"id": "2", "status": "acknowledged"}]},
            [Wish("plays/1-0%40ada/acknowledgement", {})],
            id="a prize to take",
        ),
        pytest.param(
            {"wins": [{"id": "w@3#7", "status": "won"}, {"id": "x", "status": "claimed"}]},
            [Wish("raffles/claims/w%403%237", {})],
            id="a win to claim",
        ),
        pytest.param(
            {
                "tournaments": [
                    RACE,
                    RACE | {"registration": "auto"},
                    RACE | {"me": {"status": "registered"}},
                    RACE | {"players": {"min": 3, "max": 10}},
                ]
            },
            [Wish("tournaments/race/registration", {"run": "2026-11-23"})],
            id="a race that is not joined yet",
        ),
        pytest.param(
            {"store": [{"id": "mug", "can_buy": True}, {"id": "coin", "can_buy": False}]},
            [Wish("store/mug/purchases", {}, costs=True)],
            id="what can be bought",
        ),
    ],
)
def test_a_player_wishes_what_the_page_offers(state: dict[str, Any], expected: list[Wish]) -> None:
    assert list(wishes(NOTHING | state)) == expected


def test_most_of_what_is_pressed_is_free() -> None:
    state = NOTHING | {"minigames": [WHEEL], "store": [{"id": "mug", "can_buy": True}]}
    rng = Random("a thousand visits")
    pressed = Counter(wish.costs if (wish := chosen(state, rng)) else None for _ in range(1_000))
    assert pressed[False] > pressed[True] > 0
    assert pressed[False] / 1_000 == pytest.approx(1 - SPENDS, abs=0.05)
    assert chosen(NOTHING, rng) is None


class Engine:
    """Answers as the gateway does, and ends the run after some answers."""

    def __init__(self, stop: asyncio.Event, answers: int) -> None:
        self.posted: list[tuple[str, str]] = []
        self._left = answers
        self._stop = stop

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        if not self._left:
            self._stop.set()
        if request.method == "GET":
            if request.url.path.endswith("/stranger"):
                return httpx.Response(404, json={})
            if self._left % 5 == 0:
                raise httpx.ConnectError("the engine is away")
            return httpx.Response(200, json=NOTHING | {"tournaments": [RACE]})
        assert json.loads(request.content) == {"run": "2026-11-23"}
        self.posted.append((request.url.path, request.headers["Idempotency-Key"]))
        return httpx.Response(200 if len(self.posted) % 2 else 409, json={})


async def test_every_press_has_a_key_of_its_own_and_a_refusal_is_no_end() -> None:
    stop = asyncio.Event()
    engine = Engine(stop, 60)
    async with httpx.AsyncClient(transport=httpx.MockTransport(engine)) as client:
        pressed = await run("http://engine", "key", ["ada", "stranger"], seed=1, stop=stop, every_s=0, client=client)
    assert {path for path, _ in engine.posted} == {"/v1/players/ada/tournaments/race/registration"}
    assert len({key for _, key in engine.posted}) == len(engine.posted) == pressed.done + pressed.refused
    assert pressed.done >= pressed.refused > 0
