"""What the calendar takes for a zone, and how far it goes."""

import pytest

from domain.calendar import LATEST_MS, as_datetime, known_zone


@pytest.mark.parametrize("name", ["", "localtime", "posixrules", "Factory", "Mars/Base", "../UTC"])
def test_what_is_no_zone_or_differs_from_host_to_host_is_unknown(name: str) -> None:
    assert known_zone(name) is None


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_latest_instant_is_shown_in_every_zone(zone: str) -> None:
    assert known_zone(zone) is not None
    assert as_datetime(LATEST_MS, zone).year == 9999
