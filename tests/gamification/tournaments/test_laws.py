"""What holds of tournaments whatever comes in whatever order, and twice."""

from collections import Counter
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.effects import Posting
from domain.entries import BarrierPassed, BoardFrozen, KeeperAnswered, LogEntry, TimerFired
from domain.game_effects import LeaderboardMoved, PrizeWon, TournamentFinished
from domain.ids import keeper_id
from domain.player import Snapshot
from domain.step import Draws
from gamification.tournaments.prizes import next_tier
from gamification.tournaments.rules import CohortRule
from gamification.turn import take_keeper_turn, take_turn
from tests.gamification.playing import DAY, HOUR, MINUTE, MONDAY, NOON, SECOND
from tests.gamification.tournaments.hall import Hall, hall, prizes, tournament

PLAYERS = ("ada", "bob", "cay", "dan", "eve", "fay", "gus")
TODAY = "race@2026-03-02"
TOMORROW = "race@2026-03-03"
NIGHT = MONDAY + DAY
SEEDS = st.integers(0, 2**32)
MONEY = 100


def seated(world: Hall, run: str) -> list[str]:
    return [
        player
        for player in PLAYERS
        if player in world.states
        and run in world.states[player].runs
        and world.states[player].runs[run].status
        in ("registered", "scoring")  # of who leaves, the seat may be another's already
    ]


def gems_are_conserved(world: Hall) -> None:
    held, redeemed = world.accounts["held"], world.accounts["redeemed"]
    assert sum(world.balance(player, "gems") for player in PLAYERS) + held + redeemed == MONEY * len(PLAYERS)


@given(seed=SEEDS, most=st.integers(1, 6), least=st.integers(0, 3))
def test_seats_never_pass_the_most_and_money_is_conserved(seed: int, most: int, least: int) -> None:
    rng = Random(seed)
    players = {"max": max(most, least), **({"min": least} if least else {})}
    world = hall(race=tournament(registration="buy_in", buy_in={"currency": "gems", "amount": 10}, players=players))
    for player in PLAYERS:
        world.asks(player, "adjust", currency="gems", amount=MONEY, reason="a test")
    world.settle()
    for _ in range(60):
        player = rng.choice(PLAYERS)
        match rng.randrange(6):
            case 0 | 1:
                world.asks(player, "register", tournament="race", run="2026-03-03")
            case 2:
                world.asks(player, "withdraw", tournament="race")
            case 3 if rng.random() < 0.03:
                world.operator(TOMORROW, "cancel_run")
            case _:
                for _ in range(rng.randrange(8)):
                    world.one(rng)
        assert len(seated(world, TOMORROW)) <= players["max"]
        assert world.shown(TOMORROW)["entrants"] <= players["max"]
        gems_are_conserved(world)
    world.settle(rng)
    assert world.accounts["held"] == 0
    if world.shown(TOMORROW)["status"] == "registering" and world.shown(TOMORROW)["entrants"]:
        assert world.shown(TOMORROW)["entrants"] == len(seated(world, TOMORROW))
    world.later(NIGHT + HOUR, rng)
    gems_are_conserved(world)
    if world.shown(TOMORROW)["status"] == "cancelled":
        assert (world.accounts["held"], world.accounts["redeemed"], seated(world, TOMORROW)) == (0, 0, [])


def ended(seed: int, bets: list[tuple[int, int]], *, twice: bool, approval: bool = False, size: int = 0) -> Hall:
    """Play a run whose last bets wait in the logs when its end is due; deliver in the order of the seed."""
    rng = Random(seed)
    cohorts = {"size": size, "tiers": ["bronze", "silver"], "promote": 1, "demote": 1} if size else None
    world = hall(twice=twice, race=tournament(prizes=prizes(100, 50, 20), approval=approval, cohorts=cohorts))
    world.now = NIGHT + 59 * SECOND
    for who, amount in bets:
        world.does(PLAYERS[who], amount=amount, at=NIGHT - 1 - who)
        for _ in range(rng.randrange(4)):
            world.one(rng)
    world.fires(NIGHT + MINUTE)
    world.now = NIGHT + MINUTE
    for who, _ in bets:
        world.does(PLAYERS[who], amount=50, at=NIGHT - 1)  # of the run, and too late
    while world.fires(NIGHT + MINUTE) or world.one(rng):
        continue
    world.later(NIGHT + HOUR, rng)
    if approval:
        world.operator(TODAY, "approve_prizes")
        world.settle(rng)
    return world


BETS = st.lists(st.tuples(st.integers(0, len(PLAYERS) - 1), st.integers(1, 5)), min_size=1, max_size=25)


@given(seed=SEEDS, bets=BETS, twice=st.booleans(), approval=st.booleans())
@example(seed=0, bets=[(0, 1), (1, 1)], twice=True, approval=True)
def test_every_score_in_time_is_in_the_final_table_and_each_place_is_paid_once(
    seed: int, bets: list[tuple[int, int]], twice: bool, approval: bool
) -> None:
    world = ended(seed, bets, twice=twice, approval=approval)
    totals: Counter[str] = Counter()
    for who, amount in bets:
        totals[PLAYERS[who]] += amount
    # Of equal scores who reached it first: whoever is later in PLAYERS bet earlier.
    ranked = sorted(totals, key=lambda player: (-totals[player], -PLAYERS.index(player)))
    assert world.table(TODAY) == ranked
    paid = dict(zip(ranked, (100, 50, 20), strict=False))
    assert {player: world.balance(player) for player in totals} == {player: paid.get(player, 0) for player in totals}
    for rank, player in enumerate(ranked, 1):
        assert [won.rank for won in world.happened(player, PrizeWon)] == ([rank] if player in paid else [])
        assert len(world.happened(player, TournamentFinished)) == 1
    assert world.shown(TODAY)["prizes_paid"] == min(3, len(ranked))


