"""Why an open choice says nothing (``ChoiceEnded.reason`` of a void), as stable codes and as people read them."""

from enum import StrEnum


class Void(StrEnum):
    """Codes. A void is counted and never learnt from."""

    NOT_SENT = "not_sent"
    MERGED_MESSAGE = "merged_message"
    ANOTHER_CHANNEL = "another_channel"
    LEFT = "left"
    PUSHED_OUT = "pushed_out"
    CHANGED = "changed"
    REMOVED = "removed"


_WORDS: dict[str, str] = {
    "not_sent": "Its message never went out.",
    "merged_message": "Its message went as a part of another.",
    "another_channel": "Its message went by another channel than the one that was drawn.",
    "left": "The player was taken elsewhere before the time that was drawn.",
    "pushed_out": "The player had as many open choices as are kept.",
    "changed": "The choice means something else since it was drawn.",
    "removed": "The choice is no longer in the programme.",
}


def explain(code: str) -> str:
    """Return the sentence of a code; one of another version is shown as it is."""
    return _WORDS.get(code, code)
