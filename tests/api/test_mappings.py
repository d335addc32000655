# ruff: noqa: RUF001 -- names in Cyrillic are what is tested
"""Other systems' names and fields, turned into ours; who is anonymous; and what the receipt says of it."""

import asyncio
from typing import Any

import pytest

from actors.programme import compile_programme, validate_document
from api.mappings import DEFAULT, compiled, renamed
from api.masks import EventMask
from domain.entries import Event
from domain.errors import Invalid
from tests.api.conftest import Api, Host

Documents = dict[str, dict[str, dict[str, Any]]]


def bet(n: int = 1, **changes: Any) -> dict[str, Any]:
    event = {"type": "track", "event": "Bet Placed", "userId": "amelia", "messageId": f"m-{n}"}
    return {**event, "properties": {"amount": 1250, "currency": "EUR"}, **changes}


def who(traits: dict[str, Any], n: int = 1, **changes: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": "amelia", "messageId": f"i-{n}", "traits": traits, **changes}


async def events(host: Host) -> list[Event]:
    return [entry.entry for entry in await host.logged() if isinstance(entry.entry, Event)]


async def kept(api: Api, host: Host, body: dict[str, Any], *, key: str | None = None) -> tuple[Event, list[Any]]:
    """Send one event; return it as it is in the log, and the changes of the answer."""
    answer = await api.post("/v1/track" if body["type"] == "track" else "/v1/identify", body, key=key)
    assert answer.status_code == 200, answer.text
    changes = [(change["path"], change["what"]) for change in answer.json().get("changes", [])]
    event = next(event for event in await events(host) if event.id == body["messageId"])
    assert list(event.changes) == changes, "the log has what the answer says"
    return event, changes


# --- traits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("FirstName", "first_name"), ("first name", "first_name"), ("имя", "first_name"), ("Ім’я", "first_name"),
        ("ІМ'Я", "first_name"), ("lastName", "last_name"), ("Прізвище", "last_name"), ("ФАМИЛИЯ", "last_name"),
        ("Full Name", "name"), ("Город", "city"), ("місто", "city"), ("Стать", "gender"),
        ("Favourite Game", "Favourite Game"), ("state", "state"),
    ],
)  # fmt: skip
async def test_well_known_traits_come_under_our_names_in_any_script(
    api: Api, host: Host, theirs: str, ours: str
) -> None:
    event, changes = await kept(api, host, who({theirs: "Ada"}))
    assert event.traits == {ours: "Ada"}
    assert changes == ([(f"traits.{ours}", f"renamed from {theirs!r}")] if theirs != ours else [])


async def test_phones_and_emails_and_birthdays_are_cleaned_and_the_receipt_says_so(api: Api, host: Host) -> None:
    said = {
        "Телефон": "050 123-45-67",
        "country": "Україна",
        "пошта": " Ada@Example.COM",
        "дата народження": "10.12.1990",
    }
    event, changes = await kept(api, host, who(said))
    assert event.traits == {
        "phone": "+380501234567",
        "country": "UA",
        "email": "Ada@example.com",
        "birthday": "1990-12-10",
    }
    assert ("traits.phone", "renamed from 'Телефон'") in changes
    assert ("traits.phone", "to E.164") in changes
    assert ("traits.email", "cleaned") in changes
    (item,) = (await api.get("/v1/events/i-1")).json()["items"]
    assert [(change["path"], change["what"]) for change in item["changes"]] == changes


async def test_a_trait_that_cannot_be_read_is_left_out_and_the_event_is_taken(api: Api, host: Host) -> None:
    event, changes = await kept(api, host, who({"phone": "12345", "email": "nobody", "first_name": "Ada"}))
    assert event.traits == {"first_name": "Ada"}
    assert [path for path, _ in changes] == ["traits.phone", "traits.email"]
    assert all(what.startswith("left out: expected") for _, what in changes)
    event, changes = await kept(api, host, who({"locale": "Elvish", "country": "Narnia", "phone": None}, 2))
    assert event.traits == {"locale": "Elvish", "country": "Narnia", "phone": None}, "null removes a trait"
    assert all(what.startswith("kept as it came") for _, what in changes)


