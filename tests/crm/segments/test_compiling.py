"""A segment's document: what is refused and how it is said, the order of judging, and when all are judged anew."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from actors.programme import KINDS, PLANNED, compile_programme, validate_document
from crm.programme import CrmRules, InvalidCrm, compile_crm
from crm.schedule import opened
from crm.segments import SEGMENTS_MAX
from domain.errors import Invalid

PORTUGUESE = {"field": "player.traits.country", "op": "eq", "value": "PT"}


def compiled(version: int = 1, **kinds: Any) -> CrmRules:
    return compile_crm(version, kinds)


def test_segments_are_a_kind() -> None:
    assert "segments" in KINDS
    assert "segments" not in PLANNED
    stored = validate_document("segments", "locals", {"name": {"en": "Locals"}, "where": PORTUGUESE, "visible": True})
    assert stored == {"name": {"en": "Locals"}, "where": PORTUGUESE, "visible": True}


@pytest.mark.parametrize(
    ("document", "path", "said"),
    [
        pytest.param({}, "where", "Field required", id="no condition"),
        pytest.param({"where": None}, "where", "dictionary", id="an empty condition"),
        pytest.param({"where": PORTUGUESE, "who": 1}, "who", "not permitted", id="an unknown key"),
        pytest.param({"where": PORTUGUESE, "name": {"e n": "x"}}, "name", "expected a language", id="a language"),
        pytest.param(
            {"where": {"any": [PORTUGUESE, {"field": "event.name", "op": "exists"}]}},
            "where.any[1].field",
            "a segment knows the player, not the event",
            id="the event",
        ),
        pytest.param(
            {"where": {"not": {"field": "journey.pace", "op": "lt", "value": 1}}},
            "where.not.field",
            "not a journey",
            id="a journey",
        ),
        pytest.param({"where": {"metric": "m", "op": "is"}}, "where.op", "expected one of", id="an unknown comparison"),
    ],
)
def test_a_bad_document_is_refused_with_the_path_of_what_is_bad(document: Any, path: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        validate_document("segments", "s", document)
    (problem,) = refused.value.extra["errors"]
    assert (problem["document"], problem["path"]) == ("segments/s", path)
    assert said in problem["detail"]
    with pytest.raises(InvalidCrm) as raised:
        compile_crm(1, {"segments": {"s": document}})
    assert raised.value.errors[0].startswith(f"segments/s: {path}")


def test_segments_may_not_name_one_another_in_a_circle() -> None:
    circle = {
        name: {"where": {"all": [PORTUGUESE, {"segment": other}]}}
        for name, other in [("c", "a"), ("a", "b"), ("b", "c")]
    }
    circle["d"] = {"where": {"segment": "a"}}
    with pytest.raises(InvalidCrm, match="segments/a: where: expected no circle, got a -> b -> c -> a"):
        compile_crm(1, {"segments": circle})
    with pytest.raises(InvalidCrm, match="a -> a"):
        compile_crm(1, {"segments": {"a": {"where": {"not": {"segment": "a"}}}}})


def test_a_circle_is_told_once_for_each_of_its_segments() -> None:
    circle = {name: {"where": {"segment": other}} for name, other in [("a", "b"), ("b", "a")]}
    with pytest.raises(Invalid) as refused:
        compile_programme(1, {"segments": circle})
    assert [problem["document"] for problem in refused.value.extra["errors"]] == ["segments/a", "segments/b"]


def test_segments_are_bounded() -> None:
    with pytest.raises(InvalidCrm, match=f"at most {SEGMENTS_MAX} segments, got {SEGMENTS_MAX + 1}"):
        compile_crm(1, {"segments": {f"s{n}": {"where": PORTUGUESE} for n in range(SEGMENTS_MAX + 1)}})


def test_each_segment_is_judged_after_those_it_names() -> None:
    segments = {"a": {"where": {"segment": "b"}}, "b": {"where": {"segment": "c"}}, "c": {"where": PORTUGUESE}}
    assert list(compiled(segments=segments).segments.conditions) == ["c", "b", "a"]


def test_only_what_changes_who_is_in_has_all_players_judged_anew() -> None:
    metric = {"event": "deposit_completed", "aggregate": "since"}
    birthday = {"where": {"field": "player.traits.born", "op": "anniversary"}}
    silent = {"where": {"metric": "m", "op": "gte", "value": 9}}

    def base(**changed: Any) -> CrmRules:
        kinds: dict[str, Any] = {"segments": {"birthday": birthday, "silent": silent}, "metrics": {"m": metric}}
        return compiled(2, **(kinds | changed))

    def walks(**changed: Any) -> int:
        return len(opened(base(), base(**changed), 0).walks)

    assert walks() == 0
    assert walks(segments={"birthday": birthday | {"description": "Cake"}, "silent": silent}) == 0
    assert walks(settings={"main": {"locale": "uk"}}) == 0
    assert walks(metrics={"m": metric, "other": metric}) == 0
    assert walks(segments={"birthday": birthday}) == 1
    assert walks(metrics={"m": metric | {"event": "bet_placed"}}) == 1
    assert walks(settings={"main": {"timezone": "Europe/Kyiv"}}) == 1
    without = {"silent": silent}
    only = base(segments=without)
    assert opened(only, base(segments=without, settings={"main": {"timezone": "Europe/Kyiv"}}), 0).walks == ()


def test_what_the_page_of_segments_shows_is_valid() -> None:
    page = (Path(__file__).parents[3] / "docs" / "segments.md").read_text()
    (document,) = re.findall(r"```yaml\n# segments/at-risk\n(.*?)```", page, re.DOTALL)
    validate_document("segments", "at-risk", yaml.safe_load(document))
    trees = re.findall(r"^\| `(\{(?:field|metric): .*?\})`", page, re.MULTILINE)
    assert len(trees) == 10
    for tree in trees:
        validate_document("segments", "row", {"where": yaml.safe_load(tree)})
    for metric in re.findall(r"with `(\{event: .*?\})`", page):
        validate_document("metrics", "row", yaml.safe_load(metric))
