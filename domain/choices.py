"""What is kept of a player's choices by chance: those whose outcome is not known yet, and the player's own outcomes.

One part of the snapshot, bounded: ``OPEN_MAX`` open choices and the outcomes of ``OWN_MAX`` choices (``crm.choices``).
Propensities, rewards and numbers of a context are whole numbers, millionths (``ml.choices.beliefs.ONE``).
"""

from msgspec import Struct

OPEN_MAX = 20
OWN_MAX = 10
NOT_YET = -1  # the reward of what is open


class OpenChoice(Struct, frozen=True, gc=False, array_like=True):
    """An arm that was drawn, whose outcome is awaited. Times are turn time, in ms."""

    choice: str  # choices/<id>
    arm: str
    key: str  # names the occasion: journeys/<id>/<number>/<pass>, <slot>:<day>:<n>
    at: int  # outcomes count from then on; 0: its message has not gone out yet
    due: int  # when its time is over; of one whose message has not gone out: when that is given up
    propensity: int = 1_000_000
    by: str = "policy"  # policy, floor, holdout, only
    context: tuple[int, ...] = ()  # without the constant that a regression begins with
    request: str = ""  # id of the message that it is about
    generation: str = ""  # of the choice when it was drawn
    asks: str = ""  # what is chosen: node, template, channel, time, placement
    reward: int = NOT_YET  # it was rewarded with so much, and is kept until ``due`` to be counted then

    @property
    def is_open(self) -> bool:
        """Tell whether its outcome is still awaited."""
        return self.reward == NOT_YET


class OwnSums(Struct, frozen=True, gc=False, array_like=True):
    """The player's own outcomes of one choice."""

    generation: str
    at: int = 0  # ms, of the last one
    arms: dict[str, tuple[int, int]] = {}  # arm -> (outcomes, sum of rewards)


class Choices(Struct, frozen=True, gc=False, array_like=True):
    """The part of the snapshot."""

    open: tuple[OpenChoice, ...] = ()  # in the order in which they were drawn
    own: dict[str, OwnSums] = {}
    armed: int = 0  # ms, the one timer that is set; 0: none. Never later than any ``due``


NO_CHOICES = Choices()
