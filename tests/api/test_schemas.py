"""Learning what comes in, and the documents proposed of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from actors.programme import validate_document
from api.learning import FIRST, Learning, type_of
from api.masks import EventMask
from api.schemas import proposed_of
from store.learned import FIELDS_MAX, LEARNED, NAMES_MAX, TRAITS, TYPES_MAX, Count, Learned
from tests.api.conftest import Api, opened_api, settings_of
from tests.conftest import Server


def spin(n: int, **properties: Any) -> dict[str, Any]:
    said = {"amount": 5, "currency": "EUR", "game": "slots", **properties}
    return {"type": "track", "event": "Spin", "userId": "ada", "messageId": f"s-{n}", "properties": said}


async def sent(api: Api, *events: dict[str, Any]) -> None:
    body = (await api.post("/v1/batch", {"batch": list(events)})).json()
    assert body["accepted"] == len(events), body


async def proposal(api: Api, name: str = "spin") -> dict[str, Any]:
    answer = await api.get(f"/v1/events/schemas/{name}/proposal")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_proposal_is_made_of_what_came_and_can_be_put_as_it_is(api: Api) -> None:
    await sent(api, *(spin(n, at="2026-11-22T12:00:00Z", bonus=n % 2 == 0) for n in range(60)))
    await sent(api, spin(60, note="x"))
    found = await proposal(api)
    assert (found["status"], found["seen"], found["sampled"]) == ("learned", 61, 61)
    assert found["proposal"] == {
        "properties": {
            "amount": {"type": "integer", "required": True},
            "at": {"type": "timestamp"},
            "bonus": {"type": "boolean"},
            "currency": {"type": "string", "required": True},
            "game": {"type": "string", "required": True},
            "note": {"type": "string"},
        }
    }
    assert found["properties"]["at"] == {
        "types": {"timestamp": 60}, "present": 60, "present_share": 0.9836, "type": "timestamp", "confidence": 1.0,
    }  # fmt: skip
    assert validate_document("events", "spin", found["proposal"])
    assert (await api.get("/v1/events/schemas")).json() == {
        "items": [{"name": "spin", "status": "learned", "seen": 61, "sampled": 61}], "next": None,
    }  # fmt: skip
    await api.publish({"events": {"spin": found["proposal"]}})
    assert api.context.programme.masks["spin"].properties
    assert (await api.get("/v1/events/schemas")).json()["items"][0]["status"] == "configured"
    await sent(api, spin(61))
    assert (await proposal(api))["seen"] == 61, "what has a mask is not learned any more"


async def test_nothing_is_required_of_few(api: Api) -> None:
    await sent(api, *(spin(n) for n in range(49)))
    assert all("required" not in field for field in (await proposal(api))["proposal"]["properties"].values())


async def test_no_value_is_kept(api: Api) -> None:
    await sent(api, spin(1, email="ada@example.com", pin=73519, phone="+380501234567", game="her-secret"))
    await api.post("/v1/identify", {"userId": "ada", "messageId": "i", "traits": {"nick": "countess", "age": 36}})
    await api.context.learning.flush()
    redis: Any = api.context.redis
    stored = str([await redis.hgetall(key) async for key in redis.scan_iter(f"{LEARNED}:*")])
    for secret in ("ada@example", "73519", "38050", "her-secret", "countess", "36"):
        assert secret not in stored


async def test_counts_of_several_gateways_add_up(server: Server, api: Api) -> None:
    await sent(api, *(spin(n) for n in range(30)))
    async with opened_api(settings_of(server)) as other:
        await sent(other, *(spin(n, amount="12.50") for n in range(30, 60)))
        assert (await proposal(other))["seen"] == 30
        found = await proposal(api)
    assert (found["seen"], found["properties"]["amount"]["types"]) == (60, {"decimal": 30, "integer": 30})
    assert found["proposal"]["properties"]["amount"] == {"type": "money", "required": True}
    assert found["notes"] == ["amount: decimals are taken as major units of the event's currency"]


async def test_a_gateway_that_ends_adds_what_it_noted(server: Server, api: Api) -> None:
    async with opened_api(settings_of(server)) as other:
        await sent(other, spin(1))
    assert (await proposal(api))["seen"] == 1


async def test_traits_are_learned_where_they_have_no_document(api: Api) -> None:
    await api.publish({"traits": {"tier": {"type": "string"}}})
    for n, traits in enumerate(({"tier": "gold", "shoe_size": 38}, {"shoe_size": 38.5, "Имя": "Ada", "phone": None})):
        await api.post("/v1/identify", {"userId": "ada", "messageId": f"i-{n}", "traits": traits})
    items = {item["name"]: item for item in (await api.get("/v1/traits/schemas")).json()["items"]}
    assert items["tier"] == {"name": "tier", "status": "configured", "document": {"type": "string"}}
    assert items["shoe_size"]["proposal"] == {"type": "number"}
    assert items["phone"]["document"] == {"type": "phone", "on_invalid": "drop"}
    assert (items["first_name"]["status"], items["first_name"]["types"]) == ("learned", {"string": 1})
    assert validate_document("traits", "shoe_size", items["shoe_size"]["proposal"])


async def test_an_event_without_a_latin_name_is_proposed_a_mapping(api: Api) -> None:
    await sent(api, {**spin(1), "event": "Ставка"})
    found = await proposal(api, "ставка")
    assert found["proposal"] is None
    assert "map it first" in found["notes"][0]


async def test_what_was_learned_can_be_forgotten(api: Api) -> None:
    await sent(api, spin(1))
    headers = {"authorization": f"Bearer {api.admin}"}
    assert (await api.client.delete("/v1/events/schemas/spin", headers=headers)).status_code == 204
    assert (await api.get("/v1/events/schemas/spin/proposal")).status_code == 404
    assert (await api.client.delete("/v1/events/schemas/spin", headers=headers)).status_code == 404
    await sent(api, spin(2))
    assert (await proposal(api))["seen"] == 1
    assert (await api.get("/v1/events/schemas", key=api.ingest)).status_code == 403


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_of_a_frequent_name_one_in_fifty_is_looked_at(redis: Redis) -> None:
    learning = Learning(learned := Learned(redis))
    for _ in range(1200):
        learning.event("spin", {"amount": 1})
    await learning.flush()
    counted = await learned.of("spin")
    assert counted is not None
    assert (counted.seen, counted.sampled) == (1200, FIRST + 20)


async def test_names_and_fields_are_bounded_in_the_gateway_and_in_the_store(redis: Redis) -> None:
    learned = Learned(redis)
    for _ in range(2):  # a second gateway, with other names
        learning = Learning(learned)
        for n in range(NAMES_MAX + 10):
            learning.event(f"{id(learning)}_{n}", {})
        learning.event("x" * 200, {})
        await learning.flush()
    assert len(await learned.names()) == NAMES_MAX
    name = (await learned.names())[0]
    for restart in range(15):
        learning = Learning(learned)
        learning.event(name, {f"user_{restart}_{n}": n for n in range(2 * FIELDS_MAX)} | {"y" * 200: 1})
        await learning.flush()
    redis_: Any = redis
    assert await redis_.hlen(f"{LEARNED}:{name}") == FIELDS_MAX * TYPES_MAX


async def test_what_the_store_did_not_take_is_added_the_next_time(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = Learned(redis)
    learning, add = Learning(learned), learned.add

    async def failing(*_: Any) -> None:
        raise ConnectionError("cut")

    learning.event("spin", {"amount": 1})
    learning.traits({"age": 1}, ())
    monkeypatch.setattr(learned, "add", failing)
    with pytest.raises(ConnectionError):
        await learning.flush()
    learning.event("spin", {"amount": 1.5})
    monkeypatch.setattr(learned, "add", add)
    await learning.flush()
    await learning.flush()
    counted, traits = await learned.of("spin"), await learned.of(TRAITS)
    assert counted == Count(2, {"amount": {"integer": 1, "number": 1}}, seen=2)
    assert traits == Count(1, {"age": {"integer": 1}}, seen=1)


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "currency", "kind"),
    [
        ({"integer": 9, "number": 1}, False, "number"),
        ({"integer": 10}, True, "integer"),
        ({"number": 10}, True, "money"),
        ({"decimal": 10}, True, "money"),
        ({"decimal": 10}, False, "string"),
        ({"decimal": 5, "integer": 5}, False, "number"),
        ({"date": 6, "string": 4}, False, "string"),
        ({"date": 10}, False, "date"),
        ({"email": 95, "string": 5}, False, "string"),
        ({"string": 5, "integer": 5}, False, ""),
        ({"object": 10}, False, "object"),
    ],
)
def test_the_type_is_that_of_nearly_all_values(types: dict[str, int], currency: bool, kind: str) -> None:
    assert proposed_of("bet_amount", types, currency).type == kind


VALUES = st.one_of(
    st.integers(-(2**53), 2**53), st.booleans(), st.floats(-1e6, 1e6), st.text(max_size=8),
    st.just({}), st.just([]), st.dates().map(str), st.integers(0, 10**6).map(str),
)  # fmt: skip


@given(st.lists(VALUES, min_size=1, max_size=30))
def test_a_proposal_of_full_confidence_takes_everything_it_was_made_of(values: list[Any]) -> None:
    types: dict[str, int] = {}
    for value in values:
        types[type_of(value)] = types.get(type_of(value), 0) + 1
    found = proposed_of("field", types, currency=False)
    if found.type and found.confidence == 1.0:
        mask = EventMask.of(validate_document("events", "x", {"properties": {"field": {"type": found.type}}}))
        for value in values:
            mask.applied({"field": value}, [])
