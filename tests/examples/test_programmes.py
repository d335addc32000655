"""Every example programme compiles as a whole, and speaks of events that its traffic or its map brings."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from actors.programme import compile_programme
from playtower.demo_traffic import Casino
from playtower.programme_files import read_programme
from playtower.replay_map import read_map
from tests.examples.person import DAY, Person

EXAMPLES = Path(__file__).parents[2] / "examples"
CASINO = EXAMPLES / "programmes" / "casino" / "programme"
PROGRAMMES = [CASINO, EXAMPLES / "replay" / "shop" / "programme", EXAMPLES / "replay" / "game_plays" / "programme"]


def events_named(documents: dict[str, dict[str, Any]]) -> set[str]:
    named = {rule["event"] for kind in ("metrics", "earn-rules", "achievements") for rule in documents[kind].values()}
    return named | {task["event"] for mission in documents["missions"].values() for task in mission["tasks"]}


@pytest.mark.parametrize("directory", PROGRAMMES, ids=lambda path: path.parent.name)
def test_every_programme_compiles(directory: Path) -> None:
    documents = read_programme(directory)
    programme = compile_programme(1, documents)
    assert programme.rules.missions.keys() == documents["missions"].keys()
    assert events_named(documents) <= documents["events"].keys()


def test_the_casino_shows_every_feature_of_missions() -> None:
    missions = read_programme(CASINO)["missions"]
    assert len(missions) == 30
    assert Counter(mission.get("recurrence", "none") for mission in missions.values()).keys() == {
        "none", "daily", "weekly", "on_completion",
    }  # fmt: skip
    for feature in ("opt_in", "time_limit_s", "unlock_after", "claim_within_s", "audience", "active", "message"):
        assert any(mission.get(feature) for mission in missions.values()), feature
    assert any("sum" in task for mission in missions.values() for task in mission["tasks"])
    assert any(len(mission["tasks"]) > 1 for mission in missions.values())


def test_casino_texts_are_in_three_languages() -> None:
    documents = read_programme(CASINO)
    for kind in ("missions", "achievements", "levels", "currencies", "earn-rules"):
        for name, document in documents[kind].items():
            assert document["name"].keys() >= {"en", "uk", "ru"}, f"{kind}/{name}"
    for name, template in documents["templates"].items():
        assert template["title"].keys() == template["body"].keys() == {"en", "uk", "ru"}, name


def test_the_casino_has_twelve_segments_and_says_why() -> None:
    segments = read_programme(CASINO)["segments"]
    assert len(segments) == 12
    for name, segment in segments.items():
        assert segment["name"].keys() == {"en", "uk", "ru"}, name
        assert len(segment["description"]) > 60, name


def test_the_casino_s_models_listen_to_its_money() -> None:
    documents = read_programme(CASINO)
    plan = compile_programme(1, documents).models
    assert plan is not None
    assert {rule.kind for rule in plan.rules.values()} == {"bet", "win", "deposit", "withdrawal"}
    for name, rule in plan.rules.items():
        mask = documents["events"][name]["properties"]
        assert mask[rule.amount[-1]]["type"] == "money"
    assert "player.scores.churn" in str(documents["segments"]["at-risk"]["where"])


def test_a_depositor_who_falls_silent_is_at_risk_by_the_score_too() -> None:
    oksana = Person(CASINO, 1_772_452_800_000)
    for _ in range(20):
        oksana.does("logged_in")
        oksana.does("deposit_completed", amount=2_000)
        oksana.does("bet_placed", amount=500, game="aurora")
        oksana.waits(DAY)
    assert oksana.score("churn") < 0.5
    assert not oksana.is_in("at-risk")
    oksana.waits(8 * DAY)
    assert oksana.score("churn") > 0.6
    assert oksana.is_in("at-risk")


def test_the_traffic_sends_what_the_casino_listens_to() -> None:
    documents = read_programme(CASINO)
    casino = Casino(7, 400)
    events = [casino.next_event() for _ in range(60_000)]
    tracked = [event for event in events if event["type"] == "track"]
    assert {event["event"] for event in tracked} == documents["events"].keys()
    for event in tracked:
        mask = documents["events"][event["event"]].get("properties", {})
        assert event["properties"].keys() - {"currency"} <= mask.keys()
        assert {name for name, spec in mask.items() if spec.get("required")} <= event["properties"].keys()


@pytest.mark.parametrize("name", ["shop", "game_plays"])
def test_a_replay_programme_listens_to_what_its_map_sends(name: str) -> None:
    documents = read_programme(EXAMPLES / "replay" / name / "programme")
    mapping = read_map(EXAMPLES / "replay" / name / "map.yaml")
    sent = {mapping.event} if isinstance(mapping.event, str) else {rule.name for rule in mapping.event}
    assert sent == documents["events"].keys()
    for event in documents["events"].values():
        assert event["properties"].keys() <= mapping.properties.keys()


@pytest.mark.parametrize("directory", PROGRAMMES, ids=lambda path: path.parent.name)
def test_ids_are_kebab_case_but_for_events(directory: Path) -> None:
    for kind, named in read_programme(directory).items():
        assert not [name for name in named if kind != "events" and ("_" in name or name != name.lower())], kind
