"""Devices that messages are pushed to, as browsers and phones name them."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from py_vapid import Vapid02
from redis.asyncio import Redis

from api.devices import vapid_public_key
from crm.addresses import digest_of
from tests.api.test_message_links import logged
from tests.api.world import PROGRAMME, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
BROWSER: dict[str, Any] = {"endpoint": "https://push.example.net/send/abc", "expirationTime": None, "keys": KEYS}
PHONE = {"kind": "fcm", "token": "fcm-token-0123456789"}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish()
        yield made


async def test_a_browser_registers_itself_and_is_forgotten_again(world: World) -> None:
    me = world.token("amelia")
    answer = await world.http.post("/v1/me/devices", json=BROWSER, headers=me)
    assert (answer.status_code, answer.json()["kind"]) == (202, "web_push")
    assert answer.json()["device"] == digest_of(BROWSER["endpoint"])
    snapshot = await until_devices(world, 1)
    assert next(iter(snapshot.values()))["keys"] == KEYS
    gone = await world.http.request("DELETE", "/v1/me/devices", json={"endpoint": BROWSER["endpoint"]}, headers=me)
    assert gone.status_code == 202
    await until_devices(world, 0)


async def until_devices(world: World, count: int) -> dict[str, Any]:
    for _ in range(2_000):
        devices: dict[str, Any] = (await world.context.players.ref("amelia").state()).air.get("devices") or {}
        if len(devices) == count:
            return devices
    raise AssertionError(f"waited for {count} devices, there are {devices}")


async def test_a_back_end_registers_a_phone(world: World) -> None:
    answer = await world.http.post("/v1/players/amelia/devices", json=PHONE)
    assert answer.status_code == 202, answer.text
    (event,) = await logged(world.redis)
    assert (event.name, event.properties) == ("device_registered", {"kind": "fcm", "value": PHONE["token"]})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"kind": "pigeon", "token": "x" * 20}, id="a kind that is none"),
        pytest.param({**BROWSER, "token": "x" * 20}, id="both"),
        pytest.param({"kind": "fcm", "endpoint": BROWSER["endpoint"], "keys": KEYS}, id="one kind, the other's value"),
        pytest.param({"endpoint": BROWSER["endpoint"]}, id="without keys"),
        pytest.param({**BROWSER, "endpoint": "http://push.example.net/"}, id="not encrypted"),
        pytest.param({**BROWSER, "endpoint": "https://user@push.example.net/"}, id="a user in it"),
        pytest.param({**BROWSER, "endpoint": "https://[::1/"}, id="no address"),
        pytest.param({**BROWSER, "endpoint": "https://x.example/" + "a" * 2_048}, id="too long"),
        pytest.param({**BROWSER, "keys": {**KEYS, "auth": "AAAA"}}, id="a secret too short"),
        pytest.param({**BROWSER, "keys": {**KEYS, "p256dh": "!!!"}}, id="no base64"),
        pytest.param({"kind": "fcm", "token": "a b\nc" + "x" * 20}, id="a token with a line"),
    ],
)
async def test_what_is_no_device_is_refused(world: World, body: dict[str, Any]) -> None:
    answer = await world.http.post("/v1/players/amelia/devices", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    assert await logged(world.redis) == []


async def test_a_player_registers_nobody_elses_device(world: World) -> None:
    answer = await world.http.post("/v1/players/basil/devices", json=PHONE, headers=world.token("amelia"))
    assert answer.status_code == 403
    assert (await world.http.post("/v1/me/devices", json=PHONE)).status_code == 403


async def test_the_push_key_belongs_to_the_connectors_private_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = world.token("amelia")
    assert (await world.http.get("/v1/me/push-key", headers=me)).json()["code"] == "no_push_key"
    vapid = Vapid02()
    vapid.generate_keys()
    raw = vapid.private_key.private_numbers().private_value.to_bytes(32, "big")
    private = urlsafe_b64encode(raw).rstrip(b"=").decode()
    connector = {"kind": "web_push", "vapid_private_key": {"env": "T_VAPID"}, "subject": "mailto:ops@example.com"}
    await world.publish({**PROGRAMME, "connectors": {"web": connector}})
    await world.context.programme.refresh()
    unset = await world.http.get("/v1/me/push-key", headers=me)
    assert unset.json()["code"] == "no_push_key", "no secret yet"
    assert "T_VAPID" not in unset.text
    monkeypatch.setenv("T_VAPID", private)
    found = (await world.http.get("/v1/me/push-key", headers=me)).json()
    numbers = vapid.public_key.public_numbers()
    point = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    assert found == {"connector": "web", "key": urlsafe_b64encode(point).rstrip(b"=").decode()}
    assert vapid_public_key(vapid.private_pem().decode()) == found["key"]
    pem = vapid.private_pem().decode().splitlines()
    assert vapid_public_key("".join(pem[1:-1]).translate(str.maketrans("+/", "-_")).rstrip("=")) == found["key"]
