"""The preference centre: what it shows, what it changes, and that it never gives more than was asked for."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.links import Link, LinkKind, sign
from tests.api.test_message_links import marks
from tests.api.world import PROGRAMME, TOKEN_SECRET, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

CONSENT = {"required_for": ["promo"], "products": True}
CONNECTORS = {
    "mail": {"kind": "smtp", "host": "mail.example", "from": "Lucky <news@example.com>"},
    "hook": {"kind": "webhook", "url": "https://hooks.example/in", "secret": {"env": "HOOK"}},
}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish({**PROGRAMME, "connectors": CONNECTORS, "policies": {"default": {"consent": CONSENT}}})
        await made.context.programme.refresh()
        yield made


def path(world: World, kind: LinkKind = "preferences", **of: Any) -> str:
    link = Link(kind, "amelia", issued_at=world.context.clock.now_ms(), **of)
    return f"/{kind}/{sign(TOKEN_SECRET, link)}"


def switches(html: str) -> dict[str, bool]:
    """Return the page's checkboxes: which are on."""
    found = re.findall(r'<input type="checkbox" name="on" value="([^"]+)"( checked)?>', html)
    return {name: bool(on) for name, on in found}


async def until(world: World, address: str, **wanted: bool) -> dict[str, bool]:
    """Wait until the page shows this."""
    async with asyncio.timeout(10):
        while True:
            shown = switches((await world.http.get(address)).text)
            if all(shown[name.replace("__", "/")] == on for name, on in wanted.items()):
                return shown


async def test_it_shows_what_the_policy_and_the_connectors_know(world: World) -> None:
    shown = switches((await world.http.get(path(world))).text)
    assert [name for name in shown if "/" not in name] == ["promo", "retention", "reward", "in_app", "email"]
    assert shown["promo"] is False, "it needs a consent, and none was given"
    assert shown["retention"] is shown["email"] is True
    assert [name for name, on in shown.items() if "/" in name and on] == []
    assert {"casino/email", "betting/in_app"} <= set(shown)


async def test_what_is_switched_off_is_in_force_at_once_and_what_is_on_comes_with_the_turn(world: World) -> None:
    address = path(world, request="req_1_0123456789abcdef01234567")
    answer = await world.http.post(
        address, data={"action": "save", "shown": ["email", "retention"], "on": ["email", "promo", "casino/email"]}
    )
    assert answer.status_code == 200
    assert "Saved." in answer.text
    assert await marks(world.redis, "amelia") >= {"retention"}
    assert switches(answer.text)["promo"] is True
    shown = await until(world, address, promo=True, casino__email=True, retention=False)
    assert shown["email"] is True
    history = (await world.http.get("/v1/players/amelia/history")).json()["items"]
    consents = [effect for item in history for effect in item["effects"] if effect["kind"] == "consent"]
    assert {effect["key"]: effect["granted"] for effect in consents} == {
        "retention": False, "promo": True, "casino/email": True,
    }  # fmt: skip
    assert all(effect["source"] == "preference_centre" for effect in consents)
    assert all("wording 2026-11" in effect["proof"] and "req_1_" in effect["proof"] for effect in consents)


async def test_a_page_that_was_open_all_day_takes_nothing_back(world: World) -> None:
    """It showed e-mail as on; meanwhile the player unsubscribed by a message; now another switch is saved."""
    address = path(world)
    await world.http.post(f"/u/{sign(TOKEN_SECRET, Link('unsubscribe', 'amelia', target='email'))}")
    await world.http.post(address, data={"shown": ["email", "retention"], "on": ["email"]})
    shown = await until(world, address, retention=False)
    assert shown["email"] is False


