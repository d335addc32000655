"""What the tower does with messages for an id that lives on under another."""

import pytest

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


@pytest.mark.parametrize(
    ("outcome", "detail"),
    [("stopped", "excluded"), ("withdrawn", "player_merged"), ("failed", "no_address"), ("returned", "late")],
)
def test_what_flies_for_an_id_that_ended_is_taken_back_and_its_record_ends(outcome: str, detail: str) -> None:
    tower = Airport(rules())
    tower.ask("flies", channels=("email", "sms"))
    tower.ask("by-sms", channels=("sms",), purpose="legal", template="notice")
    tower.tell("merged_into", "ada")
    assert tower.voids == [("flies", "player_merged"), ("by-sms", "player_merged")]
    tower.land("flies", outcome, detail=detail)
    assert (tower.outcome("flies"), tower.last("flies").reasons) == ("refused", ("player_merged",))
    assert "flies" not in tower.airspace.flying
    assert not [send for send in tower.airspace.sends if send.request == "flies"]
    assert len(tower.dispatches) == 2


def test_what_had_gone_before_the_id_ended_counts_as_sent() -> None:
    tower = Airport(rules())
    tower.ask("flies", channels=("email",))
    tower.tell("merged_into", "ada")
    tower.land("flies", "sent")
    assert tower.outcome("flies") == "cleared"
    assert not tower.airspace.flying
    assert [send.pending for send in tower.airspace.sends] == [False]
