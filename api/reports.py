"""Reports over all players: what the tower decided of messages, and why, day by day (UTC)."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.auth import Principal, require
from api.context import Context, Ctx
from api.pages import answers
from crm.tower.why import explain
from domain.errors import Invalid
from store.keys import tally

router = APIRouter(prefix="/v1/reports", tags=["Reports"])

DAYS_MAX = 31
ITEMS_MAX = 1_000
FIELDS = ("outcome", "reason", "channel", "purpose", "template")  # as ``store.keys.tally`` has them
BY = ("day", *FIELDS)
_ITEM = {
    "outcome": "held",
    "reason": "quiet_hours",
    "why": "It is quiet time for this channel where the player is.",
    "count": 1204,
}

ReportsReader = Annotated[Principal, Depends(require("reports:read"))]


@router.get(
    "/messages",
    summary="Decisions of the tower by reason, channel, template",
    description="Counted in the tower's own commits, so every decision counts once. A message that was held and "
    "cleared later is in it twice: once as held, with the reason, once as cleared.",
    responses=answers(
        {"items": [_ITEM], "next": None, "from": "2026-11-16", "to": "2026-11-22", "total": 1204, "by": ["reason"]},
        401,
        403,
        422,
        503,
    ),
)
async def report_messages(
    context: Ctx,
    _: ReportsReader,
    from_: Annotated[date | None, Query(alias="from", description="First UTC day; default: six days ago.")] = None,
    to: Annotated[date | None, Query(description="Last UTC day; default: today.")] = None,
    by: Annotated[str, Query(max_length=100, description=f"Some of {', '.join(BY)}.")] = "outcome,reason",
    outcome: Annotated[str | None, Query(max_length=40)] = None,
    template: Annotated[str | None, Query(max_length=100)] = None,
) -> dict[str, Any]:
    today = today_of(context.clock.now_ms())
    last = to or today
    first = from_ or last - timedelta(days=6)
    if not first <= last or (last - first).days >= DAYS_MAX:
        raise Invalid(f"expected `from` up to `to`, at most {DAYS_MAX} days, got {first} and {last}")
    named = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    if not named or (unknown := [name for name in named if name not in BY]):
        raise Invalid(f"by: expected some of {' '.join(BY)}, got {' '.join(unknown) if named else 'nothing'}")
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    counted: Counter[tuple[str, ...]] = Counter()
    for day, fields in (await tallied(context, days)).items():
        for field, count in fields.items():
            row = {"day": day, **dict(zip(FIELDS, field, strict=True))}
            if (outcome and row["outcome"] != outcome) or (template and row["template"] != template):
                continue
            counted[tuple(row[name] for name in named)] += count
    rows = counted.most_common(ITEMS_MAX)
    return {
        "items": [_shown(named, values, count) for values, count in rows],
        "next": None,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "by": list(named),
        "total": counted.total(),
        "left_off": len(counted) - len(rows),
    }


async def tallied(context: Context, days: list[date]) -> dict[str, Counter[tuple[str, ...]]]:
    """Return the tower's decisions of UTC days, summed over the partitions: day -> fields -> how many."""
    pipe: Any = context.redis.pipeline(transaction=False)
    for day in days:
        for p in range(context.partitions):
            pipe.hgetall(tally(p, day.isoformat()))
    replies = iter(await pipe.execute())
    found: dict[str, Counter[tuple[str, ...]]] = {}
    for day in days:
        counted = found[day.isoformat()] = Counter()
        for _p in range(context.partitions):
            for field, count in next(replies).items():
                values = tuple(field.decode().split("|", len(FIELDS) - 1))
                if len(values) == len(FIELDS):
                    counted[values] += int(count)
    return found


def today_of(at: int) -> date:
    """Return the UTC day of a time in ms."""
    return datetime.fromtimestamp(at / 1000, UTC).date()


def _shown(named: tuple[str, ...], values: tuple[str, ...], count: int) -> dict[str, Any]:
    row: dict[str, Any] = {name: value or None for name, value in zip(named, values, strict=True)}
    if row.get("reason"):
        row["why"] = explain(str(row["reason"]))
    return row | {"count": count}