async def test_stop_everything_and_undo_gives_back_what_was_on_and_no_more(world: World) -> None:
    address = path(world)
    stopped = await world.http.post(address, data={"action": "stop", "shown": ["email"]})
    assert "You have stopped all our messages" in stopped.text
    assert not any(switches(stopped.text).values())
    assert await marks(world.redis, "amelia") == {"retention", "reward", "in_app", "email"}
    later = await until(world, address, email=False, in_app=False)
    assert not any(later.values())
    assert 'value="undo"' in (await world.http.get(address)).text
    await world.http.post(address, data={"action": "undo"})
    shown = await until(world, address, email=True, retention=True, in_app=True, reward=True)
    assert shown["promo"] is False, "it was never given, so it is not given back"
    assert await sent(world, "promo") == []
    assert await sent(world, "retention") == ["email", "in_app"]
    await world.http.post(address, data={"action": "stop"})
    await until(world, address, email=False, in_app=False)
    await world.http.post(address, data={"action": "undo"})
    assert (await until(world, address, email=True, in_app=True))["promo"] is False


async def sent(world: World, purpose: str) -> list[str]:
    """Return the channels for which the tower finds no obstacle in the player's consents."""
    found = []
    for channel in ("email", "in_app"):
        asked = {"template": "hello", "purpose": purpose, "channel": channel}
        why = (await world.http.get("/v1/players/amelia/why", params=asked)).json()
        if not any(reason.startswith("consent") for reason in why["now"]["reasons"]):
            found.append(channel)
    return found


async def test_the_page_shows_a_purpose_as_the_tower_judges_it(world: World) -> None:
    """A channel's consent, given elsewhere, is one for what needs a consent: the page must not say that it is off."""
    await world.happen("amelia", "seen", "m-0")
    assert (switches((await world.http.get(path(world))).text)["promo"], await sent(world, "promo")) == (False, [])
    given = {"channel": "email", "granted": True, "source": "form"}
    await world.happen("amelia", "consent_changed", "c-1", properties=given)
    shown = switches((await world.http.get(path(world))).text)
    async with asyncio.timeout(10):
        while await sent(world, "promo") != ["email"]:  # the tower's turn comes after the player's
            pass
    assert shown["promo"] is True
    on = [name for name, is_on in shown.items() if is_on]
    off = {"action": "save", "shown": on, "on": [name for name in on if name != "promo"]}
    saved = await world.http.post(path(world), data=off)
    assert "Saved." in saved.text
    await until(world, path(world), promo=False, email=True)
    async with asyncio.timeout(10):
        while await sent(world, "promo"):
            pass


OPT_IN = {"double_opt_in": ["email"], "confirm_template": "hello"}


async def consents(world: World) -> dict[str, bool]:
    return dict((await world.context.players.ref("amelia").state()).air.get("consent") or {})


async def test_what_waits_for_a_confirmation_is_not_shown_as_given(world: World) -> None:
    await world.publish({"policies": {"default": {"consent": OPT_IN}}})
    await world.context.programme.refresh()
    address, undo = path(world), f"/u/{sign(TOKEN_SECRET, Link('unsubscribe', 'amelia', target='email'))}"
    await world.http.post(address, data={"action": "save", "shown": ["email"]})
    async with asyncio.timeout(10):
        while await consents(world) != {"email": False}:
            pass
    answer = await world.http.post(address, data={"action": "save", "on": ["email"]})
    assert "We have sent you a message to confirm: E-mail" in answer.text
    assert "Saved." not in answer.text
    assert switches(answer.text)["email"] is False
    assert "waits for your confirmation" in answer.text
    async with asyncio.timeout(10):
        while await pending(world) != ["email"]:
            pass
    again = await world.http.post(undo, data={"action": "undo"})
    assert "We have sent you a message to confirm: E-mail" in again.text
    assert "subscribed again" not in again.text
    confirm = path(world, "confirm", target="email")
    assert "it is confirmed" in (await world.http.post(confirm)).text
    assert await consents(world) == {"email": True}, "the page answered before the turn"
    assert switches((await world.http.get(address)).text)["email"] is True