@pytest.mark.parametrize(
    ("traits", "context", "settings", "number"),
    [
        pytest.param({"country": "PL", "locale": "uk-UA"}, {"locale": "de-DE"}, "US", "+48512345678", id="the country"),
        pytest.param({"language": "pl_PL"}, {"locale": "de-DE"}, "US", "+48512345678", id="the locale"),
        pytest.param({"country": "Narnia"}, {"locale": "pl-PL"}, "US", "+48512345678", id="the context"),
        pytest.param({}, {"locale": "pl"}, "PL", "+48512345678", id="the programme"),
        pytest.param({}, {}, None, None, id="nothing tells"),
    ],
)
async def test_the_country_of_a_phone_is_told_by(
    api: Api, host: Host, traits: Any, context: Any, settings: str | None, number: str | None
) -> None:
    await api.publish({"settings": {"main": {"country": settings}}} if settings else {})
    event, _ = await kept(api, host, who({**traits, "phone": "512 345 678"}, context=context))
    assert event.traits.get("phone") == number


async def test_a_trait_has_a_document_that_says_what_happens_to_bad_values(api: Api, host: Host) -> None:
    documents = {
        "phone": {"type": "phone", "aliases": ["Kontakt"], "on_invalid": "reject"},
        "vip_level": {"type": "enum", "values": ["gold", "silver"], "aliases": ["VIP"], "on_invalid": "keep"},
        "email": {"type": "string"},
        "age": {"type": "integer", "min": 18},
    }
    assert all(validate_document("traits", name, document) for name, document in documents.items())
    await api.publish({"traits": documents})
    event, _ = await kept(api, host, who({"kontakt": "+380501234567", "vip": "GOLD", "email": "none", "age": "7"}))
    assert event.traits == {"phone": "+380501234567", "vip_level": "gold", "email": "none"}
    refused = await api.post("/v1/identify", who({"kontakt": "call me"}, 2))
    assert (refused.status_code, refused.json()["code"], refused.json()["path"]) == (400, "bad_trait", "traits.phone")
    event, changes = await kept(api, host, who({"vip": "bronze"}, 3))
    assert event.traits == {"vip_level": "bronze"}
    assert changes[-1] == ("traits.vip_level", "kept as it came: expected one of gold, silver, got 'bronze'")


async def test_our_own_name_counts_where_two_fields_mean_the_same(api: Api, host: Host) -> None:
    said = {"Имя": "Вторая", "first_name": "Ada", "Phone Number": "+380501234567", "Телефон": "+380671234567"}
    event, _ = await kept(api, host, who(said))
    assert event.traits == {"Имя": "Вторая", "first_name": "Ada", "phone": "+380501234567", "Телефон": "+380671234567"}


async def test_traits_of_other_calls_are_left_alone(api: Api, host: Host) -> None:
    group = {"userId": "amelia", "groupId": "g", "messageId": "g-1", "traits": {"Phone": "12345"}}
    answer = await api.post("/v1/group", group)
    assert "changes" not in answer.json()
    (event,) = await events(host)
    assert event.properties["traits"] == {"Phone": "12345"}


# --- events and mappings ----------------------------------------------------------------------------------------------

MAPPED: Documents = {
    "events": {
        "bet_placed": {
            "currency": "UAH",
            "properties": {
                "amount": {"type": "money", "required": True, "aliases": ["Stake"]},
                "duration": {"type": "number", "unit": "s", "max": 3600},
            },
        }
    },
    "mappings": {
        "default": {
            "events": {"Ставка": "Bet Placed"},
            "properties": {"bet_placed": {"Сумма": "amount"}, "*": {"Длительность": "duration"}},
            "traits": {"Nick": "nickname", "Контакт": "phone"},
            "player": ["properties.Код клиента"],
        }
    },
}


