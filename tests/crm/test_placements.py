"""Which content a slot shows: the order of what is asked, told row by row."""

from collections import Counter
from typing import Any

import pytest

from crm.placements import Allowed, Candidate, Choice, Learnt, Placement, choose, compile_placements
from domain.conditions import compile_condition
from domain.context import PlayerContext
from domain.player import Profile, Snapshot

NOW = 1_764_000_000_000
NEVER = compile_condition({"field": "player.traits.vip", "op": "eq", "value": True})


def chosen(*candidates: Candidate, fallback: Candidate | None = None, per_day: int = 0, **told: Any) -> Choice:
    placement = Placement("banner", tuple(sorted(candidates, key=lambda one: -one.priority)), fallback, per_day)
    allowed, shown, by = told.get("allowed", Allowed()), told.get("shown", {}), told.get("learnt")
    context = PlayerContext(Snapshot("amelia", 1, Profile(told.get("traits", {}))), now=NOW)
    return choose(placement, context, allowed, player=told.get("player", "amelia"), day=1, shown=shown, learnt=by)


def offer(name: str = "offer", purpose: str = "promo", **more: Any) -> Candidate:
    return Candidate(name, purpose, **more)


PLAIN = Candidate("plain", "service")
NEEDS = frozenset({"promo"})


@pytest.mark.parametrize(
    ("candidate", "allowed", "reason"),
    [
        pytest.param(offer(since=NOW + 1), Allowed(), "not_its_time", id="it has not begun"),
        pytest.param(offer(until=NOW), Allowed(), "not_its_time", id="it is over"),
        pytest.param(offer(since=NOW, until=NOW + 1), Allowed(), "", id="its time is now"),
        pytest.param(offer(), Allowed(is_excluded=True), "excluded", id="excluded"),
        pytest.param(offer("x", "service"), Allowed(is_excluded=True), "excluded", id="excluded, any candidate"),
        pytest.param(offer(), Allowed(said={"promo": False}), "consent_withdrawn", id="the purpose withdrawn"),
        pytest.param(offer(), Allowed(said={"in_app": False}), "consent_withdrawn", id="the channel withdrawn"),
        pytest.param(offer(), Allowed(muted={"in_app"}), "consent_withdrawn", id="the channel muted"),
        pytest.param(
            offer(product="casino"), Allowed(muted={"casino/in_app"}), "consent_withdrawn", id="the product muted"
        ),
        pytest.param(
            offer(product="bingo"), Allowed(said={"casino/in_app": False}), "", id="another product withdrawn"
        ),
        pytest.param(offer(), Allowed(required=NEEDS), "consent_missing", id="needed and not given"),
        pytest.param(offer(), Allowed(required=NEEDS, said={"promo": True}), "", id="needed and given"),
        pytest.param(
            offer(product="casino"),
            Allowed(required=NEEDS, products=True, said={"promo": True}),
            "consent_missing",
            id="the product's is needed, the purpose's is not enough",
        ),
        pytest.param(
            offer(product="casino"),
            Allowed(required=NEEDS, products=True, said={"casino/in_app": True}),
            "",
            id="the product's is given",
        ),
        pytest.param(
            offer(product="casino"),
            Allowed(required=NEEDS, products=True, said={"casino/in_app": True, "promo": False}),
            "consent_withdrawn",
            id="a broader one withdrawn stops all",
        ),
        pytest.param(offer(where=NEVER), Allowed(), "where", id="its condition does not hold"),
    ],
)
def test_why_a_content_is_passed_over(candidate: Candidate, allowed: Allowed, reason: str) -> None:
    choice = chosen(candidate, allowed=allowed)
    assert choice.passed_over == (((candidate.template, reason),) if reason else ())
    assert (choice.candidate is None) is bool(reason)


