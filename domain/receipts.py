"""What became of a message outside, as an event of its player: one mechanism for couriers, links and providers' hooks.

The event drives metrics, missions and journeys like any other (``message_clicked``), and the player's turn tells the
tower of it (``Receipt``). Only the engine makes events of type ``message``: intake has no such type.
"""

from domain.dispatch import Dispatch
from domain.entries import Event

TYPE = "message"
OUTCOMES = (
    *("sent", "failed", "returned", "unknown", "stopped", "expired", "withdrawn"),  # ``domain.dispatch.Landing``
    *("delivered", "opened", "clicked", "bounced", "complained", "replied", "unsubscribed"),
)
PREFIX = "message_"


def receipt_event(dispatch: Dispatch, outcome: str, at: int, *, detail: str = "", connector: str = "") -> Event:
    """Return the event of a courier: ``message_<outcome>``.

    The same landing of the same clearance gives the same id; a message judged and cleared again has another.
    """
    properties = {
        "message_id": dispatch.id,
        "channel": dispatch.channel,
        "template": dispatch.template,
        "purpose": dispatch.purpose,
        "source": dispatch.source,
        "address": dispatch.address,
        "detail": detail,
        "connector": connector,
    }
    return Event(
        dispatch.player,
        f"msg:{dispatch.id}:{dispatch.cleared_at}:{outcome}",
        PREFIX + outcome,
        at,
        {name: value for name, value in properties.items() if value},
        type=TYPE,
        source=f"channel:{dispatch.channel}",
    )


def outcome_of(event: Event) -> str:
    """Return the outcome that an event of a message tells, "" when it is another event."""
    if event.type != TYPE or not event.name.startswith(PREFIX):
        return ""
    outcome = event.name.removeprefix(PREFIX)
    return outcome if outcome in OUTCOMES else ""
