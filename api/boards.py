"""The table of a run: ``/v1/tournaments/{id}/board`` for server keys, the same below ``/v1/me`` for the player's token.

Rows come from the board itself (``store.boards``), which is up to a tenth of a second behind the turns until it is
frozen.
"""

import base64
from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from api.auth import OwnPlayer
from api.context import Context, Ctx
from api.pages import Limit, answers, instant, page
from api.players import PlayersReader
from api.views import known_player, live_programme
from domain.calendar import as_ms
from domain.errors import BadRequest, NotFound, StoreDown
from domain.ids import keeper_id, partition_of
from domain.player import Profile, Snapshot
from gamification.tournaments.config import Once
from gamification.tournaments.records import key_of
from gamification.tournaments.rules import KEEPER, NONE, ROOM, TournamentRule
from gamification.tournaments.windows import next_run, run_at, run_named
from store.boards import Boards, Row, Table
from store.keys import PLAYERS
from store.ports import Unavailable

NAME_MAX = 40  # characters of a name that others see
ME = "me"
_profile = msgspec.msgpack.Decoder(Profile)

RunName = Annotated[
    str | None,
    Query(pattern=r"^[0-9A-Za-z-]{1,20}$", description="Which run; the one that is on, else the last one that was."),
]
Cohort = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,3}-[0-9]{1,6}$", description="Which table, where there are cohorts: `0-3`.")
]
Behind = Annotated[str | None, Query(pattern=r"^[0-9]{1,9}$", description="`next` of the page before: its last rank.")]
Around = Annotated[str | None, Query(max_length=300, description="Rows beside this player, instead of the first.")]

_ROW = {"rank": 17, "name": "Mo", "score": 5150.0, "reached_at": "2026-11-22T17:45:02.007Z", "me": True}
_BOARD = {
    "tournament": "weekend-race",
    "run": "2026-11-22",
    "board": "weekend-race@2026-11-22",
    "entrants": 1240,
    "frozen": False,
    "rank": 17,
    "items": [_ROW],
    "next": "17",
}
_OF_ALL = _BOARD | {"late": 0, "items": [{**_ROW, "player": "amelia"}]}


