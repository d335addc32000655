"""How times are shown."""

import pytest

from api.pages import instant


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (0, None),
        (1_772_452_800_000, "2026-03-02T12:00:00.000Z"),
        (10**17, "9999-12-31T00:00:00.000Z"),
        (2**62, "9999-12-31T00:00:00.000Z"),
    ],
)
def test_a_time_is_shown_however_far_it_is(at: int, shown: str | None) -> None:
    assert instant(at) == shown
