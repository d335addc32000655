"""``GET /v1/players/{id}/habits``: what is usual for a player, the session under way, and what it seems to be about."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Ctx
from api.pages import answers, instant
from api.persons import snapshot_of
from api.views import live_programme
from domain.habits import Habits
from ml.intent import intent
from ml.pattern_config import PatternPlan
from ml.pattern_reading import Reading, readings

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
