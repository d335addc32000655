"""What holds of every streak: in every zone, over both changes of the clock, in whatever order events come."""

from datetime import UTC, datetime
from random import Random
from zoneinfo import available_timezones

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.calendar import day_starts_at, known_zone, local_day
from domain.effects import Effect
from domain.game_effects import StreakMissed
from domain.player import with_parts
from domain.streaks import Streak
from gamification.view import player_view
from tests.gamification.playing import DAY, HOUR, MONDAY, NOON, Player, points, postings
from tests.gamification.streaks.test_streaks import held, met, rules

ZONES = sorted(zone for zone in available_timezones() if known_zone(zone))
LISBON = "Europe/Lisbon"


def _number(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days


# Days around which clocks change: spring and autumn, both hemispheres, several rules.
FIRST_DAYS = st.builds(
    lambda change, before: _number(change) - before,
    st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-07-01"]),
    st.integers(0, 5),
)


def _instant(zone: str, day: int, share: float) -> int:
    """Return a moment of a local day, ``share`` of the way from its beginning to its end."""
    starts, ends = day_starts_at(day, zone), day_starts_at(day + 1, zone)
    return starts + int((ends - starts - 1) * share)


def _in(player: Player, zone: str) -> None:
    player.snapshot = with_parts(player.snapshot, profile=replace(player.snapshot.profile, timezone=zone))


SHARES = st.floats(0, 1, allow_nan=False)


@settings(max_examples=150)
@given(st.sampled_from(ZONES), FIRST_DAYS, st.lists(SHARES, min_size=3, max_size=9))
@example(LISBON, _number("2026-10-24"), [0.0, 1.0, 0.0, 1.0])  # the day of 25 hours, at both its ends
@example(LISBON, _number("2026-03-28"), [0.0, 1.0, 0.0, 1.0])  # the day of 23
@example("Africa/Cairo", _number("2026-04-23"), [1.0, 0.0, 1.0, 0.0])  # its midnight is skipped
def test_a_day_in_every_zone_counts_once_and_none_is_lost(zone: str, first: int, shares: list[float]) -> None:
    player = Player(rules())
    _in(player, zone)
    for n, share in enumerate(shares):
        at = _instant(zone, first + n, share)
        player.does("bet_placed", at)
        assert held(player).count == n + 1
        assert _count(player, at) == n + 1
        assert _count(player, day_starts_at(first + n + 2, zone) - 1) == n + 1
        assert _count(player, day_starts_at(first + n + 2, zone)) == 0
    assert not [effect for effect in player.effects if isinstance(effect, StreakMissed)]


def _count(player: Player, now: int) -> int:
    return int(player_view(player.rules, player.snapshot, now)["streaks"][0]["count"])


@given(st.sampled_from(ZONES), FIRST_DAYS, SHARES, SHARES, st.integers(2, 5))
def test_a_missed_day_ends_it_in_every_zone(zone: str, first: int, a: float, b: float, gap: int) -> None:
    player = Player(rules())
    _in(player, zone)
    player.does("bet_placed", _instant(zone, first, a))
    player.does("bet_placed", _instant(zone, first + gap, b))
    assert held(player).count == 1


@given(st.sampled_from(ZONES), FIRST_DAYS, st.lists(SHARES, min_size=2, max_size=6), st.randoms())
def test_the_order_within_a_day_is_nothing_to_it(zone: str, first: int, shares: list[float], random: Random) -> None:
    def run(order: list[float]) -> Streak:
        player = Player(rules(grace_s=7200, freezes={"max": 1}))
        _in(player, zone)
        player.does("bet_placed", _instant(zone, first, 0.5))
        for share in order:
            player.does("bet_placed", _instant(zone, first + 2, 1), at=_instant(zone, first + 2, share))
        return held(player)

    mixed = list(shares)
    random.shuffle(mixed)
    one, other = run(shares), run(mixed)
    assert (one.count, one.cycle, one.marks) == (other.count, other.cycle, other.marks)


HOURS = st.lists(st.integers(0, 14 * 24), min_size=1, max_size=14, unique=True)


@settings(max_examples=150)
@given(HOURS, st.randoms(), st.sampled_from([None, 1, 3]), st.sampled_from([0, 3600, 86_400]))
def test_whatever_the_order_the_streak_is_the_same(
    hours: list[int], random: Random, decay: int | None, grace_s: int
) -> None:
    """Of what is told apart: as many days as are kept. Every event is taken at the end, in some order."""

    def run(order: list[int]) -> tuple[int, int, int]:
        player = Player(rules(decay=decay, grace_s=grace_s, freezes={"max": 3}), MONDAY + 30 * DAY)
        player.snapshot = with_parts(player.snapshot, streaks={"daily": _with_freezes(2, decay)})
        for hour in order:
            player.does("bet_placed", at=MONDAY + hour * HOUR)
        return held(player).count, held(player).cycle, held(player).freezes

    mixed = list(hours)
    random.shuffle(mixed)
    assert run(sorted(hours)) == run(mixed)


def _with_freezes(number: int, decay: int | None) -> Streak:
    new = Streak(freezes=number, by=f"day/3/{decay}")
    return replace(new, base=replace(new.base, freezes=number))


STEPS = st.lists(
    st.tuples(st.sampled_from(["play", "play", "play", "late", "buy", "pass"]), st.integers(1, 60)), max_size=60
)


@settings(max_examples=150)
@given(STEPS, st.sampled_from([None, 1, 2]), st.sampled_from([0, 7200]))
def test_freezes_are_never_negative_and_no_count_of_a_run_is_paid_twice(
    steps: list[tuple[str, int]], decay: int | None, grace_s: int
) -> None:
    tiers = [{"from": 1, "rewards": [points(1)]}, {"from": 3, "every": 3, "rewards": [_freeze()]}]
    price = {"currency": "points", "amount": 1}
    player = Player(rules(decay=decay, grace_s=grace_s, freezes={"max": 2, "price": price}, rewards=tiers))
    for what, hours in steps:
        if what == "buy":
            player.asks("buy_freeze", streak="daily")
        elif what == "pass":
            player.now += hours * HOUR
        else:
            late = hours * HOUR if what == "late" else 0
            player.does("bet_placed", player.now + 9 * HOUR, at=player.now + 9 * HOUR - late)
        streak = held(player)
        assert 0 <= streak.freezes <= 2
        assert 0 <= streak.count <= streak.best
        assert len(streak.marks) <= 16
        assert len(streak.paid) <= 18
    keys = [key.key for key in player.keys]
    assert len(set(keys)) == len(keys)


def _freeze() -> dict[str, object]:
    return {"kind": "freezes", "streak": "daily", "amount": 1}


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(ZONES)), min_size=1, max_size=30))
@example([(1, "Etc/GMT+12"), (12, "Pacific/Kiritimati")] * 8)
@example(  # events that counted nothing were in the zones between
    [
        (1, "Africa/Abidjan"),
        (1, "Australia/ACT"),
        (11, "Africa/Abidjan"),
        (12, "Africa/Abidjan"),
        (12, "America/Adak"),
        (12, "Pacific/Efate"),
    ]
)
def test_who_plays_every_twelve_hours_wherever_loses_nothing_and_gains_at_most_two_days(
    legs: list[tuple[int, str]],
) -> None:
    player = Player(rules())
    for hours, zone in legs:
        _in(player, zone)
        player.does("bet_placed", player.now + hours * HOUR)
    lost: list[Effect] = [effect for effect in player.effects if isinstance(effect, StreakMissed)]
    assert lost == []
    elapsed = (player.now - NOON) // DAY
    assert held(player).count <= elapsed + 1 + 2


@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30), min_size=1))
def test_nobody_is_worse_off_for_being_one(guest: set[int], ada: set[int]) -> None:
    two, joined = met(sorted(guest), sorted(ada))
    best = max(_running(guest, guest | ada), _running(ada, guest | ada))
    assert two.states["ada"].streaks["daily"].count >= best
    assert all(posting.amount > 0 for posting in postings(joined) if posting.account == "issued")


def _running(days: set[int], all_days: set[int]) -> int:
    """Return how long the streak of these days is on the last day of all, by counting."""
    last = max(all_days)
    day = last if last in days else last - 1
    count = 0
    while day in days:
        count, day = count + 1, day - 1
    return count


def test_a_day_number_is_the_one_of_the_calendar() -> None:
    assert local_day(MONDAY, "UTC") == _number("2026-03-02")