async def test_a_foreign_event_becomes_ours(api: Api, host: Host) -> None:
    for kind, named in MAPPED.items():
        assert all(validate_document(kind, name, document) for name, document in named.items())
    await api.publish(MAPPED)
    said = {"Сумма": "12.50", "длительность": "1.5 min", "Слот": "Book"}
    event, changes = await kept(api, host, bet(event="ставка", properties=said))
    assert event.name == "bet_placed"
    assert event.properties == {"amount": 1250, "duration": 90, "Слот": "Book", "currency": "UAH"}
    assert changes == [
        ("event", "renamed from 'ставка'"),
        ("properties.amount", "renamed from 'Сумма'"),
        ("properties.duration", "renamed from 'длительность'"),
        ("properties.currency", "UAH, as the configuration says"),
        ("properties.amount", "12.50 UAH to minor units"),
        ("properties.duration", "1.5 min to s"),
    ]
    event, _ = await kept(api, host, bet(2, properties={"STAKE": 5, "currency": "EUR"}))
    assert event.properties == {"amount": 5, "currency": "EUR"}
    event, _ = await kept(api, host, bet(3, event="Round Finished", properties={"Длительность": "90 s", "Сумма": 1}))
    assert event.properties == {"duration": "90 s", "Сумма": 1}, "bet_placed's own names are not those of others"


async def test_an_event_without_a_player_has_one_where_the_mapping_says(api: Api, host: Host) -> None:
    await api.publish(MAPPED)
    event, _ = await kept(api, host, bet(userId=None, properties={"amount": 1, "Код клиента": 4711}))
    assert event.player == "4711"
    refused = await api.post("/v1/track", bet(2, userId=None, properties={"amount": 1, "Код клиента": "anon:x"}))
    assert (refused.json()["code"], refused.json()["path"]) == ("bad_id", "properties.Код клиента")
    assert (await api.post("/v1/track", bet(3, userId=None))).json()["code"] == "no_player"


async def test_a_mapping_of_a_key_goes_on_top_of_the_default(api: Api, host: Host) -> None:
    known = await api.context.keys.find(api.ingest, 0)
    assert known is not None
    key, key_id = api.ingest, known.id
    own = {key_id: {"events": {"Ставка": "bet_settled"}, "properties": {"bet_settled": {"Сумма": "payout"}}}}
    await api.publish({"mappings": {**MAPPED["mappings"], **own}, "events": {"bet_settled": {"client": True}}})
    said = bet(event="Ставка", properties={"Сумма": 5, "Длительность": 1})
    event, _ = await kept(api, host, said, key=key)
    assert (event.name, event.properties) == ("bet_settled", {"payout": 5, "duration": 1})
    event, _ = await kept(api, host, {**said, "messageId": "m-2"})
    assert (event.name, event.properties) == ("bet_placed", {"amount": 5, "duration": 1})


async def test_a_retry_after_the_mapping_changed_is_still_a_duplicate(api: Api, host: Host) -> None:
    said = bet(event="Ставка", properties={"Сумма": "12.50", "currency": "EUR"})
    person = who({"Телефон": "050 123 45 67"})
    for n, documents in enumerate(({}, MAPPED, {})):
        await api.publish(documents)
        answers = [(await api.post("/v1/track", said)).json(), (await api.post("/v1/identify", person)).json()]
        assert [answer.get("duplicates") for answer in answers] == ([1, 1] if n else [0, 0])
    assert [event.name for event in await events(host)] in (["ставка", "identified"], ["identified", "ставка"])


async def test_what_a_client_may_send_is_judged_by_our_name(api: Api) -> None:
    mapping = {"mappings": {"default": {"events": {"Пинг": "ping"}}}, "events": {"ping": {"client": True}}}
    await api.publish(mapping)
    assert (await api.post("/v1/track", bet(event="Пинг"), key=api.browser)).status_code == 200
    assert (await api.post("/v1/track", bet(2, event="Понг"), key=api.browser)).status_code == 403


async def test_a_batch_lists_what_was_changed_only_where_something_was(api: Api) -> None:
    batch = [bet(1), who({"имя": "Ada"}, 2), bet(3, userId=None), who({"first_name": "Ada"}, 4)]
    body = (await api.post("/v1/batch", {"batch": batch})).json()
    assert body["changed"] == [
        {"index": 1, "changes": [{"path": "traits.first_name", "what": "renamed from 'имя'"}]},
    ]
    assert "changed" not in (await api.post("/v1/batch", {"batch": [bet(5)]})).json()


