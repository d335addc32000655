"""The law of rollbacks: whatever is rolled back and whenever, the game is as if it had never come."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.entries import Command
from tests.gamification.playing import DAY, HOUR, MINUTE, mission, points, programme
from tests.gamification.rollback.rolling import Roller, cases, rolling, without

WINDOWED = [("count", None), ("sum", "amount"), ("max", "amount"), ("last", "amount"), ("unique", "game")]
METRICS = {
    f"{aggregate}-{window or 'ever'}": {"event": "bet_placed", "aggregate": aggregate}
    | ({"field": f"properties.{field}"} if field else {})
    | ({"window": window} if window else {})
    for aggregate, field in WINDOWED
    for window in ("2h", "7d", None)
} | {"since": {"event": "bet_placed", "aggregate": "since"}}
KINDS: dict[str, Any] = {
    "metrics": METRICS,
    "missions": {
        "once": mission(3, rewards=[points(50)]),
        "daily": mission(2, recurrence="daily", rewards=[points(10)]),
        "weekly": mission(4, recurrence="weekly", rewards=[points(20)]),
        "again": mission(2, recurrence="on_completion", rewards=[points(5)]),
        "hurried": mission(3, time_limit_s=21_600, recurrence="daily", rewards=[points(7)]),
        "claimed": mission(2, recurrence="on_completion", claim="manual", claim_within_s=86_400, rewards=[points(9)]),
        "wins": {"tasks": [{"id": "w", "event": "bet_settled", "sum": "properties.amount", "target": 50}]},
        "chained": mission(1, unlock_after=["once"], rewards=[points(11)]),
        "chosen": mission(2, opt_in=True, rewards=[points(13)]),
        "for-players": mission(2, rewards=[points(17)], audience={"metric": "count-ever", "op": "gte", "value": 3}),
        "for-big": mission(2, rewards=[points(19)], audience={"field": "player.level", "op": "eq", "value": "high"}),
    },
    "earn-rules": {
        "each": {"event": "bet_placed", "amount": 3},
        "capped": {
            "event": "bet_placed",
            "amount": 1,
            "per": {"field": "properties.amount", "unit": 2},
            "max_per_day": 12,
        },
        "win": {"event": "bet_settled", "amount": 4, "max_per_day": 10},
    },
    "achievements": {
        "bets": {"event": "bet_placed", "stages": [{"at": 2, "rewards": [points(6)]}, {"at": 5}]},
        "won": {
            "event": "bet_settled",
            "sum": "properties.amount",
            "stages": [{"at": 30, "rewards": [points(8)]}, {"at": 90}],
        },
    },
    "levels": {
        "main": {
            "currency": "points",
            "levels": [
                {"id": "low", "at": 0},
                {"id": "mid", "at": 25, "rewards": [points(15)]},
                {"id": "high", "at": 70, "rewards": [points(30)]},
            ],
        }
    },
    "streaks": {
        "daily": {
            "event": "bet_placed",
            "freezes": {"max": 2, "price": {"currency": "points", "amount": 10}},
            "rewards": [{"from": 2, "rewards": [points(2)]}],
        },
        "weekly": {"event": "bet_settled", "every": "week", "decay": 1, "rewards": [{"at": 1, "rewards": [points(3)]}]},
    },
    "quests": {"tour": {"missions": ["once", "chained"], "mode": "chain", "rewards": [points(40)]}},
}
PLAIN = {kind.replace("-", "_"): documents for kind, documents in KINDS.items()}
FREE = PLAIN | {"currencies": {"points": {"allow_negative": True}}}

ROUNDS = st.sampled_from(["r1", "r2", "r3", "r4"])
LATE = st.sampled_from([0, 0, 0, MINUTE, 5 * HOUR, 26 * HOUR])
AMOUNTS = st.integers(1, 40)
BETS = st.tuples(st.just("bet"), ROUNDS, AMOUNTS, LATE, st.sampled_from(["slots", "dice", "cards"]))
WINS = st.tuples(st.just("win"), ROUNDS, AMOUNTS, LATE)
BACK = st.tuples(st.just("back"), ROUNDS, st.sampled_from(["round", "tx"]), st.integers(0, 6))
CLAIMS = st.tuples(st.just("claim"), st.integers(0, 4))
COMMANDS = st.one_of(
    st.tuples(st.just("adjust"), st.sampled_from([-40, -15, 20])),
    st.tuples(st.just("opt_in")),
    st.tuples(st.just("freeze")),
    CLAIMS,
    st.tuples(st.just("gift"), st.integers(1, 9)),
    st.tuples(st.just("who"), st.sampled_from(["Europe/Kyiv", "UTC", "Asia/Tokyo"])),
)
TIME = st.tuples(st.just("time"), st.sampled_from([MINUTE, 20 * MINUTE, 3 * HOUR, 11 * HOUR, DAY, 3 * DAY]))
OPS = st.lists(st.one_of(BETS, BETS, BETS, WINS, BACK, BACK, COMMANDS, TIME), max_size=45)


def play(live: Roller, ops: list[Any]) -> None:
    sent = 0
    for op in ops:
        match op:
            case ("bet", round_id, amount, late, game):
                sent += 1
                live.does("bet_placed", late, round=round_id, amount=amount, game=game, own=f"t{sent}")
            case ("win", round_id, amount, late):
                live.does("bet_settled", late, round=round_id, amount=amount)
            case ("back", round_id, "round", _):
                live.takes_back(round=round_id)
            case ("back", _, _, which):
                live.takes_back(own=f"t{max(1, sent - which)}")
            case ("adjust", amount):
                command(live, "adjust", currency="points", amount=amount)
            case ("opt_in",):
                command(live, "opt_in", mission="chosen")
            case ("freeze",):
                command(live, "buy_freeze", streak="daily")
            case ("claim", number):
                command(live, "claim", completion_id=f"claimed.{number}")
            case ("gift", amount):
                live.given(amount)
            case ("who", zone):
                live.does("player_seen", context_zone=zone)
            case ("time", ms):
                live.passes(ms)


def command(live: Roller, name: str, **args: Any) -> list[Any]:
    return live.take(Command("ada", f"cmd:{len(live.rows) + 1}", name, args))


BY = {"by": ["properties.own", "properties.round"], "within": "7d"}
PURSES = {
    "currencies": {
        "points": {"allow_negative": True},
        "gems": {"expires": "2d", "allow_negative": True},
        "slow": {"pending": "3h", "max_per_day": 9},
    },
    "earn_rules": PLAIN["earn_rules"]
    | {
        "gems": {"event": "bet_placed", "currency": "gems", "amount": 2},
        "slow": {"event": "bet_placed", "currency": "slow", "amount": 4},
    },
    "levels": PLAIN["levels"]
    | {
        "recent": {
            "currency": "points",
            "by": "window",
            "window": "3d",
            "downgrade": "balance",
            "period": "1d",
            "levels": [{"id": "cold", "at": 0}, {"id": "warm", "at": 20}, {"id": "hot", "at": 60}],
        }
    },
}
LEAN: dict[str, Any] = {kind: PLAIN[kind] for kind in ("quests", "levels")}
LEAN["missions"] = {name: one for name, one in PLAIN["missions"].items() if name not in ("for-players", "for-big")}
LEAN["currencies"] = FREE["currencies"]
MEMORIES = {
    "short": (rolling(BY | {"entries": 16}, **PLAIN), programme(**FREE)),
    "long": (rolling(BY | {"entries": 512}, **PLAIN), programme(**FREE)),
    "purses": (rolling(BY | {"entries": 16}, **(PLAIN | PURSES)), programme(**(PLAIN | PURSES))),
    "lean": (rolling(BY | {"entries": 16}, **LEAN), programme(**LEAN)),  # many events move nothing
}


@pytest.mark.parametrize("kept", MEMORIES)
@given(ops=OPS)
@settings(deadline=None)
def test_the_game_is_as_if_what_was_rolled_back_had_never_come(kept: str, ops: list[Any]) -> None:
    rules, plain = MEMORIES[kept]
    live = Roller(rules)
    play(live, ops)
    assert "rollback_not_repeatable" not in cases(live.effects)
    live.check_ledger()
    other = without(live, plain)
    live.passes(30 * DAY)
    other.passes(live.now - other.now)
    assert live.game() == other.game()
    live.check_ledger()


@given(ops=OPS)
@settings(deadline=None)
def test_the_ledger_adds_up_where_debts_are_written_off_and_levels_kept(ops: list[Any]) -> None:
    live = Roller(rolling(BY | {"entries": 16, "points": "floor", "levels": "kept"}, **PLAIN))
    highest = 0
    for i in range(0, len(ops), 3):
        play(live, ops[i : i + 3])
        level = ["", "low", "mid", "high"].index(live.snapshot.progress.levels.get("main", ""))
        assert level >= highest, "a level was lowered"
        highest = level
        assert live.balance() >= 0
    live.check_ledger()
    assert "rollback_not_repeatable" not in cases(live.effects)
