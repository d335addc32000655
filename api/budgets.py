"""Reward budgets as they stand: what is spent, reserved and left, and how many rewards wait."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Context, Ctx
from api.groups import parts_of
from api.pages import Cursor, Limit, answers, instant, page, page_by_name
from api.views import live_programme
from domain.errors import NotFound
from domain.ids import keeper_id
from gamification.budgets.keeper import KIND
from gamification.budgets.view import ids, shown

router = APIRouter(prefix="/v1/budgets", tags=["Game"])

PlayersReader = Annotated[Principal, Depends(require("players:read"))]

_BUDGET = {
    "id": "welcome",
    "currency": "points",
    "amount": 100_000,
    "per": "day",
    "period": {"number": 20_779, "from": "2026-11-22T00:00:00.000Z", "until": "2026-11-23T00:00:00.000Z"},
    "spent": 81_250,
    "reserved": 500,
    "left": 18_250,
    "waiting": 0,
    "when_spent": "queue",
}


@router.get(
    "",
    summary="The live budgets, and what is left of each",
    responses=answers({"items": [_BUDGET], "next": None}, 400, 401, 403, 503),
)
async def list_budgets(context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    names, following = page_by_name(ids((await live_programme(context)).rules), str, limit, cursor)
    return page(await read(context, names), following)


@router.get(
    "/{budget}",
    summary="One live budget",
    description="`spent + reserved + left` is the amount, unless it was lowered below what is spent. `waiting` counts "
    "rewards that are given as soon as there is room.",
    responses=answers(_BUDGET, 401, 403, 404, 503),
)
async def read_budget(budget: str, context: Ctx, _: PlayersReader) -> dict[str, Any]:
    if not (found := await read(context, [budget])):
        raise NotFound(f"there is no budget {budget[:100]!r} in the live programme", code="budget_not_found")
    return found[0]


async def every(context: Context) -> list[dict[str, Any]]:
    """Return all live budgets, for the metrics; a programme without any is not compiled for them."""
    _, documents = await context.programmes.current()
    if not documents.get("budgets"):
        return []
    return await read(context, ids((await live_programme(context)).rules))


async def read(context: Context, names: list[str]) -> list[dict[str, Any]]:
    """Return the budgets of these names that are in the live programme."""
    rules = (await live_programme(context)).rules
    held = await parts_of(context, [keeper_id(KIND, name) for name in names], "kept")
    now = context.clock.now_ms()
    found = [shown(rules, name, kept, now) for name, kept in zip(names, held, strict=True)]
    return [_timed(budget) for budget in found if budget is not None]


def _timed(budget: dict[str, Any]) -> dict[str, Any]:
    period = budget["period"]
    if period is None:
        return budget
    return budget | {"period": period | {"from": instant(period["from"]), "until": instant(period["until"])}}
