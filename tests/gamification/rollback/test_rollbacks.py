"""Rollbacks by example: what is unwound, what is remembered, what a person is told."""

import pytest

from domain.effects import LevelChanged, MissionProgressed, MissionStatus, Posting
from domain.entries import Command, KeeperAsked, MergeAsked
from domain.game_effects import CaseClosed, CaseOpened, RolledBack, SpinsChanged
from domain.player import all_parts, snapshot_from_parts
from domain.step import Grant
from gamification.programme import InvalidProgramme
from gamification.rollback.unwinding import EARLY_MS
from tests.gamification.playing import HOUR, MINUTE, kinds, mission, points, programme
from tests.gamification.rollback.rolling import Roller, cases, rolling
from tests.gamification.tournaments.hall import tournament
from tests.gamification.town import Town

EARN = {"bet": {"event": "bet_placed", "amount": 10}, "win": {"event": "bet_settled", "amount": 1}}
LEVELS = {
    "main": {"currency": "points", "levels": [{"id": "low", "at": 0}, {"id": "high", "at": 25, "rewards": [points(5)]}]}
}


def rolled(effects: list[object]) -> list[RolledBack]:
    return [effect for effect in effects if isinstance(effect, RolledBack)]


def test_a_round_is_unwound_with_its_bet_and_its_win() -> None:
    ada = Roller(rolling(earn_rules=EARN))
    ada.does("bet_placed", round="r1")
    ada.does("bet_settled", round="r1")
    ada.does("bet_placed", round="r2")
    effects = ada.takes_back(round="r1")
    assert rolled(effects) == [RolledBack("e4", "properties.round=r1", "done", ("e1", "e2"))]
    assert ada.balance() == 10
    assert effects[-1] == Posting("points", -11, 10, "rollback/e4", 1, "rolled_back")


def test_spins_that_are_taken_back_are_told() -> None:
    prize = {"id": "ten", "weight": 1, "rewards": [points(10)]}
    given = mission(1, recurrence="on_completion", rewards=[{"kind": "spins", "minigame": "wheel", "amount": 2}])
    ada = Roller(rolling(missions={"bets": given}, minigames={"wheel": {"prizes": [prize]}}))
    ada.does("bet_placed", round="r1")
    ada.does("bet_placed", round="r2")
    effects = ada.takes_back(round="r1")
    assert [e for e in effects if isinstance(e, SpinsChanged)] == [SpinsChanged("wheel", -2, 2, "rollback/e3")]
    assert ada.snapshot.games.spins == {"wheel": 2}


def test_one_transaction_is_unwound_where_the_rollback_names_it() -> None:
    ada = Roller(rolling(earn_rules=EARN))
    ada.does("bet_placed", round="r1", tx="t1")
    ada.does("bet_placed", round="r1", tx="t2")
    assert rolled(ada.takes_back(round="r1", tx="t2"))[0].events == ("e2",)
    assert ada.balance() == 10


def test_a_rollback_said_twice_is_one() -> None:
    ada = Roller(rolling(earn_rules=EARN))
    ada.does("bet_placed", round="r1")
    ada.takes_back(round="r1")
    before = ada.game()
    assert ada.takes_back(round="r1") == []
    assert ada.game() == before


def test_a_rollback_that_comes_first_takes_the_effect_of_its_original() -> None:
    ada = Roller(rolling(earn_rules=EARN))
    assert rolled(ada.takes_back(round="r1"))[0].status == "waiting"
    assert rolled(ada.does("bet_placed", round="r1"))[0].status == "void"
    assert ada.balance() == 0
    ada.passes(EARLY_MS)
    assert cases(ada.effects) == []


def test_a_rollback_whose_original_never_comes_is_told_to_a_person() -> None:
    ada = Roller(rolling(earn_rules=EARN))
    ada.takes_back(round="r1")
    ada.passes(EARLY_MS)
    assert cases(ada.effects) == ["rollback_too_late"]
    late = ada.does("bet_placed", round="r1")
    assert [type(effect) for effect in late] == [RolledBack, CaseClosed], "when it comes after all, the case is over"
    assert ada.balance() == 0


