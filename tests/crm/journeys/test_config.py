"""A journey as it is written, and what its writer is told: every error at once, each with its place."""

from typing import Any

import pytest

from actors.programme import validate_document
from crm.journeys.config import JourneyConfig
from crm.journeys.graph import FIELDS
from crm.journeys.measures import Measures
from crm.journeys.programme import compile_journey, compile_journeys
from crm.journeys.reasons import Ending, Outcome, Reason, Refusal, explain
from domain.errors import Invalid
from domain.player import Enrolment
from tests.crm.journeys.traveller import TEXT, delay, field, journey, message, wait

WELCOME: dict[str, Any] = {
    "entry": {"event": "signed_up", "where": None, "once": True},
    "exit": {"goal": {"event": "deposit_completed"}},
    "nodes": [
        {"id": "hi", "kind": "message", "template": "welcome", "purpose": "service", "next": "w"},
        {"id": "w", "kind": "wait", "for": {"event": "deposit_completed"}, "timeout_s": 86400,
         "on_event": "thanks", "on_timeout": "nudge"},
        {"id": "thanks", "kind": "message", "template": "thanks", "purpose": "service"},
        {"id": "nudge", "kind": "message", "template": "nudge", "purpose": "promo"},
    ],
}  # fmt: skip


def errors_of(documents: dict[str, Any] | None = None, **journeys: Any) -> list[str]:
    errors: list[str] = []
    templates = dict.fromkeys(("hi", "welcome", "thanks", "nudge"), TEXT)
    compile_journeys(1, {"templates": templates, "journeys": journeys, **(documents or {})}, errors, older={})
    return errors


def test_a_welcome_with_a_wait_compiles() -> None:
    assert errors_of(welcome=WELCOME) == []
    assert validate_document("journeys", "welcome", WELCOME)["nodes"][1]["timeout_s"] == 86400


