"""A partition's calendar: what a publish arms, what a timer begins, and what a stale one does not."""

from typing import Any

from crm.programme import CrmRules, compile_crm
from crm.recurrence import LEAD_MS
from crm.schedule import SCHEDULE_TIMER, fired, opened
from domain.entries import TimerFired
from tests.crm.test_recurrence import ms

DAILY = {"every": "day", "time": "10:00", "zone": "Europe/Kyiv"}
NOW = ms("2026-11-22T12:00Z")
DAY = 86_400_000
TEN = ms("2026-11-23T08:00Z")  # 10:00 in Kyiv


def rules(version: int, **schedules: Any) -> CrmRules:
    templates = {"news": {"channel": "in_app", "title": {"en": "News"}, "body": {"en": "..."}}}
    campaigns = {
        name: {
            "name": name,
            "segment": "readers",
            "send": {"schedule": document},
            "message": {"template": "news", "purpose": "promo"},
            "per_minute": 600,
        }
        for name, document in schedules.items()
    }
    segments = {"readers": {"where": {"field": "player.traits.reads", "op": "eq", "value": True}}}
    return compile_crm(version, {"templates": templates, "campaigns": campaigns, "segments": segments})


def armed(before: CrmRules, after: CrmRules, at: int = NOW) -> list[TimerFired]:
    return [op.timer for op in opened(before, after, at).timers if op.set]


EMPTY = rules(0)


def test_a_scheduled_campaign_walks_its_segment_and_is_armed_again() -> None:
    live = rules(3, digest=DAILY)
    (timer,) = armed(EMPTY, live)
    assert (timer.player, timer.kind, timer.ref, timer.due) == ("", SCHEDULE_TIMER, "campaigns/digest", TEN)
    step = fired(live, timer, TEN + 40)
    (walk,) = step.walks
    assert (walk.id, walk.kind, walk.ref) == ("campaigns/digest@2026-11-23T10:00:00", "journey", "campaigns/digest")
    assert (walk.group, walk.per_minute, walk.args) == ("segments/readers", 600, {"local": "2026-11-23T10:00:00"})
    assert [op.timer.due for op in step.timers] == [TEN + DAY]


def test_a_scheduled_journey_without_segment_walks_everybody() -> None:
    journey = {
        "entry": {"schedule": DAILY},
        "nodes": [{"id": "hi", "kind": "message", "template": "news", "purpose": "service"}],
    }
    templates = {"news": {"channel": "in_app", "title": {"en": "News"}, "body": {"en": "..."}}}
    live = compile_crm(1, {"templates": templates, "journeys": {"hello": journey}})
    (timer,) = armed(EMPTY, live)
    (walk,) = fired(live, timer, timer.due).walks
    assert (walk.ref, walk.group, walk.per_minute) == ("hello", "", 0)


def test_a_publish_that_leaves_the_schedule_alone_neither_loses_nor_doubles_an_occurrence() -> None:
    first, second = rules(3, digest=DAILY), rules(4, digest=DAILY, other=DAILY | {"time": "11:00"})
    (timer,) = armed(EMPTY, first)
    assert [t.ref for t in armed(first, second)] == ["campaigns/other"]
    assert len(fired(second, timer, TEN).walks) == 1, "set by version 3, fired under 4"
    # the publish is in the log a moment after ten, and before the timer
    assert [t.ref for t in armed(first, second, TEN + 1)] == ["campaigns/other"]


def test_a_timer_of_another_schedule_or_of_nothing_does_nothing() -> None:
    before, after = rules(3, digest=DAILY), rules(4, digest=DAILY | {"time": "11:00"})
    (timer,) = armed(EMPTY, before)
    for live in (after, rules(5), EMPTY):
        step = fired(live, timer, TEN)
        assert (step.walks, step.timers) == ((), ())
    (moved,) = armed(before, after)
    assert moved.due == TEN + 3_600_000
    assert fired(after, TimerFired("", "something_else", moved.ref, moved.due, moved.generation), TEN).walks == ()


def test_a_schedule_that_comes_back_is_armed_by_the_very_same_timer() -> None:
    first, other = rules(3, digest=DAILY), rules(4, digest=DAILY | {"time": "11:00"})
    assert armed(EMPTY, first) == armed(other, rules(5, digest=DAILY))


def test_an_occurrence_missed_by_more_than_an_hour_is_left_out_and_the_next_is_armed() -> None:
    live = rules(3, digest=DAILY)
    (timer,) = armed(EMPTY, live)
    assert len(fired(live, timer, TEN + 3_600_000).walks) == 1
    late = fired(live, timer, TEN + 3_600_001)
    assert late.walks == ()
    assert [op.timer.due for op in late.timers] == [TEN + DAY]


def test_late_send_serves_the_last_of_those_missed() -> None:
    live = rules(3, digest=DAILY | {"late": "send"})
    (timer,) = armed(EMPTY, live)
    back_at, walks = TEN + 2 * DAY + 5 * 3_600_000, []
    while timer.due <= back_at:
        step = fired(live, timer, back_at)
        walks += [walk.id for walk in step.walks]
        (timer,) = [op.timer for op in step.timers]
    assert walks == ["campaigns/digest@2026-11-25T10:00:00"]


def test_each_player_s_own_time_begins_early_and_tells_the_visit_what_it_is() -> None:
    live = rules(3, xmas={"at": "2026-12-24T10:00", "zone": "player"})
    (timer,) = armed(EMPTY, live)
    assert timer.due == ms("2026-12-23T20:00Z") - LEAD_MS
    step = fired(live, timer, timer.due)
    assert step.walks[0].args == {"local": "2026-12-24T10:00:00", "late": "skip"}
    assert step.timers == (), "once"
    # published at noon in London: at once, for those whose ten o'clock is to come
    (timer,) = armed(EMPTY, live, ms("2026-12-24T12:00Z"))
    assert len(fired(live, timer, ms("2026-12-24T12:00Z")).walks) == 1
    assert armed(EMPTY, live, ms("2026-12-25T00:00Z")) == []


def test_changed_segments_are_reviewed_and_unchanged_ones_are_not() -> None:
    first = rules(1)
    assert [walk.kind for walk in opened(compile_crm(0, {}), first, NOW).walks] == ["review"]
    assert opened(first, rules(2, digest=DAILY), NOW).walks == ()
