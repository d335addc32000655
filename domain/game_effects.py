"""What the rooms of the game caused (``domain.effects`` has the rest).

One section for each room; fields are only added at the end.
"""

from msgspec import Struct


class AskedKeeper(Struct, frozen=True, gc=False, tag="asked_keeper", tag_field="kind", array_like=True):
    """A shared thing was asked for; what it answers comes as a turn of its own."""

    id: str
    keeper: str
    op: str


GameEffect = AskedKeeper
