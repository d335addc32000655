"""The day in a few lines that a manager reads: what happened beside the day before, and what is unlike any week."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from actors.watcher import books
from api.auth import Principal, require
from api.choices import counted
from api.context import Context, Ctx
from api.digest_words import lines
from api.pages import answers
from api.reports import FIELDS, tallied, today_of
from api.views import live_programme
from api.watch import shown_alarm, shown_drift, shown_outcome, view
from crm.tower.why import explain
from domain.calendar import DAY_MS, as_ms
from domain.errors import Invalid
from ml.choices.estimates import report
from ml.choices.words import sentences
from ml.watch.alarms import Alarm
from store.watched import DAYS_MAX, Books, WatchStore

router = APIRouter(prefix="/v1", tags=["Reports"])

ALARMS_MAX = 50
CHOICES_MAX = 20
NOW_IS = timedelta(days=1)  # ago at most: what is known now is told of today and of the last day that is over
_SENT = ("cleared", "rerouted")
_DIGEST = {
    "day": "2026-11-21",
    "so_far": False,
    "lines": ["1,204 players were active (day before: 1,180), 12 were new.", "No event was unlike any week."],
    "players": {"active": 1204, "new": 12, "before": {"active": 1180, "new": 9}},
    "events": {"count": 84000, "before": 81200},
    "points": [{"currency": "points", "issued": 12400, "adjusted": -300, "before": {"issued": 11900, "adjusted": 0}}],
    "messages": {
        "sent": 4021,
        "held": 311,
        "refused": 87,
        "reasons": [{"outcome": "held", "reason": "quiet_hours", "why": "It is quiet time.", "count": 290}],
        "before": {"sent": 3900, "held": 290, "refused": 90},
    },
    "scores": {"moved": 902, "before": 871},
    "patterns": {"count": 3, "before": 1, "by": {"session_length.single": 3}},
    "excluded": {"count": 1, "before": 0, "by": {"harm": 1}},
    "alarms": [
        {
            "event": "bet_placed",
            "what": "stopped",
            "in_words": "no bet_placed for 40 minutes, 310 are usual",
            "since": "2026-11-21T12:00:00.000Z",
            "told_at": "2026-11-21T12:04:00.000Z",
            "ended_at": "2026-11-21T12:40:00.000Z",
            "seen": 0,
            "usual": 310.0,
        }
    ],
    "drift": None,
    "outcomes": [],
    "choices": [{"id": "winback", "in_words": ["Not proven yet: 98 outcomes of those held out."]}],
}

ReportsReader = Annotated[Principal, Depends(require("reports:read"))]


@router.get(
    "/digest",
    summary="A day in a few lines",
    description="`lines` is for people, the rest for programs. Days are UTC; the default is the last one that is over. "
    "Of today it tells what there is so far, and the whole day before. What was not counted (no watcher ran, or "
    "it is too long ago) is null. `active` is estimated, .8 % off. `drift`, `outcomes` and `choices` are as they are "
    "now: of days before yesterday they are null.",
    responses=answers(_DIGEST, 401, 403, 422, 503),
)
async def read_digest(
    context: Ctx,
    _: ReportsReader,
    day: Annotated[date | None, Query(description="UTC day; default: yesterday.")] = None,
) -> dict[str, Any]:
    now = context.clock.now_ms()
    today = today_of(now)
    asked = day or today - timedelta(days=1)
    if not timedelta(0) <= today - asked <= timedelta(days=DAYS_MAX - 2):
        raise Invalid(f"day: expected one from {DAYS_MAX - 2} days ago to today ({today}), got {asked}")
    figures = await _figures(context, asked, now)
    return {"day": asked.isoformat(), "so_far": asked == today, "lines": lines(figures), **figures}


async def _figures(context: Context, day: date, now: int) -> dict[str, Any]:
    store = WatchStore(context.redis)
    before = day - timedelta(days=1)
    mine, theirs = [await store.day(one.isoformat()) for one in (day, before)]
    ledger = await _ledger(context, day, now)
    was_counted = "events" in theirs or ledger[0] is not None
    is_counted = "events" in mine or ledger[1] is not None  # whoever watches opens a day's books, whatever it brings
    return {
        "players": {
            "active": mine["players"] if is_counted else None,
            "new": _new(ledger[1], ledger[2]),
            "before": {
                "active": theirs["players"] if was_counted else None,
                "new": _new(ledger[0], ledger[1]),
            },
        },
        "events": {
            "count": mine.get("events", 0) if is_counted else None,
            "before": theirs.get("events", 0) if was_counted else None,
        },
        "points": _points(ledger),
        "messages": await _messages(context, day, before),
        "scores": {
            "moved": mine.get("scored|churn", 0) if is_counted else None,
            "before": theirs.get("scored|churn", 0) if was_counted else None,
        },
        "patterns": _by(mine, theirs, "pattern|", is_counted, was_counted),
        "excluded": _by(mine, theirs, "stop|", is_counted, was_counted),
        "alarms": await _alarms(store, day, now),
        **await _known_now(context, today_of(now) - day),
    }


async def _known_now(context: Context, ago: timedelta) -> dict[str, Any]:
    """Return what is kept as it is now only: of a day that is long over, nothing."""
    if ago > NOW_IS:
        return {"drift": None, "outcomes": None, "choices": None}
    seen = await view(context)
    return {
        "drift": shown_drift(seen.drift) if seen.drift is not None else None,
        "outcomes": [shown_outcome(outcome, days) for outcome, days in seen.outcomes],
        "choices": await _choices(context),
    }


async def _ledger(context: Context, day: date, now: int) -> tuple[Books | None, Books | None, Books | None]:
    """Return the books as the day before began, as the day began, and as it ended; of today as they are."""
    days = [(day + timedelta(days=n)).isoformat() for n in (-1, 0, 1)]
    opened = await WatchStore(context.redis).books(days)
    end = opened[2] if day != today_of(now) else await books(context.redis, context.partitions, now)
    return opened[0], opened[1], end


def _new(began: Books | None, ended: Books | None) -> int | None:
    return None if began is None or ended is None else ended.players - began.players


def _points(ledger: tuple[Books | None, Books | None, Books | None]) -> list[dict[str, Any]]:
    """Return what players got of each currency, by the other side of the posting; null where a side is not known."""
    names = sorted({account for side in ledger if side is not None for account in side.accounts})
    currencies = sorted({name.partition(":")[2] for name in names})
    kinds = sorted({"issued", "adjusted", *(name.partition(":")[0] for name in names)})

    def moved(kind: str, currency: str, began: Books | None, ended: Books | None) -> int | None:
        if began is None or ended is None:
            return None
        account = f"{kind}:{currency}"
        return began.accounts.get(account, 0) - ended.accounts.get(account, 0)

    before, mine = ledger[:2], ledger[1:]
    return [
        {
            "currency": currency,
            **{kind: moved(kind, currency, *mine) for kind in kinds},
            "before": {kind: moved(kind, currency, *before) for kind in kinds},
        }
        for currency in currencies
    ]


async def _messages(context: Context, day: date, before: date) -> dict[str, Any]:
    found = await tallied(context, [day, before])
    by_day: dict[str, Counter[str]] = {}
    reasons: Counter[tuple[str, str]] = Counter()
    for name, counts in found.items():
        outcomes = by_day[name] = Counter()
        for values, count in counts.items():
            row = dict(zip(FIELDS, values, strict=True))
            outcome = "sent" if row["outcome"] in _SENT else row["outcome"]
            outcomes[outcome] += count
            if name == day.isoformat() and outcome in ("held", "refused") and row["reason"]:
                reasons[outcome, row["reason"]] += count
    told = ("sent", "held", "refused")
    return {
        **{outcome: by_day[day.isoformat()][outcome] for outcome in told},
        "reasons": [
            {"outcome": outcome, "reason": reason, "why": explain(reason), "count": count}
            for (outcome, reason), count in reasons.most_common(5)
        ],
        "before": {outcome: by_day[before.isoformat()][outcome] for outcome in told},
    }


def _by(
    mine: dict[str, int], theirs: dict[str, int], prefix: str, is_counted: bool, was_counted: bool
) -> dict[str, Any]:
    by = {what.removeprefix(prefix): count for what, count in sorted(mine.items()) if what.startswith(prefix)}
    before = sum(count for what, count in theirs.items() if what.startswith(prefix))
    count = sum(by.values()) if is_counted else None
    return {"count": count, "before": before if was_counted else None, "by": by}


async def _alarms(store: WatchStore, day: date, now: int) -> list[dict[str, Any]]:
    """Return what was unlike any week on a day, the first one first."""
    began = as_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))
    found: dict[tuple[str, int], Alarm] = {}
    for told in await store.told():  # the newest first: an end before its beginning
        found.setdefault((told.name, told.alarm.at), told.alarm)
    here = [
        (name, alarm)
        for (name, _), alarm in found.items()
        if alarm.since < began + DAY_MS and (not alarm.ended or alarm.ended > began)
    ]
    here.sort(key=lambda one: (one[1].at, one[0]))
    return [shown_alarm(name, alarm, min(now, began + DAY_MS)) for name, alarm in here[-ALARMS_MAX:]]


async def _choices(context: Context) -> list[dict[str, Any]]:
    """Return what is known of the choices now, in words; of which nothing came yet, nothing."""
    rules = (await live_programme(context)).crm.choices.choices
    counts = await counted(context) if rules else {}
    told = [(name, report(rule.plan, counts)) for name, rule in sorted(rules.items())[:CHOICES_MAX]]
    return [{"id": name, "in_words": sentences(one)} for name, one in told if one.outcomes]
