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
