"""Every reason the tower gives, as a stable code and as a sentence."""

from enum import StrEnum


class Reason(StrEnum):
    """Codes of a decision's reasons, in the order in which they are judged (docs/tower.md)."""

    EXPIRED = "expired"
    PLAYER_MERGED = "player_merged"
    EXCLUDED = "excluded"
    NOT_A_LEGAL_NOTICE = "not_a_legal_notice"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONSENT_MISSING = "consent_missing"
    CONSENT_PENDING = "consent_pending"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    SUPPORT_CASE_OPEN = "support_case_open"
    ROUND_IN_PLAY = "round_in_play"
    FRESH_LOSS = "fresh_loss"
    NEGATIVE_MOOD = "negative_mood"
    SESSION_JUST_BEGUN = "session_just_begun"
    DEPOSIT_FAILED = "deposit_failed"
    COMPLAINT_OPEN = "complaint_open"
    CONTEXT = "context"
    GOAL_MET = "goal_met"
    JOURNEY_ENDED = "journey_ended"
    CONFLICT_GROUP = "conflict_group"
    OUTRANKED = "outranked"
    CAP_REACHED = "cap_reached"
    MINIMUM_GAP = "minimum_gap"
    FATIGUE = "fatigue"
    QUIET_HOURS = "quiet_hours"
    CHANNEL_NOT_AVAILABLE = "channel_not_available"
    NO_CONTENT = "no_content"
    CHANNEL_FAILED = "channel_failed"
    PROVIDER_DOWN = "provider_down"
    BUDGET_SPENT = "budget_spent"
    TOO_MANY_FLYING = "too_many_flying"
    NEEDS_APPROVAL = "needs_approval"
    NOT_APPROVED = "not_approved"
    GATHERING = "gathering"
    MERGED = "merged"
    UNKNOWN_LANDING = "unknown_landing"
    EXPIRES_FIRST = "expires_first"
    TOO_MANY_WAITING = "too_many_waiting"


_SENTENCES = {
    Reason.EXPIRED: "The message's time was over before it could be sent.",
    Reason.PLAYER_MERGED: "This id lives on under another; what was asked for it before it ended is not sent.",
    Reason.EXCLUDED: "The player is excluded; only legal notices may reach them.",
    Reason.NOT_A_LEGAL_NOTICE: "It was asked for as a legal message, but its template is not marked as a legal notice.",
    Reason.CONSENT_WITHDRAWN: "The player has withdrawn consent for this channel, purpose or product.",
    Reason.CONSENT_MISSING: "This purpose needs the player's consent, and none was given.",
    Reason.CONSENT_PENDING: "The player has not confirmed the consent yet (double opt-in).",
    Reason.SUPPRESSED: "The address bounced or complained before; nothing more is sent to it.",
    Reason.NO_ADDRESS: "The player has no address for this channel.",
    Reason.SUPPORT_CASE_OPEN: "The player has an open support case.",
    Reason.ROUND_IN_PLAY: "The player is in the middle of a game round.",
    Reason.FRESH_LOSS: "The player has just lost much.",
    Reason.NEGATIVE_MOOD: "The player is upset.",
    Reason.SESSION_JUST_BEGUN: "The player's session has only just begun.",
    Reason.DEPOSIT_FAILED: "A deposit of the player has just failed.",
    Reason.COMPLAINT_OPEN: "The player has complained, and it is not settled.",
    Reason.CONTEXT: "Something that the policy names goes on with the player.",
    Reason.GOAL_MET: "The player has already done what the message is for.",
    Reason.JOURNEY_ENDED: "The journey that asked for the message is over.",
    Reason.CONFLICT_GROUP: "Another message of the same group goes first, or went a short time ago.",
    Reason.OUTRANKED: "Another message, more important or earlier in turn, took the place that was left.",
    Reason.CAP_REACHED: "The player has already received as many of these messages as the frequency cap allows.",
    Reason.MINIMUM_GAP: "The previous message was sent too short a time ago.",
    Reason.FATIGUE: "The player has received much lately and answered little.",
    Reason.QUIET_HOURS: "It is quiet time for this channel where the player is.",
    Reason.CHANNEL_NOT_AVAILABLE: "This channel is not connected.",
    Reason.NO_CONTENT: "The template has no content for this channel.",
    Reason.CHANNEL_FAILED: "This channel was tried and its provider refused the message.",
    Reason.PROVIDER_DOWN: "The channel's providers do not answer at the moment.",
    Reason.BUDGET_SPENT: "The channel's budget for today is spent.",
    Reason.TOO_MANY_FLYING: "Too many messages of this player are still on their way to providers.",
    Reason.NEEDS_APPROVAL: "A person must approve this message first.",
    Reason.NOT_APPROVED: "A person decided against this message.",
    Reason.GATHERING: "It waits a moment for others of its kind, so that they are weighed or sent together.",
    Reason.MERGED: "It goes together with another message, as one.",
    Reason.UNKNOWN_LANDING: "Whether it was sent is not known; it is not sent again.",
    Reason.EXPIRES_FIRST: "The message would expire before it may be sent.",
    Reason.TOO_MANY_WAITING: "Too many messages are waiting for this player, and this one had the lowest priority.",
}


def explain(code: str) -> str:
    """Return the sentence of a reason code; a code of another version is shown as it is.

    An operator's own context has its name behind the code, ``context:<id>``.
    """
    known, _, name = code.partition(":")
    if known not in _SENTENCES:
        return code
    sentence = _SENTENCES[Reason(known)]
    return f"{sentence.removesuffix('.')}: {name}." if name else sentence
