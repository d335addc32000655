"""One call tells why a player did (not) get a message: asked, decided, waiting, and what stands in the way now."""

from collections.abc import AsyncIterator
from datetime import datetime
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis
from rich.console import Console
from typer.testing import CliRunner

from domain.ids import partition_of
from playtower.why import print_why
from store.keys import TOWER
from tests.api.world import PARTITIONS, PROGRAMME, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

QUIET: dict[str, Any] = {"from": "00:00", "until": "23:59", "channels": ["in_app"]}
HOLD = {"when": "support_case_open", "purposes": ["promo"], "for_s": 86_400}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish({**PROGRAMME, "policies": {"default": {"holds": [HOLD]}}})
        await made.context.programme.refresh()
        yield made


async def ask(world: World, key: str, purpose: str = "promo", **more: Any) -> str:
    body = {"player_id": "amelia", "template": "hello", "purpose": purpose, **more}
    answer = await world.http.post("/v1/messages", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    request = str(answer.json()["request_id"])
    await world.until(f"/v1/messages/{request}", lambda found: found["status"] != "pending")
    return request


async def why(world: World, query: str = "?template=hello") -> Any:
    answer = await world.http.get(f"/v1/players/amelia/why{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_message_that_waits_for_a_support_case_is_explained(world: World) -> None:
    await world.happen("amelia", "identified", "m-0", traits={"timezone": "Asia/Tokyo"})
    await world.happen("amelia", "support_case_opened", "m-1", properties={"case_id": "c-1"})
    request = await ask(world, "k-1")
    told = await why(world)
    assert [(one["request_id"], one["latest"], one["by"]) for one in told["asked"]] == [(request, "held", "api")]
    assert told["decided"][0]["reasons"] == ["support_case_open"]
    assert told["decided"][0]["why"] == ["The player has an open support case."]
    assert [one["request_id"] for one in told["waiting"]] == [request]
    assert (told["now"]["outcome"], told["now"]["reasons"]) == ("held", ["support_case_open"])
    assert told["in_words"] == ["The player has an open support case."]
    assert told["timezone"] == "Asia/Tokyo"
    assert told["local_time"].endswith("+09:00")
    service = await why(world, "?template=hello&purpose=service")
    assert service["now"]["outcome"] == "cleared"
    assert service["in_words"][0] == "It would go now, by in-app."


ANGRY = "Де мої гроші?! Третій день не можу вивести, ви шахраї!"
UPSET = {"when": "negative_mood", "purposes": ["promo"], "for_s": 86_400}


@pytest.mark.parametrize(
    ("text", "outcome", "reasons"),
    [
        pytest.param(ANGRY, "held", ["negative_mood"], id="angry"),
        pytest.param("Доброго дня, підкажіть, як змінити номер телефону?", "cleared", [], id="a question"),
    ],
)
async def test_an_angry_message_in_ukrainian_holds_a_promotion(
    world: World, text: str, outcome: str, reasons: list[str]
) -> None:
    await world.publish({**PROGRAMME, "policies": {"default": {"holds": [UPSET]}}})
    await world.context.programme.refresh()
    await world.happen("amelia", "support_case_opened", "m-1", properties={"case_id": "c-1", "text": text})
    request = await ask(world, "k-1")
    told = await why(world)
    assert [(one["request_id"], one["latest"]) for one in told["asked"]] == [(request, outcome)]
    assert (told["now"]["outcome"], told["now"]["reasons"]) == (outcome, reasons)
    assert (await why(world, "?template=hello&purpose=service"))["now"]["outcome"] == "cleared"
    console = Console(file=StringIO(), width=200, highlight=False)
    print_why(told, console)
    assert ("The player is upset." in console.file.getvalue()) is (outcome == "held")  # type: ignore[attr-defined]


async def test_the_trace_of_a_message_shows_how_it_was_read(world: World) -> None:
    await world.happen("amelia", "support_case_opened", "m-1", properties={"case_id": "c-1", "text": ANGRY})
    trace = (await world.http.get("/v1/events/m-1")).json()
    (tone,) = [one["value"] for one in found_in(trace, "fact") if one["name"] == "tone"]
    assert (tone["mood"], tone["language"]) == ("negative", "uk")
    assert tone["confidence"] > 0.6


def found_in(trace: Any, kind: str) -> list[Any]:
    """Return all effects of a kind, wherever a trace has them."""
    if isinstance(trace, dict):
        own = [trace] if trace.get("kind") == kind else []
        return own + [one for value in trace.values() for one in found_in(value, kind)]
    return [one for value in trace for one in found_in(value, kind)] if isinstance(trace, list) else []


async def test_asking_writes_nothing(world: World) -> None:
    await ask(world, "k-1")
    p = partition_of("amelia", PARTITIONS)

    async def stored() -> Any:
        keys = (TOWER.history(p, "amelia"), TOWER.log(p))
        return [await world.redis.xlen(key) for key in keys], await world.redis.hgetall(TOWER.state(p, "amelia"))

    before = await stored()
    for _ in range(3):
        await why(world)
    assert await stored() == before


async def test_an_exclusion_and_a_mute_are_told_before_any_turn(world: World) -> None:
    await world.happen("amelia", "seen", "m-1")
    await world.http.post("/v1/players/amelia/exclusion", json={"reason": "Self exclusion"})
    await world.http.post("/v1/players/amelia/exclusion", json={"reason": "cool_off", "until": "2099-01-01T00:00:00Z"})
    told = await why(world)
    assert {gate["reason"]: gate["until"] for gate in told["gates"]["excluded"]} == {
        "self_exclusion": None, "cool_off": "2099-01-01T00:00:00.000Z",
    }  # fmt: skip
    assert (told["now"]["outcome"], told["now"]["reasons"]) == ("refused", ["excluded"])


async def test_without_a_template_all_is_told_and_nothing_imagined(world: World) -> None:
    await ask(world, "k-1", "service")
    told = await why(world, "")
    assert told["now"] is told["template"] is None
    assert len(told["decided"]) == 1


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        pytest.param("?template=nothing", 422, "unknown_template", id="no such template"),
        pytest.param("?template=hello&purpose=greed", 422, "invalid", id="no such purpose"),
        pytest.param("?template=hello&channel=pigeon", 422, "invalid", id="no such channel"),
    ],
)
async def test_what_cannot_be_asked_is_refused(world: World, query: str, status: int, code: str) -> None:
    await world.happen("amelia", "seen", "m-1")
    answer = await world.http.get(f"/v1/players/amelia/why{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await world.http.get("/v1/players/nobody/why")).status_code == 404
    assert (await world.http.get("/v1/players/amelia/why", headers=world.token("amelia"))).status_code == 403


async def test_decisions_are_filtered_by_template_and_outcome(world: World) -> None:
    await world.happen("amelia", "support_case_opened", "m-1", properties={"case_id": "c-1"})
    await ask(world, "k-1")
    await ask(world, "k-2", "service")
    path = "/v1/players/amelia/decisions"

    async def outcomes(query: str) -> list[str]:
        return [item["outcome"] for item in (await world.http.get(path + query)).json()["items"]]

    assert await outcomes("") == ["cleared", "held"]
    assert await outcomes("?outcome=held") == ["held"]
    assert await outcomes("?template=hello&outcome=cleared") == ["cleared"]
    assert await outcomes("?template=other") == []
    assert (await world.http.get(f"{path}?outcome=lost")).status_code == 422
    (held,) = (await world.http.get(f"{path}?outcome=held")).json()["items"]
    assert held["why"] == ["The player has an open support case."]
    assert held["source"] == "api"
    assert held["policy_version"] >= 1
    assert held["alternatives"]
    assert all({"channel", "reasons", "why", "score"} <= set(other) for other in held["alternatives"])
    (_, mine) = (await world.http.get("/v1/me/decisions", headers=world.token("amelia"))).json()["items"]
    assert mine["why"] == held["why"]
    for one in (mine, *mine["alternatives"]):
        assert not {"source", "score"} & set(one), "that is the operator's"


async def test_the_command_prints_it_for_a_person(world: World) -> None:
    await world.happen("amelia", "identified", "m-0", traits={"timezone": "Asia/Tokyo"})
    await world.happen("amelia", "support_case_opened", "m-1", properties={"case_id": "c-1"})
    await ask(world, "k-1")
    told = await why(world)
    console = Console(file=StringIO(), width=200, highlight=False)
    print_why(told, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "amelia and hello: it is" in text
    assert "Asia/Tokyo" in text
    assert "The player has an open support case." in text
    assert "Waits until" in text
    local = datetime.fromisoformat(told["decided"][0]["at"]).astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"{local:%Y-%m-%d %H:%M:%S}  hello held" in text, "times are the player's"


def test_the_command_says_what_is_wrong() -> None:
    from playtower.cli import app

    answer = CliRunner().invoke(app, ["why", "amelia", "hello", "--json"], env={"PLAYTOWER_ADMIN_KEY": ""})
    assert answer.exit_code == 1
    assert "expected an admin key" in answer.output
