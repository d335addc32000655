"""A wheel, a scratch card and a calendar, by example."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effects import Answered, Posting
from domain.entries import Event, KeeperAsked
from domain.game_effects import Drawn, PlayChanged, Redeemed, SeedRevealed, SpinsChanged
from domain.step import Draws
from gamification.fairness.proof import problems, seed_of
from gamification.minigames.viewing import view
from gamification.programme import InvalidProgramme
from tests.gamification.lottery import SEED, Lottery
from tests.gamification.playing import DAY, HOUR, MINUTE, MONDAY, NOON, SECOND, points, programme

BLANK = {"id": "blank", "weight": 3, "lose": True}
TEN = {"id": "ten", "weight": 1, "rewards": [points(10)]}


def wheel(*prizes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"prizes": list(prizes or (TEN,)), **more}


def town(now: int = NOON, **games: dict[str, Any]) -> Lottery:
    missions = {"give-spins": {"tasks": [{"id": "t", "event": "got_spins", "count": 1}], "recurrence": "on_completion",
                               "rewards": [{"kind": "spins", "minigame": "wheel", "amount": 2}]}}  # fmt: skip
    return Lottery(programme(minigames=games, missions=missions if "wheel" in games else {}), now)


def answer(effects: list[Any]) -> Answered:
    return next(effect for effect in reversed(effects) if isinstance(effect, Answered))


def play(where: Lottery, player: str = "ada", game: str = "wheel", **args: Any) -> Answered:
    where.asks(player, "play", minigame=game, **args)
    where.settle()
    return answer(where.effects[player])


def code(where: Lottery, **args: Any) -> str:
    return play(where, **args).code


def right(drawn: Drawn) -> bool:
    return not problems(drawn, seed_of(Draws(SEED, 0, ""), drawn.of, drawn.ref, drawn.scope, drawn.number))


def test_a_prize_is_given_when_it_is_acknowledged_and_once() -> None:
    where = town(wheel=wheel())
    played = play(where)
    assert (played.code, played.data["prize"], played.data["acknowledge_by"]) == ("ok", "ten", NOON + 3 * MINUTE)
    assert where.balance("ada") == 0
    for _ in range(2):
        assert answer(where.asks("ada", "acknowledge", play=played.data["play"])).data["prize"] == "ten"
    where.later(NOON + DAY)
    assert where.balance("ada") == 10
    assert not where.timers


def test_nobody_acknowledges_and_it_is_given_by_itself() -> None:
    where = town(wheel=wheel(acknowledge_within=60))
    play(where)
    where.later(NOON + 59 * SECOND)
    assert where.balance("ada") == 0
    where.later(NOON + 60 * SECOND)
    assert where.balance("ada") == 10


def test_a_blank_is_over_at_once() -> None:
    where = town(wheel=wheel(BLANK))
    played = play(where)
    assert (played.data["lose"], played.data["acknowledge_by"]) == (True, None)
    assert [c.status for c in where.happened("ada", PlayChanged)] == ["acknowledged"]
    assert not where.timers


@pytest.mark.parametrize(
    ("attempts", "gaps", "codes"),
    [
        pytest.param({"max": 2}, [0, 0, 0], ["ok", "ok", "no_attempts"], id="so many a day"),
        pytest.param({}, [0, 12 * HOUR], ["ok", "ok"], id="again on the next day"),
        pytest.param({}, [0, 12 * HOUR - 1], ["ok", "no_attempts"], id="not a moment before"),
        pytest.param({"per": "week"}, [0, 6 * DAY, 12 * HOUR], ["ok", "no_attempts", "ok"], id="Monday begins a week"),
        pytest.param({"per": "ever"}, [0, 300 * DAY], ["ok", "no_attempts"], id="once for ever"),
        pytest.param(
            {"per": "last", "after": "2h"}, [0, 2 * HOUR - 1, 1], ["ok", "no_attempts", "ok"], id="after the last"
        ),
    ],
)  # fmt: skip
def test_attempts(attempts: dict[str, Any], gaps: list[int], codes: list[str]) -> None:
    where = town(wheel=wheel(attempts=attempts))
    told = []
    for gap in gaps:
        where.now += gap
        told.append(code(where))
    assert told == codes


def test_the_day_is_the_players_unless_the_game_says_otherwise() -> None:
    where = town(wheel=wheel(), shared=wheel(attempts={"zone": "programme"}))
    # Noon in UTC is one in the morning of the next day there.
    where.take(Event("ada", "e", "seen", NOON, context={"timezone": "Pacific/Auckland"}))
    assert (code(where), code(where, game="shared")) == ("ok", "ok")
    where.now = MONDAY + 23 * HOUR + 59 * MINUTE  # Tuesday noon there
    assert code(where) == "no_attempts"
    where.now += MINUTE
    assert (code(where), code(where, game="shared")) == ("no_attempts", "ok")
    where.now = MONDAY + DAY + 11 * HOUR  # Wednesday there
    assert code(where) == "ok"


@pytest.mark.parametrize("per", ["day", "week"])
def test_another_zone_gives_no_second_period(per: str) -> None:
    where = town(MONDAY + 11 * HOUR, wheel=wheel(attempts={"max": 2, "per": per}))
    told = []
    for count, zone in enumerate(("Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Kiritimati", "Etc/GMT+12")):
        where.take(Event("ada", f"z{count}", "seen", where.now, context={"timezone": zone}))
        told.append(code(where))
    assert told == ["ok", "ok", "no_attempts", "no_attempts"]
    where.later(play(where).data["next_at"])
    assert code(where) == "ok"


@pytest.mark.parametrize(("before", "after"), [("day", "week"), ("day", "ever"), ("week", "day"), ("ever", "day")])
def test_a_game_with_another_period_begins_afresh(before: str, after: str) -> None:
    where = town(wheel=wheel(attempts={"per": before}))
    assert code(where) == "ok"
    where.rules = town(wheel=wheel(attempts={"per": after})).rules
    assert (code(where), code(where)) == ("ok", "no_attempts")


@pytest.mark.parametrize("first", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
def test_a_calendar_may_begin_on_any_day_that_can_be_written(first: str, zone: str) -> None:
    where = town(days={"type": "calendar", "by": "day", "active": {"from": first}, "prizes": [TEN]})
    where.take(Event("ada", "e", "seen", NOON, context={"timezone": zone}))
    assert code(where, game="days") in ("no_cell_today", "minigame_not_active")
    view(where.rules, where.states["ada"], NOON)


def test_no_attempts_says_when_there_are_some() -> None:
    where = town(wheel=wheel())
    play(where)
    assert play(where).data["next_at"] == MONDAY + DAY


def test_spins_are_used_first_and_cost_nothing() -> None:
    where = town(wheel=wheel(buy_in={"amount": 30}, attempts={"max": 1}))
    where.asks("ada", "adjust", currency="points", amount=30)
    where.does("ada", "got_spins")
    assert where.states["ada"].games.spins == {"wheel": 2}
    assert where.happened("ada", SpinsChanged) == [SpinsChanged("wheel", 2, 2, "missions/give-spins")]
    assert [code(where) for _ in range(4)] == ["ok", "ok", "ok", "no_attempts"]
    assert where.balance("ada") == 0, "the third was paid for"
    assert not where.states["ada"].games.spins


def test_a_paid_game_has_no_limit_but_the_purse() -> None:
    where = town(wheel=wheel(attempts=None, buy_in={"amount": 4}))
    where.asks("ada", "adjust", currency="points", amount=10)
    assert [code(where) for _ in range(3)] == ["ok", "ok", "insufficient_balance"]
    assert [p.account for p in where.happened("ada", Posting)] == ["adjusted", "held", "held"]
    assert [r.amount for r in where.happened("ada", Redeemed)] == [4, 4]


def test_a_game_that_nobody_can_play_says_why() -> None:
    vip = {"field": "player.traits.vip", "op": "eq", "value": True}
    soon = {"from": "2026-03-03T00:00:00Z"}
    tuesdays = [{**TEN, "weekdays": ["tue"]}]
    where = town(
        vips=wheel(audience=vip), soon=wheel(active=soon), tuesday=wheel(*tuesdays), spins=wheel(attempts=None)
    )
    assert code(where, game="nothing") == "minigame_not_found"
    assert code(where, game="vips") == "not_in_audience"
    assert code(where, game="soon") == "minigame_not_active"
    assert code(where, game="tuesday") == "no_prizes_today"
    assert code(where, game="spins") == "no_attempts"
    assert code(where, game="spins", client_seed="a:b") == "invalid_arguments"
    where.now += DAY
    assert [code(where, game=name) for name in ("soon", "tuesday")] == ["ok", "ok"]


MUG = {"id": "mug", "weight": 10**6, "stock": 1, "rewards": [points(100)]}


def test_what_is_out_is_drawn_again_without_it_and_the_proof_says_so() -> None:
    where = town(wheel=wheel(MUG, TEN))
    assert [play(where, player).data["prize"] for player in ("ada", "bob")] == ["mug", "ten"]
    (ada,), (bob,) = where.happened("ada", Drawn), where.happened("bob", Drawn)
    assert (ada.out, bob.out) == ((), ("mug",))
    assert right(ada)
    assert right(bob)


def test_when_all_is_out_the_play_is_given_back() -> None:
    where = town(wheel=wheel(MUG, attempts={"max": 1}, buy_in={"amount": 5}))
    for player in ("ada", "bob"):
        where.asks(player, "adjust", currency="points", amount=5)
    assert play(where, "ada").code == "ok"
    assert play(where, "bob").code == "prizes_out"
    assert where.balance("bob") == 5
    assert where.states["bob"].wallet["points"].lifetime == 5
    assert play(where, "bob").code == "prizes_out", "its attempt too was given back"


def test_so_many_a_day_are_given_again_on_the_next() -> None:
    daily = {**MUG, "stock": None, "max_per_day": 1}
    where = town(wheel=wheel(daily, TEN))
    assert [play(where, player).data["prize"] for player in ("ada", "bob")] == ["mug", "ten"]
    where.now += DAY
    assert play(where, "ada").data["prize"] == "mug"


@given(seed=st.integers(0, 2**32), stock=st.integers(0, 4), players=st.integers(1, 6), plays=st.integers(1, 3))
def test_no_more_than_the_stock_is_ever_given(seed: int, stock: int, players: int, plays: int) -> None:
    """Questions and answers of several players cross each other in any order."""
    where, rng = town(wheel=wheel({**MUG, "weight": 2, "stock": stock}, TEN, attempts={"max": plays})), Random(seed)
    asking = [f"p{player}" for player in range(players) for _ in range(plays)]
    rng.shuffle(asking)
    while asking or any(where.lines.values()):
        if asking and rng.random() < 0.5:
            where.asks(asking.pop(), "play", minigame="wheel")
        else:
            where.deliver(rng)
    drawn = [d for player in where.effects for d in where.happened(player, Drawn)]
    assert len(drawn) == players * plays
    assert sum(d.result == "mug" for d in drawn) <= stock
    assert all(right(d) for d in drawn)
    where.later(NOON + HOUR)
    total = sum(where.balance(f"p{player}") for player in range(players))
    assert total == sum({"mug": 100, "ten": 10}[d.result] for d in drawn)


def test_a_keeper_of_a_game_that_is_no_more_gives_nothing() -> None:
    where = town(wheel=wheel(MUG))
    where.take(KeeperAsked("keeper:prizes:gone", "ada", "1", "reserve", {"prize": "mug"}))
    assert [said.code for said in where.said] == ["out"]


def test_who_has_too_many_plays_open_must_acknowledge_first() -> None:
    where = town(wheel=wheel(attempts={"max": 100}))
    first = play(where).data["play"]
    assert [code(where) for _ in range(20)] == ["ok"] * 19 + ["too_many_open_plays"]
    where.asks("ada", "acknowledge", play=first)
    assert code(where) == "ok"


def test_a_play_keeps_the_prize_it_was_drawn_with() -> None:
    where = town(wheel=wheel())
    played = play(where).data["play"]
    where.rules = programme(version=2, minigames={"wheel": wheel(BLANK)})
    where.asks("ada", "acknowledge", play=played)
    assert where.balance("ada") == 10


def test_a_days_seed_is_revealed_on_the_next_and_the_next_one_was_known_before() -> None:
    where = town(wheel=wheel(attempts={"max": 3}))
    play(where)
    play(where, client_seed="clover")
    assert not where.happened("ada", SeedRevealed)
    following = answer(where.asks("ada", "rotate_seed", minigame="wheel")).data["commitment"]
    (shown,) = where.happened("ada", SeedRevealed)
    first, second = where.happened("ada", Drawn)
    assert first.commitment == second.commitment == shown.commitment
    assert (first.nonce, second.nonce, first.client_seed, second.client_seed) == (0, 1, "playtower", "clover")
    assert not problems(second, bytes.fromhex(shown.seed))
    play(where)
    third = where.happened("ada", Drawn)[-1]
    assert (third.commitment, third.nonce, third.client_seed) == (following, 0, "clover")
    where.now += DAY
    play(where)
    assert len(where.happened("ada", SeedRevealed)) == 2
    assert answer(where.asks("ada", "rotate_seed", minigame="wheel")).data["epoch"] == 3
    assert answer(where.asks("ada", "rotate_seed", minigame="wheel")).data["epoch"] == 3, "nothing was drawn with it"


def week() -> dict[str, Any]:
    cells = [{"id": f"cell-{n}", "rewards": [points(n + 1)]} for n in range(7)]
    return {"type": "calendar", "by": "weekday", "prizes": cells}


def test_a_calendar_opens_the_cell_of_the_day_once_and_missed_ones_are_lost() -> None:
    where = town(MONDAY + HOUR, week=week())
    assert play(where, game="week").data["prize"] == "cell-0"
    assert code(where, game="week") == "cell_opened"
    where.now += 2 * DAY
    assert play(where, game="week").data["prize"] == "cell-2"
    where.now += 5 * DAY
    assert play(where, game="week").data["prize"] == "cell-0", "another Monday"
    where.later(where.now + HOUR)
    assert where.balance("ada") == 1 + 3 + 1
    assert not where.happened("ada", Drawn), "nothing was drawn"


def test_a_calendar_of_days_begins_and_ends() -> None:
    days = [{"id": f"day-{n}", "rewards": [points(1)]} for n in range(2)]
    advent = {"type": "calendar", "by": "day", "active": {"from": "2026-03-01T00:00:00Z"}, "prizes": days}
    where = town(advent=advent)
    assert play(where, game="advent").data["prize"] == "day-1"
    where.now += DAY
    assert code(where, game="advent") == "no_cell_today"


def test_a_cell_of_limited_number_is_first_come_first_served() -> None:
    where = town(MONDAY, week={**week(), "prizes": [{**cell, "stock": 1} for cell in week()["prizes"]]})
    assert [play(where, player, "week").code for player in ("ada", "bob")] == ["ok", "prizes_out"]
    assert play(where, "bob", "week").code == "cell_opened"


@pytest.mark.parametrize(
    ("game", "path"),
    [
        (wheel({"id": "a", "lose": True, "rewards": [points(1)]}), "prizes[0]"),
        (wheel(TEN, TEN), "distinct"),
        (wheel(attempts={"per": "last"}), "after"),
        (wheel(by="day"), "by"),
        ({**week(), "prizes": [TEN]}, "weekday"),
        ({**week(), "by": "day"}, "active.from"),
        (wheel({"id": "a", "rewards": [points(1, "gold")]}), "prizes[0].rewards[0].currency"),
        (wheel(buy_in={"currency": "gold", "amount": 1}), "buy_in.currency"),
    ],
)
def test_what_makes_no_game_is_refused(game: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidProgramme) as refused:
        programme(minigames={"wheel": game})
    assert path in str(refused.value)
