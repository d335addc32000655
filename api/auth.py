"""Who asks, and what they may do.

API keys come as ``Authorization: Bearer`` or Basic (``key:``); player tokens (HS256 JWT) as Bearer. Server keys act
by scopes, ``admin`` has all; client keys are public and may only send marked events; a token is its player's alone.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import jwt
from fastapi import Depends
from starlette.requests import HTTPConnection

from api.context import Context, Ctx
from domain.errors import Forbidden, Unauthorised
from domain.ids import is_nobody

ADMIN = "admin"
SCOPES = (
    ADMIN,
    "config:read",
    "config:write",
    "events:read",
    "events:write",
    "messages:read",
    "messages:write",
    "players:read",
    "players:write",
    "programme:read",
    "programme:publish",
    "reports:read",
    "tokens:write",
)
ALGORITHM = "HS256"
PLAYER_SCOPE = "player"
LEEWAY_S = 30  # clock difference between the minting back end and this gateway


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a key, or a player by token."""

    kind: Literal["server", "client", "player"]
    id: str  # of the key; player:<id> for a token
    scopes: frozenset[str] = frozenset()
    player: str = ""  # of a token
    expires_at: int = 0  # s, of a token

    def may(self, scope: str) -> bool:
        """Tell whether a scope was granted."""
        return self.kind == "server" and (scope in self.scopes or ADMIN in self.scopes)


def credential(authorization: str | None) -> str | None:
    """Return the key or token of an Authorization header, None when there is none.

    Raises:
        Unauthorised: the header is there and cannot be read.
    """
    if not authorization:
        return None
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Unauthorised("expected Basic base64(key:)") from error
    raise Unauthorised("expected Authorization: Bearer or Basic")


async def principal_of(context: Context, secret: str) -> Principal:
    """Return who a key or token stands for.

    Raises:
        Unauthorised: it is not known, ended or not valid.
    """
    if secret.count(".") == 2 and secret.startswith("ey"):
        return player_of(secret, context.settings.token_secret)
    key = await context.keys.find(secret, context.clock.now_ms())
    if key is None:
        raise Unauthorised("the key is not known, or was revoked")
    return Principal(key.kind, key.id, frozenset(key.scopes))


def player_of(token: str, token_secret: str) -> Principal:
    """Return the player of a token.

    Raises:
        Unauthorised: its signature, time or scope is not right.
    """
    try:
        claims = jwt.decode(
            token, token_secret, algorithms=[ALGORITHM], leeway=LEEWAY_S, options={"require": ["sub", "exp"]}
        )
    except jwt.PyJWTError as error:
        raise Unauthorised(f"the token is not valid: {error}", code="bad_token") from error
    if claims.get("scope") != PLAYER_SCOPE or not claims["sub"]:
        raise Unauthorised("expected a token with scope player", code="bad_token")
    if is_nobody(str(claims["sub"])):
        raise Unauthorised("expected a token of a player, this is one of the engine's own ids", code="bad_token")
    return Principal("player", f"player:{claims['sub']}", player=claims["sub"], expires_at=int(claims["exp"]))


async def authenticated(connection: HTTPConnection, context: Ctx) -> Principal:
    """Return who asks; a FastAPI dependency."""
    secret = credential(connection.headers.get("authorization"))
    if secret is None:
        raise Unauthorised("expected an API key or a player token in Authorization")
    return await principal_of(context, secret)


Authenticated = Annotated[Principal, Depends(authenticated)]


def require(scope: str) -> Callable[[Principal], Awaitable[Principal]]:
    """Return a dependency that lets server keys with a scope pass, and gives the principal."""
    assert scope in SCOPES, f"unknown scope {scope!r}"

    async def allowed(principal: Authenticated) -> Principal:
        if not principal.may(scope):
            raise Forbidden(f"this needs a server key with scope {scope}", scope=scope)
        return principal

    return allowed


async def own_player(principal: Authenticated) -> str:
    """Return the player that asks by token; a FastAPI dependency for ``/v1/me``."""
    if principal.kind != "player":
        raise Forbidden("this needs a player token")
    return principal.player


OwnPlayer = Annotated[str, Depends(own_player)]
