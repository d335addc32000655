"""``GET /asyncapi.json``: the player's socket as an AsyncAPI 3.0 document, made of the frames' types."""

from functools import lru_cache
from inspect import getdoc
from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from api.frame_types import DELTAS, FROM_CLIENT, FROM_SERVER

router = APIRouter()
PROTOCOL = "playtower.v1"


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Return the document."""
    types = (*FROM_SERVER, *FROM_CLIENT)
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for kind in types:
        schemas[kind.__name__].pop("description", None)  # the message's summary
    for kind in DELTAS:  # set when a frame is sent, so the type has defaults
        schema = schemas[kind.__name__]
        schema["required"] = ["type", "cursor", "at", *(name for name in schema["required"] if name != "type")]
        schema["properties"]["cursor"] = {"type": "string", "description": "Where to resume from, after this one."}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Playtower: the player's socket",
            "version": "0.1.0",
            "description": "One connection is one player. Say `hello` first; what happens to the player then comes as "
            "deltas, each with the cursor to resume from. docs/socket.md has the bounds and the close codes.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "player": {
                "address": "/v1/ws",
                "title": f"Websocket, subprotocol {PROTOCOL}",
                "messages": {_name(kind): {"$ref": f"#/components/messages/{_name(kind)}"} for kind in types},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "tell": _operation("send", "What the server sends", FROM_SERVER),
            "hear": _operation("receive", "What a client may say", FROM_CLIENT),
        },
        "components": {"messages": {_name(kind): _message(kind) for kind in types}, "schemas": schemas},
    }


def _operation(action: str, summary: str, kinds: tuple[type, ...]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/player"},
        "messages": [{"$ref": f"#/channels/player/messages/{_name(kind)}"} for kind in kinds],
    }


def _message(kind: type) -> dict[str, Any]:
    payload = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"name": _name(kind), "summary": (getdoc(kind) or "").replace("``", "`"), "payload": payload}


def _name(kind: Any) -> str:
    return str(kind.__struct_config__.tag)


@router.get("/asyncapi.json", include_in_schema=False)
async def read_asyncapi() -> Response:
    return Response(msgspec.json.encode(document()), media_type="application/json")
