"""What is usual for a player, the session under way and what it seems to be about; and what was unlike them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Ctx
from api.pages import Cursor, Limit, answers, instant
from api.persons import page_of_person, snapshot_of
from api.views import live_programme
from domain.effects import PatternChanged, decode_record
from domain.habits import Habits
from ml.intent import intent
from ml.pattern_config import PatternPlan
from ml.pattern_reading import Reading, readings, sentence
from ml.patterns import is_marker
from store.keys import PLAYERS

router = APIRouter(prefix="/v1/players", tags=["Players"])

PlayersReader = Annotated[Principal, Depends(require("players:read"))]
_EXAMPLE = {
    "player_id": "amelia",
    "watched": True,
    "session": {
        "started_at": "2026-11-22T19:02:00.000Z",
        "last_at": "2026-11-22T20:17:00.000Z",
        "minutes": 75.75,
        "events": 214,
        "intent": {"label": "ready", "confidence": 0.78, "reasons": ["is playing"]},
    },
    "courses": [
        {
            "pattern": "session_length",
            "verdict": "high",
            "reason": "",
            "sessions": 12,
            "usual": 20.86,
            "upper": 75.15,
            "now": 75.75,
            "z": 2.35,
            "cusum": 0.0,
            "visible_times": 3.6,
        }
    ],
}
_SEEN = {
    "pattern": "session_length",
    "by": "single",
    "evidence": {"usual": 20.86, "now": 75.75, "times": 3.6, "spread": 0.55, "sessions": 12.0, "z": 2.35},
    "in_words": "This session has lasted 1 h 16 min, 3.6 times what is usual: usual over 12 sessions is 21 minutes "
    "(z 2.35).",
    "marker": False,
    "at": "2026-11-22T20:17:00.000Z",
    "cause": "m-214",
    "player_id": "amelia",
}


@router.get(
    "/{id}/habits",
    summary="What is usual for this player, and now",
    description="`courses` are session length, in minutes, and stakes, in major units: the median `usual`, the "
    "player's own 99th percentile `upper`, and `now`. `verdict` is usual, high or cannot_tell (`reason`: "
    "too_few_sessions, erratic); `visible_times` is the smallest change, as a multiple, that one session could show. "
    "`intent` is of the session under way; an empty `label` means that one cannot tell. Without `models/churn` "
    "nobody is watched.",
    responses=answers(_EXAMPLE, 401, 403, 404),
)
async def read_habits(id: str, context: Ctx, _: PlayersReader) -> dict[str, Any]:
    snapshot = await snapshot_of(context, id)
    models = (await live_programme(context)).models
    plan = models.patterns if models is not None else None
    shown: dict[str, Any] = {"player_id": snapshot.player, "watched": plan is not None, "session": None, "courses": []}
    if plan is None or not snapshot.habits.session.last_at:
        return shown
    now = context.clock.now_ms()
    courses = readings(snapshot.habits, now, plan)
    return shown | {
        "session": _session(snapshot.habits, courses[0], plan, now),
        "courses": [_rounded(one) for one in courses],
    }


@router.get(
    "/{id}/patterns",
    summary="What was unlike this player, newest first",
    description="Each with its evidence and in words: lengths in minutes, stakes in major units. `marker` tells "
    "whether the live programme treats it as a marker of harm. A page looks at a bounded part of the player's "
    "history, so it may hold few items, or none, and still have a next one.",
    responses=answers({"items": [_SEEN], "next": None}, 400, 401, 403, 404),
)
async def read_patterns(
    id: str, context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    snapshot = await snapshot_of(context, id)
    models = (await live_programme(context)).models
    plan = models.patterns if models is not None else None

    def shown(_offset: str, fields: dict[bytes, bytes]) -> list[Any]:
        record = decode_record(fields[b"d"])
        seen = [effect for effect in record.effects if isinstance(effect, PatternChanged)]
        return [_shown(one, plan) | {"at": instant(record.at), "cause": record.id} for one in reversed(seen)]

    return await page_of_person(context, snapshot, PLAYERS.history, limit, cursor, shown, PLAYERS)


def _shown(seen: PatternChanged, plan: PatternPlan | None) -> dict[str, Any]:
    return {
        "pattern": seen.pattern,
        "by": seen.by,
        "evidence": seen.evidence,
        "in_words": sentence(seen),
        "marker": plan is not None and is_marker(seen, plan),
    }


def _session(habits: Habits, length: Reading, plan: PatternPlan, now: int) -> dict[str, Any] | None:
    """Return the session under way, None when there is none."""
    if length.now is None:
        return None
    session = habits.session
    about = intent(habits, now, plan.session_gap_ms)
    return {
        "started_at": instant(session.started_at),
        "last_at": instant(session.last_at),
        "minutes": round(length.now, 2),
        "events": session.events,
        "intent": {"label": about.label, "confidence": about.confidence, "reasons": list(about.reasons)},
    }


def _rounded(reading: Reading) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in reading._asdict().items()}
