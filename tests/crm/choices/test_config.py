"""What a choice's document must say, and what the places that ask it must find."""

from typing import Any

import pytest

from actors.programme import check_programme, compile_programme, validate_document
from domain.errors import Invalid
from tests.crm.choices.chooser import BY_NODE, TEMPLATES, WINBACK, by_message, documents


def problems(made: Any) -> list[str]:
    try:
        check_programme(1, made)
    except Invalid as error:
        return [f"{e['document']} {e['path']}: {e['detail']}" for e in error.extra["errors"]]
    return []


def test_a_whole_document_is_stored_as_it_was_written() -> None:
    whole = {
        "arms": {"free-spins": {"promotional": True}, "cashback": {}, "nothing": {}},
        "outcome": {"event": "deposit_completed", "within": "3d"},
        "value": {"from": "event.properties.amount", "most": 10_000},
        "context": ["recency", "net_28"],
        "personal": True,
        "explore": 0.1,
        "holdout": {"share": 0.05, "arm": "nothing"},
        "counts_from": "chosen",
    }
    stored = validate_document("choices", "winback", whole)
    assert stored == whole | {"outcome": {"event": "deposit_completed", "within": 259_200}}
    assert not problems({"choices": {"winback": whole}, "models": {"churn": {}}})


def test_times_are_read_as_yaml_gives_them() -> None:
    read = validate_document("choices", "hour", {**WINBACK, "arms": {"09:00": {}, 1_080: {}}})
    assert list(read["arms"]) == ["09:00", "18:00"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arms": {"one": {}}}, "arms: Dictionary should have at least 2 items"),
        ({"arms": {f"a{n}": {} for n in range(13)}}, "arms: Dictionary should have at most 12 items"),
        ({"arms": {"a b": {}, "c": {}}}, "arms"),
        ({"explore": 0.001}, "explore: Input should be greater than or equal to 0.01"),
        ({"context": ["luck"]}, "expected names of features"),
        ({"context": ["recency", "recency"]}, "expected distinct features, got recency recency"),
        ({"value": {"from": "amount", "most": 5}}, "expected event.properties.<name>, got 'amount'"),
        ({"value": {"from": "event.name", "most": 5}}, "expected properties.<name> or context.<name>"),
        ({"holdout": {"share": 0.1, "arm": "call"}}, "holdout.arm: expected one of"),
        ({"holdout": {"share": 0.1, "arm": "cashback"}}, "expected an arm that anybody may get, got 'cashback'"),
        ({"outcome": {"event": "x", "within": "90d"}}, "outcome.within"),
        ({"arms": {"a": {"where": {"field": "event.name", "op": "eq", "value": "x"}}, "b": {}}}, "arms.a.where"),
        ({"lucky": 1}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        validate_document("choices", "winback", WINBACK | change)
    assert said in str([f"{e['path']}: {e['detail']}" for e in refused.value.extra["errors"]])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (documents({"context": ["recency"]}), "choices/winback context: expected a document models/churn"),
        (
            documents({"arms": WINBACK["arms"] | {"cashback": {"where": {"segment": "vips"}}}}),
            "choices/winback arms.cashback.where: expected the id of a segment, got 'vips'",
        ),
        (documents() | {"choices": {}}, "journeys/back nodes.0.choice: expected the id of a choice, got 'winback'"),
        (
            documents({"arms": {"cashback": {}, "nothing": {}, "call": {}}}),
            "journeys/back nodes.0.arms: expected a way for each arm of 'winback', got none for 'call'",
        ),
        (
            documents({"arms": {"cashback": {}, "nothing": {}}}),
            "journeys/back nodes.0.arms: expected the arms of 'winback', got 'free-spins'",
        ),
        (
            documents({"counts_from": "sent"}),
            "journeys/back nodes.0.choice: expected a choice that counts from chosen, got 'winback'",
        ),
        (
            documents(journey=by_message()) | {"templates": {"cashback": TEMPLATES["cashback"]}},
            "choose.template: expected arms of 'winback' that are templates, got 'free-spins'",
        ),
        (
            documents(journey=by_message(template="nothing", choose={"channel": "winback"})),
            "choose.channel: expected arms of 'winback' among email in_app messenger push sms, got 'cashback'",
        ),
        (documents(journey=by_message(template="nothing")), "expected either `template` or `choose.template`"),
        (documents(journey=by_message(choose={})), "expected the id of a choice as `template`, as `channel`, or both"),
        (
            documents(journey={**BY_NODE, "nodes": [{"id": "w", "kind": "delay", "choose": "winback"}]}),
            "choose: expected arms of 'winback' that are times such as 09:00, got 'cashback'",
        ),
        (
            documents(
                journey={
                    **BY_NODE, "nodes": [{"id": "w", "kind": "delay", "choose": "x", "until_time": "09:00"}],
                }
            ),
            "expected either `until_time` or `choose`",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_when_it_is_published(made: Any, said: str) -> None:
    assert any(said in problem for problem in problems(made)), problems(made)


def test_what_an_outcome_means_names_the_generation() -> None:
    def generation(**change: Any) -> str:
        made = documents(change, models={"churn": {}})
        return compile_programme(1, made).crm.choices.choices["winback"].plan.generation

    same = generation()
    assert same == generation(explore=0.5) == generation(arms={arm: {} for arm in WINBACK["arms"]})
    assert len({
        same, generation(context=["recency"]), generation(counts_from="chosen"),
        generation(value={"from": "event.properties.amount", "most": 5}),
        generation(outcome={"event": "deposit_completed", "within": "4d"}),
    }) == 5  # fmt: skip
