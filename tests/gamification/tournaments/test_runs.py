"""Runs from the first score to the last prize."""

from typing import Any

import pytest

from domain.effects import Answered
from domain.game_effects import (
    LeaderboardMoved,
    PrizeWon,
    TournamentCancelled,
    TournamentFinished,
    TournamentJoined,
    TournamentRefused,
)
from domain.player import RunRecord, Snapshot, with_parts
from domain.step import BoardScore
from gamification.tournaments import records
from tests.gamification.playing import DAY, HOUR, MINUTE, MONDAY, NOON, SECOND
from tests.gamification.tournaments.hall import Hall, hall, prizes, tournament

TODAY = "race@2026-03-02"
TOMORROW = "race@2026-03-03"
NIGHT = MONDAY + DAY
OVER = NIGHT + 2 * MINUTE


def gems(world: Hall, player: str, amount: int) -> None:
    world.asks(player, "adjust", currency="gems", amount=amount, reason="a test")


def answers(world: Hall, player: str) -> list[str]:
    return [said.code for said in world.happened(player, Answered)]


def test_the_first_score_joins_and_every_further_one_moves_the_board() -> None:
    world = hall(race=tournament())
    world.does("ada", amount=5)
    world.settle()
    world.does("ada", amount=3)
    world.settle()
    assert [(m.board, m.score, m.version) for m in world.happened("ada", LeaderboardMoved)] == [
        (TODAY, 5, 1),
        (TODAY, 8, 2),
    ]
    assert world.boards[TODAY].rows["ada"] == BoardScore(TODAY, "ada", 2, 8.0, NOON)
    assert world.shown(TODAY)["entrants"] == 1


def test_what_is_scored_while_the_keeper_is_asked_is_kept() -> None:
    world = hall(race=tournament())
    for amount in (5, 3, 1):
        world.does("ada", amount=amount)
    world.settle()
    assert [move.score for move in world.happened("ada", LeaderboardMoved)] == [9]


def test_two_overlapping_tournaments_both_score_the_same_bet() -> None:
    week = tournament(schedule={"every": "week"}, events=[{"event": "bet_placed", "score": {"count": True}}])
    world = hall(race=tournament(), week=week)
    world.does("ada", amount=5)
    world.settle()
    assert world.boards[TODAY].rows["ada"].score == 5
    assert world.boards["week@2026-W10"].rows["ada"].score == 1


def test_the_event_s_own_time_decides_the_run_until_it_has_settled() -> None:
    world = hall(race=tournament(settle=60))
    world.does("ada", amount=5)
    world.later(NIGHT + 30 * SECOND)
    world.does("ada", amount=3, at=NIGHT - SECOND)  # late, and still of Monday
    world.does("ada", amount=1)  # Tuesday's
    world.later(NIGHT + 60 * SECOND)
    world.does("ada", amount=7, at=NIGHT - SECOND)  # too late
    world.settle()
    assert world.boards[TODAY].rows["ada"].score == world.record("ada", TODAY).score == 8
    assert world.boards[TOMORROW].rows["ada"].score == 1


def test_prizes_go_to_the_places_and_everybody_hears_of_the_end() -> None:
    world = hall(race=tournament(prizes=prizes(100, 50)))
    for player, amount in (("ada", 5), ("bob", 9), ("cay", 7), ("dan", 1)):
        world.does(player, amount=amount)
    world.later(OVER)
    assert [world.balance(player) for player in ("bob", "cay", "ada", "dan")] == [100, 50, 0, 0]
    assert world.happened("bob", PrizeWon) == [PrizeWon("race", "2026-03-02", 1, 9.0)]
    for player in ("ada", "bob", "cay", "dan"):
        assert len(world.happened(player, TournamentFinished)) == 1
        assert world.record(player, TODAY).status == "finished"
    assert world.record("cay", TODAY).rank == 2
    shown = world.shown(TODAY)
    assert (shown["status"], shown["prizes_paid"], shown["ranked"]) == ("finished", 2, 4)
    assert [row["player"] for row in shown["table"]] == ["bob", "cay", "ada", "dan"]
    assert world.groups[records.group_of(TODAY)] == set()