@pytest.mark.parametrize(
    ("fallback", "allowed", "is_shown"),
    [
        pytest.param(PLAIN, Allowed(is_excluded=True), True, id="service for an excluded player"),
        pytest.param(offer("x"), Allowed(is_excluded=True), False, id="promo for an excluded player"),
        pytest.param(offer("x", "retention"), Allowed(is_excluded=True), False, id="retention"),
        pytest.param(offer("x", "reward"), Allowed(is_excluded=True), False, id="reward"),
        pytest.param(PLAIN, Allowed(said={"in_app": False}), False, id="the channel withdrawn"),
        pytest.param(offer("x", "legal"), Allowed(True, {"in_app": False}), True, id="a legal notice"),
    ],
)
def test_the_fallback_passes_the_same_gate(fallback: Candidate, allowed: Allowed, is_shown: bool) -> None:
    choice = chosen(offer(where=NEVER), fallback=fallback, allowed=allowed)
    assert (choice.candidate is fallback) is choice.is_fallback is is_shown


def test_the_highest_priority_that_may_be_shown_is_shown() -> None:
    low, high = offer("low", priority=1), offer("high", priority=9, where=NEVER)
    assert chosen(low, high).candidate == low
    assert chosen(low, high, traits={"vip": True}).candidate == high


def test_what_was_shown_often_enough_today_makes_room() -> None:
    first, second = offer("first", priority=2), offer("second", priority=1)
    assert chosen(first, second, per_day=2, shown={"first": 1}).candidate == first
    assert chosen(first, second, per_day=2, shown={"first": 2}).candidate == second
    assert chosen(first, second, fallback=PLAIN, per_day=2, shown={"first": 2, "second": 3}).candidate == PLAIN


def test_equals_are_drawn_by_weight_and_a_player_sees_the_same_all_day() -> None:
    one, three = offer("one", weight=1), offer("three", weight=3)
    drawn = Counter(chosen(one, three, player=f"p-{n}").candidate.template for n in range(4_000))  # type: ignore[union-attr]
    assert 0.70 < drawn["three"] / 4_000 < 0.80
    assert len({chosen(one, three, player="amelia").candidate.template for _ in range(20)}) == 1  # type: ignore[union-attr]


def test_what_names_nothing_is_named() -> None:
    errors: list[str] = []
    where = {"any": [{"segment": "vips"}, {"metric": "bets", "op": "gte", "value": 1}]}
    candidates = [{"template": "a", "purpose": "promo", "where": where}, {"template": "hook", "purpose": "promo"}]
    document = {"candidates": candidates, "fallback": {"template": "b"}}
    templates = {"a": {"channel": "in_app"}, "hook": {"channel": "webhook"}}
    compile_placements({"placements": {"x": document}, "templates": templates}, errors)
    assert errors == [
        "placements/x: candidates[1].template: expected a template for people, got 'hook' of a webhook",
        "placements/x: fallback.template: expected the id of a template, got 'b'",
        "placements/x: candidates[0].where: expected the id of a segment, got 'vips'",
        "placements/x: candidates[0].where: expected the id of a metric, got 'bets'",
    ]


@pytest.mark.parametrize("place", ["candidate", "fallback"])
def test_what_passes_exclusions_as_legal_needs_a_template_that_is_marked_as_a_notice(place: str) -> None:
    templates = {"offer": {"channel": "in_app"}, "notice": {"channel": "in_app", "legal": True}}

    def errors_of(template: str) -> list[str]:
        one = {"template": template, "purpose": "legal"}
        document = {"candidates": [one]} if place == "candidate" else {"fallback": one}
        errors: list[str] = []
        compile_placements({"placements": {"x": document}, "templates": templates}, errors)
        return errors

    path = "candidates[0]" if place == "candidate" else "fallback"
    assert errors_of("notice") == []
    assert errors_of("offer") == [
        f"placements/x: {path}.template: expected a template with `legal: true`, got 'offer' without it"
    ]


SPRING, AUTUMN = offer("spring"), offer("autumn")


