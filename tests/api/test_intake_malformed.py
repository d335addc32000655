"""What intake refuses, what is odd but right, and bodies that harm."""

import asyncio
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api.bets import NOW, bet, events
from tests.api.conftest import Api, Host, opened_api, settings_of
from tests.conftest import Server

PROPERTIES = b'{"type":"track","event":"x","userId":"u","messageId":"bad","properties":{"a":%s}}'
OWN_IDS = ("cmd", "confirm", "consent", "device", "gate", "letter", "msg", "plc")  # of the engine's own events
REFUSED = [
    ("NaN", PROPERTIES % b"NaN", "malformed"),
    ("Infinity", PROPERTIES % b"Infinity", "malformed"),
    ("1e999", PROPERTIES % b"1e999", "number_out_of_range"),
    ("2^63", PROPERTIES % str(2**63).encode(), "number_out_of_range"),
    ("2^64", PROPERTIES % str(2**64).encode(), "number_out_of_range"),
    ("5,000 digits", PROPERTIES % (b"9" * 5_000), "number_out_of_range"),
    ("nested 2^63", PROPERTIES % (b'{"b":[%d]}' % 2**63), "number_out_of_range"),
    ("lone surrogate", PROPERTIES % rb'"\ud800"', "malformed"),
    ("invalid UTF-8", PROPERTIES % b'"\xff"', "malformed"),
    ("overlong UTF-8", PROPERTIES % b'"\xc0\xaf"', "malformed"),
    ("invalid UTF-8 in an unknown key", b'{"x":"\xff",' + PROPERTIES[1:] % b"1", "malformed"),
    ("raw NUL", PROPERTIES % b'"\x00"', "malformed"),
    ("BOM", b"\xef\xbb\xbf" + PROPERTIES % b"1", "malformed"),
    ("trailing garbage", PROPERTIES % b"1" + b"x", "malformed"),
    ("2,000 nested", PROPERTIES % (b"[" * 2_000 + b"]" * 2_000), "malformed"),
    ("100,000 nested", PROPERTIES % (b"[" * 100_000), "too_large"),
    ("11 nested", PROPERTIES % (b"[" * 10 + b"]" * 10), "too_deep"),
    ("301 properties", PROPERTIES % json.dumps({str(n): n for n in range(300)}).encode(), "too_many_properties"),
    ("4,001 items", PROPERTIES % json.dumps([0] * 4_001).encode(), "too_many_items"),
    ("32 KiB and more", PROPERTIES % (b'"%s"' % (b"x" * 33_000)), "too_large"),
    ("empty", b"", "malformed"),
    ("an array", b"[]", "bad_event"),
    ("a string", b'"x"', "bad_event"),
    ("userId of 257", json.dumps(bet(userId="u" * 257)).encode(), "bad_id"),
    ("userId with a bar", json.dumps(bet(userId="a|b")).encode(), "bad_id"),
    ("userId with a newline", json.dumps(bet(userId="a\nb")).encode(), "bad_id"),
    ("messageId with NUL", json.dumps(bet(messageId="a\0b")).encode(), "bad_id"),
    *((f"messageId as {p}", json.dumps(bet(messageId=f"{p}:x")).encode(), "bad_id") for p in OWN_IDS),
    ("a list as userId", json.dumps(bet(userId=["u"])).encode(), "bad_event"),
    ("a number as event", json.dumps(bet(event=7)).encode(), "bad_event"),
    ("no player", json.dumps(bet(userId="")).encode(), "no_player"),
    ("no event", json.dumps(bet(event="  ")).encode(), "no_event"),
    ("no time", json.dumps(bet(timestamp="yesterday")).encode(), "bad_timestamp"),
    ("year 0", json.dumps(bet(timestamp="0000-01-01T00:00:00Z")).encode(), "bad_timestamp"),
    ("too late", json.dumps(bet(timestamp=(NOW - timedelta(hours=49)).isoformat())).encode(), "too_late"),
    ("in the future", json.dumps(bet(timestamp=(NOW + timedelta(hours=9)).isoformat())).encode(), "in_future"),
    ("number in the context", json.dumps(bet(context={"n": 2**70})).encode(), "number_out_of_range"),
    ("deep context", json.dumps(bet(context=json.loads('{"a":' * 12 + "1" + "}" * 12))).encode(), "too_deep"),
]