def test_of_equal_scores_who_reached_it_first_wins_by_event_time() -> None:
    world = hall(race=tournament(prizes=prizes(100)))
    world.does("ada", amount=5, at=NOON - SECOND)
    world.does("bob", amount=5, at=NOON - MINUTE)
    world.later(OVER)
    assert (world.balance("bob"), world.balance("ada")) == (100, 0)


def test_a_score_below_the_least_wins_nothing() -> None:
    world = hall(race=tournament(prizes=prizes(100, 50), min_score=6))
    world.does("ada", amount=5)
    world.does("bob", amount=9)
    world.later(OVER)
    assert (world.balance("bob"), world.balance("ada")) == (100, 0)
    assert not world.happened("ada", PrizeWon)


def test_prizes_that_need_approval_wait_for_it_and_are_paid_once() -> None:
    world = hall(race=tournament(prizes=prizes(100), approval=True))
    world.does("ada", amount=5)
    world.later(OVER)
    assert (world.balance("ada"), world.shown(TODAY)["step"]) == (0, "awaiting_approval")
    world.operator(TODAY, "approve_prizes")
    world.operator(TODAY, "approve_prizes")
    world.settle()
    assert (world.balance("ada"), world.shown(TODAY)["status"]) == (100, "finished")
    assert answers(world, f"keeper:tournament:{TODAY}") == ["ok", "not_awaiting_approval"]


@pytest.mark.parametrize(
    ("step", "approval", "said"),
    [
        ("closing", False, "ok"),
        ("freezing", False, "too_late"),
        ("finished", False, "too_late"),
        ("freezing", True, "ok"),
        ("awaiting_approval", True, "ok"),
        ("paying", True, "too_late"),
        ("finished", True, "too_late"),
    ],
)
def test_it_is_too_late_to_cancel_once_nothing_more_stops_the_prizes(step: str, approval: bool, said: str) -> None:
    world = hall(race=tournament(prizes=prizes(100), approval=approval))
    world.does("ada", amount=5)
    world.settle()
    while world.shown(TODAY)["step"] != step:
        if not world.one() and not world.fires(OVER):
            world.operator(TODAY, "approve_prizes")
    world.operator(TODAY, "cancel_run")
    world.later(OVER)
    assert answers(world, f"keeper:tournament:{TODAY}")[-1] == said
    assert world.balance("ada") == (0 if said == "ok" else 100)
    world.operator(TODAY, "cancel_run")
    world.settle()
    assert answers(world, f"keeper:tournament:{TODAY}")[-1] == ("run_cancelled" if said == "ok" else "too_late")


def test_fewer_than_the_least_players_cancel_an_open_run_at_its_end() -> None:
    world = hall(race=tournament(prizes=prizes(100), players={"min": 2}))
    world.does("ada", amount=5)
    world.later(OVER)
    assert world.happened("ada", TournamentCancelled) == [
        TournamentCancelled("race", "2026-03-02", "too_few_players"),
    ]
    assert (world.balance("ada"), world.shown(TODAY)["status"]) == (0, "cancelled")


def test_beyond_the_most_players_nobody_joins() -> None:
    world = hall(race=tournament(players={"max": 2}))
    for player in ("ada", "bob", "cay"):
        world.does(player, amount=5)
    world.settle()
    statuses = [world.record(player, TODAY).status for player in ("ada", "bob", "cay")]
    assert sorted(statuses) == ["refused", "scoring", "scoring"]
    refused = ("ada", "bob", "cay")[statuses.index("refused")]
    assert world.happened(refused, TournamentRefused)[0].reason == "full"
    world.does(refused, amount=5)
    world.settle()
    assert world.record(refused, TODAY).version == 0


