"""What ``playtower choices`` prints."""

from io import StringIO
from typing import Any

from rich.console import Console

from playtower.choices import print_choice, print_choices

HEAD: dict[str, Any] = {
    "id": "winback",
    "asked_by": ["journeys/win-back/offer", "placements/banner"],
    "outcome": {"event": "deposit_completed", "within_s": 259_200, "most": 10_000.0},
    "outcomes": 1_204,
    "best_arm": "spins",
    "in_words": ["Not proven yet: 0.104 with it, [nothing] without."],
}


def printed(show: Any, told: Any) -> str:
    text = StringIO()
    show(told, Console(file=text, width=120))
    return text.getvalue()


def arm(name: str, outcomes: int, **figures: Any) -> dict[str, Any]:
    known = {"value": 0.104, "low": 0.089, "high": 0.121} if outcomes else None
    about = {"arm": name, "outcomes": outcomes, "share": 0.61, "best": 0.93, "void": 41}
    return about | {"mean": known, "everybody": known} | figures


def test_every_choice_is_listed_with_where_it_is_asked_and_what_is_proven() -> None:
    lines = printed(print_choices, [HEAD, HEAD | {"id": "idle", "asked_by": [], "in_words": []}]).splitlines()
    assert lines == [
        "winback: 1,204 outcomes; asked by journeys/win-back/offer, placements/banner",
        "  Not proven yet: 0.104 with it, [nothing] without.",
        "idle: 1,204 outcomes; asked by nothing asks it",
    ]


def test_a_programme_without_choices_says_so() -> None:
    assert "no choices" in printed(print_choices, [])


def test_a_choice_is_shown_arm_by_arm_beside_its_rivals() -> None:
    figure = {"value": 0.081, "low": 0.07, "high": 0.09}
    rivals = {"policy": figure, "best_single": figure, "uniform": None}
    held = {"share": 0.05, "arm": "nothing", "outcomes": 98, "mean": figure}
    told = HEAD | rivals | {"arms": [arm("spins", 1_204), arm("nothing", 0)], "holdout": held}
    text = printed(print_choice, told)
    for said in (
        "winback: deposit_completed within 3 d, worth up to 10000",
        "0.104 [0.089 0.121]",
        "the draws as they were           0.081 [0.070 0.090]",
        "spins for everybody",
        "held out, 98 with an outcome",
        "Not proven yet: 0.104 with it, [nothing] without.",
        "within the last 3 d does not count yet",
    ):
        assert said in text
    assert "all arms alike" not in text, "nothing is known of it"
    assert text.count(" - ") == 2, "an arm without an outcome"
