"""``/v1/keys``: make, list and revoke API keys. A key is shown once; the store keeps only its hash."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from api.auth import SCOPES, Principal, require
from api.context import Ctx
from api.idempotency import IdempotencyKey
from api.pages import instant
from domain.errors import Conflict, Invalid, NotFound
from store.access import KEYS_MAX, SECRET_PREFIX, ApiKey

router = APIRouter(prefix="/v1/keys", tags=["keys"])
Admin = Annotated[Principal, Depends(require("admin"))]


class KeyRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["server", "client"] = "server"
    name: str = Field("", max_length=100)
    scopes: list[str] | None = Field(None, max_length=50)  # None: events:write
    expires_at: AwareDatetime | None = None

    @field_validator("scopes")
    @classmethod
    def known(cls, scopes: list[str] | None) -> list[str] | None:
        if unknown := sorted(set(scopes or ()) - set(SCOPES)):
            raise ValueError(f"unknown scopes {unknown}, expected some of {list(SCOPES)}")
        return scopes


@router.post("", status_code=201)
async def create(request: KeyRequest, context: Ctx, admin: Admin, idempotency_key: IdempotencyKey) -> dict[str, Any]:
    """Make a key. The same idempotency key gives the same API key again."""
    if request.kind == "client" and request.scopes not in (None, ["events:write"]):
        raise Invalid("a client key can only have the scope events:write")
    if len(await context.access.all()) >= KEYS_MAX:
        raise Invalid(f"there are {KEYS_MAX} keys, the most a store holds")
    scopes = tuple(sorted(set(request.scopes if request.scopes is not None else ("events:write",))))
    # derived, so that a repeated request finds the same key although only hashes are stored
    derived = hmac.digest(
        context.settings.token_secret.encode(), f"api-key\n{admin.id}\n{idempotency_key}".encode(), sha256
    )
    body = sha256(request.model_dump_json().encode()).hexdigest()
    secret, key = await context.access.create(
        request.kind,
        scopes,
        now=context.clock.now_ms(),
        name=request.name,
        expires_at=int(request.expires_at.timestamp() * 1000) if request.expires_at else 0,
        secret=SECRET_PREFIX + urlsafe_b64encode(derived).decode().rstrip("="),
        request=body,
    )
    if key.request != body:
        raise Conflict("this Idempotency-Key was used with another body", code="idempotency_mismatch")
    await context.keys.reload()
    return {"key": secret, **_shown(key)}


@router.get("")
async def index(context: Ctx, _: Admin) -> dict[str, Any]:
    """List all keys, oldest first."""
    return {"items": [_shown(key) for key in await context.access.list()], "next": None}


@router.delete("/{key_id}")
async def revoke(key_id: str, context: Ctx, _: Admin) -> dict[str, Any]:
    """Revoke a key: it is dead in every gateway within two seconds."""
    key = await context.access.revoke(key_id, context.clock.now_ms())
    if key is None:
        raise NotFound(f"there is no key {key_id!r}")
    await context.keys.reload()
    return _shown(key)


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "kind": key.kind,
        "name": key.name,
        "scopes": list(key.scopes),
        "prefix": key.prefix,
        "created_at": instant(key.created_at),
        "expires_at": instant(key.expires_at),
        "revoked_at": instant(key.revoked_at),
    }
