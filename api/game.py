"""What is asked of the game: freezes, registrations, purchases, plays, claims; and what operators decide.

Each is a command in the player's log (``api.commands.asked``), or in that of the actor that keeps a run. ``_COMMANDS``
is the one table of the player's; they stand below ``/v1/players/{id}`` for server keys and below ``/v1/me`` for tokens.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from api.auth import OwnPlayer, Principal, require
from api.commands import LATER, Prefer, asked, asked_of
from api.context import Context, Ctx
from api.idempotency import IdempotencyKey
from api.masks import check_id, id_fault
from api.pages import answers
from domain.errors import NotFound
from domain.ids import is_nobody, keeper_id
from gamification import rooms
from gamification.store.records import player_of

PlayersWriter = Annotated[Principal, Depends(require("players:write"))]
RUN_KEEPER = "tournament"


class RegistrationBody(BaseModel):
    """Which run; none: the present one, or the next where a least number of players must be in before the start."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"run": "2026-11-23"}})

    run: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class PlayBody(BaseModel):
    """A seed of the player's own for the draw; none: the last one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"client_seed": "my-lucky-7"}})

    client_seed: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class PlayerCommand(Struct, frozen=True):
    """One command of a player as a route."""

    method: str
    path: str  # below /v1/me and /v1/players/{id}; its one variable is ``id`` of ``argument``
    name: str  # of the command
    argument: str
    summary: str
    data: dict[str, Any]  # an example of what is answered
    effects: tuple[dict[str, Any], ...] = ()  # likewise
    body: type[BaseModel] | None = None
    description: str = ""


_PURCHASE = {"purchase": "pur_YW1lbGlh_0c1f2e3d4b5a697887", "item": "free-spins", "price": 10}
_PLAY = {"play": "1764580000000-0@amelia", "minigame": "wheel", "prize": "ten-gems"}
_GEMS = [{"currency": "gems", "amount": 10}]
_SPENT = {"kind": "points", "currency": "gems", "amount": -10, "balance_after": 40}
_COMMANDS = (
    PlayerCommand(
        "POST",
        "/streaks/{streak}/freezes",
        "buy_freeze",
        "streak",
        "Buy a freeze: it keeps the streak over one missed day or week",
        {"streak": "daily-play", "freezes": 1},
        (_SPENT,),
    ),
    PlayerCommand(
        "POST",
        "/tournaments/{tournament}/registration",
        "register",
        "tournament",
        "Register for a run of a tournament",
        {"tournament": "weekend-race", "run": "2026-11-23", "status": "registered"},
        body=RegistrationBody,
        description="A buy-in is taken, and comes back when the run is cancelled. Again it is answered the same.",
    ),
    PlayerCommand(
        "DELETE",
        "/tournaments/{tournament}/registration",
        "withdraw",
        "tournament",
        "Withdraw from a run that has not begun",
        {"tournament": "weekend-race", "run": "2026-11-23", "status": "withdrawn"},
        body=RegistrationBody,
    ),
    PlayerCommand(
        "POST",
        "/store/{item}/purchases",
        "buy",
        "item",
        "Buy an item",
        {**_PURCHASE, "currency": "gems", "status": "granted"},
        (_SPENT,),
        description="What a platform has to grant is `granting` until it has said so.",
    ),
    PlayerCommand(
        "POST",
        "/purchases/{purchase}/refund",
        "refund",
        "purchase",
        "Give a purchase back",
        {**_PURCHASE, "status": "refunded"},
    ),
    PlayerCommand(
        "POST",
        "/minigames/{minigame}/plays",
        "play",
        "minigame",
        "Play: the prize is drawn, and given when the play is acknowledged",
        {
            **_PLAY,
            "lose": False,
            "rewards": _GEMS,
            "draw": "1764580000000-0.0@amelia",
            "acknowledge_by": 1764580180000,
        },
        body=PlayBody,
    ),
    PlayerCommand(
        "POST",
        "/minigames/{minigame}/seed",
        "rotate_seed",
        "minigame",
        "Have the seed of a game revealed, and go on with the next",
        {
            "minigame": "wheel",
            "epoch": 4,
            "commitment": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
        },
        description="A seed that drew nothing yet is kept. `GET /v1/me/draws/{id}` then shows the seed of its draws.",
    ),
    PlayerCommand(
        "POST",
        "/plays/{play}/acknowledgement",
        "acknowledge",
        "play",
        "Acknowledge a play: its prize is given now, and not when its time is over",
        {**_PLAY, "rewards": _GEMS},
    ),
    PlayerCommand(
        "POST",
        "/raffles/claims/{win}",
        "claim_win",
        "win",
        "Take what was won in a raffle",
        {"win": "monthly@m24321.0", "raffle": "monthly", "prize": "gems", "rewards": _GEMS},
    ),
)


def _documented(command: PlayerCommand) -> dict[int | str, dict[str, Any]]:
    done = {"ok": True, "data": command.data, "effects": list(command.effects)}
    return answers(done, 400, 401, 403, 404, 409, 422, 429, 503, also={202: LATER})


def _routes(prefix: str, tag: str, subject: Callable[..., Any]) -> APIRouter:
    """Return the player's commands below a prefix, for whom ``subject`` says: (player, who asks)."""
    router = APIRouter(prefix=prefix, tags=[tag])
    who = Annotated[tuple[str, str], Depends(subject)]
    for command in _COMMANDS:
        router.add_api_route(
            command.path,
            _endpoint(command, who),
            methods=[command.method],
            name=f"{tag.lower()}_{command.name}",
            summary=command.summary,
            description=command.description or None,
            responses=_documented(command),
            openapi_extra={
                "parameters": [{"name": command.argument, "in": "path", "required": True, "schema": {"type": "string"}}]
            },
        )
    return router


