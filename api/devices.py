"""Devices that messages are pushed to: browsers (web push subscriptions) and phones (FCM registration tokens).

A device is an event of its player's log (``device_registered``, ``device_removed``): the profile keeps the
last ten, and a courier reads them when it sends.
"""

import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from actors.clock import new_id
from api.auth import OwnPlayer, Principal, require
from api.context import Context, Ctx
from api.masks import check_id
from api.pace import Pace
from api.pages import answers
from api.persons import checked
from api.receipts import append_event
from channels.secrets import SecretMissing, read_secret
from channels.web_push import read_key
from crm.addresses import digest_of
from crm.connectors import WebPushConnector
from domain.entries import Event
from domain.errors import Invalid, NotFound

router = APIRouter(prefix="/v1", tags=["Devices"])

PlayersWriter = Annotated[Principal, Depends(require("players:write"))]
_log = logging.getLogger("playtower.api")
_warned = Pace(1)
_KEY_BYTES = {"p256dh": 65, "auth": 16}  # RFC 8291: an uncompressed point of P-256, and the secret
_ACCEPTED = {"accepted": True, "kind": "web_push", "device": "5d41402abc4b2a76"}


class PushKeys(BaseModel):
    """What a browser gives to encrypt with (RFC 8291)."""

    model_config = ConfigDict(extra="ignore")

    p256dh: Annotated[str, Field(max_length=200)]
    auth: Annotated[str, Field(max_length=100)]

    @field_validator("p256dh", "auth")
    @classmethod
    def _long_enough(cls, value: str, info: Any) -> str:
        wanted = _KEY_BYTES[info.field_name]
        try:
            found = len(urlsafe_b64decode(value + "=" * (-len(value) % 4)))
        except ValueError as error:
            raise ValueError("expected URL-safe base64") from error
        if found != wanted:
            raise ValueError(f"expected {wanted} bytes in URL-safe base64, got {found}")
        return value


class Device(BaseModel):
    """A web push subscription as ``PushSubscription.toJSON()`` gives it, or ``{"kind": "fcm", "token": ...}``."""

    model_config = ConfigDict(
        extra="ignore",  # browsers add to it: expirationTime
        json_schema_extra={
            "example": {
                "endpoint": "https://push.example.net/send/abc",
                "keys": {
                    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
                },
            }
        },
    )

    kind: Literal["web_push", "fcm"] | None = None
    endpoint: Annotated[str, Field(max_length=2_048)] | None = None
    keys: PushKeys | None = None
    token: Annotated[str, Field(min_length=10, max_length=4_096, pattern=r"^[\x21-\x7e]+$")] | None = None

    @field_validator("endpoint")
    @classmethod
    def _is_https(cls, value: str | None) -> str | None:
        if value is None:
            return value
        try:
            parts = urlsplit(value)
            host = parts.hostname
        except ValueError as error:
            raise ValueError("expected an https address") from error
        if not host or parts.scheme != "https" or parts.username or not value.isprintable() or " " in value:
            raise ValueError(f"expected an https address without a user, got {value[:60]!r}")
        return value

    @model_validator(mode="after")
    def _is_one(self) -> "Device":
        web, fcm = self.endpoint is not None, self.token is not None
        if web == fcm or ((self.kind == "fcm") != fcm and self.kind is not None):
            raise ValueError("expected a web push subscription (endpoint, keys), or the token of an fcm device")
        return self

    @property
    def named(self) -> tuple[str, str]:
        """Return its kind and what it is known by."""
        return ("web_push", self.endpoint) if self.endpoint else ("fcm", self.token or "")


_DOCUMENTED = answers(_ACCEPTED, 401, 403, 422, 429, 503, ok=202)


@router.post("/me/devices", summary="Register my device", tags=["Me"], status_code=202, responses=_DOCUMENTED)
async def register_mine(body: Device, context: Ctx, player: OwnPlayer) -> JSONResponse:
    return await _register(context, player, body, f"player:{player}")


@router.post("/players/{id}/devices", summary="Register a device", status_code=202, responses=_DOCUMENTED)
async def register(id: str, body: Device, context: Ctx, caller: PlayersWriter) -> JSONResponse:
    check_id(id, "id")
    return await _register(context, id, body, caller.id)


@router.delete("/me/devices", summary="Forget my device", tags=["Me"], status_code=202, responses=_DOCUMENTED)
async def remove_mine(body: Device, context: Ctx, player: OwnPlayer) -> JSONResponse:
    return await _told(context, player, "device_removed", body, f"player:{player}", {})


@router.delete("/players/{id}/devices", summary="Forget a device", status_code=202, responses=_DOCUMENTED)
async def remove(id: str, body: Device, context: Ctx, caller: PlayersWriter) -> JSONResponse:
    check_id(id, "id")
    return await _told(context, id, "device_removed", body, caller.id, {})


@router.get(
    "/me/push-key",
    summary="The public key that a browser subscribes with (VAPID)",
    description="For `pushManager.subscribe({userVisibleOnly: true, applicationServerKey: key})`.",
    tags=["Me"],
    responses=answers({"connector": "web", "key": "BCVxsr7N_eNgVRqv..."}, 401, 403, 404),
)
async def read_push_key(context: Ctx, _: OwnPlayer) -> dict[str, Any]:
    connectors = context.programme.documents.get("connectors", {})
    kept = sorted((doc.get("order", 0), name, doc) for name, doc in connectors.items() if doc.get("kind") == "web_push")
    for _order, name, document in kept:
        try:
            return {
                "connector": name,
                "key": vapid_public_key(read_secret(WebPushConnector.model_validate(document).vapid_private_key)),
            }
        except (SecretMissing, ValueError) as error:
            if not _warned.take(name, context.clock.now_ms()):  # where it was looked for is the operator's to know
                _log.warning("the key of the connector %s cannot be read: %s", name, error)
            raise NotFound(f"the key of the connector {name} cannot be read", code="no_push_key") from None
    raise NotFound("the live programme has no connector of the kind web_push", code="no_push_key")


@lru_cache(maxsize=8)
def vapid_public_key(private_key: str) -> str:
    """Return the public key that belongs to a VAPID key, as browsers take it.

    Args:
        private_key: PEM, or URL-safe base64 of 32 bytes or of DER: as the connector takes it.

    Raises:
        SecretMissing: it is none of these.
    """
    vapid = read_key(private_key)
    numbers = vapid.public_key.public_numbers()
    point = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")  # uncompressed (SEC 1, 2.3.3)
    return urlsafe_b64encode(point).rstrip(b"=").decode()


async def _register(context: Context, player: str, body: Device, source: str) -> JSONResponse:
    kind, _ = body.named
    if kind == "web_push" and body.keys is None:
        raise Invalid("keys: expected the subscription's p256dh and auth, got none")
    keys = body.keys.model_dump() if body.keys else {}
    return await _told(context, player, "device_registered", body, source, {"keys": keys} if keys else {})


async def _told(
    context: Context, player: str, name: str, body: Device, source: str, more: dict[str, Any]
) -> JSONResponse:
    kind, value = body.named
    properties = {"kind": kind, "value": value, **more}
    event = Event(checked(player), f"device:{new_id()}", name, context.clock.now_ms(), properties, source=source)
    await append_event(context, event)
    return JSONResponse({"accepted": True, "kind": kind, "device": digest_of(value)}, status_code=202)
