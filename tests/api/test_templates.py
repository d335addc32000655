"""Templates for their writers: a preview against a real player, a draft or a sample, and a check that saves nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api.world import PROGRAMME, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

CODE: dict[str, Any] = {
    "channel": "sms",
    "title": {"en": "Code", "uk": "Код"},
    "body": {
        "en": "Hi {{ player.traits.first_name }}, your code is {{ code }}.",
        "uk": "Вітаємо, {{ player.traits.first_name }}. Ваш код {{ code }}.",
    },
    "tones": {"friendly": {"body": {"en": "Hey {{ player.traits.first_name }}! {{ code }} is yours."}}},
    "variables": ["code"],
}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        yield made


async def preview(world: World, body: dict[str, Any], name: str = "code", status: int = 200) -> Any:
    answer = await world.http.post(f"/v1/templates/{name}/preview", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_preview_shows_a_real_player_every_language_and_why_one_is_picked(world: World) -> None:
    await world.publish({**PROGRAMME, "templates": {**PROGRAMME["templates"], "code": CODE}})
    await world.happen("amelia", "identify", "i-1", type="identify", traits={"first_name": "Amelia", "locale": "uk-UA"})
    shown = await preview(world, {"player_id": "amelia", "variables": {"code": "4711"}})
    assert shown["content"] == {"title": "Код", "body": "Вітаємо, Amelia. Ваш код 4711."}
    assert shown["language"] == {"title": "uk", "body": "uk", "why": "player_locale", "locale": "uk-UA"}
    assert (shown["source"], shown["channel"], shown["tone"]) == ("draft", "sms", {"picked": None, "why": "base"})
    english, ukrainian = shown["languages"]["en"], shown["languages"]["uk"]
    assert english["body"] == "Hi Amelia, your code is 4711."
    assert english["sms"] == {"encoding": "gsm7", "units": 29, "segments": 1, "outside_gsm7": None}
    assert (ukrainian["sms"]["encoding"], ukrainian["sms"]["outside_gsm7"]) == ("ucs2", CODE["body"]["uk"][0])
    assert english["empty"] == ukrainian["empty"] == []


async def test_what_was_empty_is_named_and_another_locale_and_tone_can_be_tried(world: World) -> None:
    await world.publish({**PROGRAMME, "templates": {**PROGRAMME["templates"], "code": CODE}})
    await world.happen("bo", "identify", "i-1", type="identify", traits={"tone": "friendly"})
    shown = await preview(world, {"player_id": "bo"})
    assert shown["tone"] == {"picked": "friendly", "why": "trait"}
    assert shown["language"]["why"] == "programme_locale"
    assert shown["content"]["body"] == "Hey !  is yours."
    assert shown["languages"]["en"]["empty"] == ["code", "player.traits.first_name"]
    assert (await preview(world, {"sample": {"code": ""}}))["languages"]["en"]["empty"][0] == "code"
    assert (await preview(world, {"sample": {"code": "x"}}))["languages"]["en"]["empty"] == ["player.traits.first_name"]
    shown = await preview(world, {"player_id": "bo", "locale": "uk", "tone": "formal"})
    assert shown["tone"] == {"picked": "friendly", "why": "trait"}, "a tone the template has not"
    assert shown["content"]["body"].startswith("Вітаємо"), "language before tone"


async def test_an_unsaved_draft_is_filled_in_from_a_sample(world: World) -> None:
    document = {**CODE, "body": {"en": "{{ player.traits.first_name }} {{ now.weekday | size }} {{ player.level }}"}}
    sample = {"player": {"traits": {"first_name": "Cy"}, "level": "gold"}, "now": {"weekday": "monday"}}
    shown = await preview(world, {"document": document, "sample": sample}, "not-there-yet")
    assert (shown["source"], shown["content"]["body"]) == ("document", "Cy 6 gold")


async def test_a_live_template_is_shown_when_the_draft_has_none(world: World) -> None:
    await world.publish()
    assert (await world.http.delete("/v1/config/templates/hello")).status_code == 204
    assert (await preview(world, {"sample": {}}, "hello"))["source"] == "live"


async def test_recommendations_are_the_open_missions_nearest_to_done(world: World) -> None:
    await world.publish()
    await world.happen("dee", "bet_placed", "b-1")
    body = "{% for m in recommendations.missions %}{{ m.id }} {{ m.progress }} {% endfor %}"
    body += "{{ player.missions.marathon.status }}"
    shown = await preview(world, {"player_id": "dee", "document": {**CODE, "body": {"en": body}, "tones": {}}})
    assert shown["content"]["body"] == "two-bets 50 marathon 0 available"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"player_id": "nobody-yet"}, 404, "player_not_found"),
        ({"player_id": "a", "sample": {}}, 422, "invalid"),
        ({"document": {**CODE, "body": {"en": "{{ plyer.x }}"}}}, 422, "invalid"),
        ({"surprise": 1}, 422, "invalid"),
    ],
)
async def test_what_a_preview_refuses(world: World, body: dict[str, Any], status: int, code: str) -> None:
    await world.publish({**PROGRAMME, "templates": {"code": CODE}})
    assert (await preview(world, body, status=status))["code"] == code


async def test_a_preview_needs_a_template_and_the_right_to_see_the_player(world: World) -> None:
    assert (await preview(world, {"sample": {}}, "nope", 404))["code"] == "template_not_found"
    await world.publish({**PROGRAMME, "templates": {"code": CODE}})
    headers = await world.key("config:read")
    answer = await world.http.post("/v1/templates/code/preview", json={"player_id": "a"}, headers=headers)
    assert (answer.status_code, answer.json()["scope"]) == (403, "players:read")
    assert (
        await world.http.post("/v1/templates/code/preview", json={"sample": {}}, headers=headers)
    ).status_code == 200


async def test_a_check_names_line_and_nearest_name_and_saves_nothing(world: World) -> None:
    document = {**CODE, "body": {"en": "one\n{{ player.trait.city }}", "uk": "{{ code | upcas }}"}}
    answer = (await world.http.post("/v1/templates/check", json={"id": "x", "document": document})).json()
    assert answer["ok"] is False
    assert "unknown filter 'upcas', did you mean 'upcase'?" in answer["errors"][0]["detail"]
    document["body"]["uk"] = "{{ code }}"
    answer = (await world.http.post("/v1/templates/check", json={"id": "x", "document": document})).json()
    assert answer["errors"] == [
        {
            "document": "templates/x",
            "path": "body",
            "detail": "en: line 2: 'player' has no 'trait', did you mean 'traits'?",
        }
    ]
    assert (await world.http.put("/v1/config/templates/x", json=document)).status_code == 422
    document["body"]["en"] = "{{ player.traits.city }}"
    answer = await world.http.post("/v1/templates/check", json={"document": document})
    assert answer.json() == {"ok": True, "errors": []}
    assert (await world.http.get("/v1/config/templates")).json()["items"] == []


async def test_a_stored_version_that_names_what_is_unknown_loads_and_can_be_gone_back_to(world: World) -> None:
    old = {**CODE, "body": {"en": "{{ a_word_of_an_earlier_release }}"}}
    programmes = world.context.programmes
    first = await programmes.publish({"templates": {"code": old}}, "as-if-long-ago")
    assert (await programmes.wait_passed(first, 10)).all
    await world.publish({"templates": {"code": CODE}})
    refused = await world.http.put("/v1/config/templates/code", json=old)
    assert "there is no 'a_word_of_an_earlier_release'" in refused.text
    await programmes.put("templates", "code", old)  # in a draft that an earlier release left
    assert "a_word_of" in str((await world.http.get("/v1/programme/diff")).json()["errors"])
    assert (await world.http.post("/v1/programme/publish")).status_code == 422
    assert (await world.http.post("/v1/programme/rollback", json={"version": first})).status_code == 200