def test_what_is_older_than_within_is_left_and_told() -> None:
    ada = Roller(rolling({"within": "1h"}, earn_rules=EARN))
    ada.does("bet_placed", round="r1")
    ada.passes(HOUR + MINUTE)
    assert cases(ada.takes_back(round="r1")) == ["rollback_too_late"]
    assert ada.balance() == 10


def test_what_the_journal_has_let_go_is_told() -> None:
    ada = Roller(rolling({"entries": 16}, earn_rules=EARN))
    for i in range(40):
        ada.does("bet_placed", round=f"r{i}")
    ada.takes_back(round="r0")
    ada.passes(EARLY_MS)
    assert cases(ada.effects) == ["rollback_too_late"]
    assert rolled(ada.takes_back(round="r24"))[0].status == "done", "the last 16 are always there"


def test_a_rollback_that_names_nothing_is_told() -> None:
    ada = Roller(rolling(earn_rules=EARN))
    assert cases(ada.takes_back(amount=5)) == ["rollback_without_id"]


def test_a_rollback_moves_nothing_itself() -> None:
    ada = Roller(rolling(earn_rules=EARN, missions={"one": mission(1)}))
    assert kinds(ada.takes_back(round="r1")) == ["rolled_back"]


def test_what_was_spent_becomes_a_debt_that_later_points_pay() -> None:
    ada = Roller(rolling(earn_rules=EARN))
    ada.does("bet_placed", round="r1")
    ada.take(Command("ada", "cmd:1", "adjust", {"currency": "points", "amount": -10}))
    effects = ada.takes_back(round="r1")
    assert rolled(effects)[0].debts == {"points": 10}
    assert ada.balance() == -10
    ada.does("bet_placed", round="r2")
    assert ada.balance() == 0
    ada.check_ledger()


def test_or_it_is_written_off_and_told() -> None:
    ada = Roller(rolling({"points": "floor"}, earn_rules=EARN))
    ada.does("bet_placed", round="r1")
    ada.does("bet_placed", round="r2")
    ada.take(Command("ada", "cmd:1", "adjust", {"currency": "points", "amount": -15}))
    effects = ada.takes_back(round="r1")
    assert cases(effects) == ["written_off"]
    assert ada.balance() == 0
    assert [e.account for e in effects if isinstance(e, Posting)] == ["rolled_back", "written_off"]
    assert cases(ada.takes_back(round="r2")) == ["written_off"], "what was written off once stays so"
    assert ada.balance() == 0
    ada.check_ledger()


@pytest.mark.parametrize(("policy", "level", "balance"), [("lowered", "low", 20), ("kept", "high", 25)])
def test_a_level_falls_or_stays_with_what_it_gave(policy: str, level: str, balance: int) -> None:
    ada = Roller(rolling({"levels": policy}, earn_rules=EARN, levels=LEVELS))
    for i in range(3):
        ada.does("bet_placed", round=f"r{i}")
    effects = ada.takes_back(round="r1")
    assert ada.snapshot.progress.levels == {"main": level}
    assert ada.balance() == balance
    assert [e for e in effects if isinstance(e, LevelChanged)] == (
        [LevelChanged("main", "low", "high", down=True)] if policy == "lowered" else []
    )
    ada.does("bet_placed", round="r9")
    assert ada.balance() == 35, "a level's reward is given once for each time it is reached, and kept once"


def test_missions_are_told_so_that_sockets_follow() -> None:
    ada = Roller(rolling(missions={"two": mission(2, recurrence="daily", rewards=[points(5)])}))
    ada.does("bet_placed", round="r1")
    ada.does("bet_placed", round="r2")
    effects = ada.takes_back(round="r1")
    assert MissionStatus("two", "in_progress", 20514) in effects
    assert MissionProgressed("two", "bets", 1, 2, 20514) in effects
    ada.does("bet_placed", round="r3")
    assert ada.balance() == 5, "and may be completed again: its key is another"
    assert len(ada.keys) == 2


