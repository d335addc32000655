"""What a player keeps to unwind an event that is rolled back later: a state, and the entries since."""

from msgspec import Struct


class Journal(Struct, frozen=True, gc=False, array_like=True):
    """Two marks; what is older than the older one cannot be unwound."""

    marks: tuple[bytes, ...] = ()