@pytest.mark.parametrize("previous", ["keeper:x", "key:email:0"])
async def test_an_alias_of_an_id_of_the_engines_is_refused(api: Api, previous: str) -> None:
    answer = await api.post("/v1/alias", {"userId": "ada", "previousId": previous})
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "bad_id", "previousId")


@pytest.mark.parametrize(("body", "code"), [pytest.param(b, c, id=name) for name, b, c in REFUSED])
async def test_what_is_malformed_is_refused_and_nothing_is_stored(api: Api, host: Host, body: bytes, code: str) -> None:
    answer = await api.post("/v1/track", body)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert await host.logged() == []


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(b"9007199254740993", 2**53 + 1, id="2^53+1"),
        pytest.param(str(2**63 - 1).encode(), 2**63 - 1, id="2^63-1"),
        pytest.param(b"-0", 0, id="-0"),
        pytest.param(b'1,"a":2', 2, id="the last of duplicate keys"),
        pytest.param(rb'"\u0000"', "\0", id="an escaped NUL"),
        pytest.param(b"[" * 9 + b"]" * 9, [[[[[[[[[]]]]]]]]], id="10 levels"),
        pytest.param(json.dumps({str(n): n for n in range(299)}).encode(), {str(n): n for n in range(299)}, id="300"),
    ],
)
async def test_what_is_odd_but_right_is_kept(api: Api, host: Host, value: bytes, kept: Any) -> None:
    answer = await api.post("/v1/track", PROPERTIES % value)
    assert answer.status_code == 200, answer.text
    (event,) = await events(host)
    assert event.properties == {"a": kept}


async def test_a_malformed_batch_is_refused_whole(api: Api, host: Host) -> None:
    for bad in (b"NaN", rb'"\ud800"', b"[" * 2_000 + b"]" * 2_000):
        body = b'{"batch":[%s,%s]}' % (json.dumps(bet()).encode(), PROPERTIES % bad)
        assert (await api.post("/v1/batch", body)).status_code == 400
    assert (await api.post("/v1/batch", bet())).json()["code"] == "no_batch"
    assert await host.logged() == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(gzip.compress(b" " * 50_000_000), 400, "too_large", id="a bomb"),
        pytest.param(gzip.compress(gzip.compress(b" " * 50_000_000)), 400, "malformed", id="twice"),
        pytest.param(gzip.compress(b"{}")[:-6], 400, "malformed", id="cut"),
        pytest.param(b"no gzip", 400, "malformed", id="none at all"),
        pytest.param(b"x" * 600_000, 413, "too_large", id="too many bytes"),
    ],
)
async def test_a_bad_gzip_body_is_refused(api: Api, body: bytes, status: int, code: str) -> None:
    answer = await api.post("/v1/batch", body, content_encoding="gzip")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_body_that_never_ends_is_refused(server: Server, made: Redis) -> None:
    assert made
    async with opened_api(settings_of(server, body_timeout_s=0.05)) as impatient:

        async def endless() -> Any:
            yield b'{"batch":['
            await asyncio.Event().wait()

        async with asyncio.timeout(5):
            messages = endless()

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": await anext(messages), "more_body": True}

            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            scope = {"type": "http", "method": "POST", "path": "/v1/batch", "query_string": b"", "http_version": "1.1",
                     "headers": [(b"authorization", f"Bearer {impatient.admin}".encode())]}  # fmt: skip
            await impatient.app(scope, receive, send)
        assert sent[0]["status"] == 408
        await messages.aclose()
