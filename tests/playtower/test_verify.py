"""``playtower verify-draw``: a second reckoning that must agree with the engine's, and refuse what was changed."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from domain.game_effects import Drawn, TicketsListed
from domain.step import Draws
from gamification.fairness.proof import problems, seed_of
from playtower import draws as command
from playtower.cli import app
from playtower.client import Client
from playtower.verify import verify
from tests.gamification.lottery import SEED, Lottery
from tests.gamification.playing import DAY, MONDAY, points, programme

PRIZES = [
    {"id": "mug", "weight": 8, "stock": 1, "rewards": [points(1)]},
    {"id": "cap", "weight": 8, "stock": 1, "rewards": [points(2)]},
    {"id": "none", "weight": 1, "lose": True},
]
RAFFLE = {"tickets": [{"event": "bet_placed"}], "draw": {"every": "week"}, "prizes": [{"id": "car", "count": 3}]}
POT = {"event": "bet_placed", "contribute": {"fixed": 7}, "hit": {"must_hit_by": 60}}
KINDS = ("minigames", "raffles", "jackpots", "chance", "personal")


def played(seed: str = "") -> Lottery:
    """Return a town in which everything was drawn."""
    where = Lottery(
        programme(
            minigames={"wheel": {"prizes": PRIZES, "attempts": {"max": 3}}},
            raffles={"weekly": RAFFLE, "again": {**RAFFLE, "multi": True}},
            jackpots={
                "daily": POT,
                "chance": {**POT, "hit": {"chance": 0.4}},
                "mine": {**POT, "scope": "personal"},
            },
        )
    )
    for player in ("ada", "bob", "cy"):
        for n in range(4):
            where.asks(player, "play", minigame="wheel", **({"client_seed": f"{seed}{n}"} if seed else {}))
            where.settle()
            where.does(player, "bet_placed")
            where.settle()
    where.later(MONDAY + 7 * DAY)
    return where


def records(where: Lottery) -> list[dict[str, Any]]:
    """Return the draws as ``GET /v1/draws/{id}`` answers them, each revealed."""
    found = []
    for actor in where.effects:
        for drawn in where.happened(actor, Drawn):
            seed = seed_of(Draws(SEED, 0, ""), drawn.of, drawn.ref, drawn.scope, drawn.number)
            assert not problems(drawn, seed)
            names = (
                "id",
                "of",
                "ref",
                "scope",
                "number",
                "commitment",
                "client_seed",
                "nonce",
                "result",
                "table",
                "out",
                "facts",
            )
            shown = {name: getattr(drawn, name) for name in names} | {"seed": seed.hex()}
            found.append(json.loads(json.dumps(shown)))
    return found


def lists_of(where: Lottery, raffle: str) -> list[dict[str, Any]]:
    return [
        {"part": listed.part, "hash": listed.hash, "rows": [list(row) for row in listed.rows]}
        for actor in where.effects
        for listed in where.happened(actor, TicketsListed)
        if listed.raffle == raffle and listed.rows
    ]


@given(seed=st.text("abc", max_size=3))
def test_it_agrees_with_the_engine_about_every_kind_of_draw(seed: str) -> None:
    where = played(seed)
    all_of = records(where)
    assert {(r["of"], bool(r["scope"]), r["facts"].get("hit")) for r in all_of} == {
        ("minigames", True, None),
        ("raffles", False, None),
        ("jackpots", False, "must_hit_by"),
        ("jackpots", False, "chance"),
        ("jackpots", True, "must_hit_by"),
    }
    assert any(r["out"] for r in all_of), "something was out of stock"
    for record in all_of:
        assert verify(record, lists_of(where, record["ref"]) if record["of"] == "raffles" else None) == []


def change(name: str, to: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def changed(record: dict[str, Any]) -> None:
        *path, last = name.split(".")
        at = record
        for key in path:
            at = at[key]
        at[last] = to(at[last])

    return changed


CHANGES = {
    "minigames": [
        change("result", lambda _: "car"),
        change("nonce", lambda n: n + 1),
        change("client_seed", lambda s: s + "x"),
        change("table", lambda rows: [[name, 10**9 if name == "cap" else 1] for name, _ in rows]),
        change("table", lambda rows: rows[:0]),
    ],
    "raffles": [
        change("client_seed", lambda s: s[::-1]),
        change("facts.tickets", lambda n: n + 1),
        change("facts.winners", lambda won: [[prize, ticket % 12 + 1] for prize, ticket in won]),
        change("facts.parts", lambda parts: [[part[0], "00", part[2]] for part in parts]),
    ],
    "jackpots": [change("facts.after", lambda _: 0), change("facts.before", lambda _: 10**6)],
    "chance": [change("facts.chance", lambda _: 0)],
    "personal": [change("facts.after", lambda _: 0)],
}


def kind_of(record: dict[str, Any]) -> str:
    return (
        "chance" if record["facts"].get("hit") == "chance" else "personal" if record["ref"] == "mine" else record["of"]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_it_refuses_what_was_changed(kind: str) -> None:
    where = played()
    seen = 0
    for record in records(where):
        if kind_of(record) != kind:
            continue
        seen += 1
        common = [
            change("seed", lambda s: "00" + s[2:] if s[:2] != "00" else "01" + s[2:]),
            change("commitment", lambda s: s[::-1]),
        ]
        for changed in [*common, *CHANGES[kind]]:
            other = deepcopy(record)
            changed(other)
            if other != record:
                wrong = verify(other)
                possible = (
                    kind == "minigames"
                    and other["seed"] == record["seed"]
                    and other["commitment"] == record["commitment"]
                )
                # Another nonce, client seed or table may happen to draw the same: then it is told the same.
                assert wrong or (possible and other["result"] == record["result"]), other
    assert seen


def test_a_draw_of_another_list_is_refused() -> None:
    where = played()
    record = next(r for r in records(where) if r["of"] == "raffles")
    lists = lists_of(where, record["ref"])
    lists[0]["rows"][0][1] += 1
    assert verify(record, lists)
    assert verify(record, lists[1:])


def test_a_seed_that_is_not_revealed_proves_nothing() -> None:
    record = records(played())[0]
    assert verify({**record, "seed": None}) == ["the seed is not revealed yet"]


def test_the_command_reads_the_record_and_the_lists_and_says_how_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    where = played()
    known = {record["id"]: record for record in records(where)}
    for actor in where.effects:
        for listed in where.happened(actor, TicketsListed):
            if listed.rows:
                name = next(
                    part[2]
                    for record in records(where)
                    for part in record["facts"].get("parts", [])
                    if record["ref"] == listed.raffle and part[1] == listed.hash and part[2]
                )
                known[name] = {"part": listed.part, "rows": [list(row) for row in listed.rows]}

    def answer(request: httpx.Request) -> httpx.Response:
        found = known.get(request.url.path.removeprefix("/v1/draws/"))
        return httpx.Response(200, json=found) if found else httpx.Response(404, json={"title": "none"})

    monkeypatch.setenv("PLAYTOWER_ADMIN_KEY", "k")
    monkeypatch.setattr(command, "Client", lambda key, url: Client(key, url, transport=httpx.MockTransport(answer)))
    run = CliRunner()
    drawn = [name for name, record in known.items() if "of" in record]
    for name in drawn:
        told = run.invoke(app, ["verify-draw", name, "--json"])
        assert told.exit_code == 0, told.output
        assert json.loads(told.stdout.splitlines()[-1])["ok"] is True
    raffle = next(name for name in drawn if known[name]["of"] == "raffles")
    known[raffle]["facts"]["winners"][0][1] += 1
    told = run.invoke(app, ["verify-draw", raffle])
    assert told.exit_code == 1
    assert "does not match" in told.stdout
    assert run.invoke(app, ["verify-draw", "nothing"]).exit_code == 1
