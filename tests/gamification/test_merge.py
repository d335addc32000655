"""Two profiles become one: nothing is lost, nothing is paid twice, and nothing stops the partition."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effects import AchievementReached, CompletionExpired, Effect, LevelChanged, MissionCompleted, Posting
from domain.entries import Command, Entry, Event, LogEntry, MergeAsked, Merged, TimerFired
from domain.player import (
    Balance,
    Identity,
    Metric,
    MissionProgress,
    Profile,
    Progress,
    Snapshot,
    all_parts,
    snapshot_from_parts,
    with_parts,
)
from domain.step import Draws
from gamification import claims, cycles
from gamification.metrics import metric_value
from gamification.rules import AMOUNT_MAX, Rules
from gamification.turn import take_turn
from tests.gamification.playing import DAY, HOUR, MINUTE, NOON, SECOND, mission, points, programme

GUEST, ADA = "anon:guest", "ada"


def _programme(version: int = 1, **kinds: Any) -> Rules:
    documents: dict[str, Any] = {
        "currencies": {"points": {}, "gems": {}},
        "earn_rules": {
            "bets": {"event": "bet_placed", "amount": 5},
            "wins": {"event": "bet_won", "currency": "gems", "amount": 3, "max_per_day": 9},
        },
        "metrics": {
            name: {"event": "bet_placed", "aggregate": name, "window": 86_400}
            | ({} if name in ("count", "since") else {"field": "properties.amount"})
            for name in ("count", "sum", "max", "last", "unique")
        },
        "missions": {
            "three": mission(3, rewards=[points(100)]),
            "day": mission(4, recurrence="daily", rewards=[points(10)]),
            "again": mission(3, recurrence="on_completion", rewards=[points(7)]),
            "quick": mission(5, recurrence="on_completion", time_limit_s=3600, rewards=[points(9)]),
            "waits": mission(2, "bet_won", recurrence="on_completion", claim="manual", claim_within_s=7200),
        },
        "achievements": {
            "better": {
                "event": "bet_placed",
                "stages": [{"at": at, "rewards": [points(at, "gems")]} for at in (3, 6, 12)],
            }
        },
        "levels": {
            "main": {
                "levels": [
                    {"id": "bronze", "at": 0},
                    {"id": "silver", "at": 20, "rewards": [points(50, "gems")]},
                    {"id": "gold", "at": 60, "rewards": [points(70, "gems")]},
                ]
            }
        },
    }
    return programme(version, **(documents | kinds))


RULES = _programme()


class Two:
    """A guest and Ada, who will turn out to be one; timers are kept as the store would keep them."""

    def __init__(self, rules: Rules = RULES, now: int = NOON) -> None:
        self.rules = rules
        self.now = now
        self.states = {GUEST: Snapshot(GUEST), ADA: Snapshot(ADA)}
        self.timers: set[TimerFired] = set()
        self.accounts: Counter[str] = Counter()
        self.count = 0

    def take(self, entry: Entry) -> list[Effect]:
        who = entry.player
        self.count += 1
        step = take_turn(
            self.rules, self.states[who], LogEntry(f"{self.count}-0", self.now, entry), Draws("seed", 0, "0-1")
        )
        self.states[who] = snapshot_from_parts(who, 0, all_parts(step.state))
        assert self.states[who] == step.state, "the stored form loses something"
        for op in step.timers:
            self.timers.add(op.timer) if op.set else self.timers.discard(op.timer)
        for effect in step.effects:
            if isinstance(effect, Posting):
                self.accounts[f"{effect.account}:{effect.currency}"] -= effect.amount
        return list(step.effects)

    def does(self, who: str, name: str = "bet_placed", times: int = 1, **properties: Any) -> list[Effect]:
        return [
            effect
            for _ in range(times)
            for effect in self.take(Event(who, f"e{self.count}", name, self.now, properties))
        ]

    def passes(self, ms: int) -> None:
        """Let time pass; what is due fires."""
        self.now += ms
        for timer in sorted((t for t in self.timers if t.due <= self.now), key=lambda t: (t.due, t.ref)):
            self.timers.discard(timer)
            self.take(timer)

    def meets(self) -> tuple[list[Effect], list[Effect]]:
        """Merge the guest into Ada; what each side's turn did."""
        before = self.states[GUEST]
        left = self.take(MergeAsked(GUEST, ADA, "m1"))
        joined = self.take(Merged(ADA, GUEST, all_parts(before), "m1"))
        ada = self.states[ADA]
        self.states[ADA] = with_parts(ada, identity=Identity(sources=(GUEST,)))  # as crm.identity notes it
        return left, joined

    def balance(self, who: str, currency: str = "points") -> Balance:
        return self.states[who].wallet.get(currency, Balance())


