"""Every reason the tower gives, as a stable code and as a sentence."""

from enum import StrEnum


class Reason(StrEnum):
    """Codes of a decision's reasons, in the order in which they are judged."""

    EXPIRED = "expired"
    PLAYER_MERGED = "player_merged"
    EXCLUDED = "excluded"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONSENT_MISSING = "consent_missing"
    SUPPORT_CASE_OPEN = "support_case_open"
    ROUND_IN_PLAY = "round_in_play"
    CAP_REACHED = "cap_reached"
    MINIMUM_GAP = "minimum_gap"
    QUIET_HOURS = "quiet_hours"
    CHANNEL_NOT_AVAILABLE = "channel_not_available"
    EXPIRES_FIRST = "expires_first"
    TOO_MANY_WAITING = "too_many_waiting"


_SENTENCES = {
    Reason.EXPIRED: "The message's time was over before it could be sent.",
    Reason.PLAYER_MERGED: "This id lives on under another; what was asked for it before it ended is not sent.",
    Reason.EXCLUDED: "The player is excluded; only legal messages may reach them.",
    Reason.CONSENT_WITHDRAWN: "The player has withdrawn consent for this channel or purpose.",
    Reason.CONSENT_MISSING: "This purpose needs the player's consent, and none was given.",
    Reason.SUPPORT_CASE_OPEN: "The player has an open support case.",
    Reason.ROUND_IN_PLAY: "The player is in the middle of a game round.",
    Reason.CAP_REACHED: "The player has already received as many of these messages as the frequency cap allows.",
    Reason.MINIMUM_GAP: "The previous message was sent too short a time ago.",
    Reason.QUIET_HOURS: "It is quiet time for this channel where the player is.",
    Reason.CHANNEL_NOT_AVAILABLE: "This channel is not connected.",
    Reason.EXPIRES_FIRST: "The message would expire before it may be sent.",
    Reason.TOO_MANY_WAITING: "Too many messages are waiting for this player, and this one had the lowest priority.",
}


def explain(code: str) -> str:
    """Return the sentence of a reason code; a code of another version is shown as it is."""
    return _SENTENCES[Reason(code)] if code in _SENTENCES else code
