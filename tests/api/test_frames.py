"""The socket's frames, their types and the AsyncAPI document: they say the same, and of no other player."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

from api.app import create_app
from api.asyncapi import document
from api.frame_types import DELTAS, FROM_CLIENT, FROM_SERVER
from api.frames import MADE, SILENT, frames_of
from api.settings import Settings
from api.socket import RECEIPTS, Said
from api.visible import OPERATORS
from domain.decisions import Delivery, encode_delivery
from domain.effects import Effect, HistoryRecord, LevelChanged, encode_record
from tests.api.world import TOKEN_SECRET
from tests.domain import stored
from tests.domain.stored_games import GAME_EFFECTS

DOCUMENT: dict[str, Any] = msgspec.to_builtins(document())
SOCKET_PAGE = (Path(__file__).parents[2] / "docs" / "socket.md").read_text(encoding="utf-8")
EVERYTHING = type("Everything", (), {"__contains__": lambda *_: True})()


@lru_cache(maxsize=1)
def samples() -> dict[type, Effect]:
    """Return one effect of each kind, as the stored formats' tests keep them."""
    records = (stored.RECORD, stored.CRM_RECORD, stored.TOWER_RECORD, stored.MODEL_RECORD, stored.CHOICE_RECORD)
    found = [effect for record in records for effect in record.effects]
    return {type(effect): effect for effect in [*found, *(effect for effect, _ in GAME_EFFECTS.values())]}


def schema_of(frame_type: str) -> dict[str, Any]:
    """Return a message's schema with all that it refers to."""
    reference = DOCUMENT["components"]["messages"][frame_type]["payload"]["$ref"]
    return {"$ref": reference, "components": DOCUMENT["components"]}


def test_the_document_is_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for channel in DOCUMENT["channels"].values():
        assert channel["address"] == "/v1/ws"
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["messages"]
    for message in DOCUMENT["components"]["messages"].values():
        assert message["name"]
        assert message["summary"]
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(DOCUMENT).decode()):
        found: Any = DOCUMENT
        for part in reference.split("/"):
            found = found[part]


def test_the_gateway_serves_it() -> None:
    app = create_app(Settings(redis_url="unix:///unused", token_secret=TOKEN_SECRET))
    assert any(getattr(route, "path", "") == "/asyncapi.json" for route in _routes(app.router.routes))


def _routes(routes: Any) -> list[Any]:
    found = []
    for route in routes:
        found += [route, *_routes(getattr(getattr(route, "original_router", None), "routes", ()))]
    return found


def test_every_effect_has_a_frame_or_a_reason_for_none() -> None:
    assert set(get_args(Effect)) == {*MADE, *SILENT, *OPERATORS}
    assert not set(MADE) & {*SILENT, *OPERATORS}


@pytest.mark.parametrize("kind", sorted(MADE, key=repr), ids=repr)
def test_the_frame_of_each_effect_is_as_the_document_says(kind: type) -> None:
    record = HistoryRecord("m-1", "bet_placed", 1_764_580_000_000, (samples()[kind],))
    ((n, text),) = frames_of(b"1764580000000-0", {b"d": encode_record(record)}, EVERYTHING)
    frame = msgspec.json.decode(text)
    assert (n, frame["cursor"], frame["event_id"]) == (0, "1764580000000-0.0", "m-1")
    jsonschema.validate(frame, schema_of(frame["type"]))
    assert set(frame) <= set(DOCUMENT["components"]["schemas"][frame["type"].capitalize()]["properties"])


def test_a_notification_is_as_the_document_says() -> None:
    delivery = Delivery("req_1", "hello", "service", "Hi", "You won", 1_764_580_000_000, 1_764_666_400_000)
    ((_, text),) = frames_of(b"5-0", {b"n": encode_delivery(delivery)})
    jsonschema.validate(msgspec.json.decode(text), schema_of("notification"))


@pytest.mark.parametrize("kind", [kind for kind in OPERATORS if kind not in MADE], ids=lambda kind: kind.__name__)
def test_what_is_the_operators_has_no_frame(kind: type) -> None:
    record = HistoryRecord("m-1", "bet_placed", 1, (samples()[kind],))
    assert frames_of(b"5-0", {b"d": encode_record(record)}, EVERYTHING) == []


def test_a_frame_without_its_cursor_is_not_valid() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"type": "jackpot", "at": None, "jackpot": "daily"}, schema_of("jackpot"))


def test_the_types_of_frames_are_all_and_each_once() -> None:
    names = [kind.__struct_config__.tag for kind in (*FROM_SERVER, *FROM_CLIENT)]
    assert len(names) == len(set(names)) == len(DOCUMENT["components"]["messages"])
    assert set(DELTAS) <= set(FROM_SERVER)


@pytest.mark.parametrize("kind", [*FROM_SERVER, *FROM_CLIENT], ids=lambda kind: kind.__name__)
def test_the_page_names_every_frame_and_its_members(kind: Any) -> None:
    name = kind.__struct_config__.tag
    assert re.search(rf"`{name}`|\"{name}\"", SOCKET_PAGE), f"docs/socket.md does not name {name}"
    if kind in FROM_SERVER:
        row = next(line for line in SOCKET_PAGE.splitlines() if line.startswith("|") and f"`{name}`" in line)
        for member in set(kind.__struct_fields__) - {"cursor", "at", "event_id"}:
            assert re.search(rf"\b{member}\b", row), f"docs/socket.md: {name} has {member}"


def test_what_a_client_may_say_is_what_the_socket_reads() -> None:
    spoken = {kind.__struct_config__.tag for kind in FROM_CLIENT}
    assert spoken == {"hello", "ack", "track", *RECEIPTS}
    read = {info.encode_name for info in msgspec.structs.fields(Said)}
    for kind in FROM_CLIENT:
        members = {info.encode_name for info in msgspec.structs.fields(kind)} - {"event", "properties", "timestamp"}
        assert members <= read, kind


def test_a_fall_to_a_level_says_so() -> None:
    for down in (False, True):
        record = HistoryRecord("m1", "timer", 5, (LevelChanged("main", "silver", "gold", down),))
        ((_, frame),) = frames_of(b"5-0", {b"d": encode_record(record)})
        assert msgspec.json.decode(frame)["down"] is down
