"""Names of events as they are inside."""

import re
from functools import lru_cache

from api.masks import Rejection

NAME_MAX = 200
_RAW_MAX = 400  # characters as sent; what is longer is not looked at
# Between the words of HTTPServer and betPlaced. Look-arounds: a pattern that takes the capitals backtracks over them.
_WORDS = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def snake_case(name: str) -> str:
    """Return a name as it is inside: ``Order Completed``, ``orderCompleted`` and ``order.completed`` are one."""
    if len(name) <= _RAW_MAX:
        name = _OTHER.sub("_", _WORDS.sub("_", name)).strip("_").lower()
    if len(name) > NAME_MAX:
        raise Rejection("bad_event", f"expected a name of at most {NAME_MAX} characters", "event")
    return name