@given(seed=SEEDS, bets=BETS, twice=st.booleans())
def test_cohorts_part_the_players_and_each_pays_its_own_places_once(
    seed: int, bets: list[tuple[int, int]], twice: bool
) -> None:
    world = ended(seed, bets, twice=twice, size=2)
    boards = [name for name, board in world.boards.items() if board.rows and name.startswith(TODAY)]
    tables = [world.table(board) for board in boards]
    assert sorted(player for table in tables for player in table) == sorted({PLAYERS[who] for who, _ in bets})
    assert all(len(table) <= 2 for table in tables)
    for table in tables:
        assert [world.balance(player) for player in table] == [100, 50][: len(table)]
        assert world.states[table[0]].runs["race"].tier == "silver"


@given(seed=SEEDS, bets=BETS)
def test_versions_on_a_board_rise_and_the_last_is_the_player_s_score(seed: int, bets: list[tuple[int, int]]) -> None:
    world = ended(seed, bets, twice=False)
    for player in {PLAYERS[who] for who, _ in bets}:
        moves = world.happened(player, LeaderboardMoved)
        assert [move.version for move in moves] == list(range(1, len(moves) + 1))
        assert world.boards[TODAY].rows[player].score == moves[-1].score == world.record(player, TODAY).score


@given(order=st.permutations([(5, 3), (5, 1), (4, 2), (5, 2)]))
def test_when_a_best_score_was_reached_depends_on_no_order_of_arrival(order: list[tuple[int, int]]) -> None:
    best = [{"event": "bet_placed", "score": {"best": "properties.amount"}}]
    world = hall(race=tournament(events=best))
    for amount, minute in order:
        world.does("ada", amount=amount, at=NOON - 10 * MINUTE + minute * MINUTE)
    world.settle()
    row = world.boards[TODAY].rows["ada"]
    assert (row.score, row.reached_at) == (5, NOON - 9 * MINUTE)


@given(
    size=st.integers(2, 60),
    promote=st.integers(0, 30),
    demote=st.integers(0, 30),
    entrants=st.integers(0, 60),
    tier=st.integers(0, 2),
)
def test_of_a_table_the_first_go_up_the_last_go_down_and_nobody_both(
    size: int, promote: int, demote: int, entrants: int, tier: int
) -> None:
    zones = CohortRule(size, ("a", "b", "c"), promote, demote)
    moves = [next_tier(zones, 3, tier, rank, entrants) - tier for rank in range(1, entrants + 1)]
    assert moves == sorted(moves, reverse=True)
    assert sum(move > 0 for move in moves) == (min(promote, entrants) if tier < 2 else 0)
    assert sum(move < 0 for move in moves) == (min(demote, max(0, entrants - promote)) if tier > 0 else 0)


@pytest.mark.parametrize("boards", [1, 40, 100])
def test_a_final_table_that_is_told_again_changes_nothing(boards: int) -> None:
    """The keeper by itself: each board's final table comes three times, in any order that it asked for them."""
    world = hall(race=tournament(prizes=prizes(100), cohorts={"size": 2}))
    for n in range(2 * boards):
        world.does(f"p{n}", amount=1)
    world.settle()
    actor = keeper_id("tournament", TODAY)
    state, offset = world.states[actor], 0

    def turn(entry: TimerFired | BarrierPassed | BoardFrozen) -> list[BoardFrozen]:
        nonlocal state, offset
        offset += 1
        step = take_keeper_turn(world.rules, state, LogEntry(f"{offset}-0", NIGHT + HOUR, entry), Draws("s", 0, "1-0"))
        state = step.state
        told.extend(relay for relay in step.relays)
        return [BoardFrozen(actor, f.board, 2, (("x" + f.board, 1.0, 1), ("y", 1.0, 2))) for f in step.freezes]

    told: list[object] = []
    turn(TimerFired(actor, "tournament", "end", NIGHT + MINUTE))
    turn(BarrierPassed(actor, "1", 0, 1))
    waiting = turn(BarrierPassed(actor, "2", 0, 1))
    while waiting:
        assert len(waiting) <= 32
        again = waiting.pop(0)
        for _ in range(3):
            waiting += turn(again)
    assert len(told) == boards
    assert state.kept["status"] == "finished"
    assert len(repr(state.kept)) < 8_000


def test_a_place_that_is_told_again_changes_nothing() -> None:
    world = ended(7, [(0, 5)], twice=False)
    keeper = keeper_id("tournament", TODAY)
    data = {"run": TODAY, "board": TODAY, "rank": 1, "score": 5.0, "rewards": [["currency", "points", 100]]}
    told = KeeperAnswered("ada", keeper, f"{TODAY}|1", "tournament_result", "ok", data)
    before = world.states["ada"]
    step = take_turn(world.rules, before, LogEntry("99-0", NIGHT + HOUR, told), Draws("s", 0, "99-0"))
    assert (step.state, step.effects) == (before, ())


def test_prizes_paid_are_postings_of_the_tournament() -> None:
    world = ended(7, [(0, 5)], twice=True)
    posted = [effect for effect in world.effects["ada"] if isinstance(effect, Posting)]
    assert [(post.amount, post.rule) for post in posted] == [(100, "tournaments/race")]
    assert world.states.get("nobody", Snapshot("nobody")).runs == {}