STEPS = st.lists(
    st.tuples(
        st.sampled_from([GUEST, ADA]),
        st.sampled_from(["bet_placed", "bet_placed", "bet_won"]),
        st.sampled_from([0, SECOND, 20 * MINUTE, HOUR, 3 * HOUR, DAY]),
        st.integers(1, 9),
    ),
    max_size=40,
)


def _played(steps: list[tuple[str, str, int, int]]) -> Two:
    two = Two()
    for who, name, wait, amount in steps:
        two.passes(wait)
        two.does(who, name, amount=amount)
    return two


@given(STEPS)
def test_what_both_had_is_what_one_has(steps: list[tuple[str, str, int, int]]) -> None:
    two = _played(steps)
    before = dict(two.states)
    _, joined = two.meets()
    given_now: Counter[str] = Counter()
    for effect in joined:
        if isinstance(effect, Posting) and effect.account != "merged":
            given_now[effect.currency] += effect.amount
    for currency in ("points", "gems"):
        had = [state.wallet.get(currency, Balance()) for state in before.values()]
        assert two.balance(GUEST, currency).balance == 0
        assert two.balance(ADA, currency).balance == sum(b.balance for b in had) + given_now[currency]
        assert two.balance(ADA, currency).lifetime == sum(b.lifetime for b in had) + given_now[currency]
        assert two.accounts[f"merged:{currency}"] == 0
    for mission_id, progress in two.states[ADA].missions.items():
        counts = [s.missions.get(mission_id, MissionProgress()).completed_count for s in before.values()]
        done = sum(isinstance(e, MissionCompleted) and e.mission == mission_id for e in joined)
        assert progress.completed_count == sum(counts) + done


@given(STEPS)
def test_the_ledger_adds_up_step_by_step_on_both_sides(steps: list[tuple[str, str, int, int]]) -> None:
    two = _played(steps)
    running = {(w, c): two.balance(w, c).balance for w in (GUEST, ADA) for c in ("points", "gems")}
    left, joined = two.meets()
    for who, effects in ((GUEST, left), (ADA, joined)):
        for effect in effects:
            if isinstance(effect, Posting):
                running[who, effect.currency] += effect.amount
                assert effect.balance_after == running[who, effect.currency]


@given(STEPS)
def test_no_timer_is_left_behind_and_none_is_missing(steps: list[tuple[str, str, int, int]]) -> None:
    two = _played(steps)
    two.meets()
    wanted = set()
    for mission_id, progress in two.states[ADA].missions.items():
        rule = two.rules.missions[mission_id]
        if progress.status == "in_progress" and rule.time_limit_ms:
            wanted.add(
                TimerFired(ADA, cycles.TIMER, mission_id, progress.started_at + rule.time_limit_ms, progress.cycle)
            )
        wanted |= {TimerFired(ADA, claims.TIMER, c, until) for c, _, until in progress.unclaimed if until}
    assert two.timers == wanted


