"""What the tower tells the player's own turn: the last word about a message on which a choice hangs (``Landed``)."""

from domain.entries import Landed
from tests.crm.tower.airport import DAY, EXCLUDED, Airport, at, request, rules

NOON = at("12:00")


def told(tower: Airport, name: str = "r1", **changes: object) -> list[tuple[str, str, str]]:
    """Ask; what the player is told of it: request, outcome, channel."""
    step = tower.take(request(name, **{"tells": True, **changes}))
    return [(landed.request, landed.outcome, landed.channel) for landed in step.told]


def test_an_in_app_message_has_gone_out_when_it_is_cleared() -> None:
    tower = Airport(rules())
    step = tower.take(request(tells=True))
    assert step.told == (Landed("ann", "r1", "sent", "in_app", NOON),)


def test_only_of_messages_that_ask_for_it() -> None:
    assert told(Airport(rules()), tells=False) == []


def test_of_one_that_flies_the_courier_tells() -> None:
    tower = Airport(rules())
    assert told(tower, channels=("email",)) == []
    assert tower.land("r1", "sent").told == ()


def test_what_is_refused_is_told() -> None:
    tower = Airport(rules())
    tower.tell("excluded", EXCLUDED)
    assert told(tower) == [("r1", "refused", "")]


def test_what_waits_is_told_when_it_ends() -> None:
    tower = Airport(rules(quiet_hours={"from": "11:00", "until": "13:00", "channels": ["in_app"]}))
    assert told(tower, "late", expires_at=NOON + DAY) == []
    assert tower.outcome("late") == "held"
    seen: list[Landed] = []
    take = tower.take
    tower.take = lambda entry: _noted(seen, take(entry))  # type: ignore[method-assign, assignment, arg-type]
    tower.wait_until(at("13:00"))
    assert [(landed.request, landed.outcome) for landed in seen] == [("late", "sent")]


def test_one_that_goes_as_a_part_of_another_says_so_and_so_does_the_one_that_carries_it() -> None:
    tower = Airport(rules(gather=[{"purposes": ["promo"], "for_s": 5, "max": 2}]))
    assert told(tower, "a") == []
    assert sorted(told(tower, "b")) == [("a", "merged", "in_app"), ("b", "merged", "in_app")]


def _noted(seen: list[Landed], step: object) -> object:
    seen += step.told  # type: ignore[attr-defined]
    return step