def test_opting_in_is_not_retroactive() -> None:
    world = hall(race=tournament(registration="opt_in"))
    world.does("ada", amount=5)
    world.asks("ada", "register", tournament="race")
    world.later(NOON + MINUTE)
    world.does("ada", amount=3)
    world.does("ada", amount=50, at=NOON - MINUTE)
    world.settle()
    assert world.boards[TODAY].rows["ada"].score == 3
    assert answers(world, "ada") == ["ok"]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        pytest.param({"tournament": "chess"}, "tournament_not_found", id="no such tournament"),
        pytest.param({"tournament": "race", "run": "2026-04-01"}, "run_not_found", id="no such run"),
        pytest.param({"tournament": "auto"}, "registration_not_needed", id="everybody is in"),
        pytest.param({"tournament": "vips"}, "not_qualified", id="not qualified"),
        pytest.param({"tournament": "rich"}, "insufficient_balance", id="too dear"),
        pytest.param({"tournament": "race", "run": "2026-03-03"}, "ok", id="the next run"),
    ],
)
def test_registration_says_why_not(args: dict[str, str], code: str) -> None:
    gold = {"field": "player.traits.tier", "op": "eq", "value": "gold"}
    world = hall(
        race=tournament(registration="opt_in"),
        auto=tournament(),
        vips=tournament(registration="qualification", qualification=gold),
        rich=tournament(registration="buy_in", buy_in={"currency": "gems", "amount": 10}),
    )
    world.asks("ada", "register", **args)
    world.settle()
    assert answers(world, "ada") == [code]


def paid_race(**more: Any) -> Hall:
    buy_in = {"currency": "gems", "amount": 10}
    world = hall(race=tournament(registration="buy_in", buy_in=buy_in, **more))
    for player in ("ada", "bob"):
        gems(world, player, 25)
    world.settle()
    return world


def test_a_price_is_held_then_redeemed() -> None:
    world = paid_race()
    world.asks("ada", "register", tournament="race", run="2026-03-03")
    world.one()
    assert (world.balance("ada", "gems"), world.accounts["held"]) == (15, 10)
    world.settle()
    assert (world.accounts["held"], world.accounts["redeemed"]) == (0, 10)
    world.asks("ada", "register", tournament="race", run="2026-03-03")
    world.settle()
    assert (answers(world, "ada"), world.balance("ada", "gems")) == (["ok", "ok", "ok"], 15)
    assert [joined.status for joined in world.happened("ada", TournamentJoined)] == ["registered"]


def test_a_price_comes_back_when_the_run_is_full() -> None:
    world = paid_race(players={"max": 1})
    for player in ("ada", "bob"):
        world.asks(player, "register", tournament="race", run="2026-03-03")
    world.settle()
    assert sorted(world.balance(player, "gems") for player in ("ada", "bob")) == [15, 25]
    assert (world.accounts["held"], world.accounts["redeemed"]) == (0, 10)


def test_too_few_at_the_start_cancel_and_pay_back() -> None:
    world = paid_race(players={"min": 2})
    world.asks("ada", "register", tournament="race", run="2026-03-03")
    world.later(NIGHT + MINUTE)
    assert world.balance("ada", "gems") == 25
    assert world.record("ada", TOMORROW).status == "cancelled"
    assert (world.accounts["held"], world.accounts["redeemed"]) == (0, 0)
    world.asks("bob", "register", tournament="race", run="2026-03-03")
    world.asks("bob", "register", tournament="race")
    world.settle()
    assert (sorted(answers(world, "bob")[1:]), world.balance("bob", "gems")) == (["ok", "run_cancelled"], 15)
    assert world.record("bob", "race@2026-03-04").status == "registered"


def test_who_withdraws_before_the_start_is_paid_back_and_makes_room() -> None:
    world = paid_race(players={"max": 1})
    world.asks("ada", "register", tournament="race", run="2026-03-03")
    world.settle()
    world.asks("ada", "withdraw", tournament="race")
    world.settle()
    world.asks("bob", "register", tournament="race", run="2026-03-03")
    world.settle()
    assert (world.balance("ada", "gems"), world.balance("bob", "gems")) == (25, 15)
    world.later(NIGHT + MINUTE)
    world.asks("bob", "withdraw", tournament="race")
    world.settle()
    assert answers(world, "bob")[-1] == "already_started"


def test_who_withdraws_leaves_the_board_too() -> None:
    world = paid_race()
    world.later(NIGHT - 30 * SECOND)
    world.asks("ada", "register", tournament="race", run="2026-03-03")
    world.settle()
    world.does("ada", at=NIGHT + 5 * SECOND, amount=9)  # a clock that is fast
    world.settle()
    assert world.table(TOMORROW) == ["ada"]
    world.asks("ada", "withdraw", tournament="race", run="2026-03-03")
    world.settle()
    assert (world.table(TOMORROW), world.record("ada", TOMORROW).version) == ([], 2)


