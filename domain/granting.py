"""A reward that the operator's platform grants: asked for by a signed webhook, answered at once or later.

The ask goes the way of a message: the player's turn tells the tower, the tower's commit puts a ``Dispatch`` into the
player's line of the channel ``webhook``, a courier posts it to the connector that the item names and settles it. What
the platform said comes back as a command of the player (``confirm_grant``), as does its later word over HTTP. The id is
the purchase's at every try, so a platform that knows it grants once.
"""

from domain.dispatch import Dispatch, Lane
from domain.entries import Command, GrantAsked

CHANNEL = "webhook"
SOURCE = "grants"  # of a dispatch; no message has it
EVENT = "reward.granted"
CONFIRM = "confirm_grant"
GRANTED, PENDING, FAILED = "granted", "pending", "failed"


def dispatch_of(asked: GrantAsked, now: int) -> Dispatch:
    """Return what a courier is handed: at least once, and with those that go first. An exclusion stops it.

    Its ``template`` is the connector that it goes by.
    """
    return Dispatch(
        asked.id,
        asked.player,
        CHANNEL,
        "service",
        asked.connector,
        {"grant": asked.content},
        now,
        asked.until,
        asked.until,
        source=SOURCE,
    )


def is_grant(dispatch: Dispatch) -> bool:
    """Tell whether a dispatch asks for a grant."""
    return dispatch.source == SOURCE and dispatch.channel == CHANNEL


def may_hold_grants(channel: str, lane: Lane) -> bool:
    """Tell whether grants wait in a line: no budget or rate of a policy, which is marketing's, holds it up."""
    return channel == CHANNEL and lane == "urgent"


def told(player: str, purchase: str, status: str, reason: str) -> Command:
    """Return the command that brings what became of a grant; the same word again is the same command."""
    args = {"purchase": purchase, "status": status, "reason": reason}
    return Command(player, f"grant:{purchase}:{status}", CONFIRM, args, source=f"channel:{CHANNEL}")
