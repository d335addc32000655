"""``/v1/draws/{id}`` and what is in the jackpots: how anybody checks what was drawn (docs/gamification/fairness.md).

Seeds are derived from the store's own, so a commitment can be read before anything is drawn; a seed is answered only
once it draws nothing more.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Authenticated, OwnPlayer, Principal, require
from api.context import Context, Ctx
from api.pages import answers, instant, page
from api.past import past_of
from api.persons import snapshot_of
from api.views import live_programme
from domain.effects import HistoryRecord, decode_record
from domain.errors import Forbidden, NotFound
from domain.game_effects import Drawn, TicketsListed
from domain.ids import KEEPER_PREFIX, keeper_id, partition_of
from domain.step import Draws
from gamification.fairness.proof import commitment, place_of, problems, seed_of
from gamification.jackpots.keeper import KIND, shown_pot
from gamification.jackpots.rules import JackpotRule
from gamification.raffles.runs import number_of
from store.keys import PLAYERS

router = APIRouter(prefix="/v1", tags=["Draws"])

_DRAW = {
    "id": "1764580000000-0.0@amelia",
    "at": "2026-11-22T09:00:00.000Z",
    "of": "minigames",
    "ref": "wheel",
    "scope": "amelia",
    "number": 3,
    "commitment": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    "client_seed": "my-lucky-7",
    "nonce": 0,
    "result": "ten-gems",
    "table": [["ten-gems", 1], ["nothing", 9]],
    "out": [],
    "facts": {"play": "1764580000000-0@amelia"},
    "seed": None,
    "matches": None,
    "problems": [],
}
_POT = {
    "id": "daily",
    "name": {"en": "Daily jackpot"},
    "pot": 4,
    "amount": 10310,
    "currency": "points",
    "must_hit_by": 100000,
    "paid": 81000,
    "contributions": 31,
    "commitment": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    "winners": [{"amount": 20500, "at": 1764580000000, "draw": "1764580000000-0.0@keeper:jackpot:daily"}],
}
_SAYS = (
    "Everything that proves a draw, and whether its seed gives what was recorded (`matches`). `seed` is null until it "
    "is revealed: of a mini-game when the player's next seed is in use. The maths are in docs/gamification/fairness.md."
)


@router.get(
    "/draws/{id:path}", summary="A draw and its proof", description=_SAYS, responses=answers(_DRAW, 401, 403, 404)
)
async def read_draw(id: str, context: Ctx, _: Annotated[Principal, Depends(require("players:read"))]) -> dict[str, Any]:
    return await _shown(context, id, *await _found(context, id))


@router.get(
    "/me/draws/{id:path}",
    summary="A draw of the player's own, or of everybody's",
    description=_SAYS,
    tags=["Me"],
    responses=answers(_DRAW, 401, 403, 404, 409),
)
async def read_own_draw(id: str, context: Ctx, player: OwnPlayer) -> dict[str, Any]:
    record, drawn = await _found(context, id)
    actor = _place(id)[2]
    if not actor.startswith(KEEPER_PREFIX) and actor != player:
        own = await snapshot_of(context, player, own=True)
        if actor not in own.identity.sources:
            raise Forbidden("this draw is another player's")
    if isinstance(drawn, TicketsListed):  # it names other players
        raise Forbidden("the list of a raffle needs a server key with scope players:read")
    return await _shown(context, id, record, drawn)


@router.get(
    "/jackpots",
    summary="What is in the jackpots: what the operator owes whoever hits them",
    responses=answers({"items": [_POT], "next": None}, 401),
)
async def read_jackpots(context: Ctx, _: Authenticated) -> dict[str, Any]:
    programme = await live_programme(context)
    rules: dict[str, JackpotRule] = programme.rules.rooms.get("jackpots") or {}
    items = []
    for rule in rules.values():
        if not rule.personal:
            kept = (await context.players.ref(keeper_id(KIND, rule.id)).state()).kept
            pot = shown_pot(kept)
            first = {"amount": rule.seed, "currency": rule.currency, "commitment": _commitment(context, rule.id)}
            items.append({"id": rule.id, "name": dict(rule.name), **pot, **({} if kept else first)})
    return page(items)


def _commitment(context: Context, jackpot: str) -> str:
    return commitment(draws_of(context), "jackpots", jackpot, "", 0)


def draws_of(context: Context) -> Draws:
    """Return what derives the store's seeds."""
    return Draws(context.identity.seed, 0, "")


def _place(draw: str) -> tuple[str, int, str]:
    place = place_of(draw)
    if place is None:
        raise NotFound(f"there is no draw {draw[:120]!r}", code="draw_not_found")
    return place


async def _found(context: Context, draw: str) -> tuple[HistoryRecord, Drawn | TicketsListed]:
    """Return the turn that drew, and its draw.

    Raises:
        NotFound: there is none of that id.
    """
    offset, number, actor = _place(draw)
    p = partition_of(actor, context.partitions)
    rows: Any = await context.redis.xrange(PLAYERS.history(p, actor), offset, offset)
    if not rows and (older := past_of(context, actor)) is not None:
        ms, _, seq = offset.partition("-")
        rows = [row for row in await older(f"{ms}-{int(seq) + 1}", 1) if row[0].decode() == offset]
    if rows:
        record = decode_record(rows[0][1][b"d"])
        drawn = [effect for effect in record.effects if isinstance(effect, Drawn | TicketsListed)]
        if number < len(drawn):
            return record, drawn[number]
    raise NotFound(f"there is no draw {draw[:120]!r}", code="draw_not_found")


async def _shown(context: Context, draw: str, record: HistoryRecord, drawn: Drawn | TicketsListed) -> dict[str, Any]:
    head = {"id": draw, "at": instant(record.at)}
    if isinstance(drawn, TicketsListed):
        listed = {"of": "raffles", "ref": drawn.raffle, "number": number_of(drawn.run), "part": drawn.part}
        return {**head, **listed, "hash": drawn.hash, "rows": [list(row) for row in drawn.rows]}
    seed = None
    if await _is_revealed(context, drawn):
        seed = seed_of(draws_of(context), drawn.of, drawn.ref, drawn.scope, drawn.number)
    wrong = problems(drawn, seed) if seed else []
    return {
        **head,
        "of": drawn.of,
        "ref": drawn.ref,
        "scope": drawn.scope,
        "number": drawn.number,
        "commitment": drawn.commitment,
        "client_seed": drawn.client_seed,
        "nonce": drawn.nonce,
        "result": drawn.result,
        "table": [list(row) for row in drawn.table],
        "out": list(drawn.out),
        "facts": drawn.facts,
        "seed": seed.hex() if seed else None,
        "matches": not wrong if seed else None,
        "problems": wrong,
    }


async def _is_revealed(context: Context, drawn: Drawn) -> bool:
    """Tell whether the seed draws nothing more: a raffle's and a pot's end with their draw."""
    if drawn.of != "minigames":
        return True
    owner = await context.players.ref(drawn.scope).state()
    used = owner.games.seeds.get(drawn.ref)
    return bool(owner.identity.merged_into) or (used is not None and used.epoch > drawn.number)