@given(STEPS)
def test_a_profile_that_comes_again_changes_nothing(steps: list[tuple[str, str, int, int]]) -> None:
    two = _played(steps)
    before = two.states[GUEST]
    two.meets()
    state = two.states[ADA]
    assert two.take(Merged(ADA, GUEST, all_parts(before), "m1")) == []
    assert two.states[ADA] == state


@given(STEPS, st.integers(0, 40))
def test_balances_do_not_depend_on_when_the_profile_arrives(steps: list[tuple[str, str, int, int]], at: int) -> None:
    """Without what depends on the order by its nature (levels reached, missions of one walk): points for events."""
    rules = programme(earn_rules={"bets": {"event": "bet_placed", "amount": 5}})
    hers = [step for step in steps if step[0] == ADA]

    def run(arrives: int) -> Balance:
        two = Two(rules)
        for who, name, _, _ in steps:
            if who == GUEST:
                two.does(who, name)
        for n, (_, name, _, _) in enumerate(hers):
            if n == arrives:
                two.meets()
            two.does(ADA, name)
        if arrives >= len(hers):
            two.meets()
        return two.balance(ADA)

    assert run(at) == run(0)


@given(STEPS)
def test_no_stage_is_paid_again(steps: list[tuple[str, str, int, int]]) -> None:
    two = _played(steps)
    had = max(state.progress.achievements.get("better", (0, 0))[1] for state in two.states.values())
    reached = max((_level(state) for state in two.states.values()), default=0)
    _, joined = two.meets()
    assert all(effect.stage > had for effect in joined if isinstance(effect, AchievementReached))
    paid = [e.amount for e in joined if isinstance(e, Posting) and e.rule == "levels/main"]
    assert paid == [50, 70][max(reached - 1, 0) : max(_level(two.states[ADA]) - 1, 0)]


def _level(state: Snapshot) -> int:
    return ["", "bronze", "silver", "gold"].index(state.progress.levels.get("main", ""))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["three", "day", "again", "quick", "waits", "gone", "count", "max", "unique", "better", ""])
NUMBERS = st.integers(-(2**40), 2**53)
ODD = st.builds(
    Snapshot,
    st.just(GUEST),
    profile=st.builds(
        Profile, traits=st.dictionaries(st.text(max_size=8), JSON, max_size=4), first_seen_at=st.integers(0, NOON)
    ),
    wallet=st.dictionaries(NAMES, st.builds(Balance, NUMBERS, st.integers(0, 2**53)), max_size=3),
    metrics=st.dictionaries(
        st.sampled_from(["count", "sum", "max", "last", "unique", "gone"]),
        st.builds(
            Metric,
            st.lists(st.tuples(NUMBERS, NUMBERS | st.floats(allow_nan=False)), max_size=4).map(tuple),
            st.lists(st.tuples(st.text(max_size=4), NUMBERS), max_size=4).map(tuple),
        ),
    ),
    missions=st.dictionaries(
        NAMES,
        st.builds(
            MissionProgress,
            st.sampled_from(["available", "in_progress", "completed", "expired", "missed", "locked", "?"]),
            st.integers(-5, 30_000),
            st.dictionaries(st.sampled_from(["bets", "x"]), NUMBERS, max_size=2),
            NUMBERS,
            st.integers(0, 3),
            st.integers(0, 2**53),
            st.lists(st.tuples(st.sampled_from(["waits.0", "", "x.y"]), st.integers(0, 3), NUMBERS), max_size=3).map(
                tuple
            ),
            NUMBERS,
        ),
        max_size=4,
    ),
    progress=st.builds(
        Progress,
        st.dictionaries(NAMES, st.tuples(NUMBERS, st.integers(0, 9)), max_size=3),
        st.dictionaries(
            st.sampled_from(["main", "gone"]), st.sampled_from(["bronze", "silver", "gold", "gone"]), max_size=2
        ),
        st.dictionaries(st.sampled_from(["bets", "wins", "gone"]), st.tuples(NUMBERS, NUMBERS), max_size=3),
    ),
)


