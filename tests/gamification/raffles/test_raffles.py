"""A weekly raffle, from the first ticket to the claimed prize."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from domain.effects import Answered
from domain.entries import Contributed, KeeperAnswered, Merged
from domain.game_effects import Drawn, SeedRevealed, TicketsChanged, TicketsListed, WinChanged
from domain.player import Snapshot, all_parts
from gamification.fairness.proof import problems
from gamification.programme import InvalidProgramme
from gamification.raffles.listing import BYTES_MAX, hash_of, holder_of
from gamification.raffles.running import list_hash
from gamification.raffles.tickets import PARTS, list_keeper, part_of
from gamification.raffles.wins import WAITING_MAX, WINS_MAX
from tests.gamification.lottery import Lottery
from tests.gamification.playing import DAY, HOUR, MONDAY, NOON, points, programme

WEEK = (MONDAY // DAY + 3) // 7  # that MONDAY begins
RUN = f"w{WEEK}"
NEXT = f"w{WEEK + 1}"
KEEPER = f"keeper:raffle:weekly@{RUN}"
ENDS = MONDAY + 7 * DAY


def raffle(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "tickets": [{"event": "bet_placed"}],
        "draw": {"every": "week"},
        "prizes": [{"id": "car", "rewards": [points(1_000)]}, {"id": "mug", "count": 2, "rewards": [points(10)]}],
    }
    return given | more


def town(**more: Any) -> Lottery:
    return Lottery(programme(raffles={"weekly": raffle(**more)}))


def bets(where: Lottery, player: str, times: int = 1, **properties: Any) -> None:
    for _ in range(times):
        where.does(player, "bet_placed", **properties)
    where.settle()


def drawn(where: Lottery) -> Drawn:
    (found,) = where.happened(KEEPER, Drawn)
    return found


def lists(where: Lottery) -> list[tuple[tuple[str, int], ...]]:
    return [
        next((listed.rows for listed in where.happened(list_keeper("weekly", RUN, part), TicketsListed)), ())
        for part in range(PARTS)
    ]


def holder(where: Lottery, ticket: int) -> str:
    return holder_of([row for rows in lists(where) for row in rows], ticket - 1)


def check(where: Lottery) -> None:
    """Check the draw as anybody can who was shown its records."""
    draw, rows = drawn(where), lists(where)
    (shown,) = where.happened(KEEPER, SeedRevealed)
    assert not problems(draw, bytes.fromhex(shown.seed))
    parts = [(sum(n for _, n in some), hash_of(some), "") for some in rows]
    assert draw.client_seed == list_hash(parts)
    assert draw.facts["tickets"] == sum(part[0] for part in parts)


def test_winners_are_drawn_told_and_paid_once() -> None:
    where = town()
    for player, times in (("ada", 3), ("bob", 2), ("cy", 1)):
        bets(where, player, times)
    assert where.states["ada"].games.tickets == {f"weekly@{RUN}": 3}
    where.later(ENDS - 1)
    assert not where.happened(KEEPER, Drawn)
    where.later(ENDS)
    draw = drawn(where)
    assert [prize for prize, _ in draw.facts["winners"]] == ["car", "mug", "mug"]
    tickets = [ticket for _, ticket in draw.facts["winners"]]
    assert len(set(tickets)) == 3
    assert set(tickets) <= set(range(1, 7))
    for prize, ticket in draw.facts["winners"]:
        (win,) = [w for w in where.happened(holder(where, ticket), WinChanged) if w.ticket == ticket]
        assert (win.prize, win.status) == (prize, "claimed")
    assert sum(where.balance(player) for player in ("ada", "bob", "cy")) == 1_020
    check(where)
    assert where.states[KEEPER].kept["status"] == "done"


def test_what_the_keeper_tells_twice_is_paid_once() -> None:
    where = town(prizes=[{"id": "car", "rewards": [points(7)]}])
    bets(where, "ada")
    where.later(ENDS)
    (told,) = [said for said in where.said if said.op == "raffle_won"]
    where.take(told)
    assert where.balance("ada") == 7


def test_the_commitment_stands_before_the_first_ticket_is_listed() -> None:
    where = town()
    bets(where, "ada")
    committed = where.states[KEEPER].kept["commitment"]
    where.later(ENDS)
    assert drawn(where).commitment == committed == where.happened(KEEPER, SeedRevealed)[0].commitment


def test_a_run_of_another_week_is_another_draw() -> None:
    where = town()
    bets(where, "ada")
    where.later(ENDS)
    bets(where, "ada", 2)
    assert where.states["ada"].games.tickets == {f"weekly@{RUN}": 1, f"weekly@{NEXT}": 2}
    where.later(ENDS + 7 * DAY)
    (second,) = where.happened(f"keeper:raffle:weekly@{NEXT}", Drawn)
    assert second.facts["tickets"] == 2
    assert second.commitment != drawn(where).commitment


def test_tickets_come_from_amounts_and_rewards_up_to_the_most_a_player_may_have() -> None:
    source = {"event": "bet_placed", "per": {"field": "properties.amount", "unit": 100}, "amount": 2}
    gives = {"tasks": [{"id": "t", "event": "signed_up", "count": 1}],
             "rewards": [{"kind": "tickets", "raffle": "weekly", "amount": 5}]}  # fmt: skip
    where = Lottery(programme(raffles={"weekly": raffle(tickets=[source], max_per_player=10)}, missions={"hi": gives}))
    bets(where, "ada", amount=99)
    assert not where.happened("ada", TicketsChanged)
    bets(where, "ada", amount=399)
    where.does("ada", "signed_up")
    where.settle()
    assert [c.amount for c in where.happened("ada", TicketsChanged)] == [6, 4]
    assert where.states[list_keeper("weekly", RUN, part_of("ada"))].kept["held"] == {"ada": 10}


def test_a_prize_that_needs_more_tickets_is_not_drawn() -> None:
    where = town(prizes=[{"id": "car", "min_tickets": 3}, {"id": "mug", "min_tickets": 2}])
    bets(where, "ada", 2)
    where.later(ENDS)
    assert [prize for prize, _ in drawn(where).facts["winners"]] == ["mug"]


def test_a_ticket_wins_once_unless_the_raffle_says_otherwise() -> None:
    prizes = [{"id": "mug", "count": 3, "rewards": [points(1)]}]
    once, again = town(prizes=prizes), town(prizes=prizes, multi=True)
    for where in (once, again):
        bets(where, "ada")
        where.later(ENDS)
        check(where)
    assert (once.balance("ada"), again.balance("ada")) == (1, 3)


def test_nobody_took_part_and_nothing_is_drawn() -> None:
    where = town()
    where.later(ENDS)
    assert not where.states


def test_a_ticket_of_a_list_that_is_full_is_taken_back_and_said() -> None:
    where = town()
    part = list_keeper("weekly", RUN, part_of("ada"))
    crowd = tuple((f"{n:0200}", 1, "e") for n in range(BYTES_MAX // 206 + 1))
    where.take(Contributed(part, crowd))
    assert len(where.states[part].kept["held"]) == BYTES_MAX // 206
    bets(where, "ada", 2)
    assert [(c.amount, c.held) for c in where.happened("ada", TicketsChanged)] == [(1, 1), (1, 2), (-1, 1), (-1, 0)]
    assert where.states["ada"].games.tickets == {f"weekly@{RUN}": 0}


def claimable() -> Lottery:
    where = town(prizes=[{"id": "car", "rewards": [points(7)]}], claim_within="2h")
    bets(where, "ada")
    where.later(ENDS)
    return where


def claim(where: Lottery) -> str:
    effects = where.asks("ada", "claim_win", win=f"weekly@{RUN}.0")
    return next(effect.code for effect in effects if isinstance(effect, Answered))


def test_a_win_is_claimed_in_time_and_once() -> None:
    where = claimable()
    assert where.balance("ada") == 0
    where.later(ENDS + 2 * HOUR - 1)
    assert [claim(where), claim(where)] == ["ok", "ok"]
    where.later(ENDS + DAY)
    assert where.balance("ada") == 7


def test_a_win_that_nobody_claims_expires() -> None:
    where = claimable()
    where.later(ENDS + 2 * HOUR)
    assert [w.status for w in where.happened("ada", WinChanged)] == ["won", "expired"]
    assert claim(where) == "win_expired"
    assert where.balance("ada") == 0


def test_no_win_that_waits_for_its_claim_is_forgotten() -> None:
    where = town(prizes=[{"id": "mug", "count": 30, "rewards": [points(10)]}], claim_within="30d")
    for player in ("ada", "anon:x"):
        bets(where, player, 15)
    where.later(ENDS)
    where.merges("anon:x", "ada")
    where.settle()
    waiting = [win.id for win in where.states["ada"].games.wins]
    assert len(waiting) == 30
    for win in waiting:
        assert where.asks("ada", "claim_win", win=win)[-1].code == "ok"
    assert where.balance("ada") == 300
    assert [win.id for win in where.states["ada"].games.wins] == waiting[-WINS_MAX:]
    assert where.asks("ada", "claim_win", win=waiting[-1])[-1].code == "ok"
    assert where.balance("ada") == 300


def test_what_is_won_while_very_many_wins_wait_is_given_at_once() -> None:
    more = WAITING_MAX + 5
    prizes = [{"id": "mug", "count": more, "rewards": [points(10)]}]
    where = town(prizes=prizes, claim_within="30d", tickets=[{"event": "bet_placed", "amount": more}])
    bets(where, "ada")
    where.later(ENDS)
    statuses = [win.status for win in where.states["ada"].games.wins]
    assert (statuses.count("won"), statuses.count("claimed"), where.balance("ada")) == (WAITING_MAX, 5, 50)


def test_who_became_part_of_another_profile_wins_there() -> None:
    where = town(prizes=[{"id": "car", "rewards": [points(7)]}])
    bets(where, "anon:x")
    where.take(Merged("ada", "anon:x", all_parts(where.states["anon:x"]), "m"))
    assert where.states["ada"].games.tickets == {f"weekly@{RUN}": 1}
    where.later(ENDS)
    told = next(said for said in where.said if said.op == "raffle_won")
    where.take(structs.replace(told, player="ada"))  # as the id that ended sends it on
    assert where.balance("ada") == 7


@given(
    seed=st.integers(0, 2**32),
    tickets=st.lists(st.sampled_from(["ada", "bob", "cy", "dot", "eve"]), min_size=1, max_size=25),
    prizes=st.integers(1, 6),
)
def test_every_ticket_in_time_takes_part_whatever_is_on_its_way(seed: int, tickets: list[str], prizes: int) -> None:
    """Tolls, barriers and answers overtake one another as outboxes allow; each prize is paid once."""
    where, rng = town(prizes=[{"id": "mug", "count": prizes, "rewards": [points(10)]}]), Random(seed)
    for player in tickets:
        where.does(player, "bet_placed")
        if rng.random() < 0.4:
            where.deliver(rng)
    while where.deliver(rng) or where.timers:
        if rng.random() < 0.3 or not any(where.lines.values()):
            for timer in sorted(where.timers, key=lambda timer: timer.due)[:1]:
                where.timers.discard(timer)
                where.take(timer, timer.due)
    total = sum(count for rows in lists(where) for _, count in rows)
    assert total == len(tickets)
    assert sum(where.balance(player) for player in set(tickets)) == 10 * min(prizes, len(tickets))
    check(where)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"draw": {}}, "draw"),
        ({"prizes": [{"id": "a"}, {"id": "a"}]}, "distinct"),
        ({"prizes": [{"id": "a", "count": 300}, {"id": "b", "count": 300}]}, "500"),
        ({"prizes": [{"id": "a", "rewards": [points(1, "gold")]}]}, "prizes[0].rewards[0].currency"),
        ({"message": {"template": "none"}}, "message.template"),
    ],
)
def test_what_makes_no_raffle_is_refused(more: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidProgramme) as refused:
        programme(raffles={"weekly": raffle(**more)}, templates={})
    assert path in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "due"),
    [
        pytest.param({"every": "week"}, {"at": "2026-04-01T00:00:00Z"}, ENDS, id="every week, then once"),
        pytest.param({"at": "2026-04-01T00:00:00Z"}, {"every": "day"}, 1_775_001_600_000, id="once, then every day"),
        pytest.param({"every": "day"}, {"every": "month"}, MONDAY + DAY, id="every day, then every month"),
    ],
)
def test_a_run_keeps_its_time_when_the_draw_changes_with_its_first_ticket_on_the_way(
    before: dict[str, Any], after: dict[str, Any], due: int
) -> None:
    where = town(draw=before, prizes=[{"id": "car", "rewards": [points(7)]}])
    where.does("ada", "bet_placed")
    where.rules = programme(2, raffles={"weekly": raffle(draw=after, prizes=[{"id": "car", "rewards": [points(7)]}])})
    where.settle()
    assert [timer.due for timer in where.timers] == [due]
    where.later(due)
    assert where.balance("ada") == 7


def test_a_raffle_that_was_away_as_its_first_ticket_came_is_drawn_when_it_is_back() -> None:
    where = town(prizes=[{"id": "car", "rewards": [points(7)]}])
    where.does("ada", "bet_placed")
    where.deliver()  # the ticket is on the list, the run hears of it
    where.rules = programme(2)
    where.settle()
    where.rules = programme(3, raffles={"weekly": raffle(prizes=[{"id": "car", "rewards": [points(7)]}])})
    bets(where, "ada")
    where.later(ENDS)
    assert drawn(where).facts["tickets"] == 2
    assert where.balance("ada") == 7


@pytest.mark.parametrize(
    "run", ["", "7", "x7", "w", "w-7", "w\u0667", "d999999999999", "m999999999999", "w999999999999"]
)
def test_a_name_that_is_no_run_is_never_drawn(run: str) -> None:
    where = town()
    for part in ("3", "", "x"):
        where.take(Contributed(f"keeper:tickets:weekly@{run}/{part}", (("ada", 1, "e"),)))
    where.settle()
    assert not where.timers


def test_a_raffle_with_one_draw_gives_no_tickets_after_it() -> None:
    where = town(draw={"at": "2026-03-03T00:00:00Z"})
    bets(where, "ada")
    where.later(NOON + DAY)
    bets(where, "ada")
    assert len(where.happened("ada", TicketsChanged)) == 1
    assert [w.prize for w in where.happened("ada", WinChanged)] == ["car"]


def test_a_keeper_answers_what_nobody_asked_with_nothing() -> None:
    where = town()
    where.take(KeeperAnswered(KEEPER, "keeper:tickets:x", "freeze/0", "freeze", "ok", {"part": 0}))
    assert where.states[KEEPER] == Snapshot(KEEPER)