LOOP = {"id": "b", "kind": "branch", "paths": [{"when": field("now.hour", "gt", 1), "next": "hi"}], "default": "d"}


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (journey(), "nodes: Tuple should have at least 1 item"),
        (journey({"id": "x", "kind": "teleport"}), "nodes.0: Input tag 'teleport' found using 'kind' does not match"),
        (journey(message("hi"), message("hi")), "nodes: expected distinct ids, got 'hi' twice"),
        (journey(message("hi", "hello")), "nodes.0.next: expected the id of a node, got 'hello'"),
        (journey(message("hi"), delay("d", "1d")), "nodes.1: expected every node to be on a way from 'hi', got 'd' on"),
        (journey(message("hi", "b"), LOOP, delay("d", "1d")), "expected a delay or a wait in the circle hi -> b -> hi"),
        (journey(message("hi", "hi")), "expected a delay or a wait in the circle hi -> hi"),
        (journey({"id": "s", "kind": "split", "paths": [{"share": 0.5}, {"share": 0.4}]}),
         "nodes.0.paths: expected shares that add up to 1, got 0.9"),
        (journey({"id": "d", "kind": "delay"}), "nodes.0: expected `for`, `until_time` or both, or else `until`"),
        (journey({"id": "d", "kind": "delay", "until": "soon"}), "nodes.0.until: expected a time such as"),
        (journey({"id": "w", "kind": "wait", "for": {}}), "nodes.0.for: expected one of `event`"),
        (journey(message("hi", dwell={"for": "1d", "to": "hi"})),
         "nodes.0.dwell: expected it at a delay or a wait, got a message"),
        (journey(message("hi", skip_when={"step": "paid"})),
         "nodes.0.skip_when.step: expected the id of a step, got 'paid'"),
        (journey(message("hi", skip_when={"segment": 1})),
         "nodes.0.skip_when: skip_when.segment: expected a name, got 1"),
        (journey(message("hi", skip_when=field("journey.steps.paid", "eq", True))),
         "nodes.0.skip_when: expected journey.steps.<id of a step>, got 'journey.steps.paid'"),
        (journey(message("hi"), exit={"when": field("journey.mood", "eq", 1)}),
         "exit.when: expected one of journey.steps"),
        (journey(message("hi"), exit={"when": field("journey.pace", "gt", 1)}),
         "exit.when: expected `pace` in the journey"),
        (journey(message("hi"), exit={"when": {"field": "player.level", "op": "is"}}),
         "exit.when: when.op: expected one of"),
        (journey(message("hi"), exit={"goal": {"event": "signed_up"}}),
         "exit.goal: expected a goal other than the entry"),
        (journey(message("hi"), pace={"steps": 2, "over": "1d"}), "pace.steps: expected at most 0"),
        (journey(message("hi"), entry={"once": True}),
         "entry: expected one of event, pattern, segment, schedule, or api: true"),
        (journey(message("hi"), entry={"event": "a", "segment": "b"}),
         "entry: expected one of event, pattern, segment, schedule"),
        (journey(message("hi"), entry={"event": "a", "on": "left"}),
         "entry: expected `on` and `include_existing` beside"),
        (journey(message("hi"), entry={"api": True, "audience": field("journey.pace", "gt", 1)}),
         "entry.audience: expected no journey.* before"),
        (journey(message("hi"), interrupts=[{"id": "i", "when": field("now.hour", "gt", 1), "to": "hi",
                 "once": False}]),
         "interrupts.0: expected once: true with `when`"),
        (journey(message("hi"), interrupts=[{"id": "i", "event": "x", "to": "there"}]),
         "interrupts.0.to: expected the id of a node"),
        (journey(message("hi"), migrate={"map": {"old": "new"}}),
         "migrate.map.old: expected the id of a node, or exit, got 'new'"),
        (journey(message("hi"), migrate={"default": "new"}),
         "migrate.default: expected keep, exit or the id of a node"),
        (journey(message("hi"), colour="red"), "colour: Extra inputs are not permitted, got 'red'"),
        (journey(message("hi", template="bye")), "nodes.0.template: expected the id of a template, got 'bye'"),
        (journey({"id": "w", "kind": "webhook", "template": "hi"}),
         "nodes.0.template: expected a template of the channel webhook"),
        (journey({"id": "r", "kind": "reward", "currency": "gold", "amount": 1}),
         "nodes.0.currency: expected the id of a currency"),
        (journey({"id": "r", "kind": "reward", "amount": 1, "budget": "nobody"}),
         "nodes.0.budget: expected the id of a budget, got 'nobody'"),
        (journey({"id": "c", "kind": "journey", "journey": "k"}),
         "nodes.0.journey: expected the id of a journey, got 'k'"),
        (journey({"id": "c", "kind": "journey", "journey": "j"}), "nodes: expected no circle of journeys"),
        (journey(message("hi"), entry={"segment": "vips"}), "entry.segment: expected the id of a segment, got 'vips'"),
        (journey(message("hi"), exit={"when": {"all": [{"not": {"segment": "vips"}}]}}),
         "exit.when.all[0].not.segment: expected the id of a segment"),
        (journey(message("hi"), exit={"when": {"metric": "bets", "op": "gt", "value": 1}}),
         "exit.when.metric: expected the id of a metric"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(document: dict[str, Any], error: str) -> None:
    errors = errors_of(j=document)
    assert len(errors) == 1, errors
    assert errors[0].startswith("journeys/j: ")
    assert error in errors[0]


def test_all_errors_are_told_at_once() -> None:
    misspelled = journey(message("a", "b"), message("c", "d", template="?"), colour="red")
    assert len(errors_of(j=misspelled)) == 2, "what is misspelled is told before what is not there"
    errors = errors_of(
        j=journey(message("hi", "b"), wait("w", "x", next="d"), steps=[{"id": "s", "event": "e"}] * 2),
        k=journey(message("bye"), entry={"segment": "vips"}),
    )
    assert [error.split(": ")[:2] for error in errors] == [
        ["journeys/j", "steps"],
        ["journeys/j", "nodes.0.next"],
        ["journeys/j", "nodes.1.next"],
        ["journeys/k", "entry.segment"],
        ["journeys/k", "nodes.0.template"],
    ]


def test_a_bad_document_is_refused_when_it_is_written_with_each_place() -> None:
    with pytest.raises(Invalid) as refused:
        validate_document("journeys", "j", journey(message("hi", "x"), message("ho", "y")))
    assert [(e["path"], e["detail"]) for e in refused.value.extra["errors"]] == [
        ("nodes[0].next", "expected the id of a node, got 'x'"),
        ("nodes[1].next", "expected the id of a node, got 'y'"),
    ]


def test_journeys_that_begin_each_other_are_refused() -> None:
    calls = {
        name: journey({"id": "c", "kind": "journey", "journey": other}, entry={"api": True})
        for name, other in (("a", "b"), ("b", "c"), ("c", "a"))
    }
    assert len(errors_of(**calls)) == 3


def test_every_code_has_words() -> None:
    for code in (*Outcome, *Reason, *Ending, *Refusal):
        assert explain(code.value) != code.value, code
    assert explain("from_a_later_version") == "from_a_later_version"


def test_what_conditions_may_ask_is_what_a_walk_answers() -> None:
    compiled = compile_journey("j", JourneyConfig.model_validate(WELCOME))
    measures = Measures(compiled, Enrolment(1, 1, "hi", 0, 0), 5)
    assert set(measures) == set(FIELDS)
    assert all(name in measures for name in FIELDS)
