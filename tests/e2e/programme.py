"""A small programme that the end-to-end tests count with: a point an event, a mission at three."""

from typing import Any

PROGRAMME: dict[str, dict[str, Any]] = {
    "earn-rules": {"a-point": {"event": "bet_placed", "currency": "points", "amount": 1}},
    "templates": {
        "well-done": {
            "channel": "in_app",
            "title": {"en": "Well done, {{ player.traits.first_name }}"},
            "body": {"en": "You have {{ player.balance.points }} points"},
        }
    },
    "missions": {
        "three-bets": {
            "name": {"en": "Three bets"},
            "tasks": [{"id": "bets", "event": "bet_placed", "count": 3}],
            "rewards": [{"kind": "currency", "currency": "points", "amount": 100}],
            "message": {"template": "well-done", "purpose": "reward"},
        }
    },
    "levels": {"main": {"currency": "points", "levels": [{"id": "bronze", "at": 0}, {"id": "silver", "at": 100}]}},
}
