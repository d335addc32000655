"""The message that asks for a confirmation passes where the consent was withdrawn before, and nothing else does."""

from typing import Any

from crm.facts import facts_of
from domain.entries import Event
from tests.crm.facts.ears import rules as fact_rules
from tests.crm.tower.airport import Airport, rules

CONFIRM = {"double_opt_in": ["email"], "confirm_template": "notice"}
DOUBLE = fact_rules(consent=CONFIRM)


def asked_again() -> Airport:
    """Return the tower of a player who withdrew e-mail and then asked for it again."""
    tower = Airport(rules(consent=CONFIRM))
    told: dict[str, Any] = {}
    for n, granted in enumerate((False, True)):
        said = {"channel": "email", "granted": granted, "source": "one_click"}
        entry = Event("ann", f"e{n}", "consent_changed", tower.now + n, said)
        for fact in facts_of(entry, told, at=tower.now, rules=DOUBLE):
            told[fact.name] = fact.value
            tower.take(fact)
    return tower


def confirm(tower: Airport, **changes: Any) -> str:
    asked: dict[str, Any] = {"channels": ("email",), "purpose": "transactional", "source": "consents/email"}
    return tower.ask("confirm", **asked | changes)


def test_it_is_sent_and_no_mute_of_that_consent_stops_it_on_its_way() -> None:
    tower = asked_again()
    assert confirm(tower) == "cleared"
    (sent,) = tower.dispatches
    assert "email" not in sent.marks
    assert "transactional" in sent.marks


def test_nothing_else_is() -> None:
    tower = asked_again()
    for n, changes in enumerate(({"source": "api"}, {"source": "consents/sms"}, {"source": "journeys/email#1"})):
        tower.ask(f"r{n}", channels=("email",), purpose="transactional", **changes)
        assert tower.last(f"r{n}").reasons == ("consent_withdrawn",)


def test_who_withdraws_again_is_not_asked() -> None:
    tower = asked_again()
    tower.tell("consent_pending", [])
    confirm(tower)
    assert tower.last("confirm").reasons == ("consent_withdrawn",)


def test_an_exclusion_stops_it_as_it_stops_all() -> None:
    tower = asked_again()
    tower.tell("excluded", {"reason": "self_exclusion", "since": 0, "until": None})
    confirm(tower)
    assert tower.last("confirm").reasons == ("excluded",)
