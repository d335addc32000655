"""By which channels the player can be reached: fact ``reach``, channel -> digest of the best address.

Best is what ``crm.addresses`` puts first and is not suppressed; where all are, the first, so that the tower can say so.
"""

from collections.abc import Mapping
from typing import Any

from crm.addresses import addresses_of
from crm.facts import devices, suppression
from crm.facts.turn import Heard

REACH = "reach"


def look(heard: Heard, traits: Mapping[str, Any]) -> None:
    """Tell the tower where the player can be reached now, if that has changed."""
    reach = reach_of(traits, heard.air)
    if not reach and traits and REACH not in heard.air:
        heard.keep(REACH, reach)  # looked at: the next event need not look again
    heard.tell(REACH, reach)


def is_same_reach(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether devices and suppressed addresses are as they were."""
    return before is after or all(
        before.get(name) is after.get(name) for name in (devices.DEVICES, suppression.SUPPRESSED)
    )


def reach_of(traits: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, str]:
    """Return channel -> digest of the address that a message would go to."""
    suppressed = suppression.known(told)
    found: dict[str, str] = {}
    for channel, addresses in addresses_of(traits, devices.known(told)).items():
        bad = suppressed.get(channel, {})
        digests = [address.digest for address in addresses]
        found[channel] = next((digest for digest in digests if digest not in bad), digests[0])
    return found