async def shown_board(
    context: Context,
    tournament: str,
    *,
    run: str | None = None,
    cohort: str | None = None,
    subject: Snapshot | None = None,
    around: bool = False,
    limit: int = 50,
    cursor: str | None = None,
    own: bool = False,
) -> dict[str, Any]:
    """Return a page of a run's table.

    Args:
        subject: The player whose rank is told, and whose cohort is shown unless one is named.
        around: Show the rows beside the subject.
        own: As a player may see it: without the ids of others.

    Raises:
        NotFound: there is no such tournament, or it never has a run of this name.
        BadRequest: the tournament has cohorts, and neither one nor a player was named.
    """
    rules = (await live_programme(context)).rules.rooms.get(ROOM, NONE).rules
    rule: TournamentRule | None = rules.get(tournament)
    if rule is None:
        raise NotFound(f"there is no tournament {tournament[:60]!r}", code="tournament_not_found")
    if run is None:
        run = present_run(rule, context.clock.now_ms())
    elif not await _is_run(context, rule, run):
        raise NotFound(f"the tournament {tournament[:60]!r} has no run {run!r}", code="run_not_found")
    name = _board(rule, run, cohort, subject)
    boards, player = Boards(context.redis), subject.player if subject else ""
    try:
        if around:
            table = await boards.around(name, player, max(0, limit - 1) // 2)
            rank, following = table.rank, None
        else:
            after = int(cursor or 0)
            table = await boards.top(name, limit, after)
            rank = (await boards.standings([(name, player)]))[0].rank if player else 0
            end = after + len(table.rows)
            following = str(end) if table.rows and end < table.entrants else None
    except Unavailable as error:
        raise StoreDown("the store does not answer; a retry is safe", retry_after_s=1) from error
    names = await _names(context, table.rows, rule.name_trait)
    items = [_shown(row, name, player, own=own) for row, name in zip(table.rows, names, strict=True)]
    return {"tournament": tournament, "run": run, "board": name, **_of(table, own=own), "rank": rank or None} | page(
        items, following
    )


async def _is_run(context: Context, rule: TournamentRule, run: str) -> bool:
    """Tell whether the tournament has such a run, or had it under an older schedule: then its keeper knows it."""
    if run_named(rule.schedule, rule.zone, run) is not None:
        return True
    keeper = keeper_id(KEEPER, key_of(rule.id, run))
    return bool((await context.players.ref(keeper).state()).kept)


def present_run(rule: TournamentRule, now: int) -> str:
    """Return the run that is on, else the last one that was, else the first one to come."""
    at = as_ms(rule.schedule.starts) if isinstance(rule.schedule, Once) else now
    run = run_at(rule.schedule, rule.zone, now) or run_at(rule.schedule, rule.zone, at)
    run = run or next_run(rule.schedule, rule.zone, now)
    assert run is not None, f"{rule.id} has no run"
    return run.id


def pseudonym(player: str, seed: str) -> str:
    """Return what others call a player who shows no name; the store's seed keeps ids from being tried out."""
    drawn = blake2b(player.encode(), key=seed.encode()[:64], digest_size=5).digest()
    return f"Player {base64.b32encode(drawn).decode()[:5]}"


def _board(rule: TournamentRule, run: str, cohort: str | None, subject: Snapshot | None) -> str:
    name = f"{rule.id}@{run}"
    if cohort is not None:
        return f"{name}/c{cohort}"
    record = subject.runs.get(name) if subject is not None else None
    if record is not None and record.board:
        return record.board
    if rule.cohorts is not None and subject is None:
        raise BadRequest("the tournament has cohorts: expected cohort or around", code="cohort_needed")
    return name


def _of(table: Table, *, own: bool) -> dict[str, Any]:
    late = {} if own else {"late": table.late}
    return {"entrants": table.entrants, "frozen": bool(table.frozen_at), **late}


def _shown(row: Row, name: str, subject: str, *, own: bool) -> dict[str, Any]:
    shown = {
        "rank": row.rank,
        "name": name,
        "score": row.score,
        "reached_at": instant(row.reached_at),
        "me": row.player == subject,
    }
    return shown if own else {**shown, "player": row.player}


async def _names(context: Context, rows: Sequence[Row], trait: str) -> list[str]:
    """Return what each row's player is called: the trait's text, or a pseudonym."""
    told: list[Any] = [None] * len(rows)
    if trait and rows:
        pipe = context.redis.pipeline(transaction=False)
        for row in rows:
            pipe.hget(PLAYERS.state(partition_of(row.player, context.partitions), row.player), "profile")
        told = [_profile.decode(data).traits.get(trait) if data else None for data in await pipe.execute()]
    return [
        " ".join(name.split())[:NAME_MAX]
        if isinstance(name, str) and name.strip()
        else pseudonym(row.player, context.identity.seed)
        for row, name in zip(rows, told, strict=True)
    ]


_ABOUT = (
    "Ranks begin at 1. Of equal scores who reached it first ranks higher, then the smaller player id. "
    "`frozen`: the run is over, and no score changes the table any more."
)

everyone = APIRouter(prefix="/v1/tournaments", tags=["Game"])
me = APIRouter(prefix="/v1/me/tournaments", tags=["Me"])


@everyone.get(
    "/{id}/board",
    summary="The table of a run",
    description=_ABOUT,
    responses=answers(_OF_ALL, 400, 401, 403, 404, 503),
)
async def read_board(
    id: str,
    context: Ctx,
    _: PlayersReader,
    run: RunName = None,
    cohort: Cohort = None,
    around: Around = None,
    limit: Limit = 50,
    cursor: Behind = None,
) -> dict[str, Any]:
    if around == ME:
        raise BadRequest("around=me is for a player's token; expected a player's id", code="bad_player")
    subject = await known_player(context, around) if around else None
    return await shown_board(
        context, id, run=run, cohort=cohort, subject=subject, around=bool(around), limit=limit, cursor=cursor
    )


@me.get(
    "/{id}/board",
    summary="The table of a run, as I may see it",
    description=f"{_ABOUT} `around=me` shows the rows beside me. In cohorts it is my own.",
    responses=answers(_BOARD, 400, 401, 403, 404, 503),
)
async def read_my_board(
    id: str,
    context: Ctx,
    player_id: OwnPlayer,
    run: RunName = None,
    around: Annotated[str | None, Query(pattern="^me$", description="`me`: the rows beside me.")] = None,
    limit: Limit = 50,
    cursor: Behind = None,
) -> dict[str, Any]:
    subject = await known_player(context, player_id, own=True)
    return await shown_board(
        context, id, run=run, subject=subject, around=around is not None, limit=limit, cursor=cursor, own=True
    )


router = APIRouter()
router.include_router(everyone)
router.include_router(me)