def test_timers_are_those_of_the_other_fold() -> None:
    ada = Roller(rolling(missions={"hurried": mission(3, time_limit_s=3_600)}))
    ada.does("bet_placed", round="r1")
    ada.passes(10 * MINUTE)
    ada.does("bet_placed", round="r2")
    ada.takes_back(round="r1")
    assert [timer.due for timer in ada.armed] == [ada.now + HOUR], "the limit runs from the second bet now"


def test_another_version_in_between_is_folded_as_it_was() -> None:
    first = rolling(earn_rules=EARN, missions={"two": mission(2, rewards=[points(50)])})
    ada = Roller(first)
    ada.does("bet_placed", round="r1")
    ada.rules = rolling(version=2, older={1: first}, missions={"two": mission(2, rewards=[points(50)])})
    ada.does("bet_placed", round="r2")
    assert ada.balance() == 60
    ada.takes_back(round="r2")
    assert ada.balance() == 10
    ada.takes_back(round="r1")
    assert ada.balance() == 0
    assert cases(ada.effects) == []


def test_what_cannot_be_folded_as_it_was_is_left_and_told() -> None:
    ada = Roller(rolling(earn_rules=EARN))
    ada.does("bet_placed", round="r1")
    ada.rules = rolling(version=2, earn_rules=EARN)
    effects = ada.takes_back(round="r1")
    assert [e.events for e in effects if isinstance(e, CaseOpened)] == [("e1",)]
    assert cases(effects) == ["rollback_not_repeatable"]
    assert ada.balance() == 10


def test_what_a_keeper_was_asked_for_is_told() -> None:
    budget = {"welcome": {"amount": 1_000}}
    rules = rolling(missions={"one": mission(1, rewards=[points(5)], budget="welcome")}, budgets=budget)
    ada = Roller(rules)
    ada.does("bet_placed", round="r1")
    effects = ada.takes_back(round="r1")
    assert cases(effects) == ["not_undone"]
    assert ada.snapshot.asks.open == {}


def test_where_another_event_earns_it_now_the_keeper_is_asked_again() -> None:
    budget = {"welcome": {"amount": 1_000}}
    rules = rolling(missions={"one": mission(1, rewards=[points(5)], budget="welcome")}, budgets=budget)
    ada = Roller(rules)
    ada.does("bet_placed", round="r1")
    ada.does("bet_placed", round="r2")
    ada.takes_back(round="r1")
    asked = [relay for relay in ada.relays if isinstance(relay, KeeperAsked)]
    assert [relay.id.partition("#")[0] for relay in asked] == ["1-0", "2-0"]
    assert list(ada.snapshot.asks.open) == [asked[1].id]


@pytest.mark.parametrize("settled", [False, True])
def test_an_ask_keeps_its_id_whatever_else_is_asked_then(settled: bool) -> None:
    score = [{"event": "bet_placed", "score": {"sum": "properties.score"}}]
    town = Town(
        rolling(
            tournaments={"race": tournament(events=score)},
            missions={"two": mission(2, budget="welcome", rewards=[points(10)])},
            budgets={"welcome": {"amount": 1_000}},
        )
    )
    town.does("ada", "bet_placed", round="r1")
    town.does("ada", "bet_placed", round="r2", score=5)  # asks the budget and for a seat
    if settled:
        town.settle()
    effects = town.does("ada", "bet_placed", status="rollback", round="r1")
    assert cases(effects) == ["not_undone"]
    town.settle()
    assert town.states["ada"].runs["race@2026-03-02"].status == "scoring"
    assert town.balance("ada") == 0
    assert town.states["keeper:tournament:race@2026-03-02"].kept["entrants"] == 1