def learnt(arm: str = "autumn", refused: str = "", drawn_of: list[tuple[str, ...]] | None = None) -> Learnt:
    """A choice between spring and autumn that draws ``arm``, and lets nobody have ``refused``."""

    def draw(arms: tuple[str, ...]) -> str:
        (drawn_of if drawn_of is not None else []).append(arms)
        return arm if arm in arms else arms[0]

    return Learnt(frozenset(("spring", "autumn")), lambda name: "not_eligible" if name == refused else "", draw)


def test_a_choice_draws_one_of_the_equals_that_may_be_shown() -> None:
    asked: list[tuple[str, ...]] = []
    assert chosen(SPRING, AUTUMN, learnt=learnt(drawn_of=asked)).candidate == AUTUMN
    capped = chosen(SPRING, AUTUMN, learnt=learnt(drawn_of=asked), per_day=1, shown={"autumn": 1})
    assert (capped.candidate, capped.passed_over) == (SPRING, (("autumn", "cap_reached"),))
    assert asked == [("spring", "autumn"), ("spring",)]


def test_an_arm_that_the_choice_keeps_from_the_player_is_passed_over_and_says_so() -> None:
    found = chosen(SPRING, AUTUMN, learnt=learnt(refused="autumn"))
    assert (found.candidate, found.passed_over) == (SPRING, (("autumn", "not_eligible"),))


@pytest.mark.parametrize("priority", [1, -1])
def test_a_choice_has_no_say_over_candidates_of_other_priorities(priority: int) -> None:
    other, asked = offer("other", priority=priority), list[tuple[str, ...]]()
    found = chosen(SPRING, AUTUMN, other, learnt=learnt(drawn_of=asked))
    assert (found.candidate == other) is (priority > 0) is not asked


@pytest.mark.parametrize(
    ("candidates", "problem"),
    [
        pytest.param(
            [{"template": "spring"}],
            "choose: expected each arm of 'season' as the template of one candidate, got 0 with 'autumn'",
            id="an arm that is no candidate",
        ),
        pytest.param(
            [{"template": "spring"}, {"template": "autumn", "priority": 2}],
            "choose: expected arms of one priority, got 0 2",
            id="arms of different priorities",
        ),
        pytest.param(
            [{"template": "spring"}, {"template": "autumn"}, {"template": "other"}],
            "candidates[2]: expected another priority than that of the arms of 'season', got 0",
            id="a rival that is no arm",
        ),
        pytest.param(
            [{"template": "spring", "weight": 3}, {"template": "autumn"}],
            "candidates[0].weight: expected none beside `choose`, got 3",
            id="a weight",
        ),
        pytest.param([{"template": "spring"}, {"template": "autumn"}], "", id="as it should be"),
    ],
)
def test_a_choice_fits_its_candidates(candidates: list[dict[str, Any]], problem: str) -> None:
    errors: list[str] = []
    templates = {name: {"channel": "in_app"} for name in ("spring", "autumn", "other")}
    document = {"choose": "season", "candidates": [one | {"purpose": "promo"} for one in candidates]}
    choices = {"season": {"arms": {"spring": {}, "autumn": {}}}}
    compile_placements({"placements": {"x": document}, "templates": templates, "choices": choices}, errors)
    assert errors == ([f"placements/x: {problem}"] if problem else [])


@pytest.mark.parametrize(
    ("choices", "problem"),
    [
        pytest.param({}, "expected the id of a choice, got 'season'", id="not there"),
        pytest.param(
            {"season": {"arms": {}, "counts_from": "sent"}},
            "expected a choice that counts from chosen, got 'season' that counts from sent",
            id="of messages",
        ),
    ],
)
def test_a_choice_that_is_none_for_a_slot_is_named(choices: dict[str, Any], problem: str) -> None:
    errors: list[str] = []
    compile_placements({"placements": {"x": {"choose": "season"}}, "choices": choices}, errors)
    assert errors == [f"placements/x: choose: {problem}"]
