"""The ladder, the breaker and the pace of a courier: pure, by tables and laws."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.courier import breaker as circuit
from actors.courier.breaker import IN_A_ROW, LEAST, OPEN_MAX_MS, OPEN_MS, WINDOW, Breaker
from actors.courier.ladder import AFTER_MAX_S, LADDER_S, End, next_try
from actors.courier.landing import Try, inherited, put_back, refused
from actors.courier.pacing import HELD_MS, Pace, aged, places, taken, throttled, used, wanted
from domain.dispatch import Dispatch
from domain.entries import Event, decode_entry
from domain.receipts import outcome_of
from store.ports import Claim, InFlight

NOW = 1_772_438_400_000
NEVER = NOW + 10**9
SEEDS = st.integers(0, 2**32)


class Half(Random):
    """Draws the middle, so that the ladder has no jitter."""

    def random(self) -> float:
        return 0.5


@pytest.mark.parametrize(("tries", "waits_s"), list(enumerate([5, 30, 300, 1_800, 7_200, 18_000])))
def test_the_ladder_is_5_s_30_s_5_min_30_min_2_h_5_h(tries: int, waits_s: int) -> None:
    assert next_try(tries, NOW, Half(), expires_at=NEVER) == NOW + waits_s * 1_000


def test_after_its_last_step_a_message_has_failed() -> None:
    assert next_try(len(LADDER_S), NOW, Half(), expires_at=NEVER) is End.FAILED


@pytest.mark.parametrize(
    ("expires_in", "again"),
    [
        pytest.param(5_001, NOW + 5_000, id="a try just before its expiry is made"),
        pytest.param(5_000, End.EXPIRED, id="none at its expiry"),
        pytest.param(1, End.EXPIRED, id="none after it"),
    ],
)
def test_no_try_is_waited_for_beyond_the_expiry(expires_in: int, again: int | End) -> None:
    assert next_try(0, NOW, Half(), expires_at=NOW + expires_in) == again


@given(tries=st.integers(0, len(LADDER_S) - 1), seed=SEEDS, after_s=st.floats(0, 2 * AFTER_MAX_S))
def test_a_wait_is_that_of_the_step_or_what_the_provider_asked_for(tries: int, seed: int, after_s: float) -> None:
    again = next_try(tries, NOW, Random(seed), expires_at=NEVER, after_s=after_s)
    assert isinstance(again, int)
    waits_s = (again - NOW) / 1_000
    asked = min(after_s, AFTER_MAX_S)
    assert waits_s >= 0.8 * LADDER_S[tries] - 0.001
    assert waits_s >= asked - 0.001
    assert waits_s <= max(1.2 * LADDER_S[tries], 1.1 * asked)


def test_those_who_fail_together_do_not_come_back_together() -> None:
    rng = Random(7)
    assert len({next_try(2, NOW, rng, expires_at=NEVER) for _ in range(100)}) > 90


def failed_times(n: int, breaker: Breaker | None = None) -> Breaker:
    breaker = breaker or Breaker()
    for _ in range(n):
        breaker = circuit.failed(breaker, NOW)
    return breaker


@pytest.mark.parametrize(
    ("failures", "state"), [(0, "closed"), (IN_A_ROW - 1, "closed"), (IN_A_ROW, "open"), (IN_A_ROW + 3, "open")]
)
def test_a_breaker_opens_after_failures_in_a_row(failures: int, state: str) -> None:
    assert failed_times(failures).state(NOW) == state


def test_a_success_between_them_starts_the_count_anew() -> None:
    breaker = circuit.succeeded(failed_times(IN_A_ROW - 1))
    assert failed_times(IN_A_ROW - 1, breaker).state(NOW) == "closed"


def test_it_opens_when_half_of_the_last_results_are_failures() -> None:
    breaker = Breaker()
    for n in range(LEAST - 1):
        breaker = circuit.succeeded(breaker) if n % 2 else circuit.failed(breaker, NOW)
        assert breaker.state(NOW) == "closed", "of so few nothing is known"
    assert circuit.failed(breaker, NOW).state(NOW) == "open"


def test_old_results_are_forgotten() -> None:
    breaker = Breaker()
    for n in range(2 * WINDOW):
        breaker = circuit.failed(breaker, NOW) if n < LEAST and not n % 3 else circuit.succeeded(breaker)
    for n in range(WINDOW // 2 - 2):
        breaker = circuit.succeeded(breaker) if n % 2 else circuit.failed(breaker, NOW)
    assert breaker.state(NOW) == "closed"


def test_an_open_one_lets_one_message_through_when_its_time_is_over() -> None:
    breaker = failed_times(IN_A_ROW)
    assert breaker.room(NOW + OPEN_MS - 1, 16) == 0
    assert breaker.room(NOW + OPEN_MS, 16) == 1
    probing = circuit.begun(breaker, NOW + OPEN_MS)
    assert probing.room(NOW + OPEN_MS, 16) == 0, "one probe at a time"
    assert circuit.given_up(probing).room(NOW + OPEN_MS, 16) == 1
    assert circuit.succeeded(probing) == Breaker()


def test_each_unsuccessful_probe_doubles_the_time_up_to_five_minutes() -> None:
    breaker, now, lasted = failed_times(IN_A_ROW), NOW, []
    for _ in range(9):
        lasted.append((breaker.until - now) // 1_000)
        now = breaker.until
        breaker = circuit.failed(circuit.begun(breaker, now), now)
    assert lasted == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_answers_to_what_went_out_before_change_nothing_of_an_open_one() -> None:
    breaker = failed_times(IN_A_ROW)
    assert circuit.succeeded(breaker) == breaker
    assert circuit.failed(breaker, NOW + 1_000) == breaker


def test_what_the_provider_asked_for_is_kept_within_five_minutes() -> None:
    breaker = failed_times(IN_A_ROW - 1)
    assert circuit.failed(breaker, NOW, after_ms=60_000).until == NOW + 60_000
    assert circuit.failed(breaker, NOW, after_ms=10**8).until == NOW + OPEN_MAX_MS


@given(st.lists(st.sampled_from(["ok", "no", "go", "up", "wait"]), max_size=200))
def test_a_breaker_is_never_open_for_longer_than_its_bound_and_always_opens_up(steps: list[str]) -> None:
    breaker, now = Breaker(), NOW
    for step in steps:
        match step:
            case "ok":
                breaker = circuit.succeeded(breaker)
            case "no":
                breaker = circuit.failed(breaker, now)
            case "go" if breaker.room(now, 1):
                breaker = circuit.begun(breaker, now)
            case "up":
                breaker = circuit.given_up(breaker)
            case _:
                now += 1_000
        assert breaker.until <= now + OPEN_MAX_MS
        assert breaker.results.bit_length() <= WINDOW + 1
    assert circuit.given_up(breaker).room(now + OPEN_MAX_MS, 3) >= 1


@pytest.mark.parametrize(
    ("in_flight", "most", "urgent", "left"),
    [(0, 16, False, 12), (12, 16, False, 0), (12, 16, True, 4), (16, 16, True, 0), (0, 1, False, 1), (0, 2, False, 1)],
)
def test_a_quarter_of_the_places_is_kept_for_urgent_messages(
    in_flight: int, most: int, urgent: bool, left: int
) -> None:
    assert places(in_flight, most, urgent=urgent) == left


def test_an_idle_connector_holds_one_token_and_a_busy_one_ever_more() -> None:
    pace, free, asked_for = Pace(), 16, []
    for _ in range(6):
        asked = wanted(pace, NOW, free)
        asked_for.append(asked)
        pace = used(taken(pace, NOW, asked, asked, 0), asked, free)
    assert asked_for == [1, 2, 4, 8, 16, 16]
    idle = taken(pace, NOW, 16, 16, 0)
    asked_for = []
    for _ in range(5):
        idle = aged(used(idle, 0, free), NOW + HELD_MS)
        asked_for.append(idle.hand + wanted(idle, NOW + HELD_MS, free))
    assert asked_for == [8, 4, 2, 1, 1]
    assert idle.hand == 1


def test_a_pass_with_room_for_one_does_not_slow_down_the_next() -> None:
    pace = Pace(reach=16)
    asked = wanted(pace, NOW, 1)
    pace = used(taken(pace, NOW, asked, asked, 0), asked, 1)
    assert (asked, wanted(pace, NOW, 24)) == (1, 16)


def test_a_throttled_one_takes_nothing_until_then() -> None:
    pace = throttled(Pace(), NOW, 30_000)
    assert wanted(pace, NOW + 29_999, 16) == 0
    assert wanted(pace, NOW + 30_000, 16) == 1
    assert wanted(taken(Pace(), NOW, 0, 1, 40), NOW + 39, 16) == 0


@pytest.mark.parametrize(
    ("why", "purpose", "tries", "word"),
    [
        pytest.param("excluded", "promo", 0, "stopped", id="it was never sent, so it is not unknown"),
        pytest.param("withdrawn:goal_met", "service", 0, "withdrawn", id="nor is it tried again"),
        pytest.param("", "promo", 0, "unknown", id="at most once"),
        pytest.param("", "service", 0, "retry", id="at least once"),
        pytest.param("", "service", len(LADDER_S), "failed", id="not for ever"),
    ],
)
def test_what_a_dead_courier_left_behind(why: str, purpose: str, tries: int, word: str) -> None:
    dispatch = Dispatch("req-1", "amelia", "email", purpose, "hello", {}, NOW, NEVER, NEVER)
    landed = inherited(InFlight(dispatch, "dead:7", NOW, tries, why), 3, NOW + 60_000)
    assert landed.word == word
    assert (landed.settlement.token, landed.settlement.partition) == ("dead:7", 3)
    assert bool(landed.settlement.due) is (word == "retry")
    assert not landed.settlement.untried, "it may have been tried, and counts as if"


@pytest.mark.parametrize(
    ("refused_for", "expires_at", "word"),
    [
        ("withdrawn:rejudge", NEVER, "returned"),
        ("withdrawn:rejudge", NOW, "expired"),
        ("withdrawn:rejudged", NEVER, "withdrawn"),
        ("withdrawn:goal_met", NEVER, "withdrawn"),
        ("excluded", NEVER, "stopped"),  # also an id that was merged: its stop
    ],
)
def test_what_was_taken_back_to_be_judged_again_is_returned(refused_for: str, expires_at: int, word: str) -> None:
    dispatch = Dispatch("req-1", "amelia", "email", "promo", "hello", {}, NOW, NEVER, expires_at)
    landed = refused(Try(Claim(3, dispatch, 0, refused_for), "life:7"), NOW)
    assert landed.word == word
    (event,) = (decode_entry(entry) for entry in landed.settlement.entries)
    assert isinstance(event, Event)
    assert outcome_of(event) == word


def test_what_could_not_be_tried_counts_no_try() -> None:
    """Else an outage of the only connector that fits would use up the ladder without a single try."""
    dispatch = Dispatch("req-1", "amelia", "email", "promo", "hello", {}, NOW, NEVER, NEVER)
    settlement = put_back(Try(Claim(3, dispatch, 2), "life:7"), NOW + 5).settlement
    assert (settlement.untried, settlement.due, settlement.entries, settlement.dead) == (True, NOW + 5, (), b"")