async def test_changes_of_many_events_are_bounded_in_the_answer(api: Api) -> None:
    batch = [who({"имя": "Ada"}, n) for n in range(205)]
    body = (await api.post("/v1/batch", {"batch": batch})).json()
    assert (len(body["changed"]), body["changed_more"]) == (200, 5)


async def test_changes_of_one_event_are_bounded(api: Api, host: Host) -> None:
    names = {f"Поле {n}": n for n in range(30)}
    await api.publish({"mappings": {"default": {"traits": {name: f"field_{n}" for name, n in names.items()}}}})
    event, changes = await kept(api, host, who(dict(names)))
    assert len(event.traits) == 30
    assert (len(changes), changes[-1]) == (20, ("", "11 more"))


async def test_who_waits_for_the_turn_is_told_the_changes_too(api: Api, host: Host) -> None:
    waiting = asyncio.create_task(api.post("/v1/identify", who({"имя": "Ada"}), prefer="wait=5"))
    await host.turn("amelia")
    answer = (await waiting).json()
    assert (answer["applied"], answer["changes"][0]["path"]) == (True, "traits.first_name")


# --- masks ------------------------------------------------------------------------------------------------------------

SENT: Documents = {
    "events": {
        "deposit_completed": {
            "properties": {
                "amount": {"type": "money", "min": 100},
                "paid_at": {"type": "timestamp"},
                "card_until": {"type": "date"},
                "contact": {"type": "phone"},
                "mail": {"type": "email"},
                "method": {"type": "enum", "values": ["card", "bank_transfer"], "required": True},
            }
        }
    }
}


async def test_properties_are_read_as_their_mask_says(api: Api, host: Host) -> None:
    await api.publish(SENT)
    said = {
        "paid_at": 1_795_348_800, "card_until": "01.12.2027", "contact": "050 123 45 67", "mail": "A@EXAMPLE.com",
        "method": "Bank Transfer",
    }  # fmt: skip
    event, _ = await kept(api, host, bet(event="deposit_completed", properties=said, context={"locale": "uk-UA"}))
    assert event.properties == {
        "paid_at": "2026-11-22T12:00:00.000Z", "card_until": "2027-12-01", "contact": "+380501234567",
        "mail": "A@example.com", "method": "bank_transfer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "path", "detail"),
    [
        ({}, "method", "expected an enum, it is missing"),
        ({"method": "cash"}, "method", "expected one of card, bank_transfer, got 'cash'"),
        ({"method": "card", "amount": 99}, "amount", "expected at least 100, got 99"),
        ({"method": "card", "paid_at": "soon"}, "paid_at", "expected a time"),
        ({"method": "card", "contact": "050 123 45 67"}, "contact", "expected a phone number"),
    ],
)
async def test_a_property_that_cannot_be_read_refuses_the_event(
    api: Api, properties: dict[str, Any], path: str, detail: str
) -> None:
    await api.publish(SENT)
    problem = (await api.post("/v1/track", bet(event="deposit_completed", properties=properties))).json()
    assert (problem["code"], problem["path"]) == ("bad_property", f"properties.{path}")
    assert problem["detail"].startswith(detail)


# --- who --------------------------------------------------------------------------------------------------------------


async def test_an_anonymous_id_beside_a_user_id_is_kept_and_is_no_part_of_the_fingerprint(api: Api, host: Host) -> None:
    event, changes = await kept(api, host, bet(1, anonymousId="a-1"))
    assert (event.player, event.anonymous, changes) == ("amelia", "anon:a-1", [])
    for again in (bet(1), bet(1, anonymousId="a-2"), bet(1, anonymousId="")):
        assert (await api.post("/v1/track", again)).json()["duplicates"] == 1
    event, _ = await kept(api, host, bet(2, userId=None, anonymousId="a-1"))
    assert (event.player, event.anonymous) == ("anon:a-1", "")
    event, _ = await kept(api, host, bet(3, anonymousId=7))
    assert event.anonymous == "anon:7"