@given(ODD, ODD, st.booleans())
def test_no_profile_however_odd_stops_a_merge(guest: Snapshot, ada: Snapshot, is_ada_new: bool) -> None:
    two = Two()
    two.states[GUEST] = guest
    two.states[ADA] = Snapshot(ADA) if is_ada_new else with_parts(ada, player=ADA)
    had = {who: dict(state.wallet) for who, state in two.states.items()}
    two.meets()
    for currency in {c for wallet in had.values() for c in wallet}:
        assert two.balance(GUEST, currency).balance == 0
        assert two.accounts[f"merged:{currency}"] == 0


def test_two_walks_through_one_mission_add_up_and_may_complete_it() -> None:
    two = Two(_programme(achievements={}, levels={}))
    two.does(GUEST, times=2)
    two.passes(MINUTE)
    two.does(ADA, times=1)
    _, joined = two.meets()
    done = {effect.mission: effect for effect in joined if isinstance(effect, MissionCompleted)}
    assert done.keys() == {"three", "again"}
    assert done["three"].window_from == NOON, "the counting began with the guest"
    assert two.states[ADA].missions["three"].status == "completed"
    assert two.states[ADA].missions["day"].actual == {"bets": 3}
    assert two.states[ADA].missions["again"].actual == {}, "nothing is carried into the next cycle"


def test_a_mission_that_either_has_completed_stays_completed_and_is_not_paid_again() -> None:
    two = Two(_programme(achievements={}, levels={}))
    two.does(GUEST, times=3)
    two.does(ADA, times=2)
    _, joined = two.meets()
    assert not any(isinstance(effect, MissionCompleted) and effect.mission == "three" for effect in joined)
    assert not any(isinstance(effect, Posting) and effect.rule == "missions/three" for effect in joined)
    assert two.states[ADA].missions["three"].status == "completed"
    assert two.states[ADA].missions["three"].completed_count == 1


def test_a_walk_that_only_one_began_goes_on_with_its_beginning_and_its_timer() -> None:
    two = Two()
    two.does(GUEST, times=2)
    two.passes(30 * MINUTE)
    two.meets()
    quick = two.states[ADA].missions["quick"]
    assert (quick.status, quick.actual, quick.started_at) == ("in_progress", {"bets": 2}, NOON)
    two.passes(30 * MINUTE)
    assert two.states[ADA].missions["quick"].status == "expired"


def test_of_two_days_the_later_counts() -> None:
    two = Two()
    two.does(ADA, times=3)
    two.passes(DAY)
    two.does(GUEST, times=1)
    two.meets()
    assert two.states[ADA].missions["day"].actual == {"bets": 1}


def test_rewards_that_wait_are_kept_and_can_be_claimed_by_the_id_they_had() -> None:
    two = Two()
    two.does(GUEST, "bet_won", times=2)
    two.does(ADA, "bet_won", times=2)
    two.meets()
    ids = [waiting[0] for waiting in two.states[ADA].missions["waits"].unclaimed]
    assert len(set(ids)) == 2
    assert ids[0] == "waits.0"
    assert ids[1].startswith("waits.0~")
    for n, answer in enumerate(("ok", "ok", "completion_not_found")):
        (answered,) = two.take(Command(ADA, f"cmd:{n}", "claim", {"completion_id": "waits.0"}))[-1:]
        assert answered.code == answer  # type: ignore[union-attr]


def test_a_reward_whose_time_is_over_is_not_carried() -> None:
    two = Two()
    two.does(GUEST, "bet_won", times=2)
    two.now += 3 * HOUR  # its timer has not been heard yet
    _, joined = two.meets()
    assert any(isinstance(effect, CompletionExpired) for effect in joined)
    assert two.states[ADA].missions["waits"].unclaimed == ()


