"""Names of events as they are inside."""

import re
from functools import lru_cache

from api.masks import Rejection

NAME_MAX = 200
_SPLITS = (re.compile(r"([A-Z]+)([A-Z][a-z])"), re.compile(r"([a-z0-9])([A-Z])"), re.compile(r"[\W_]+"))


@lru_cache(maxsize=4096)
def snake_case(name: str) -> str:
    """Return a name as it is inside: ``Order Completed``, ``orderCompleted`` and ``order.completed`` are one."""
    name = _SPLITS[0].sub(r"\1_\2", name)
    name = _SPLITS[1].sub(r"\1_\2", name)
    name = _SPLITS[2].sub("_", name).strip("_").lower()
    if len(name) > NAME_MAX:
        raise Rejection("bad_event", f"expected a name of at most {NAME_MAX} characters", "event")
    return name