def test_keys_stay_other_ones_when_rollbacks_are_switched_off() -> None:
    missions = {"daily": mission(1, recurrence="daily", rewards=[points(5)])}
    ada = Roller(rolling(missions=missions))
    ada.does("bet_placed", round="r1")
    ada.takes_back(round="r1")
    ada.rules = programme(2, missions=missions)
    ada.does("bet_placed", round="r2")
    assert ada.balance() == 5


def test_a_rollback_that_waits_is_stored_before_anything_is_kept() -> None:
    ada = Roller(programme(1, earn_rules=EARN))
    ada.does("bet_placed", round="r0")
    ada.rules = rolling(version=2, earn_rules=EARN)
    ada.takes_back(round="r1")
    assert snapshot_from_parts("ada", 0, all_parts(ada.snapshot)) == ada.snapshot


def test_what_a_budget_counts_of_a_journey_is_asked_for_again_in_a_fold() -> None:
    budget = {"gifts": {"currency": "points", "amount": 5, "when_spent": {"do": "queue"}}}
    town = Town(rolling(earn_rules=EARN, budgets=budget))
    for amount, key in ((3, "k1"), (4, "k2")):
        town.grants("ada", Grant("points", amount, "journeys/hello/gift", "gifts", key))
        town.settle()
    town.does("ada", "bet_placed", round="r1")
    assert cases(town.does("ada", "bet_placed", status="rollback", round="r1")) == []
    assert town.balance("ada") == 3


def test_the_timer_of_a_rollback_that_waits_moves_nothing_else() -> None:
    first = rolling(earn_rules=EARN, levels=LEVELS)
    ada = Roller(first)
    for i in range(2):
        ada.does("bet_placed", round=f"r{i}")
    ada.takes_back(round="never")
    lower = {"main": LEVELS["main"] | {"levels": [{"id": "low", "at": 0}, {"id": "high", "at": 15}]}}
    ada.rules = rolling(version=2, older={1: first}, earn_rules=EARN, levels=lower)
    ada.passes(EARLY_MS)
    assert ada.snapshot.progress.levels == {"main": "low"}
    assert rolled(ada.takes_back(round="r0"))[0].status == "done"


def test_a_profile_that_ends_leaves_nothing_unsaid() -> None:
    guest = Roller(rolling(earn_rules=EARN), player="anon:1")
    guest.takes_back(round="r1")
    effects = guest.take(MergeAsked("anon:1", "ada", "m1"))
    assert cases(effects) == ["rollback_too_late"]
    assert guest.armed == {}


def test_a_journal_is_bounded_in_memory_and_in_each_write() -> None:
    ada = Roller(rolling({"entries": 16}, earn_rules=EARN))
    for i in range(400):
        ada.does("bet_placed", round=f"r{i}")
    journal = ada.snapshot.journal
    assert journal.next - journal.first <= 2 * 16 + 15
    assert max(ada.written) < 5_000


@pytest.mark.parametrize("within", ["8d", "soon"])
def test_a_document_that_is_none_is_refused(within: str) -> None:
    with pytest.raises(InvalidProgramme, match=r"settings/main: rollback\.within"):
        rolling({"within": within})


def test_later_rollbacks_go_from_marks_that_know_of_earlier_ones() -> None:
    ada = Roller(rolling({"entries": 16}, earn_rules=EARN, metrics={"bets": {"event": "bet_placed"}}))
    for i in range(20):
        ada.does("bet_placed", round=f"r{i}")
    ada.takes_back(round="r3")
    for i in range(20, 40):
        ada.does("bet_placed", round=f"r{i}")
    assert ada.snapshot.journal.marks[0].number == 16, "the first mark is gone"
    assert rolled(ada.takes_back(round="r30"))[0].status == "done"
    assert cases(ada.effects) == []
    assert ada.balance() == 38 * 10
