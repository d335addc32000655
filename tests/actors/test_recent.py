"""What a member remembers for the live page and the metrics."""

from actors.recent import CHOICES_MAX, RECENT_MAX, Recent, told
from domain.effects import (
    Chose,
    Effect,
    JourneyEnded,
    JourneyEntered,
    JourneyStepped,
    LevelChanged,
    MissionCompleted,
    Posting,
    SegmentEntered,
    SegmentLeft,
)

EFFECTS: tuple[Effect, ...] = (
    Posting("points", 5, 5, "earn-rules/bets"),
    MissionCompleted("ten-bets", "c-1"),
    LevelChanged("main", "silver"),
    SegmentEntered("club"),
    SegmentLeft("newcomers"),
    JourneyEntered("campaigns/sale", 1),
    JourneyStepped("campaigns/sale", 1, "hi", "sent"),
    JourneyEnded("campaigns/sale", 1, "completed", "hi"),
)


def recent(*effects: Effect, player: str = "amelia", at: int = 1) -> Recent:
    made = Recent()
    made.add((at, player, what, name) for what, name in told(effects))
    return made


def test_completions_steps_and_counts_are_kept_apart() -> None:
    kept = recent(*EFFECTS)
    assert [row[2:] for row in kept.completions] == [("mission", "ten-bets"), ("level", "silver")]
    assert [row[2:] for row in kept.steps] == [
        ("journey_entered", "campaigns/sale//"),
        ("journey_step", "campaigns/sale/hi/sent"),
        ("journey_ended", "campaigns/sale/hi/completed"),
    ]
    assert kept.counts == {
        "segment_entered": 1,
        "segment_left": 1,
        "journey_entered": 1,
        "journey_step": 1,
        "journey_ended:completed": 1,
    }


def test_a_flood_of_steps_drives_no_completion_off_the_page() -> None:
    kept = recent(MissionCompleted("ten-bets", "c-1"), *[JourneyStepped("sale", 1, "hi", "sent")] * 500)
    assert len(kept.completions) == 1
    assert len(kept.steps) == RECENT_MAX
    assert kept.counts["journey_step"] == 500


def test_draws_are_counted_by_choice_and_the_names_are_bounded() -> None:
    kept = recent(*[Chose("winback", "points", "k")] * 3, *[Chose(f"c{n}", "a", "k") for n in range(300)])
    assert kept.counts["chose:winback"] == 3
    assert len(kept.counts) == CHOICES_MAX + 1
    assert (kept.counts.total(), kept.counts["chose:"]) == (303, 301 - CHOICES_MAX)
    assert not kept.completions, "no draw is shown as news"


def test_the_towers_decisions_are_shown_as_they_come() -> None:
    kept = Recent()
    kept.add([(1, "amelia", "cleared", "hello")])
    assert list(kept.completions) == [(1, "amelia", "cleared", "hello")]
    assert not kept.counts
