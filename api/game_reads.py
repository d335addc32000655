"""What the game shows of a player: one list a room, below ``/v1/players/{id}`` and ``/v1/me``.

Each is a part of ``GET /v1/players/{id}`` (``Room.view``); what boards and draws know is under their own paths.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from msgspec import Struct

from api.auth import OwnPlayer
from api.context import Ctx
from api.masks import check_id
from api.pages import answers, page
from api.players import PlayersReader
from api.views import live_programme, player_state
from domain.errors import NotFound
from domain.ids import keeper_id
from gamification.tournaments import shown_run
from gamification.tournaments.records import tournaments


class Read(Struct, frozen=True):
    """One list."""

    part: str  # of the player's state, and the path
    summary: str
    example: dict[str, Any]


_PRICE = {"currency": "gems", "amount": 10}
_POINTS = [{"kind": "currency", "currency": "points", "amount": 100}]
READS = (
    Read(
        "streaks",
        "Streaks, those not begun too",
        {
            "id": "daily-play",
            "name": {"en": "Daily play"},
            "every": "day",
            "count": 3,
            "best": 7,
            "counted": True,
            "ends_at": 1764633600000,
            "freezes": {"held": 1, "max": 2, "price": _PRICE},
            "next": {"at": 7, "rewards": _POINTS},
        },
    ),
    Read(
        "quests",
        "Quests, those not begun too",
        {
            "id": "grand-tour",
            "name": {"en": "Grand tour"},
            "mode": "chain",
            "status": "in_progress",
            "missions": [{"id": "first-bet", "status": "completed"}, {"id": "explorer", "status": "available"}],
            "done": 1,
            "of": 2,
            "until": None,
            "completed_at": None,
            "rewards": _POINTS,
        },
    ),
    Read(
        "tournaments",
        "Tournaments: runs under way or open, and those the player was in",
        {
            "id": "weekend-race",
            "run": "2026-11-23",
            "name": {"en": "Weekend race"},
            "status": "running",
            "starts_at": 1764547200000,
            "ends_at": 1764633600000,
            "registration": "buy_in",
            "buy_in": _PRICE,
            "players": {"min": None, "max": 500},
            "min_score": 1.0,
            "prizes": [{"from": 1, "until": 1, "tiers": [], "rewards": _POINTS}],
            "me": {"status": "scoring", "registered": True, "board": "weekend-race@2026-11-23", "score": 12.0},
        },
    ),
    Read(
        "store",
        "Items for sale to the player",
        {
            "id": "free-spins",
            "name": {"en": "Free spins"},
            "description": {},
            "icon": "star",
            "type": "spins",
            "gives": [{"kind": "spins", "minigame": "wheel", "amount": 3}],
            "price": {**_PRICE, "before": 12},
            "stock": 100,
            "limit": {"max": 1, "per": "day", "left": 1},
            "from": None,
            "until": 1764633600000,
            "can_buy": True,
            "reason": None,
        },
    ),
    Read(
        "purchases",
        "What the player bought or was given of the store, newest first",
        {
            "id": "pur_YW1lbGlh_0c1f2e3d4b5a697887",
            "item": "free-spins",
            "amount": 1,
            "status": "granted",
            "reason": None,
            "price": _PRICE,
            "rule": None,
            "at": 1764580000000,
            "granted_at": 1764580000000,
        },
    ),
    Read(
        "minigames",
        "Mini-games with their odds, and what the player may play",
        {
            "id": "wheel",
            "name": {"en": "Wheel"},
            "type": "wheel",
            "active": True,
            "until": None,
            "spins": 1,
            "attempts_left": 1,
            "next_at": None,
            "buy_in": None,
            "prizes": [{"id": "ten-gems", "odds": {"weight": 50, "of": 100}, "lose": False, "rewards": []}],
            "epoch": 1,
        },
    ),
    Read(
        "plays",
        "Plays that wait to be acknowledged, and the last ones, newest first",
        {
            "id": "1764580000000-0@amelia",
            "minigame": "wheel",
            "status": "drawn",
            "prize": "ten-gems",
            "at": 1764580000000,
            "acknowledge_by": 1764580180000,
            "rewards": [],
        },
    ),
    Read(
        "raffles",
        "Raffles, and the player's tickets",
        {
            "id": "monthly",
            "name": {"en": "Monthly raffle"},
            "run": "m24322",
            "draw_at": 1764633600000,
            "tickets": 4,
            "max_per_player": 100,
            "prizes": [{"id": "mug", "name": {"en": "Mug"}, "count": 3, "min_tickets": 1, "rewards": []}],
            "commitment": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
        },
    ),
    Read(
        "wins",
        "What the player won in raffles, newest first",
        {
            "id": "monthly@m24321.0",
            "raffle": "monthly",
            "prize": "mug",
            "ticket": 7,
            "status": "won",
            "until": 1764633600000,
            "rewards": [{"currency": "points", "amount": 100}],
        },
    ),
    Read(
        "jackpots",
        "Jackpots, and what is in the player's own; GET /v1/jackpots has the shared ones",
        {
            "id": "mine",
            "name": {"en": "Your jackpot"},
            "scope": "personal",
            "currency": "points",
            "pot": 2,
            "amount": 140,
            "must_hit_by": 500,
            "commitment": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
        },
    ),
)


def _reads(prefix: str, tag: str, subject: Callable[..., Any], *, own: bool = False) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=[tag])
    for read in READS:
        router.add_api_route(
            f"/{read.part}",
            _endpoint(read.part, Annotated[str, Depends(subject)], own),
            methods=["GET"],
            name=f"{tag.lower()}_{read.part}",
            summary=read.summary,
            responses=answers({"items": [read.example], "next": None}, 401, 403, 404, 409, 503),
        )
    return router


def _endpoint(part: str, player: Any, own: bool) -> Callable[..., Any]:
    async def listed(context: Ctx, player_id: player) -> dict[str, Any]:
        state = await player_state(context, player_id, own=own)
        return page(state.get(part, []))

    return listed


async def _named(id: str, _: PlayersReader) -> str:
    return id


async def _myself(player: OwnPlayer) -> str:
    return player


runs = APIRouter(prefix="/v1/tournaments", tags=["Game"])


@runs.get(
    "/{tournament}/runs/{run}",
    summary="A run as its keeper knows it: seats, state, final table",
    responses=answers(
        {
            "id": "weekend-race",
            "run": "2026-11-23",
            "name": {"en": "Weekend race"},
            "status": "finished",
            "entrants": 120,
            "ranked": 97,
            "prizes_paid": 10,
            "table": [{"rank": 1, "player": "amelia", "score": 12.0, "reached_at": 1764580000000}],
        },
        401,
        403,
        404,
        503,
    ),
)
async def read_run(tournament: str, run: str, context: Ctx, _: PlayersReader) -> dict[str, Any]:
    name = check_id(f"{tournament}@{run}", "run")
    kept = (await context.players.ref(keeper_id("tournament", name)).state()).kept
    rules = (await live_programme(context)).rules
    if tournament not in tournaments(rules).rules:
        raise NotFound(f"there is no tournament {tournament[:100]!r}", code="tournament_not_found")
    shown = shown_run(rules, name, kept, context.clock.now_ms())
    if shown is None:
        raise NotFound(f"the tournament {tournament[:100]!r} has no run {run[:100]!r}", code="run_not_found")
    return shown


router = APIRouter()
router.include_router(runs)
router.include_router(_reads("/v1/players/{id}", "Players", _named))
router.include_router(_reads("/v1/me", "Me", _myself, own=True))
