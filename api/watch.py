"""What is unlike any week, and whether the live model still knows the players: alarms, drift, scores that came true."""

from collections import defaultdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from msgspec import Struct

from api.auth import Principal, require
from api.context import Context, Ctx
from api.pages import answers, instant
from ml.watch.alarms import Alarm
from ml.watch.calls import DAYS, Outcome, together
from ml.watch.words import sentence
from store.watched import Told, Watching, WatchStore
from store.watched_models import Drift, WatchedModels

router = APIRouter(prefix="/v1/watch", tags=["Operations"])

AWAY_MS = 300_000  # since the last look; then nobody watches
SHIFTS_MAX = 10  # shown, the farthest
_ALARM = {
    "event": "bet_placed",
    "what": "stopped",
    "in_words": "no bet_placed for 40 minutes, 310 are usual",
    "since": "2026-11-22T12:00:00.000Z",
    "told_at": "2026-11-22T12:04:00.000Z",
    "ended_at": None,
    "seen": 0,
    "usual": 310.0,
}
_SHIFT = {"column": "days_14", "psi": 0.31, "was": 2.0, "now": 6.0, "warns": True}
_OUTCOME = {"score": "churn_14d", "said": 0.41, "happened": 0.52, "gap": 0.11, "calls": 3200, "days": 7, "warns": True}
_WATCH = {
    "at": "2026-11-22T12:40:00.000Z",
    "since": "2026-11-01T00:00:12.000Z",
    "watching": True,
    "zone": "Europe/Kyiv",
    "events": 14,
    "alarms": [_ALARM],
    "drift": {
        "at": "2026-11-22T03:10:00.000Z",
        "model": 3,
        "players": 2000,
        "against": "training",
        "reference_at": "2026-10-31T00:00:00.000Z",
        "warned": ["days_14"],
        "farthest": [_SHIFT],
    },
    "scores": [_OUTCOME],
}

ReportsReader = Annotated[Principal, Depends(require("reports:read"))]


class View(Struct, frozen=True):
    """All that is watched, at one moment."""

    at: int  # ms
    state: Watching
    events: int  # names that are watched
    alarms: list[Told]  # that go on
    drift: Drift | None
    outcomes: list[tuple[Outcome, int]]  # by head, with the days told together

    @property
    def watching(self) -> bool:
        return 0 <= self.at - self.state.at < AWAY_MS


@router.get(
    "",
    summary="Alarms that go on, drift, and whether scores came true",
    description="`alarms` compares events by name with the same hour of other weeks, in the zone of `settings/main`. "
    "`drift` is the population stability index of features and scores; `scores` sets what the model said of sampled "
    "players against what they did. `watching` is false when nobody has looked for five minutes.",
    responses=answers(_WATCH, 401, 403, 503),
)
async def read_watch(context: Ctx, _: ReportsReader) -> dict[str, Any]:
    return shown(await view(context))


@router.post(
    "/drift",
    status_code=202,
    summary="Look at drift now",
    description="It is looked at once a day, at the hour at which the reference was taken. Asked for at another hour, "
    "features that tell how long ago somebody was there differ by the hour of the day alone. Takes some 15 seconds.",
    responses=answers({"asked": True}, 401, 403, 503, ok=202),
)
async def look_now(context: Ctx, _: ReportsReader) -> JSONResponse:
    await WatchedModels(context.redis).ask()
    return JSONResponse({"asked": True}, status_code=202)


async def view(context: Context) -> View:
    """Read what is watched."""
    volumes, models = WatchStore(context.redis), WatchedModels(context.redis)
    live = await models.drift()
    by_head: dict[str, list[Outcome]] = defaultdict(list)
    judged = await models.judged()
    for _, one in sorted(judged.items(), reverse=True):
        if live is not None and one.publication == live.publication:
            for outcome in one.outcomes:
                if len(by_head[outcome.head]) < DAYS:
                    by_head[outcome.head].append(outcome)
    outcomes = [(together(days), len(days)) for _, days in sorted(by_head.items())]
    return View(
        context.clock.now_ms(), await volumes.state(), await volumes.watched(), await volumes.alarms(), live, outcomes
    )


def shown(seen: View) -> dict[str, Any]:
    """Return a view as JSON."""
    return {
        "at": instant(seen.state.at),
        "since": instant(seen.state.since),
        "watching": seen.watching,
        "zone": seen.state.zone or "UTC",
        "events": seen.events,
        "alarms": [shown_alarm(one.name, one.alarm, seen.at) for one in seen.alarms],
        "drift": shown_drift(seen.drift) if seen.drift is not None else None,
        "scores": [shown_outcome(outcome, days) for outcome, days in seen.outcomes],
    }


def brief(seen: View) -> dict[str, Any]:
    """Return what ``/v1/status`` says of it: whether somebody watches, and what a person should look at."""
    return {
        "watching": seen.watching,
        "at": instant(seen.state.at),
        "alarms": [sentence(one.name, one.alarm, seen.at) for one in seen.alarms],
        "drifted": [shift.name for shift in seen.drift.shifts if shift.warns] if seen.drift is not None else [],
        "scores_off": [outcome.head for outcome, _ in seen.outcomes if outcome.warns],
    }


def shown_alarm(name: str, alarm: Alarm, now: int) -> dict[str, Any]:
    """Return an alarm as JSON, with the sentence for a person."""
    return {
        "event": name,
        "what": alarm.what,
        "in_words": sentence(name, alarm, now),
        "since": instant(alarm.since),
        "told_at": instant(alarm.at),
        "ended_at": instant(alarm.ended),
        "seen": alarm.seen,
        "usual": round(alarm.usual, 1),
    }


def shown_drift(drift: Drift) -> dict[str, Any]:
    """Return a look as JSON: the farthest columns, and all that are told."""
    return {
        "at": instant(drift.at),
        "model": drift.version,
        "players": drift.players,
        "against": drift.against,
        "reference_at": instant(drift.since),
        "warned": [shift.name for shift in drift.shifts if shift.warns],
        "farthest": [
            {"column": s.name, "psi": s.psi, "was": round(s.was, 4), "now": round(s.now, 4), "warns": s.warns}
            for s in drift.shifts[:SHIFTS_MAX]
        ],
    }


def shown_outcome(outcome: Outcome, days: int) -> dict[str, Any]:
    """Return what was said and what happened as JSON."""
    return {
        "score": outcome.head,
        "said": round(outcome.said, 4),
        "happened": round(outcome.happened, 4),
        "gap": round(outcome.gap, 4),
        "calls": outcome.calls,
        "days": days,
        "warns": outcome.warns,
    }
