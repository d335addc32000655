"""What templates are filled with in a whole turn: from the game, the CRM and the event; only what they name."""

from typing import Any

import pytest

from actors.player import Player, Told
from actors.programme import Programme, compile_programme
from actors.variables import filled_in
from crm.config import TemplateConfig
from crm.templates import compile_template
from domain.entries import Command, Event, LogEntry, MessageRequest, decode_entry
from domain.player import Snapshot
from tests.crm.test_recurrence import ms

AT = ms("2026-11-22T22:30:00Z")
DOCUMENTS: dict[str, dict[str, Any]] = {
    "settings": {"main": {"timezone": "Europe/Kyiv", "locale": "uk"}},
    "metrics": {"bets": {"event": "bet_placed", "aggregate": "count"}},
    "segments": {"bettors": {"where": {"metric": "bets", "op": "gte", "value": 1}}},
    "earn-rules": {"bets": {"event": "bet_placed", "amount": 5}},
    "levels": {"main": {"levels": [{"id": "bronze", "at": 0}, {"id": "silver", "at": 5}]}},
    "missions": {
        name: {"name": {"en": f"{name}!", "uk": f"{name} укр"}, "tasks": tasks, "opt_in": name == "e"}
        for name, tasks in {
            "a": [{"id": "t", "event": "bet_placed", "count": 4}],
            "b": [{"id": "t", "event": "bet_placed", "count": 2}],
            "c": [{"id": "t", "event": "bet_placed", "count": 1}],
            "d": [{"id": "t", "event": "bet_placed", "count": 5}, {"id": "u", "event": "won", "count": 1}],
            "e": [{"id": "t", "event": "won", "count": 1}],
        }.items()
    },
}


def said(
    body: str, *, given: dict[str, Any] | None = None, traits: dict[str, Any] | None = None, **game: dict[str, Any]
) -> str:
    """Place one bet, then ask for a message with this body; return it as it goes to the tower."""
    template = {"channel": "in_app", "title": {"en": "t"}, "body": {"en": body}, "variables": ["code"]}
    told = Told(compile_programme(1, {**DOCUMENTS, **game, "templates": {"t": template}}), 0, "seed")
    entries = [
        Event("ann", "i", "identify", AT, traits=traits or {}, type="identify"),
        Event("ann", "b", "bet_placed", AT, {"game": "chess"}),
        Event("ann", "c", "review_left", AT - 60_000, {"mood": "angry"}),
        Command("ann", "cmd:m", "message", {"template": "t", "request_id": "req_0_1", "variables": given or {}}),
    ]
    turns, _ = Player(Snapshot("ann")).take([LogEntry(f"{n}-0", AT, entry) for n, entry in enumerate(entries)], told)
    assert not turns.failed
    (request,) = [entry for entry in map(decode_entry, turns.outputs) if isinstance(entry, MessageRequest)]
    assert "degraded" not in request.content
    return str(request.content["body"])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{{ player.id }} {{ player.balance.points }} {{ player.lifetime.points }}", "ann 5 5"),
        ("{{ player.level }} {{ player.levels.main }} {{ player.segments | join: ' ' }}", "silver silver bettors"),
        ("{{ player.timezone }} {{ player.locale }}", "Europe/Kyiv uk"),
        ("{{ player.missions.b.status }} {{ player.missions['b'].tasks[0].actual }}", "in_progress 1"),
        ("{% for m in missions %}{{ m.id }}{{ m.progress }} {% endfor %}", "a25 b50 c100 d10 e0 "),
        ("{{ missions[0].name }}", "a укр"),
        ("{% for m in recommendations.missions %}{{ m.id }}{% endfor %}", "bad"),
        pytest.param("{{ now.date }} {{ now.time }} {{ now.weekday }}", "2026-11-23 00:30 monday", id="in Kyiv"),
        pytest.param("[{{ player.tone.mood }} {{ player.tone.age_s }}]", "[negative 60]", id="how she sounded"),
        pytest.param("[{{ event.name }}]", "[]", id="a command's turn has no event"),
        ("{{ code }}{{ tone }}", "4711warm"),
    ],
)
def test_what_a_template_may_name(body: str, text: str) -> None:
    assert said(body, given={"code": "4711", "tone": "warm"}) == text


def test_the_player_s_own_zone_and_language_count() -> None:
    traits = {"timezone": "America/New_York", "locale": "en"}
    assert said("{{ now.date }} {{ now.weekday }} {{ missions[0].name }}", traits=traits) == "2026-11-22 sunday a!"


def test_a_caller_cannot_be_somebody_else_s_player_but_brings_an_event() -> None:
    given = {"player": {"id": "eve"}, "event": {"name": "won"}}
    assert said("{{ player.id }} {{ event.name }}", given=given) == "ann won"


def scene() -> tuple[Programme, Snapshot, int, Event | None]:
    return compile_programme(1, DOCUMENTS), Snapshot("ann"), AT, Event("ann", "b", "bet_placed", AT, {"game": "chess"})


def test_only_what_is_named_is_computed() -> None:
    def needed(body: str) -> dict[str, Any]:
        document = {"channel": "in_app", "title": {"en": "t"}, "body": {"en": body}}
        return filled_in(compile_template("t", TemplateConfig.model_validate(document)), {"x": 1}, scene())

    assert needed("plain") == {"x": 1}
    assert needed("{{ player.id }}") == {"x": 1, "player": {"id": "ann"}}
    assert needed("{{ event.properties.game }}")["event"]["properties"] == {"game": "chess"}
    assert set(needed("{{ player[x] }}")["player"]) >= {"id", "traits", "missions", "segments"}
    assert "missions" not in needed("{{ recommendations.missions.size }}")


def test_a_plain_call_of_a_journey_carries_its_payload() -> None:
    node = {"id": "call", "kind": "webhook", "payload": {"who": {"from": "event.properties.name"}, "n": 3}}
    journeys = {"caller": {"entry": {"event": "signed_up"}, "nodes": [node]}}
    told = Told(compile_programme(1, {**DOCUMENTS, "journeys": journeys}), 0, "seed")
    turns, _ = Player(Snapshot("ann")).take(
        [LogEntry("1-0", AT, Event("ann", "e", "signed_up", AT, {"name": "Ann"}))], told
    )
    (request,) = [entry for entry in map(decode_entry, turns.outputs) if isinstance(entry, MessageRequest)]
    assert (request.channels, request.content["payload"]) == (("webhook",), {"who": "Ann", "n": 3})


def test_the_rewards_of_a_mission_are_named_as_their_kind_names_them() -> None:
    freezes = {"kind": "freezes", "streak": "daily", "amount": 2}
    mission = {**DOCUMENTS["missions"]["b"], "rewards": [freezes, {"currency": "points", "amount": 7}]}
    game = {"missions": {"b": mission}, "streaks": {"daily": {"event": "won", "freezes": {"max": 3}}}}
    assert (
        said("{% for reward in missions[0].rewards %}{{ reward.streak }}{{ reward.amount }} {% endfor %}", **game)
        == "daily2 7 "
    )
