"""What a player writes back: an answer, or the wish to be left alone (the words are ``crm.facts.stop_words``)."""

from crm.facts.stop_words import asks_to_stop


def outcome_of_reply(text: str) -> str:
    """Return ``unsubscribed`` or ``replied``."""
    return "unsubscribed" if asks_to_stop(text) else "replied"