def test_levels_follow_the_sum_and_those_reached_before_are_not_paid_again() -> None:
    rules = _programme(achievements={}, missions={})
    two = Two(rules)
    two.does(GUEST, times=5)  # 25 points: silver, paid
    two.does(ADA, times=8)  # 40 points: silver, paid
    _, joined = two.meets()
    assert [(e.level, e.previous) for e in joined if isinstance(e, LevelChanged)] == [("gold", "silver")]
    assert two.balance(ADA, "gems").balance == 50 + 50 + 70


def test_a_daily_cap_counts_what_both_had() -> None:
    two = Two()
    two.does(GUEST, "bet_won", times=2)
    two.does(ADA, "bet_won", times=2)
    two.meets()
    two.does(ADA, "bet_won")
    assert two.states[ADA].progress.earned_today["wins"][1] == 12


@pytest.mark.parametrize(
    ("metric", "value"),
    [("count", 4), ("sum", 17), ("max", 9), ("last", 5), ("unique", 4)],
)
def test_metrics_are_as_if_one_had_played(metric: str, value: int) -> None:
    two = Two()
    two.does(GUEST, amount=9)
    two.passes(HOUR)
    two.does(ADA, amount=1)
    two.passes(HOUR)
    two.does(GUEST, amount=2)
    two.passes(HOUR)
    two.does(ADA, amount=5)
    two.meets()
    assert metric_value(RULES.metrics[metric], two.states[ADA].metrics[metric], two.now) == value


def test_her_own_traits_win_and_the_guests_fill_gaps() -> None:
    two = Two()
    two.take(Event(GUEST, "i1", "identified", NOON, {}, {"name": "Guest", "city": "Lisbon", "locale": "pt"}))
    two.passes(HOUR)
    two.take(Event(ADA, "i2", "identified", two.now, {}, {"name": "Ada", "timezone": "Europe/Kyiv"}))
    two.meets()
    profile = two.states[ADA].profile
    assert (profile.traits["name"], profile.traits["city"]) == ("Ada", "Lisbon")
    assert (profile.first_seen_at, profile.timezone, profile.locale) == (NOON, "Europe/Kyiv", "pt")
    assert two.states[GUEST].profile.traits == {}


def test_what_passes_the_ledgers_bound_is_still_not_lost() -> None:
    two = Two()
    two.states[GUEST] = with_parts(Snapshot(GUEST), wallet={"points": Balance(AMOUNT_MAX, AMOUNT_MAX)})
    two.states[ADA] = with_parts(Snapshot(ADA), wallet={"points": Balance(5, 10)})
    two.meets()
    assert two.balance(ADA) == Balance(AMOUNT_MAX + 5, AMOUNT_MAX + 10)


def test_a_debt_goes_with_its_lifetime() -> None:
    two = Two()
    two.states[GUEST] = with_parts(Snapshot(GUEST), wallet={"points": Balance(-20, 50)})
    _, joined = two.meets()
    assert [(e.amount, e.reason) for e in joined if isinstance(e, Posting) and e.account == "merged"] == [
        (50, f"earned as {GUEST}"),
        (-70, f"spent as {GUEST}"),
    ]
    assert two.balance(ADA).balance == -20


def test_a_user_never_hands_over_to_anybody() -> None:
    two = Two()
    two.does(ADA)
    state = two.states[ADA]
    assert two.take(MergeAsked(ADA, "bob", "m1")) == []
    assert two.take(MergeAsked(ADA, GUEST, "m1")) == []
    assert two.states[ADA] is state or two.states[ADA] == state


def test_a_task_never_counts_more_than_it_asks_for() -> None:
    tasks = [{"id": "bets", "event": "bet_placed", "count": 3}, {"id": "wins", "event": "bet_won", "count": 2}]
    two = Two(programme(missions={"both": {"tasks": tasks}}))
    two.does(GUEST, times=2)
    two.does(ADA, times=2)
    two.does(ADA, "bet_won")
    two.meets()
    assert two.states[ADA].missions["both"].actual == {"bets": 3, "wins": 1}
    assert two.states[ADA].missions["both"].status == "in_progress"
