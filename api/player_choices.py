"""What was chosen for one player by chance, with what probability, and what came of it; for server keys."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Ctx
from api.pages import Cursor, Limit, answers, instant
from api.persons import page_of_person, snapshot_of
from api.views import live_programme
from crm.choices.reasons import explain
from crm.choices.rules import ChoiceRule
from domain.choices import OpenChoice, OwnSums
from domain.effects import ChoiceCounted, ChoiceEnded, Chose, HistoryRecord, decode_record
from ml.choices.beliefs import ONE
from store.keys import PLAYERS

router = APIRouter(prefix="/v1/players", tags=["Players"])

PlayersReader = Annotated[Principal, Depends(require("players:read"))]
_OPEN = {
    "choice": "winback",
    "arm": "cashback",
    "asks": "node",
    "by": "policy",
    "propensity": 0.43,
    "context": {"recency": 3.1},
    "key": "journeys/win-back/1/0",
    "since": "2026-11-22T18:00:00.000Z",
    "due": "2026-11-25T18:00:00.000Z",
    "request_id": "req_1f_5d41402abc4b2a76b9719d91",
}
_ENDED = {
    "what": "ended",
    "choice": "winback",
    "arm": "cashback",
    "by": "policy",
    "propensity": 0.43,
    "context": {"recency": 3.1},
    "key": "journeys/win-back/1/0",
    "outcome": "rewarded",
    "reward": 1.0,
    "reason": None,
    "at": "2026-11-23T09:14:00.000Z",
    "cause": "m-77",
    "player_id": "amelia",
}
_EXAMPLE = {
    "player_id": "amelia",
    "open": [_OPEN],
    "own": {"winback": {"cashback": {"outcomes": 3, "mean": 0.3333}}},
    "items": [_ENDED],
    "next": None,
}


@router.get(
    "/{id}/choices",
    summary="What was chosen for this player by chance, and what came of it",
    description="`open` are choices whose outcome is awaited; `since` is null while the message has not gone out. "
    "`own` is what the player's own outcomes were, by choice and arm. `items` are draws (`what`: `chose`) and outcomes "
    "(`ended`: rewarded, missed, or void, which nothing is learnt from; `counted`: what was rewarded, when its time is "
    "over), newest first. `propensity` is the probability "
    "with which that arm was drawn. A page looks at a bounded part of the player's history, so it may hold few items, "
    "or none, and still have a next one.",
    responses=answers(_EXAMPLE, 400, 401, 403, 404, 503),
)
async def read_choices(
    id: str, context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    snapshot = await snapshot_of(context, id)
    choices = (await live_programme(context)).crm.choices.choices

    def shown(_offset: str, fields: dict[bytes, bytes]) -> list[dict[str, Any]]:
        return items_of(decode_record(fields[b"d"]), choices)

    held = snapshot.choices
    return {
        "player_id": snapshot.player,
        "open": [_open(one, choices) for one in held.open if one.is_open],
        "own": {name: _own(sums) for name, sums in sorted(held.own.items())},
        **await page_of_person(context, snapshot, PLAYERS.history, limit, cursor, shown, PLAYERS),
    }


def items_of(record: HistoryRecord, choices: Mapping[str, ChoiceRule]) -> list[dict[str, Any]]:
    """Return what one entry drew for the player and learnt of them, newest first."""
    head = {"at": instant(record.at), "cause": record.id}
    items: list[dict[str, Any]] = []
    for effect in reversed(record.effects):
        match effect:
            case Chose():
                items.append(
                    _drawn(effect, choices, "chose")
                    | {"asks": effect.asks or None, "eligible": list(effect.eligible), "beliefs": effect.beliefs}
                    | head
                )
            case ChoiceEnded():
                items.append(
                    _drawn(effect, choices, "ended")
                    | {"outcome": effect.outcome, "reward": effect.reward / ONE, "reason": effect.reason or None}
                    | ({"why": explain(effect.reason)} if effect.reason else {})
                    | head
                )
            case ChoiceCounted():
                items.append(
                    _drawn(effect, choices, "counted")
                    | {"outcome": effect.outcome, "reward": effect.reward / ONE, "reason": effect.reason or None}
                    | ({"why": explain(effect.reason)} if effect.reason else {})
                    | head
                )
            case _:
                pass
    return items


def _open(one: OpenChoice, choices: Mapping[str, ChoiceRule]) -> dict[str, Any]:
    shown = _drawn(one, choices)
    return shown | {
        "asks": one.asks or None,
        "since": instant(one.at),
        "due": instant(one.due),
        "request_id": one.request or None,
    }


_Told = Chose | ChoiceEnded | ChoiceCounted | OpenChoice


def _drawn(of: _Told, choices: Mapping[str, ChoiceRule], what: str = "") -> dict[str, Any]:
    shown = {"what": what} if what else {}
    return shown | {
        "choice": of.choice,
        "arm": of.arm,
        "by": of.by,
        "propensity": of.propensity / ONE,
        "context": _named(of, choices),
        "key": of.key,
    }


def _named(of: _Told, choices: Mapping[str, ChoiceRule]) -> dict[str, float] | None:
    """Return the context by name; None when the live choice has another one: then nobody knows the names."""
    choice = choices.get(of.choice)
    if choice is None or choice.plan.generation != of.generation:
        return None
    return {name: value / ONE for name, value in zip(choice.plan.context, of.context, strict=False)}


def _own(sums: OwnSums) -> dict[str, dict[str, Any]]:
    return {
        arm: {"outcomes": n, "mean": round(total / ONE / n, 4) if n else None} for arm, (n, total) in sums.arms.items()
    }
