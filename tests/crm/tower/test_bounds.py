"""How much of one player's messages is kept, in bytes."""

from crm.tower.airspace import BYTES_MAX, Airspace, changed_parts

from .airport import Airport, rules

BY_MAIL = {"channels": ("email",)}
LARGE = {"content": {"subject": "Spins", "html": "x" * 40_000}, "channels": ("email",)}


def test_what_waits_is_bounded_by_its_bytes_and_the_least_important_ends() -> None:
    tower = Airport(rules(caps=[{"max": 1, "per": "1d"}]))
    tower.ask("sent", **BY_MAIL)
    for n in range(8):
        tower.ask(f"r{n}", **LARGE, priority=50 - n)
        tower.now += 1
    assert list(tower.airspace.waiting) == [f"r{n}" for n in range(6)]
    tower.ask("more", **LARGE, priority=90)
    assert (tower.outcome("r5"), tower.last("r5").reasons) == ("refused", ("too_many_waiting",))
    assert "more" in tower.airspace.waiting
    assert len(changed_parts(Airspace("ann"), tower.airspace)["waiting"]) < BYTES_MAX
    assert {timer.ref for timer in tower.timers} == tower.airspace.waiting.keys()
    tower.ask("small", priority=1)
    assert tower.outcome("small") == "held"


def test_one_message_may_be_larger_than_the_bound() -> None:
    tower = Airport(rules(caps=[{"max": 1, "per": "1d"}]))
    tower.ask("sent", **BY_MAIL)
    huge = LARGE | {"content": {"html": "x" * BYTES_MAX}}
    assert tower.ask("huge", **huge, priority=90) == "held"
    assert tower.ask("next", **BY_MAIL) == "refused"
    assert list(tower.airspace.waiting) == ["huge"]


def test_what_flies_is_bounded_by_its_bytes() -> None:
    tower = Airport(rules())
    outcomes = [tower.ask(f"r{n}", **LARGE) for n in range(9)]
    assert outcomes == ["cleared"] * 7 + ["held"] * 2
    assert tower.last("r8").reasons == ("too_many_flying",)
    assert tower.ask("shown") == "cleared", "nothing flies in-app"
    tower.land("r0")
    assert tower.outcome("r7") == "cleared"
