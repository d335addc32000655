"""Small programmes in which much happens within a minute.

``versions``: missions with time limits and claims, levels, messages, a minimum gap and holds, so that timers of both
lanes run. ``message_versions``: messages by several channels, with caps, a gap, quiet hours that begin during a run.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from actors.programme import Programme, compile_programme
from ml.net import Model
from tests.ml.made import model


def _points(amount: int) -> list[dict[str, Any]]:
    return [{"kind": "currency", "currency": "points", "amount": amount}]


def _bets(count: int, event: str = "bet_placed") -> list[dict[str, Any]]:
    return [{"id": "bets", "event": event, "count": count}]


def _documents(version: int) -> dict[str, dict[str, Any]]:
    message = {"template": "done", "purpose": "reward"}
    return {
        "currencies": {"points": {}},
        "metrics": {"bets": {"event": "bet_placed", "aggregate": "count"}},
        "segments": {"regulars": {"where": {"metric": "bets", "op": "gte", "value": 3}}},
        "earn-rules": {"bet-points": {"event": "bet_placed", "amount": version}},
        "missions": {
            "three-bets": {
                "tasks": _bets(3), "recurrence": "on_completion", "rewards": _points(100 * version), "message": message,
            },
            "quick-bets": {
                "tasks": _bets(4), "recurrence": "on_completion", "time_limit_s": 3 + version, "rewards": _points(7),
            },
            "claimed-wins": {
                "tasks": _bets(2, "bet_won"), "recurrence": "on_completion", "claim": "manual", "claim_within_s": 5,
                "rewards": _points(1_000), "message": {"template": "done", "purpose": "promo"},
            },
        },
        "levels": {
            "club": {
                "levels": [
                    {"id": "bronze", "at": 0},
                    {"id": "silver", "at": 200, "rewards": _points(11), "message": message},
                    {"id": "gold", "at": 900, "rewards": _points(13), "message": message},
                ],
            },
        },
        "journeys": {
            "comfort": {
                "entry": {"event": "bet_won"},
                "nodes": [
                    {"id": "rest", "kind": "delay", "for": "2s", "next": "again"},
                    {"id": "again", "kind": "wait", "for": {"event": "bet_won"}, "timeout_s": 3, "on_event": "gift"},
                    {"id": "gift", "kind": "reward", "currency": "points", "amount": 1, "next": "inner"},
                    {"id": "inner", "kind": "journey", "journey": "inner", "wait": True},
                ],
            },
            "inner": {"entry": {"api": True}, "nodes": [{"id": "nap", "kind": "delay", "for": "1s"}]},
        },
        "templates": {"done": {"channel": "in_app", "title": {"en": "Done"}, "body": {"en": "Well done"}}},
        "policies": {
            "default": {
                "min_gap_s": 2,
                "caps": [{"purpose": "promo", "max": 3, "per": "1d"}],
                "holds": [{"when": "support_case_open", "purposes": ["promo", "reward"], "for_s": 6}],
            },
        },
    }  # fmt: skip


SHAKY = 0.5  # of churn: what one model calls so the other does not


def _scored_documents(version: int) -> dict[str, dict[str, Any]]:
    """Return the same, with models from version 2 on: a win is a deposit, so that the net runs all the time."""
    documents = _documents(version)
    if version > 1:
        documents["models"] = {"churn": {"session_gap": 60, "signals": {"deposit": {"event": "bet_won"}}}}
        shaky = {"where": {"field": "player.scores.churn", "op": "gte", "value": SHAKY}}
        documents["segments"] = {**documents["segments"], "shaky": shaky}
    return documents


def _choosing_documents(version: int) -> dict[str, dict[str, Any]]:
    """Return the same, with what is left to chance: a way, a message's template, a time; version 3 means another."""
    documents = _documents(version)
    documents["journeys"] |= {
        name: {"entry": {"event": event}, "reentry": {"allowed": True}, "nodes": nodes}
        for event, name, nodes in (
            ("bet_won", "treats", [
                {
                    "id": "treat", "kind": "choose", "choice": "treat",
                    "arms": {"gift": "gift", "talk": "talk", "none": None},
                },
                {"id": "gift", "kind": "reward", "amount": 1},
                {"id": "talk", "kind": "message", "purpose": "promo", "choose": {"template": "words"}, "expires": 4},
            ]),
            ("support_case_opened", "sorry", [
                {"id": "sorry", "kind": "message", "purpose": "service", "choose": {"template": "words"}, "expires": 9},
            ]),
        )
    }  # fmt: skip
    text = {"channel": "in_app", "title": {"en": "Hi"}, "body": {"en": "There"}}
    documents["templates"] = {**documents["templates"], "warm": text, "dry": text}
    within = 2 if version < 3 else 3
    documents["choices"] = {
        "treat": {
            "arms": {"gift": {"promotional": True}, "talk": {}, "none": {}}, "personal": True,
            "outcome": {"event": "bet_placed", "within": within}, "holdout": {"share": 0.5, "arm": "none"},
        },
        "words": {"arms": {"warm": {}, "dry": {}}, "outcome": {"event": "bet_placed", "within": 3}, "explore": 0.3},
    }  # fmt: skip
    return documents


