"""What the tower does with messages for an id that lives on under another."""

from crm.tower.why import explain
from tests.crm.tower.airport import Airport, rules


def test_what_waits_for_an_id_that_ended_is_refused_with_the_reason() -> None:
    tower = Airport(rules(caps=[{"purpose": "promo", "max": 1, "per": "1d"}]))
    tower.ask("sent")
    tower.ask("waits")
    assert tower.outcome("waits") == "held"
    tower.tell("merged_into", "ada")
    assert (tower.outcome("waits"), tower.last("waits").reasons) == ("refused", ("player_merged",))
    assert not tower.timers
    assert "lives on under another" in explain("player_merged")


def test_nothing_is_sent_to_it_any_more_not_even_what_passes_an_exclusion() -> None:
    tower = Airport(rules())
    tower.tell("merged_into", "ada")
    for purpose in ("legal", "transactional", "service", "promo"):
        assert tower.ask(purpose, purpose=purpose) == "refused"
        assert tower.last(purpose).reasons == ("player_merged",)
