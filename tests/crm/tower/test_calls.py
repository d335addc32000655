"""Calls to other systems beside messages to the player."""

from .airport import Airport, request, rules

BY_MAIL = {"channels": ("email",)}
LIMITED = {
    "caps": [{"max": 1, "per": "1d"}],
    "min_gap_s": "1h",
    "conflicts": {"gap_s": "1d"},
    "fatigue": {"limit": 1, "half_life_s": "1d"},
}
CALL = {"channels": ("webhook",)}


def test_a_call_to_another_system_is_no_contact_with_the_player() -> None:
    tower = Airport(rules(**LIMITED))
    assert tower.ask("call", **CALL, purpose="service", conflict_group="g") == "cleared"
    assert tower.ask("promo", **BY_MAIL, conflict_group="g") == "cleared", "the call has taken no place"
    assert tower.ask("call-2", **CALL, conflict_group="g") == "cleared", "and needs none"
    assert tower.ask("promo-2", **BY_MAIL) == "held"
    tower.land("call")
    assert [send.request for send in tower.airspace.sends] == ["promo"]


def test_calls_asked_for_beside_messages_take_no_place_from_them() -> None:
    tower = Airport(rules(**LIMITED))
    asked = [request(f"call-{n}", **CALL, conflict_group="g") for n in range(3)]
    outcomes = tower.ask_together(*asked, request("promo", **BY_MAIL, conflict_group="g"), request("then", **BY_MAIL))
    assert outcomes == {f"call-{n}": "cleared" for n in range(3)} | {"promo": "cleared", "then": "held"}


def test_a_message_that_may_go_by_any_channel_does_not_escape_a_cap_by_a_call() -> None:
    tower = Airport(rules(**LIMITED))
    tower.ask("promo", **BY_MAIL)
    assert tower.ask("any", channels=()) == "held"
    assert tower.ask("either", channels=("email", "webhook")) == "held"


def test_an_excluded_players_calls_are_refused_too() -> None:
    tower = Airport(rules())
    tower.tell("excluded", {"reason": "closed", "since": 0, "until": None})
    assert tower.ask(**CALL, purpose="service") == "refused"