@lru_cache(maxsize=1)
def choosing_versions() -> dict[int, Programme]:
    """Return ``versions`` with choices: nodes that draw a way, messages that draw their words."""
    return _compiled(_choosing_documents)


@lru_cache(maxsize=1)
def scored_versions() -> dict[int, Programme]:
    """Return ``versions`` with models from version 2 on."""
    return _compiled(_scored_documents)


@lru_cache(maxsize=1)
def scoring_models() -> dict[int, Model]:
    """Return two models that agree on nobody."""
    return {0: model(0), 1: model(1), 2: model(2, bias=2.0)}


@lru_cache(maxsize=1)
def versions() -> dict[int, Programme]:
    """Return version 0 (empty) to 3, each compiled with those before it."""
    return _compiled(_documents)


def _compiled(documents: Callable[[int], dict[str, dict[str, Any]]]) -> dict[int, Programme]:
    compiled = {0: compile_programme(0, {})}
    for version in (1, 2, 3):
        older = {n: p for n, p in compiled.items() if n}
        compiled[version] = compile_programme(version, documents(version), older=older)
    return compiled


PROMOS_MAX = 3  # of one player, in a run and long after
NIGHT = ("00:00", "00:01")  # when no SMS are sent; in some zones it begins during a run
_SMS = {"kind": "twilio", "account_sid": "AC" + "0" * 32, "auth_token": {"env": "SMS_TOKEN"}, "from": "+447400000000"}


def _message_documents(version: int) -> dict[str, dict[str, Any]]:
    text = {"title": {"en": "Hello"}, "body": {"en": "Come and see"}}
    offer = {"template": "offer", "purpose": "promo"}
    return {
        "currencies": {"points": {}},
        "metrics": {"bets": {"event": "bet_placed", "aggregate": "count"}},
        "missions": {
            "three-bets": {
                "tasks": _bets(3), "recurrence": "on_completion", "rewards": _points(100),
                "message": {"template": "done", "purpose": "reward"},
            },
            "two-wins": {
                "tasks": _bets(2, "bet_won"), "recurrence": "on_completion", "rewards": _points(version),
                "message": offer,
            },
        },
        "templates": {
            "done": {"channel": "in_app", **text},
            "offer": {"channel": "sms", **text},
            "code": {"channel": "sms", **text},
            "letter": {"channel": "email", **text},
            "notice": {"channel": "email", "legal": True, **text},
        },
        "connectors": {
            "texts": {**_SMS, "order": 0, "rate_per_s": 20, "burst": 5, "in_flight_max": 4, "timeout_s": 2},
            "other-texts": {**_SMS, "order": 1, "rate_per_s": 20, "burst": 5, "in_flight_max": 4, "timeout_s": 2},
            "letters": {
                "kind": "smtp", "host": "mail.example.com", "from": "news@example.com", "rate_per_s": 20, "burst": 5,
                "in_flight_max": 4, "timeout_s": 2,
            },
        },
        "policies": {
            "default": {
                "min_gap_s": version,
                "caps": [{"purpose": "promo", "max": PROMOS_MAX, "per": "1d", "rolling": True}],
                "quiet_hours": {"from": NIGHT[0], "until": NIGHT[1], "channels": ["sms"]},
                "holds": [{"when": "support_case_open", "purposes": ["promo", "reward"], "for_s": 6}],
                "gather": [{"purposes": ["retention"], "for_s": 1}],
                "conflicts": {"gap_s": 2},
            },
        },
    }  # fmt: skip


@lru_cache(maxsize=1)
def message_documents() -> dict[int, dict[str, dict[str, Any]]]:
    """Return the documents of versions 0 (empty), 1 and 2."""
    return {0: {}, 1: _message_documents(1), 2: _message_documents(2)}


@lru_cache(maxsize=1)
def message_versions() -> dict[int, Programme]:
    """Return the compiled versions of the programme of messages."""
    compiled = {0: compile_programme(0, {})}
    for version in (1, 2):
        older = {n: p for n, p in compiled.items() if n}
        compiled[version] = compile_programme(version, message_documents()[version], older=older)
    return compiled