def test_an_operator_cancels_a_run_and_all_are_paid_back() -> None:
    world = paid_race()
    for player in ("ada", "bob"):
        world.asks(player, "register", tournament="race")
    world.settle()
    world.does("ada", amount=5)
    world.settle()
    world.operator(TODAY, "cancel_run")
    world.settle()
    assert [world.balance(player, "gems") for player in ("ada", "bob")] == [25, 25]
    world.does("ada", amount=5)
    world.later(OVER)
    assert world.record("ada", TODAY).version == 1
    assert (world.accounts["held"], world.accounts["redeemed"]) == (0, 0)


def test_an_operator_lets_in_who_waits_for_it() -> None:
    world = hall(race=tournament(registration="approval", players={"max": 1}))
    for player in ("ada", "bob", "cay"):
        world.asks(player, "register", tournament="race")
    world.settle()
    assert world.groups[records.pending_of(TODAY)] == {"ada", "bob", "cay"}
    world.does("ada", amount=5)
    world.asks("ada", "approve_registration", tournament="race", run="2026-03-02")
    world.asks("cay", "approve_registration", tournament="race", run="2026-03-02", approve=False)
    world.settle()
    world.asks("bob", "approve_registration", tournament="race", run="2026-03-02")
    world.settle()
    assert answers(world, "bob") == ["ok", "full"]
    assert [world.record(player, TODAY).status for player in ("ada", "bob", "cay")] == [
        "registered",
        "pending",
        "refused",
    ]
    world.later(OVER)
    assert world.record("bob", TODAY).status == "refused"  # nobody let him in
    assert world.happened("bob", TournamentRefused)[0].reason == "closed"


def test_who_is_let_in_too_late_does_not_wait_any_more() -> None:
    world = hall(race=tournament(registration="approval"))
    world.asks("ada", "register", tournament="race")
    world.settle()
    world.now = NIGHT + 70 * SECOND
    world.asks("ada", "approve_registration", tournament="race", run="2026-03-02")
    world.settle()
    assert world.record("ada", TODAY).status == "refused"
    assert not any(world.groups.values())


def test_cohorts_fill_one_after_another_each_with_its_prizes() -> None:
    world = hall(race=tournament(cohorts={"size": 2}, prizes=prizes(100)))
    for n, player in enumerate(("ada", "bob", "cay", "dan", "eve"), 1):
        world.does(player, amount=n)
        world.settle()
    assert [world.record(player, TODAY).board for player in ("ada", "bob", "cay", "dan", "eve")] == [
        f"{TODAY}/c0-1",
        f"{TODAY}/c0-1",
        f"{TODAY}/c0-2",
        f"{TODAY}/c0-2",
        f"{TODAY}/c0-3",
    ]
    world.later(OVER)
    assert [world.balance(player) for player in ("ada", "bob", "cay", "dan", "eve")] == [0, 100, 0, 100, 100]


def test_the_first_go_up_a_tier_and_the_last_go_down() -> None:
    tiers = {"size": 3, "tiers": ["bronze", "silver"], "promote": 1, "demote": 1}
    only_silver = [{"from": 1, "rewards": [{"amount": 7}], "tiers": ["silver"]}]
    world = hall(race=tournament(cohorts=tiers, prizes=only_silver))
    for amount, player in enumerate(("ada", "bob", "cay"), 1):
        world.does(player, amount=amount)
    world.later(NIGHT + HOUR)
    assert world.states["cay"].runs["race"] == RunRecord("tier", tier="silver")
    for amount, player in enumerate(("ada", "bob", "cay"), 1):
        world.does(player, amount=amount)
    world.later(NIGHT + DAY + HOUR)
    assert world.record("cay", TOMORROW).board == f"{TOMORROW}/c1-1"
    assert world.record("bob", TOMORROW).board == f"{TOMORROW}/c0-1"
    assert (world.balance("cay"), world.balance("bob")) == (7, 0)
    assert [world.states[player].runs["race"].tier for player in ("bob", "cay")] == ["silver", "silver"]


