"""What is known of players: ``/v1/players/{id}/...`` for server keys, ``/v1/me/...`` for the player's own token."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from msgspec import structs

from api.auth import OwnPlayer, Principal, require
from api.context import Context, Ctx
from api.pages import CHUNK, Cursor, Limit, answers, bad_cursor, instant, page
from api.persons import page_of_person
from api.views import (
    known_player,
    ledger_entries,
    live_programme,
    player_state,
    shown_decision,
    shown_delivery,
    shown_record,
    shown_scores,
    shown_segments,
)
from api.visible import for_player
from crm.tower.airspace import airspace_from_parts
from domain.decisions import Outcome as DecisionOutcome
from domain.decisions import decode_decision, decode_delivery
from domain.effects import decode_record
from domain.ids import NOBODY, partition_of
from domain.player import Profile, Snapshot, snapshot_from_parts
from store.gates import read_stops
from store.keys import PLAYERS, TOWER, inbox

SCANS_MAX = 50  # steps of one page of the list of players; a page may be short and still have a next one
_SNAPSHOT_KEY = re.compile(rb"\{\d+\}:s:(.+)", re.DOTALL)
_NOBODY = tuple(prefix.encode() for prefix in NOBODY)
_profile = msgspec.msgpack.Decoder(Profile)

PlayersReader = Annotated[Principal, Depends(require("players:read"))]

_MISSION = {
    "id": "ten-bets",
    "status": "in_progress",
    "tasks": [{"id": "bets", "actual": 3, "expected": 10}],
    "completed_count": 0,
}
_ACHIEVEMENT = {"id": "high-roller", "actual": 250, "stages_reached": 0, "stages": [{"stage": 1, "at": 100000}]}
_SCORE = {
    "value": 0.7312,
    "confidence": 0.5714,
    "drivers": [{"feature": "recency", "effect": 1.2041}],
    "model": 3,
    "at": "2026-11-22T09:00:00.000Z",
}
_PLAYER = {
    "id": "amelia",
    "traits": {"first_name": "Amelia"},
    "timezone": "Europe/Kyiv",
    "balances": {"points": {"balance": 15, "lifetime": 15}},
    "level": "bronze",
    "levels": [{"id": "main", "currency": "points", "level": "bronze", "next": {"id": "silver", "at": 250}}],
    "segments": ["at-risk"],
    "missions": [_MISSION],
    "achievements": [_ACHIEVEMENT],
    "scores": {"churn": _SCORE},
    "online": False,
    "host": "host-1",
    "version": 3,
}
_ENTRY = {
    "id": "1764580000000-0.0",
    "at": "2026-11-22T09:00:00.000Z",
    "currency": "points",
    "amount": 5,
    "balance_after": 15,
    "cause": {"event_id": "m-3", "rule": "earn-rules/bet-points", "rule_version": 7},
}
_DECISION = {
    "request_id": "req_1f_5d41402abc4b2a76b9719d91",
    "outcome": "held",
    "channel": None,
    "reasons": ["quiet_hours"],
    "why": ["It is quiet time for this channel where the player is."],
    "until": "2026-11-23T06:00:00.000Z",
    "at": "2026-11-22T20:10:00.000Z",
    "template": "come-back",
    "purpose": "retention",
    "policy_version": 7,
    "source": "journeys/welcome#1",
    "consent": ["retention"],
    "alternatives": [
        {
            "channel": "sms",
            "reasons": ["quiet_hours"],
            "why": ["It is quiet time for this channel where the player is."],
            "score": 40,
        }
    ],
}


async def _named(id: str, _: PlayersReader) -> str:
    return id


def _listed(example: Any) -> dict[int | str, dict[str, Any]]:
    return answers({"items": [example], "next": None}, 400, 401, 403, 404)


def _reads(prefix: str, subject: Callable[..., Any], tag: str, *, own: bool = False) -> APIRouter:
    """Return the same reads below a prefix, for whom ``subject`` says.

    Args:
        own: The reader is the player: what is the operator's alone is left out.
    """
    router = APIRouter(prefix=prefix, tags=[tag])
    player = Annotated[str, Depends(subject)]

    @router.get("", summary="The player's state", responses=answers(_PLAYER, 401, 403, 404))
    async def read_player(context: Ctx, player_id: player) -> dict[str, Any]:
        return await player_state(context, player_id, own=own)

    @router.get("/missions", summary="Missions, those not begun too", responses=_listed(_MISSION))
    async def read_missions(context: Ctx, player_id: player) -> dict[str, Any]:
        return page((await player_state(context, player_id))["missions"])

    @router.get("/achievements", summary="Achievements and their stages", responses=_listed(_ACHIEVEMENT))
    async def read_achievements(context: Ctx, player_id: player) -> dict[str, Any]:
        return page((await player_state(context, player_id))["achievements"])

    @router.get("/ledger", summary="Every posting, newest first", responses=_listed(_ENTRY))
    async def read_ledger(context: Ctx, player_id: player, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
        snapshot = await known_player(context, player_id, own=own)

        def shown(offset: str, fields: dict[bytes, bytes]) -> list[Any]:
            return ledger_entries(offset, decode_record(fields[b"d"]))

        return await page_of_person(context, snapshot, PLAYERS.history, limit, cursor, shown, PLAYERS)

    @router.get(
        "/history",
        summary="What each entry did to the player, newest first",
        responses=_listed(
            {
                "id": "m-3",
                "name": "bet_placed",
                "at": "2026-11-22T09:00:00.000Z",
                "offset": "1764580000000-0",
                "effects": [{"kind": "points", "currency": "points", "amount": 5, "balance_after": 15}],
            }
        ),
    )
    async def read_history(context: Ctx, player_id: player, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
        snapshot = await known_player(context, player_id, own=own)

        def shown(offset: str, fields: dict[bytes, bytes]) -> list[Any]:
            record = decode_record(fields[b"d"])
            if not own:
                return [shown_record(offset, record)]
            effects = for_player(record.effects, context.programme.visible)
            return [shown_record(offset, structs.replace(record, effects=effects))] if effects else []

        return await page_of_person(context, snapshot, PLAYERS.history, limit, cursor, shown, PLAYERS)

    @router.get("/decisions", summary="The control tower's decisions, newest first", responses=_listed(_DECISION))
    async def read_decisions(
        context: Ctx,
        player_id: player,
        limit: Limit = 50,
        cursor: Cursor = None,
        template: Annotated[str | None, Query(max_length=100, description="Only of this template.")] = None,
        outcome: Annotated[DecisionOutcome | None, Query(description="Only of this outcome.")] = None,
    ) -> dict[str, Any]:
        snapshot = await known_player(context, player_id, own=own)

        def shown(_offset: str, fields: dict[bytes, bytes]) -> list[Any]:
            decision = decode_decision(fields[b"d"])
            wanted = template in (None, decision.template) and outcome in (None, decision.outcome)
            return [shown_decision(decision, own=own)] if wanted else []

        return await page_of_person(context, snapshot, TOWER.history, limit, cursor, shown, TOWER)

    @router.get(
        "/inbox",
        summary="In-app messages, newest first",
        responses=_listed(
            {
                "message_id": "req_1f_5d41402abc4b2a76b9719d91",
                "template": "come-back",
                "purpose": "retention",
                "title": "Hi Amelia",
                "body": "...",
                "action": {"label": "Play", "url": "/play"},
                "at": "2026-11-22T09:00:00.000Z",
                "expires_at": "2026-11-23T09:00:00.000Z",
                "expired": False,
            }
        ),
    )
    async def read_inbox(context: Ctx, player_id: player, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
        snapshot = await known_player(context, player_id, own=own)
        now = context.clock.now_ms()

        def shown(_offset: str, fields: dict[bytes, bytes]) -> list[Any]:
            return [shown_delivery(decode_delivery(fields[b"n"]), now)]

        return await page_of_person(context, snapshot, inbox, limit, cursor, shown)

    @router.get(
        "/segments",
        summary="Segments that I am in and may see" if own else "Segments that the player is in",
        responses=_listed({"id": "at-risk", "name": {"en": "At risk"}, "since": "2026-11-22T09:00:00.000Z"}),
    )
    async def read_segments(context: Ctx, player_id: player) -> dict[str, Any]:
        items = shown_segments(await live_programme(context), await known_player(context, player_id, own=own))
        return page([item for item in items if not own or item["id"] in context.programme.visible])

    @router.get(
        "/scores",
        summary="Always empty: scores are the operator's" if own else "What the models think of the player",
        description="Each as of the last turn that moved it. `confidence` is low for a player who was here on few "
        "days; `drivers` are what moves this player's churn most, in log-odds against the average player.",
        responses=_listed({"id": "churn", **_SCORE}),
    )
    async def read_scores(context: Ctx, player_id: player) -> dict[str, Any]:
        snapshot = await known_player(context, player_id, own=own)
        if own:
            return page([])
        scores = shown_scores(await live_programme(context), snapshot)
        return page([{"id": name, **score} for name, score in scores.items()])

    return router


everyone = APIRouter(prefix="/v1/players", tags=["Players"])


@everyone.get(
    "",
    summary="List players, in no order",
    description="Pages follow the store's own order; a page may hold a few more or fewer than `limit`, and players "
    "that come or go meanwhile may be missed. A player is listed once a turn of theirs has committed.",
    responses=answers(
        {"items": [{"id": "amelia", "version": 3, "last_seen_at": "2026-11-22T09:00:00.000Z"}], "next": "1424"},
        400,
        401,
        403,
    ),
)
async def list_players(context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 19):
        raise bad_cursor(cursor)
    found: dict[bytes, str] = {}
    position = int(cursor or 0)
    for _step in range(SCANS_MAX):
        position, keys = await context.redis.scan(position, match="{*}:s:*", count=max(limit, 20))
        for key in keys:
            if (match := _SNAPSHOT_KEY.fullmatch(key)) and not match[1].startswith(_NOBODY):
                found[key] = match[1].decode()
        if not position or len(found) >= limit:
            break
    pipe = context.redis.pipeline(transaction=False)
    for key in found:
        pipe.hmget(key, "v", "profile")
    stored = await pipe.execute()
    items = [
        {"id": player, "version": int(version or 0), "last_seen_at": _last_seen(profile)}
        for player, (version, profile) in zip(found.values(), stored, strict=True)
    ]
    return page(items, str(position) if position else None)


def _last_seen(profile: bytes | None) -> str | None:
    return instant(_profile.decode(profile).last_seen_at) if profile else None


@everyone.get(
    "/{id}/export",
    summary="Everything stored about the player, as one JSON document",
    description="The snapshot, the whole history and ledger, the tower's facts and decisions, the inbox; first the "
    "player's own, then that of each id that joined. Streamed.",
    responses=answers({"player": "amelia", "state": {}, "history": [], "decisions": [], "inbox": []}, 401, 403, 404),
)
async def export_player(id: str, context: Ctx, _: PlayersReader) -> StreamingResponse:
    return await _export(context, id)


async def _export(context: Context, player_id: str, *, own: bool = False) -> StreamingResponse:
    snapshot = await known_player(context, player_id, own=own)
    headers = {"Content-Disposition": 'attachment; filename="player.json"'}
    return StreamingResponse(_exported(context, snapshot), media_type="application/json", headers=headers)


async def _exported(context: Context, snapshot: Snapshot) -> AsyncIterator[bytes]:
    player_id = snapshot.player
    p = partition_of(player_id, context.partitions)
    redis = context.redis
    state, tower, stopped = (
        await redis.hgetall(PLAYERS.state(p, player_id)),
        await redis.hgetall(TOWER.state(p, player_id)),
        await read_stops(redis, p, player_id),
    )
    head = {
        "player": player_id,
        "merged_from": list(snapshot.identity.sources),
        "exported_at": instant(context.clock.now_ms()),
        "excluded": next(iter(stopped), None),
        "state": _decoded(state, lambda version, parts: snapshot_from_parts(player_id, version, parts)),
        "tower": _decoded(tower, lambda version, parts: airspace_from_parts(player_id, version, parts)),
    }
    yield msgspec.json.encode(head)[:-1]
    now = context.clock.now_ms()
    lists: list[tuple[str, Callable[[int, str], str], Callable[[str, dict[bytes, bytes]], Any]]] = [
        ("history", PLAYERS.history, lambda o, f: shown_record(o, decode_record(f[b"d"]))),
        ("decisions", TOWER.history, lambda _, f: shown_decision(decode_decision(f[b"d"]))),
        ("inbox", inbox, lambda _, f: shown_delivery(decode_delivery(f[b"n"]), now)),
    ]
    for name, key, shown in lists:
        yield f',"{name}":['.encode()
        first = True
        for who in (player_id, *snapshot.identity.sources):
            stream, after = key(partition_of(who, context.partitions), who), "-"
            while entries := await redis.xrange(stream, min=after, count=CHUNK):
                for offset, fields in entries:
                    item = {**shown(offset.decode(), fields), "player_id": who}
                    yield (b"" if first else b",") + msgspec.json.encode(item)
                    first = False
                after = "(" + entries[-1][0].decode()
        yield b"]"
    yield b"}"


def _decoded(fields: dict[bytes, bytes], read: Callable[[int, dict[str, bytes]], Any]) -> Any:
    parts = {name.decode(): value for name, value in fields.items()}
    return msgspec.to_builtins(read(int(parts.pop("v", b"0")), parts), str_keys=True)


me = APIRouter(prefix="/v1/me", tags=["Me"])


@me.get(
    "/export",
    summary="Everything stored about me",
    responses=answers({"player": "amelia", "state": {}, "history": [], "decisions": [], "inbox": []}, 401, 403, 404),
)
async def export_me(context: Ctx, player_id: OwnPlayer) -> StreamingResponse:
    return await _export(context, player_id, own=True)


async def _myself(player_id: OwnPlayer) -> str:
    return player_id


router = APIRouter()
router.include_router(everyone)
router.include_router(me)
router.include_router(_reads("/v1/players/{id}", _named, "Players"))
router.include_router(_reads("/v1/me", _myself, "Me", own=True))