def _endpoint(command: PlayerCommand, who: Any) -> Callable[..., Any]:
    async def plain(
        request: Request, context: Ctx, subject: who, key: IdempotencyKey, prefer: Prefer = None
    ) -> Response:
        return await _ask(context, command, request, subject, key, prefer, {})

    if command.body is None:
        return plain
    model: Any = command.body

    async def with_body(
        request: Request,
        context: Ctx,
        subject: who,
        key: IdempotencyKey,
        body: model | None = None,
        prefer: Prefer = None,
    ) -> Response:
        said = body.model_dump(exclude_none=True) if body is not None else {}
        return await _ask(context, command, request, subject, key, prefer, said)

    return with_body


async def _ask(
    context: Context,
    command: PlayerCommand,
    request: Request,
    subject: tuple[str, str],
    key: str,
    prefer: str | None,
    said: dict[str, Any],
) -> Response:
    player, source = subject
    args = {**said, command.argument: request.path_params[command.argument]}
    if command.name == "refund" and not source.startswith("player:"):
        args["by_operator"] = True
    return await asked(context, player, _there(command.name), args, key, source, prefer)


def _there(name: str) -> str:
    """Return a command's name.

    Raises:
        NotFound: no room has it: it would be taken for one that changes nothing.
    """
    if name not in rooms.COMMANDS:
        raise NotFound(f"this build of the game has no {name.replace('_', ' ')}", code="feature_not_available")
    return name


async def _named(id: str, caller: PlayersWriter) -> tuple[str, str]:
    return check_id(id, "id"), caller.id


async def _myself(player: OwnPlayer) -> tuple[str, str]:
    return player, f"player:{player}"


# --- operators --------------------------------------------------------------------------------------------------------


class ApprovalBody(BaseModel):
    """Whether a player who waits for it may be in a run."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"player_id": "amelia", "approve": True}})

    player_id: Annotated[str, Field(min_length=1, max_length=256)]
    approve: bool = True


class GrantBody(BaseModel):
    """What the platform did with a grant that it was asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"status": "granted"}})

    status: Literal["granted", "failed"]
    reason: Annotated[str, Field(max_length=200)] = ""
    player_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None  # none: the purchase names its buyer


operators = APIRouter(prefix="/v1", tags=["Game"])


def _decided(data: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    good = {"ok": True, "data": data, "effects": []}
    return answers(good, 400, 401, 403, 404, 409, 422, 429, 503, also={202: LATER})


_RUN = {"tournament": "weekend-race", "run": "2026-11-23"}


@operators.post(
    "/tournaments/{tournament}/runs/{run}/approvals",
    summary="Let a player into a run, or not",
    responses=_decided({**_RUN, "status": "registered"}),
)
async def approve_registration(
    tournament: str,
    run: str,
    body: ApprovalBody,
    context: Ctx,
    caller: PlayersWriter,
    key: IdempotencyKey,
    prefer: Prefer = None,
) -> Response:
    args = {"tournament": tournament, "run": run, "player": body.player_id, "approve": body.approve}
    name = _there("approve_registration")
    return await asked(context, check_id(body.player_id, "player_id"), name, args, key, caller.id, prefer)


@operators.post(
    "/tournaments/{tournament}/runs/{run}/cancellation",
    summary="Cancel a run: buy-ins come back",
    description="Until its prizes are being paid: from then on 409 `too_late`.",
    responses=_decided({**_RUN, "status": "cancelled"}),
)
async def cancel_run(
    tournament: str, run: str, context: Ctx, caller: PlayersWriter, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    return await _of_run(context, tournament, run, "cancel_run", key, caller, prefer)


@operators.post(
    "/tournaments/{tournament}/runs/{run}/prizes",
    summary="Approve a run's final table: its prizes are paid",
    responses=_decided({**_RUN, "status": "paying"}),
)
async def approve_prizes(
    tournament: str, run: str, context: Ctx, caller: PlayersWriter, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    return await _of_run(context, tournament, run, "approve_prizes", key, caller, prefer)


@operators.post(
    "/grants/{purchase}",
    summary="The platform has granted a reward, or could not",
    description="What was asked for by a signed webhook, whose `id` is the purchase's. A failed grant gives the price "
    "back. The same again changes nothing.",
    responses=_decided({"purchase": _PURCHASE["purchase"], "status": "granted"}),
)
async def confirm_grant(
    purchase: str, body: GrantBody, context: Ctx, caller: PlayersWriter, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    player = body.player_id or player_of(purchase)  # its id is longer than one may be
    if body.player_id is None and (id_fault(player) or is_nobody(player)):
        raise NotFound(f"there is no purchase {purchase[:80]!r}", code="purchase_not_found")
    check_id(player, "player_id")
    args = {"purchase": purchase, "status": body.status, "reason": body.reason}
    return await asked(context, player, _there("confirm_grant"), args, key, caller.id, prefer)


async def _of_run(
    context: Context, tournament: str, run: str, name: str, key: str, caller: Principal, prefer: str | None
) -> Response:
    """Ask the actor that keeps a run; it knows its own commands."""
    if RUN_KEEPER not in rooms.KEEPERS:
        raise NotFound("this build of the game has no tournaments", code="feature_not_available")
    keeper = keeper_id(RUN_KEEPER, check_id(f"{tournament}@{run}", "run"))
    return await asked_of(context, keeper, name, {}, key, caller.id, prefer)


router = APIRouter()
router.include_router(_routes("/v1/players/{id}", "Players", _named))
router.include_router(_routes("/v1/me", "Me", _myself))
router.include_router(operators)
