"""What ``playtower status`` prints."""

from io import StringIO
from typing import Any

from rich.console import Console

from playtower.status import GROUPS_SHOWN, print_status


def printed(**status: Any) -> list[str]:
    """Return the lines below the table of hosts."""
    text = StringIO()
    console = Console(file=text, width=200)
    print_status(
        {"hosts": [], "partitions": [{"partition": 0, "backlog": 2}], "durability": "strict"} | status, console
    )
    return text.getvalue().splitlines()


def test_segments_and_journeys_are_listed_with_the_largest_first() -> None:
    lines = printed(segments={"club": 3, "at-risk": 1204}, journeys={"welcome": 0}, walks=4)
    assert "segments: at-risk 1,204, club 3" in lines
    assert "journeys: welcome 0" in lines
    assert any(line.startswith("4 of the partitions are visiting") for line in lines)


def test_of_many_segments_the_rest_is_counted() -> None:
    (line,) = [line for line in printed(segments={f"s{n}": n for n in range(12)}) if line.startswith("segments")]
    assert line.count(",") == GROUPS_SHOWN - 1
    assert line.endswith(f"and {12 - GROUPS_SHOWN} more")


def test_an_engine_without_segments_prints_nothing_of_them() -> None:
    assert printed(segments={}, journeys={}, walks=0)[-1] == "1 partitions, 2 entries waiting, strict durability"


def test_channels_are_shown_with_what_waits_what_landed_and_how_the_providers_do() -> None:
    email = {
        "channel": "email", "state": "closed", "reason": "provider_down", "waiting": {"urgent": 1, "bulk": 1204},
        "in_flight": 3, "landings": {"sent": 40_211, "failed": 12},
        "connectors": [{"id": "mail", "state": "open"}, {"id": "spare", "state": "unknown", "error": "no [secret]"}],
    }  # fmt: skip
    courier = {"name": "courier-0", "lane": "channels", "pid": 7, "partitions": [0], "players": 0, "entries": 9}
    lines = "\n".join(printed(channels=[{"channel": "in_app"}, email], hosts=[courier]))
    for said in ("closed (provider_down)", "1 urgent, 1,204 bulk", "failed 12, sent 40,211", "mail left alone"):
        assert said in lines
    assert "unusable: no [secret]" in lines
    assert "no couriers" not in lines
    assert "no couriers: messages for channels outside wait" in "\n".join(printed(channels=[email]))


def test_an_engine_without_connectors_prints_nothing_of_channels() -> None:
    assert not any("Channels" in line or "couriers" in line for line in printed(channels=[{"channel": "in_app"}]))


def test_the_model_and_what_is_unlike_any_week_are_told() -> None:
    model = {"version": 3, "publication": 5, "usable": True, "passed": 32, "of": 32}
    watch: dict[str, Any] = {"watching": True, "alarms": [], "drifted": [], "scores_off": []}
    assert "model: version 3 in 32 of 32 partitions" in printed(model=model, watch=watch)
    stopped = "no bet_placed for 40 minutes, 310 are usual"
    lines = printed(
        model=model | {"version": 0, "usable": False},
        watch=watch | {"watching": False, "alarms": [stopped], "drifted": ["days_14"], "scores_off": ["churn_14d"]},
    )
    assert f"unlike any week: {stopped}" in lines
    assert "nobody watches the volumes of events" in lines
    assert "drift: days_14: players unlike those the model knows" in lines
    assert "off on average: churn_14d" in lines
    assert any("which this release cannot use" in line for line in lines)