@pytest.mark.parametrize("bad", ["a|b", "a\nb", "x" * 300])
async def test_a_bad_anonymous_id_beside_a_good_user_id_is_ignored_and_noted(api: Api, host: Host, bad: str) -> None:
    event, changes = await kept(api, host, bet(1, anonymousId=bad))
    assert event.anonymous == ""
    assert [(path, what.partition(":")[0]) for path, what in changes] == [("anonymousId", "ignored")]
    assert (await api.post("/v1/track", bet(2, userId=None, anonymousId=bad))).json()["code"] == "bad_id"


@pytest.mark.parametrize("user", ["anon:a-1", "key:email:1f"])
async def test_ids_of_the_engine_are_refused_as_user_ids(api: Api, user: str) -> None:
    problem = (await api.post("/v1/track", bet(userId=user))).json()
    assert (problem["code"], problem["path"]) == ("bad_id", "userId")
    assert "anonymousId" in problem["detail"]
    cloud = {"specversion": "1.0", "id": "c", "source": "/", "type": "bet.placed", "subject": user}
    assert (await api.post("/v1/cloudevents", cloud)).json()["code"] == "bad_id"


async def test_a_token_may_speak_of_the_device_it_is_on(api: Api, host: Host) -> None:
    await api.publish({"events": {"bet_placed": {"client": True}}})
    for n, (player, anonymous) in enumerate((("amelia", "anon:a-1"), ("anon:a-1", ""))):
        token = await api.token(player)
        answer = await api.post("/v1/track", bet(n, userId=None, anonymousId="a-1"), key=token)
        assert answer.status_code == 200, answer.text
        event = next(event for event in await events(host) if event.id == f"m-{n}")
        assert (event.player, event.anonymous) == (player, anonymous)
    own = await api.post("/v1/track", bet(9, userId="anon:a-1"), key=await api.token("anon:a-1"))
    assert own.status_code == 200


# --- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "document", "said"),
    [
        ("events", {"properties": {"x": {"type": "enum"}}}, "`values` with the type enum"),
        ("events", {"properties": {"x": {"type": "string", "unit": "s"}}}, "`unit` with the type number only"),
        ("events", {"properties": {"x": {"type": "number", "unit": "parsec"}}}, "expected a unit out of"),
        ("events", {"properties": {"x": {"type": "string", "min": 1}}}, "`min` and `max` with"),
        ("events", {"properties": {"x": {"type": "number", "min": 2, "max": 1}}}, "`min` <= `max`"),
        ("events", {"properties": {"x": {"type": "country"}}}, "'money'"),
        ("events", {"properties": {"x": {"type": "string", "aliases": ["Y"]}, "y": {"type": "string"}}}, "'Y' is 'y'"),
        ("traits", {"type": "phone", "aliases": ["!!!"]}, "letters or digits"),
        ("traits", {"type": "phone", "on_invalid": "shrug"}, "'drop'"),
        ("mappings", {"events": {"A b": "x", "a_b": "y"}}, "expected one meaning"),
        ("mappings", {"properties": {"x": {"?": "y"}}}, "letters or digits"),
        ("mappings", {"player": ["context.id"]}, "pattern"),
        ("settings", {"country": "Ukraine"}, "pattern"),
    ],
)
def test_a_document_that_means_nothing_is_refused_with_its_path(kind: str, document: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        validate_document(kind, "main", document)
    assert said in str(refused.value)


def test_two_traits_do_not_claim_one_name() -> None:
    documents = {"traits": {"phone": {"aliases": ["Tel"]}, "mobile": {"aliases": ["tel."]}}}
    with pytest.raises(Invalid, match=r"traits/phone aliases: expected a name of its own, 'Tel' is traits/mobile"):
        compile_programme(1, documents)


def test_names_that_are_ours_cost_no_copy() -> None:
    values = {"amount": 1}
    assert renamed(values, {"amount": "amount"}, "properties", []) is values
    mappings = compiled({}, {"bet": EventMask.of({"properties": {"amount": {"type": "money"}}})})[DEFAULT]
    assert (mappings.properties, mappings.events) == ({}, {}), "a mask without aliases leaves the fast path alone"