async def test_a_confirmation_of_what_was_withdrawn_meanwhile_says_that_nothing_was_changed(world: World) -> None:
    properties = {"channel": "email", "granted": True, "double_opt_in": True}
    await world.happen("amelia", "consent_changed", "m-1", properties=properties)
    await world.http.post(f"/u/{sign(TOKEN_SECRET, Link('unsubscribe', 'amelia', target='email'))}")
    answer = await world.http.post(path(world, "confirm", target="email"))
    assert "nothing was changed: E-mail" in answer.text
    assert "it is confirmed" not in answer.text
    assert await consents(world) == {"email": False}


async def test_undo_gives_nothing_that_was_never_withdrawn(world: World) -> None:
    link = sign(TOKEN_SECRET, Link("unsubscribe", "amelia", purpose="promo"))
    answer = await world.http.post(f"/u/{link}", data={"action": "undo"})
    assert "Nothing was changed." in answer.text
    await world.happen("amelia", "seen", "m-1")  # its turn comes after any that the link asked for
    assert await consents(world) == {}


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"on": ["legal", "transactional", "x|y", "webhook", "../", "email\n"]}, id="keys of no page"),
        pytest.param({"shown": ["legal", "nothing"]}, id="shown what was not"),
        pytest.param({"action": ["undo", "stop"]}, id="two actions"),
        pytest.param({"action": "become-admin"}, id="an action that is none"),
        pytest.param({}, id="nothing"),
    ],
)
async def test_a_hostile_form_changes_nothing(world: World, form: dict[str, Any]) -> None:
    answer = await world.http.post(path(world), data=form)
    assert answer.status_code == 200
    assert "Nothing was changed." in answer.text
    assert await marks(world.redis, "amelia") == set()


async def test_who_is_excluded_is_told_that_nothing_here_changes_that(world: World) -> None:
    await world.http.post("/v1/players/amelia/exclusion", json={"reason": "self_exclusion"})
    assert "You are excluded" in (await world.http.get(path(world))).text


async def test_a_server_key_gets_a_link_and_a_player_does_not(world: World) -> None:
    made = await world.http.post("/v1/players/amelia/links", json={"kind": "preferences"})
    assert made.status_code == 200, made.text
    assert made.headers["cache-control"] == "no-store"
    assert (await world.http.get(made.json()["path"])).status_code == 200
    refused = await world.http.post("/v1/players/amelia/links", json={}, headers=world.token("amelia"))
    assert refused.status_code == 403
    other = await world.http.post("/v1/players/amelia/links", json={"kind": "confirm"})
    assert other.status_code == 422


async def test_a_confirmation_needs_the_button_and_is_noted_once(world: World) -> None:
    properties = {"channel": "email", "granted": True, "double_opt_in": True}
    await world.happen("amelia", "consent_changed", "m-1", properties=properties)
    address = path(world, "confirm", target="email")
    assert 'value="confirm"' in (await world.http.get(address)).text
    assert await pending(world) == ["email"], "a GET confirmed it"
    for _ in range(2):
        assert "it is confirmed: E-mail" in (await world.http.post(address, data={"action": "confirm"})).text
    async with asyncio.timeout(10):
        while await pending(world):
            pass
    history = (await world.http.get("/v1/players/amelia/history")).json()["items"]
    assert [item["name"] for item in history].count("consent_confirmed") == 1


async def pending(world: World) -> list[str]:
    snapshot = await world.context.players.ref("amelia").state()
    return list(snapshot.air.get("consent_pending") or [])


async def test_the_page_works_without_a_script_and_for_who_cannot_see_it(world: World) -> None:
    html = (await world.http.get(path(world))).text
    assert "<script" not in html
    assert 'name="viewport"' in html
    assert html.count("<label>") == html.count('type="checkbox"') == len(switches(html))
    assert html.count("<fieldset>") == html.count("<legend>") == 3
    assert re.search(r'<html lang="en">.*<main><h1>', html, re.DOTALL)
