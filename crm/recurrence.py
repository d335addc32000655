"""When something scheduled begins: once, or every day, week or month, on somebody's wall clock.

Local times that a zone skips in spring move on by the length of the gap (02:30 becomes 03:30); those that it has
twice in autumn mean the first. A day of the month that a month has not means its last day.

``zone: player`` is a moment of each player's own clock. The walk that visits the players begins when the first zone
on earth (UTC+14) reaches that time, less a quarter of an hour to come round, and each player waits for their own.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BeforeValidator, Field, field_validator, model_validator

from crm.fields import ClockTime, Document
from domain.calendar import as_datetime, as_ms, known_zone

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PLAYER, PROGRAMME = "player", "programme"
FIRST_ZONE_MS = 14 * 3_600_000  # UTC+14 is the first on earth to see a local time,
LAST_ZONE_MS = 12 * 3_600_000  # UTC-12 the last
LEAD_MS = 900_000  # a walk for every player's own time begins so much earlier
LATE_MS = 3_600_000  # a time missed by more is gone, unless ``late: send``
PER_MINUTE_MAX = 6_000_000
_YEAR_MAX = 8_000  # of what is given; what is worked out from it stays a time
_DAYS_LOOKED_AT = 400  # every recurrence comes back within 31
_LOCAL = "%Y-%m-%dT%H:%M:%S"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, (str, int)) and not isinstance(value, bool) else value


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MonthDay = Annotated[int, Field(ge=1, le=31)] | Literal["last"]
On = Annotated[tuple[Weekday | MonthDay, ...], BeforeValidator(_as_list), Field(max_length=31)]


class ScheduleConfig(Document):
    """``{at: "2026-12-24T10:00"}`` once, or ``{every: week, on: [mon, thu], time: "10:00"}`` again and again.

    ``zone`` is ``player`` (each one's own clock), ``programme`` or an IANA name. ``from`` and ``until`` are the first
    and the last local day. ``late: send`` also serves a time that was missed by more than an hour.
    """

    at: str | None = None
    every: Literal["day", "week", "month"] | None = None
    on: On = ()
    time: ClockTime | None = None
    zone: str = PROGRAMME
    from_: str | None = Field(default=None, alias="from")
    until: str | None = None
    late: Literal["skip", "send"] = "skip"
    per_minute: Annotated[int, Field(ge=0, le=PER_MINUTE_MAX)] = 0  # most players, over all partitions; 0: no limit

    @field_validator("at")
    @classmethod
    def _is_local(cls, value: str | None) -> str | None:
        if value is not None:
            _local(value)
        return value

    @field_validator("from_")  # `until` is only compared
    @classmethod
    def _is_day(cls, value: str | None) -> str | None:
        if value is not None and _day(value).year > _YEAR_MAX:
            raise ValueError(f"expected a day before the year {_YEAR_MAX + 1}, got {value}")
        return value

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        if value not in (PLAYER, PROGRAMME) and known_zone(value) is None:
            raise ValueError(f"expected player, programme or an IANA zone such as Europe/Kyiv, got {value[:60]!r}")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> "ScheduleConfig":
        if (self.at is None) == (self.every is None):
            raise ValueError("expected either `at` (once) or `every` (again and again)")
        if self.at is not None and (self.on or self.time or self.from_ or self.until):
            raise ValueError("expected `at` alone, without on, time, from or until")
        if self.every is not None:
            self._check_recurring()
        return self

    def _check_recurring(self) -> None:
        if self.time is None:
            raise ValueError('expected a `time` such as "10:00" beside `every`')
        days: dict[str, tuple[object, ...]] = {"day": (), "week": WEEKDAYS, "month": (*range(1, 32), "last")}
        assert self.every is not None
        if any(on not in days[self.every] for on in self.on) or bool(self.on) != (self.every != "day"):
            expected = {"day": "no `on`", "week": "`on` weekdays (mon ... sun)", "month": "`on` days 1 to 31 or last"}
            raise ValueError(f"expected {expected[self.every]} with every: {self.every}, got {list(self.on)}")
        until = _day(self.until) if self.until else date.max
        if self.from_ and _day(self.from_) > until:
            raise ValueError("expected `from` not after `until`")


class Scheduled(msgspec.Struct, frozen=True):
    """A journey or campaign that begins by the calendar, and whom its walk visits."""

    schedule: ScheduleConfig
    group: str = ""  # segments/<id>; "": everybody


def scheduled_of(journeys: Mapping[str, Mapping[str, Any]]) -> dict[str, Scheduled]:
    """Return which of the (valid) journey documents begin by the calendar."""
    found: dict[str, Scheduled] = {}
    for name, document in journeys.items():
        entry = document.get("entry", {})
        if entry.get("schedule"):
            group = f"segments/{entry['segment']}" if entry.get("segment") else ""
            found[name] = Scheduled(ScheduleConfig.model_validate(entry["schedule"]), group)
    return found


class Start(msgspec.Struct, frozen=True):
    """One occurrence: when its walk begins (ms) and the local time it stands for (``2026-12-24T10:00:00``)."""

    at: int
    local: str


def next_start(schedule: ScheduleConfig, after: int, home_zone: str) -> Start | None:
    """Return the first occurrence that begins after an instant (ms); None when there is none any more."""
    return next((start for start in _starts(schedule, after, home_zone) if start.at > after), None)


def first_start(schedule: ScheduleConfig, now: int, home_zone: str) -> Start | None:
    """Return the first occurrence of a schedule that was just published.

    In players' own zones that is also one that has begun somewhere and is not over everywhere: its start lies in the
    past then. Elsewhere what is past is past.
    """
    if schedule.zone != PLAYER:
        return next_start(schedule, now, home_zone)
    return next((s for s in _starts(schedule, now, home_zone) if _over_at(s.local) > now), None)


def is_start(schedule: ScheduleConfig, at: int, home_zone: str) -> Start | None:
    """Return the occurrence that begins at exactly this instant, if there is one."""
    start = next_start(schedule, at - 1, home_zone)
    return start if start and start.at == at else None


def instant_of(local: str, zone: str) -> int:
    """Return the instant (ms) of a local time ("" or an unknown zone is UTC); see above for skipped and repeated ones.

    Raises:
        ValueError: it is no local time.
    """
    return as_ms(_local(local).replace(tzinfo=known_zone(zone) or UTC, fold=0))


def missed(args: Mapping[str, Any], at: int, zone: str) -> bool:
    """Tell whether a visit comes too late to a player: their local time passed more than an hour ago.

    Args:
        args: Of the walk: ``local`` and ``late``; a walk without them misses nobody.
        at: Turn time, ms.
        zone: The player's.
    """
    local = args.get("local")
    if not isinstance(local, str) or args.get("late", "send") == "send":
        return False
    return at > (own_time(args, zone) or at) + LATE_MS


def own_time(args: Mapping[str, Any], zone: str) -> int:
    """Return the instant (ms) of a visit's ``local`` time in a zone; 0 when it brings none that is one.

    Args:
        args: Of the walk, which a caller of an earlier version of the campaign may have begun: nothing is sure.
    """
    local = args.get("local")
    try:
        return instant_of(local, zone) if isinstance(local, str) else 0
    except ValueError:
        return 0


def fingerprint(schedule: ScheduleConfig, home_zone: str) -> int:
    """Return a number that is the same for the same schedule only; a timer of another one is stale."""
    fields = schedule.model_dump(mode="json", exclude={"per_minute"}) | (
        {"home": home_zone} if schedule.zone == PROGRAMME else {}
    )
    data = msgspec.json.encode(fields, order="deterministic")
    return int.from_bytes(blake2b(data, digest_size=6).digest(), "big")


def _starts(schedule: ScheduleConfig, around: int, home_zone: str) -> Iterator[Start]:
    """Yield occurrences in order, from two days before an instant on."""
    zone = {PLAYER: "UTC", PROGRAMME: home_zone}.get(schedule.zone, schedule.zone)
    early = FIRST_ZONE_MS + LEAD_MS if schedule.zone == PLAYER else 0
    for local in _locals(schedule, as_datetime(around, zone).date() - timedelta(days=2)):
        text = local.strftime(_LOCAL)
        yield Start(instant_of(text, zone) - early, text)


def _locals(schedule: ScheduleConfig, first: date) -> Iterator[datetime]:
    if schedule.at is not None:
        yield _local(schedule.at)
        return
    assert schedule.time is not None
    clock = time.fromisoformat(schedule.time)
    begins = max(first, _day(schedule.from_)) if schedule.from_ else first
    ends = _day(schedule.until) if schedule.until else date.max
    for n in range(_DAYS_LOOKED_AT):
        if (date.max - begins).days < n or (day := begins + timedelta(days=n)) > ends:
            return
        if _falls_on(schedule, day):
            yield datetime.combine(day, clock)


def _falls_on(schedule: ScheduleConfig, day: date) -> bool:
    if schedule.every == "day":
        return True
    if schedule.every == "week":
        return WEEKDAYS[day.weekday()] in schedule.on
    is_last = (day + timedelta(days=1)).month != day.month
    return day.day in schedule.on or (is_last and any(on == "last" or int(on) > day.day for on in schedule.on))


def _over_at(local: str) -> int:
    """Return when a local time has been missed everywhere on earth."""
    return instant_of(local, "UTC") + LAST_ZONE_MS + LATE_MS


def _local(text: str) -> datetime:
    """Read a local time.

    Raises:
        ValueError: it is none, or has an offset: the zone says where it is.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None or "T" not in text or not 1971 <= moment.year <= _YEAR_MAX + 1_000:
        raise ValueError(f'expected a local time such as "2026-12-24T10:00" (`zone` says whose), got {text[:60]!r}')
    return moment


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f'expected a day such as "2026-12-24", got {text[:60]!r}') from error
