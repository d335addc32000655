"""``POST /v1/players/{id}/token``: mints a short-lived player token (for tests and simple back ends)."""

from typing import Annotated

import jwt
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from api.auth import ALGORITHM, PLAYER_SCOPE, Principal, require
from api.context import Ctx
from api.masks import check_id
from api.persons import checked

router = APIRouter(tags=["tokens"])


class TokenRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ttl_s: int = Field(3600, ge=1, le=24 * 3600)


class TokenAnswer(BaseModel):
    token: str
    player_id: str
    expires_at: int  # seconds since the epoch


@router.post("/v1/players/{player_id}/token")
async def mint(
    player_id: str,
    context: Ctx,
    _: Annotated[Principal, Depends(require("tokens:write"))],
    request: TokenRequest | None = None,
) -> TokenAnswer:
    """Mint a token by which a player reads and acts for itself."""
    check_id(checked(player_id), "player_id")
    issued = context.clock.now_ms() // 1000
    expires = issued + (request or TokenRequest(ttl_s=3600)).ttl_s
    claims = {"sub": player_id, "iat": issued, "exp": expires, "scope": PLAYER_SCOPE}
    return TokenAnswer(
        token=jwt.encode(claims, context.settings.token_secret, ALGORITHM), player_id=player_id, expires_at=expires
    )