def test_the_last_go_down_though_cohorts_were_made_smaller_meanwhile() -> None:
    def of_size(size: int) -> Hall:
        tiers = {"size": size, "tiers": ["bronze", "silver"], "promote": 1, "demote": 1}
        return hall(race=tournament(cohorts=tiers))

    world = of_size(14)
    players = [f"p{n}" for n in range(14)]
    for amount, player in enumerate(players, 1):
        world.states[player] = with_parts(Snapshot(player), runs={"race": RunRecord("tier", tier="silver")})
        world.does(player, amount=amount)
    world.settle()
    world.rules = of_size(2).rules
    world.later(NIGHT + HOUR)
    assert world.states["p0"].runs["race"].tier == "bronze"


def test_a_player_keeps_the_last_runs_only() -> None:
    world = hall(race=tournament())
    for day in range(30):
        world.later(NOON + day * DAY)
        world.does("ada", amount=1)
    world.later(NOON + 31 * DAY)
    runs = world.states["ada"].runs
    assert len(runs) == records.RUNS_MAX
    assert next(reversed(runs)) == "race@2026-03-31"


def test_a_tournament_that_is_deleted_ends_without_prizes_and_pays_back() -> None:
    world = paid_race(prizes=prizes(100))
    world.asks("ada", "register", tournament="race")
    world.settle()
    world.does("ada", amount=5)
    world.settle()
    world.rules = hall().rules
    world.later(OVER)
    assert (world.balance("ada", "gems"), world.balance("ada")) == (25, 0)
    assert world.happened("ada", TournamentCancelled)[0].reason == "not_configured"


def test_one_that_is_deleted_after_its_end_pays_back_too() -> None:
    for rounds in (1, 2, 3):
        world = paid_race(prizes=prizes(100))
        world.asks("ada", "register", tournament="race")
        world.settle()
        world.does("ada", amount=5)
        world.settle()
        world.fires(OVER)
        kept = world.states["keeper:tournament:" + TODAY].kept
        while kept.get("round", 0) < rounds and kept["status"] != "freezing":
            assert world.one()
            kept = world.states["keeper:tournament:" + TODAY].kept
        world.rules = hall().rules
        world.later(OVER)
        assert (world.balance("ada", "gems"), world.happened("ada", PrizeWon)) == (25, [])


def test_one_that_is_deleted_while_it_waits_for_approval_can_be_cancelled() -> None:
    world = paid_race(prizes=prizes(100), approval=True)
    world.asks("ada", "register", tournament="race")
    world.settle()
    world.does("ada", amount=5)
    world.later(OVER)
    world.rules = hall().rules
    world.operator(TODAY, "approve_prizes")
    world.operator(TODAY, "cancel_run")
    world.settle()
    assert answers(world, "keeper:tournament:" + TODAY) == ["tournament_not_found", "ok"]
    assert world.balance("ada", "gems") == 25


def test_a_keeper_that_does_not_know_the_tournament_yet_is_asked_again() -> None:
    world = hall(race=tournament())
    known = world.rules
    world.does("ada", amount=5)
    world.one()
    world.one()  # asked; the keeper's partition has not heard of the publication
    world.rules = hall().rules
    world.settle()
    assert world.record("ada", TODAY).status == "again"
    world.rules = known
    world.does("ada", amount=3)
    world.settle()
    assert world.boards[TODAY].rows["ada"].score == 8


def test_a_player_sees_the_runs_of_each_tournament() -> None:
    world = hall(race=tournament(registration="opt_in", prizes=prizes(100)))
    assert [(seen["run"], seen["status"], seen["me"]["registered"]) for seen in world.sees("ada")] == [
        ("2026-03-02", "running", False),
        ("2026-03-03", "registering", False),
    ]
    world.asks("ada", "register", tournament="race")
    world.settle()
    world.does("ada", amount=5)
    world.later(NIGHT + SECOND)
    seen = world.sees("ada")
    assert [(entry["run"], entry["status"]) for entry in seen][:2] == [
        ("2026-03-02", "finishing"),
        ("2026-03-03", "running"),
    ]
    assert (seen[0]["me"]["registered"], seen[0]["me"]["score"]) == (True, 5)
    assert seen[0]["prizes"] == [
        {"from": 1, "until": 1, "tiers": [], "rewards": [{"kind": "currency", "currency": "points", "amount": 100}]}
    ]
