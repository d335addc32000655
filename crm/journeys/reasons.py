"""Every word in a journey's record, as a stable code and as people read it: outcomes, reasons, endings, refusals."""

from enum import StrEnum


class Outcome(StrEnum):
    """What a node did, or how it was left (``JourneyStepped.outcome``)."""

    SENT = "sent"
    REWARDED = "rewarded"
    CHANGED = "changed"
    CALLED = "called"
    BEGUN = "begun"
    BRANCHED = "branched"
    SPLIT = "split"
    CHOSEN = "chosen"
    WAITED = "waited"
    DELAYED = "delayed"
    SKIPPED = "skipped"
    HELPED = "helped"
    INTERRUPTED = "interrupted"
    MILESTONE = "milestone"
    MIGRATED = "migrated"
    PAUSED = "paused"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why (``JourneyStepped.reason``, ``JourneyEnded.reason``)."""

    EVENT = "event"
    CONDITION = "condition"
    PATTERN = "pattern"
    TIME = "time"
    TIMEOUT = "timeout"
    PAST = "past"
    NO_DATE = "no_date"
    DEFAULT = "default"
    SHARE = "share"
    POLICY = "policy"
    FLOOR = "floor"
    HOLDOUT = "holdout"
    ONLY = "only"
    NO_ARM = "no_eligible_arm"
    CHOICE_REMOVED = "choice_removed"
    GOAL_ALREADY_MET = "goal_already_met"
    STRUGGLE = "struggle"
    DWELL = "dwell"
    MESSAGE_LIMIT = "message_limit"
    TEMPLATE_REMOVED = "template_removed"
    VALUE_MISSING = "value_missing"
    TOO_MANY_TRAITS = "too_many_traits"
    JOURNEY_ENDED = "journey_ended"
    JOURNEY_REFUSED = "journey_refused"
    LEFT_BEHIND = "left_behind"
    PUBLISHED = "published"
    TOO_MANY_NODES = "too_many_nodes"
    SAME_NODE_AGAIN = "same_node_again"
    MAX_DURATION = "max_duration"
    COMMAND = "command"
    LAST_NODE = "last_node"


class Ending(StrEnum):
    """How a walk is over (``JourneyEnded.outcome``)."""

    GOAL = "goal"
    EXIT = "exit"
    COMPLETED = "completed"
    EXPIRED = "expired"
    REMOVED = "removed"
    MERGED = "merged"


class Refusal(StrEnum):
    """Why a player does not begin a journey; the codes of a refused ``enter_journey`` and ``exit_journey``."""

    JOURNEY_NOT_FOUND = "journey_not_found"
    NOT_OPEN_TO_CALLERS = "not_open_to_callers"
    ALREADY_IN_JOURNEY = "already_in_journey"
    NOT_IN_JOURNEY = "not_in_journey"
    ONCE_ONLY = "once_only"
    REENTRY_NOT_ALLOWED = "reentry_not_allowed"
    REENTRY_TOO_SOON = "reentry_too_soon"
    REENTRY_LIMIT = "reentry_limit"
    NOT_IN_AUDIENCE = "not_in_audience"
    GOAL_ALREADY_MET = "goal_already_met"
    EXIT_ALREADY_MET = "exit_already_met"
    TOO_MANY_JOURNEYS = "too_many_journeys"
    DATA_NOT_AN_OBJECT = "data_not_an_object"


_WORDS: dict[str, str] = {
    "sent": "A message was asked of the control tower.",
    "rewarded": "Currency was given.",
    "changed": "The profile was changed.",
    "called": "A webhook was asked of the control tower.",
    "begun": "Another journey was begun.",
    "branched": "A way was chosen by conditions.",
    "split": "A way was chosen by the player's stable share.",
    "chosen": "An arm of a choice was drawn.",
    "waited": "The wait is over.",
    "delayed": "The delay is over.",
    "skipped": "The node was passed over.",
    "helped": "The player was taken to help.",
    "interrupted": "The player was taken elsewhere, whatever they waited for.",
    "milestone": "A step was done.",
    "migrated": "A new version moved the player.",
    "paused": "The walk rests and goes on by itself.",
    "refused": "The journey was not begun.",
    "event": "An event happened.",
    "condition": "A condition held.",
    "pattern": "Something unlike the player was seen.",
    "time": "Its time had come.",
    "timeout": "What was waited for did not happen in time.",
    "past": "The moment it waits for is over.",
    "no_date": "The walk's data has no such time.",
    "default": "No condition held.",
    "share": "By the player's share.",
    "policy": "Drawn by what was learnt so far.",
    "floor": "Drawn by chance alone, so that every arm goes on being tried.",
    "holdout": "The player is one of those who always get this arm, to measure the others against.",
    "only": "No other arm was open to the player.",
    "no_eligible_arm": "No arm of the choice is open to the player now.",
    "choice_removed": "The choice is no longer in the programme.",
    "goal_already_met": "What it is for is done already.",
    "struggle": "The player tried in vain, again and again.",
    "dwell": "The player stayed too long.",
    "message_limit": "The walk has asked for as many messages as the journey may.",
    "template_removed": "Its template is no longer in the programme.",
    "value_missing": "Neither the event nor the walk brought the value.",
    "too_many_traits": "The profile has as many traits as it may have.",
    "journey_ended": "The other journey has ended.",
    "journey_refused": "The other journey could not be begun.",
    "left_behind": "The journey that waited for it has gone on or ended.",
    "published": "A new version was published.",
    "too_many_nodes": "Too many nodes in one turn; it goes on at once in the next.",
    "same_node_again": "The same node twice in one turn; it goes on a minute later.",
    "max_duration": "The walk took longer than it may.",
    "command": "A caller asked for it.",
    "last_node": "There was nothing after this node.",
    "goal": "The goal was reached.",
    "exit": "It was left before its end.",
    "completed": "It was walked to an end.",
    "expired": "Its time was over.",
    "removed": "Neither its version nor its node is in the programme any more.",
    "merged": "Two profiles became one, and the other's walk through this journey goes on.",
    "journey_not_found": "There is no such journey in the live programme.",
    "not_open_to_callers": "The journey's entry does not say `api: true`.",
    "already_in_journey": "The player is in this journey.",
    "not_in_journey": "The player is not in this journey.",
    "once_only": "The journey is begun once in a life, and was.",
    "reentry_not_allowed": "The journey may not be begun again.",
    "reentry_too_soon": "It is too early to begin the journey again.",
    "reentry_limit": "The player has begun the journey as often as allowed.",
    "not_in_audience": "The player is not among those whom the journey is for.",
    "exit_already_met": "What ends the journey holds already.",
    "too_many_journeys": "The player is in as many journeys as one may be in.",
    "data_not_an_object": "The data is not an object.",
}


def explain(code: str) -> str:
    """Return the sentence of a code; one of another version is shown as it is."""
    return _WORDS.get(code, code)
