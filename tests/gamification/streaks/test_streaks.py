"""Days in a row, by example: late events, grace, freezes, decay, rewards, flights, merges."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain.effects import Answered, Effect, Posting
from domain.game_effects import StreakCounted, StreakFreezes, StreakMissed
from domain.player import Snapshot, with_parts
from domain.streaks import Streak
from gamification.programme import InvalidProgramme
from gamification.rules import Rules
from gamification.view import player_view
from tests.gamification.playing import DAY, HOUR, MONDAY, NOON, Player, points, postings, programme
from tests.gamification.test_merge import ADA, GUEST, Two

TODAY = NOON // DAY


def rules(version: int = 1, **streak: Any) -> Rules:
    return programme(version, currencies={"gems": {}}, streaks={"daily": {"event": "bet_placed", **streak}})


def shown(player: Player, now: int) -> dict[str, Any]:
    view: dict[str, Any] = player_view(player.rules, player.snapshot, now)["streaks"][0]
    return view


def played(days: list[int], **streak: Any) -> Player:
    """Play at noon of these days, in this order; none arrives before it happened or before another."""
    player = Player(rules(**streak))
    for day in days:
        player.does("bet_placed", max(player.now, NOON + day * DAY), at=NOON + day * DAY)
    return player


def held(player: Player) -> Streak:
    return player.snapshot.streaks.get("daily", Streak())


def of_streaks(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, StreakCounted | StreakMissed | StreakFreezes)]


@pytest.mark.parametrize(
    ("days", "count"),
    [
        pytest.param([0], 1, id="the first day"),
        pytest.param([0, 0], 1, id="a day counts once"),
        pytest.param([0, 1, 2], 3, id="three in a row"),
        pytest.param([0, 1, 3], 1, id="a missed day ends it"),
        pytest.param([0, 1, 3, 2], 4, id="a late event mends it"),
        pytest.param([3, 2, 1, 0], 4, id="from the last to the first"),
        pytest.param([0, 2, 4, 1], 1, id="mended before the last gap only"),
        pytest.param([0, 2, 4, 1, 3], 5, id="both gaps mended"),
        pytest.param([*range(1, 40), 0], 39, id="what is too long ago is not told apart any more"),
    ],
)
def test_local_days_in_a_row(days: list[int], count: int) -> None:
    assert held(played(days)).count == count


def test_a_streak_that_ended_is_told_by_the_next_event_and_shown_before() -> None:
    player = played([0, 1])
    assert shown(player, NOON + 2 * DAY) | {"name": 0} == {
        "id": "daily",
        "name": 0,
        "every": "day",
        "count": 2,
        "best": 2,
        "counted": False,
        "ends_at": MONDAY + 3 * DAY,
        "freezes": {"held": 0, "max": 0, "price": None},
        "next": None,
    }
    assert shown(player, MONDAY + 3 * DAY - 1)["count"] == 2
    assert shown(player, MONDAY + 3 * DAY)["count"] == 0
    assert player.does("bet_placed", NOON + 3 * DAY) == [
        StreakMissed("daily", 2, 0),
        StreakCounted("daily", 1, 2, TODAY + 3),
    ]


def test_weeks_begin_on_monday() -> None:
    player = Player(rules(every="week"))
    for day in (6, 7, 20):  # Sunday, Monday, the Sunday of the week after
        player.does("bet_placed", NOON + day * DAY)
    assert held(player).count == 3
    assert shown(player, player.now)["ends_at"] == MONDAY + 28 * DAY


def test_what_the_condition_refuses_does_not_count() -> None:
    player = Player(rules(where={"field": "event.properties.amount", "op": "gte", "value": 5}))
    assert player.does("bet_placed", amount=4) == []
    assert player.does("bet_placed", amount=5) == [StreakCounted("daily", 1, 1, TODAY)]
    assert player.does("bet_placed", amount=6) == []


# grace


@pytest.mark.parametrize(
    ("hours", "count"),
    [
        pytest.param([12, 24 + 1], 2, id="in the grace the new day is counted, the old one was"),
        pytest.param([12, 48 + 1], 2, id="in the grace the missed day is counted"),
        pytest.param([12, 48 + 3], 1, id="after the grace it is missed"),
        pytest.param([12, 48 + 1, 48 + 1], 3, id="the second event in the grace counts for the new day"),
        pytest.param([12, 48 + 1, 48 + 9], 3, id="and so does one after it"),
        pytest.param([12, 48 + 9, 48 + 1], 3, id="in any order"),
        pytest.param([1, 1], 1, id="no streak runs: the grace of a day before it is no grace"),
        pytest.param([12, 48 + 1, 36], 3, id="the missed day was only late: the event of the grace is the new day's"),
        pytest.param([12, 48 + 1, 72 + 1], 3, id="always an hour late"),
    ],
)
def test_the_end_of_a_day_is_later_by_the_grace(hours: list[int], count: int) -> None:
    player = Player(rules(grace_s=7200))
    for hour in hours:
        player.does("bet_placed", max(player.now, MONDAY + hour * HOUR), at=MONDAY + hour * HOUR)
    assert held(player).count == count


def test_the_view_waits_for_the_grace() -> None:
    player = played([0], grace_s=7200)
    assert shown(player, MONDAY + 50 * HOUR - 1)["count"] == 1
    assert shown(player, MONDAY + 50 * HOUR)["count"] == 0
    assert shown(player, NOON)["ends_at"] == MONDAY + 50 * HOUR


# freezes

SOLD = {"freezes": {"max": 2, "price": {"currency": "gems", "amount": 10}}}


def with_freezes(number: int, **streak: Any) -> Player:
    player = Player(rules(**(SOLD | streak)))
    player.asks("adjust", currency="gems", amount=100)
    player.does("bet_placed", NOON)
    for _ in range(number):
        player.asks("buy_freeze", streak="daily")
    return player


def test_a_freeze_is_bought_for_its_price_and_used_by_itself() -> None:
    player = with_freezes(0)
    assert player.asks("buy_freeze", streak="daily") == [
        Posting("gems", -10, 90, "streaks/daily", 1, "redeemed", "freeze"),
        StreakFreezes("daily", 1, 1),
        Answered("ok", data={"streak": "daily", "freezes": 1}),
    ]
    assert of_streaks(player.does("bet_placed", NOON + 2 * DAY)) == [
        StreakFreezes("daily", -1, 0),
        StreakCounted("daily", 2, 2, TODAY + 2),
    ]


@pytest.mark.parametrize(
    ("streak", "args", "gems", "code"),
    [
        pytest.param(SOLD, {"streak": "other"}, 10, "streak_not_found", id="no such streak"),
        pytest.param({"freezes": {"max": 1}}, {"streak": "daily"}, 10, "freeze_not_for_sale", id="only earned"),
        pytest.param(SOLD, {"streak": "daily"}, 9, "insufficient_balance", id="too dear"),
    ],
)
def test_a_freeze_is_refused(streak: dict[str, Any], args: dict[str, Any], gems: int, code: str) -> None:
    player = Player(rules(**streak))
    player.asks("adjust", currency="gems", amount=gems)
    effects = player.asks("buy_freeze", **args)
    assert [effect.code for effect in effects if isinstance(effect, Answered)] == [code]
    assert player.balance("gems") == gems


def test_no_more_are_held_than_may_be() -> None:
    player = with_freezes(2)
    assert player.asks("buy_freeze", streak="daily")[-1] == Answered("freezes_full", "2 are held, at most 2")
    assert player.balance("gems") == 80


def test_freezes_are_used_as_days_go_by_so_a_long_absence_uses_all_and_ends_it() -> None:
    player = with_freezes(2)
    assert shown(player, NOON + 2 * DAY)["freezes"]["held"] == 1
    assert shown(player, NOON)["ends_at"] == MONDAY + 4 * DAY
    assert (shown(player, NOON + 3 * DAY)["count"], shown(player, NOON + 4 * DAY)["count"]) == (1, 0)
    assert of_streaks(player.does("bet_placed", NOON + 5 * DAY)) == [
        StreakMissed("daily", 1, 0),
        StreakFreezes("daily", -2, 0),
        StreakCounted("daily", 1, 1, TODAY + 5),
    ]


def test_a_late_event_gives_the_freeze_of_its_day_back() -> None:
    player = with_freezes(1)
    player.does("bet_placed", NOON + 2 * DAY)
    assert player.does("bet_placed", at=NOON + DAY) == [
        StreakFreezes("daily", 1, 1),
        StreakCounted("daily", 3, 3, TODAY + 2, late=True),
    ]


def test_a_freeze_bought_when_the_streak_has_ended_does_not_bring_it_back() -> None:
    player = with_freezes(0)
    player.now = NOON + 2 * DAY
    assert of_streaks(player.asks("buy_freeze", streak="daily")) == [
        StreakMissed("daily", 1, 0),
        StreakFreezes("daily", 1, 1),
    ]
    assert of_streaks(player.does("bet_placed")) == [StreakCounted("daily", 1, 1, TODAY + 2)]


def test_freezes_are_earned_as_a_reward() -> None:
    earned = {"kind": "freezes", "streak": "daily", "amount": 5}
    player = played([0, 1], freezes={"max": 2}, rewards=[{"at": 2, "rewards": [earned]}])
    assert held(player).freezes == 2
    assert player.does("bet_placed", NOON + 4 * DAY)[-1] == StreakCounted("daily", 3, 3, TODAY + 4)


# decay


def test_a_missed_day_takes_off_what_the_decay_says() -> None:
    player = played([0, 1, 2, 3, 4], decay=2)
    assert player.does("bet_placed", NOON + 6 * DAY) == [
        StreakMissed("daily", 5, 3),
        StreakCounted("daily", 4, 5, TODAY + 6),
    ]
    assert held(player).best == 5
    player.does("bet_placed", NOON + 30 * DAY)
    assert held(player).count == 1


# rewards


def test_tiers_of_counts_are_paid_once_in_a_run() -> None:
    tiers = [{"from": 2, "until": 4, "every": 2, "rewards": [points(1)]}, {"at": 3, "rewards": [points(10)]}]
    player = played([0, 1, 2, 3, 4, 4], rewards=tiers, message={"template": "t"})
    assert [(p.amount, p.rule) for p in postings(player.effects)] == [
        (1, "streaks/daily"),
        (10, "streaks/daily"),
        (1, "streaks/daily"),
    ]
    assert [key.key for key in player.keys] == [f"ada|streaks/daily|day.{TODAY}.{n}" for n in (2, 3, 4)]
    assert [request.content["streak"]["count"] for request in player.requests] == [2, 3, 4]
    assert shown(player, player.now)["next"] is None


def test_a_streak_that_begins_anew_is_paid_anew_but_for_what_is_paid_once_ever() -> None:
    tiers = [{"at": 2, "rewards": [points(1)]}, {"at": 2, "once": True, "rewards": [points(100)]}]
    player = played([0, 1, 3, 4], rewards=tiers)
    assert player.balance() == 102


def test_a_count_that_decays_and_rises_again_is_not_paid_again() -> None:
    player = played([0, 1, 2, 4, 5], decay=1, rewards=[{"from": 1, "rewards": [points(1)]}])
    assert (held(player).count, player.balance()) == (4, 4)


def test_what_a_late_event_joins_pays_only_what_neither_part_was_paid() -> None:
    player = played([0, 1, 2, 4, 5], rewards=[{"from": 1, "rewards": [points(1)]}])
    assert player.balance() == 5
    player.does("bet_placed", at=NOON + 3 * DAY)
    assert (held(player).count, player.balance()) == (6, 5 + 3)  # counts 4, 5 and 6


def test_a_publication_that_changes_nothing_of_it_changes_nothing_and_one_that_does_goes_on() -> None:
    player = played([0, 1, 3])
    player.rules = rules(2)
    player.does("bet_placed", at=NOON + 2 * DAY)
    assert held(player).count == 4
    player.rules = rules(3, freezes={"max": 1})
    player.does("bet_placed", NOON + 4 * DAY)
    assert held(player).count == 5
    player.rules = rules(4, every="week")
    player.does("bet_placed", NOON + 5 * DAY)
    assert (held(player).count, held(player).best) == (1, 5)


# zones


def test_days_that_became_weeks_and_days_again_are_paid_under_other_keys() -> None:
    tiers = [{"from": 1, "rewards": [points(5)]}]
    player = Player(rules(every="day", rewards=tiers))
    player.does("bet_placed")
    for version, every in ((2, "week"), (3, "day")):
        player.rules = rules(version, every=every, rewards=tiers)
        player.does("bet_placed")
        player.does("bet_placed")
    assert [key.key.rpartition("|")[2] for key in player.keys] == [
        f"day.{TODAY}.1",
        f"week1.{(TODAY + 3) // 7}.1",
        f"day2.{TODAY}.1",
    ]


def flying(*legs: tuple[float, str], grace_s: int = 0) -> Player:
    player = Player(rules(grace_s=grace_s))
    for hour, zone in legs:
        player.does("login", MONDAY + int(hour * HOUR))
        player.snapshot = with_parts(player.snapshot, profile=_in(player.snapshot, zone))
        player.does("bet_placed", MONDAY + int(hour * HOUR))
    return player


def _in(snapshot: Snapshot, zone: str) -> Any:
    return replace(snapshot.profile, timezone=zone)


LA, SYDNEY = "America/Los_Angeles", "Australia/Sydney"


def test_who_flies_east_does_not_lose_the_day_that_was_cut_short() -> None:
    player = flying((20, LA), (35, SYDNEY))  # noon of the 2nd there; 22:00 of the 3rd here
    assert held(player).count == 2
    player = flying((6, LA), (21, SYDNEY))  # 22:00 of the 1st there, 8:00 of the 3rd here: no 2nd was had
    assert held(player).count == 2
    assert not [effect for effect in player.effects if isinstance(effect, StreakMissed)]


def test_who_flies_west_does_not_gain_the_day_that_began_again() -> None:
    player = flying((35, SYDNEY), (50, LA), (55, LA), (60, LA))  # the 3rd; the 3rd again, twice; the 4th
    assert [held(player).count, held(player).cycle - TODAY] == [2, 2]


def test_who_is_shown_in_another_zone_is_not_shown_an_end_that_is_none() -> None:
    player = flying((6, LA))
    player.snapshot = with_parts(player.snapshot, profile=_in(player.snapshot, SYDNEY))
    assert shown(player, MONDAY + 31 * HOUR)["count"] == 1


# two profiles


def met(guest: list[int], ada: list[int], **streak: Any) -> tuple[Two, list[Effect]]:
    two = Two(rules(rewards=[{"from": 1, "rewards": [points(1)]}], **streak))
    for day in range(40):
        two.now = NOON + day * DAY
        for who, days in ((GUEST, guest), (ADA, ada)):
            two.does(who, times=day in days)
    two.now = NOON + max([*guest, *ada]) * DAY
    return two, two.meets()[1]


@pytest.mark.parametrize(
    ("guest", "ada", "count", "paid"),
    [
        pytest.param([0, 1, 2], [3, 4], 5, 2, id="one after the other"),
        pytest.param([0, 2, 4], [1, 3], 5, 4, id="by turns"),
        pytest.param([0, 1], [0, 1], 2, 0, id="the same days"),
        pytest.param([*range(5)], [7], 1, 0, id="the guest's has ended"),
        pytest.param([7], [*range(5)], 1, 0, id="Ada's has ended"),
        pytest.param([*range(30)], [29], 30, 0, id="the guest's is longer than is told apart"),
        pytest.param([*range(10, 30)], [*range(5)], 20, 0, id="the guest's goes on, Ada's is over"),
    ],
)
def test_two_streaks_are_one(guest: list[int], ada: list[int], count: int, paid: int) -> None:
    two, joined = met(guest, ada)
    assert two.states[ADA].streaks["daily"].count == count
    assert two.states[GUEST].streaks == {}
    assert sum(p.amount for p in postings(joined) if p.account == "issued") == paid


def test_what_is_paid_once_ever_is_not_paid_again_to_two_that_are_one() -> None:
    once = [{"at": 8, "once": True, "rewards": [points(500)]}]
    two = Two(rules(rewards=once))
    for who, days in ((GUEST, range(9)), (ADA, range(20, 24)), (GUEST, range(24, 28))):
        for day in days:
            two.now = NOON + day * DAY
            two.does(who)
    assert two.balance(GUEST).balance == 500
    _, joined = two.meets()
    assert two.states[ADA].streaks["daily"].count == 8
    assert not [posting for posting in postings(joined) if posting.account == "issued" and posting.amount == 500]


def test_the_freezes_of_both_are_held_as_many_as_may_be() -> None:
    two = Two(rules(freezes={"max": 3}, rewards=[{"at": 1, "rewards": [_two_freezes()]}]))
    for who in (GUEST, ADA):
        two.does(who)
    two.meets()
    assert two.states[ADA].streaks["daily"].freezes == 3


def _two_freezes() -> dict[str, Any]:
    return {"kind": "freezes", "streak": "daily", "amount": 2}


# configuration


@pytest.mark.parametrize(
    ("streak", "error"),
    [
        ({"rewards": [{"rewards": []}]}, "rewards[0]: expected either at or from"),
        ({"rewards": [{"at": 3, "every": 2}]}, "rewards[0]: expected until and every only with from"),
        ({"rewards": [{"from": 3, "until": 2}]}, "rewards[0]: expected until from 3 on, got 2"),
        ({"freezes": {"price": {"amount": 1}}}, "freezes: expected max of at least 1 with a price"),
        (
            {"freezes": {"max": 1, "price": {"currency": "gold", "amount": 1}}},
            "freezes.price.currency: expected a currency, got 'gold'",
        ),
        (
            {"rewards": [{"at": 1, "rewards": [{"kind": "freezes", "streak": "x"}]}]},
            "rewards[0].rewards[0].streak: expected a document of the kind streaks, got 'x'",
        ),
        ({"where": {"metric": "none", "op": "gt", "value": 1}}, "where: expected a configured metric, got 'none'"),
    ],
)
def test_what_is_wrong_is_said(streak: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidProgramme) as raised:
        rules(**streak)
    assert raised.value.errors == [f"streaks/daily: {error}"]
