"""What a message is worth to a player by a channel, as one number: shown with every decision, and how ``best`` chooses.

    score = 100 x priority x order x answered x rested

    priority   the request's own, else its purpose's (0 to 1000)
    order      1 for the channel that was asked for first, then 4/5, 4/6, 4/7 ...: 4 / (4 + place)
    answered   how the player answers by this channel: 1/2 + (answered + 1) / (sent + 2), over the sends of eight days;
               1 for a channel that was not used, 3/2 at the most
    rested     1 - half of what the player bears of the policy's fatigue limit; 1 without one, 1/2 at the least

Scores compare channels of one message. Between messages the tower does not add them up: classes of priority go first
(``crm.tower.arbitration``).
"""

from collections.abc import Sequence

from crm.tower.airspace import Send
from crm.tower.limits import fatigue_of, priority_of
from crm.tower.policy import Plan
from domain.entries import MessageRequest


def scores(
    request: MessageRequest, channels: Sequence[str], sends: tuple[Send, ...], plan: Plan, now: int
) -> tuple[int, ...]:
    """Return the score of each channel, in the given order, which is the order of preference."""
    base = 100.0 * priority_of(request, plan)
    if not base:
        return (0,) * len(channels)
    if plan.fatigue is not None:
        base *= 1 - min(1.0, fatigue_of(plan.fatigue, sends, now) / plan.fatigue.limit) / 2
    if not sends:
        return tuple(round(base * 4 / (4 + place)) for place in range(len(channels)))
    return tuple(round(base * 4 / (4 + place) * answered(channel, sends)) for place, channel in enumerate(channels))


def by_answers(channels: Sequence[str], sends: tuple[Send, ...]) -> tuple[str, ...]:
    """Return channels in the order in which a request that leaves the choice to the tower tries them."""
    if not any(send.engaged for send in sends):
        return tuple(channels)
    worth = {channel: 4 / (4 + place) * answered(channel, sends) for place, channel in enumerate(channels)}
    return tuple(sorted(channels, key=lambda channel: -worth[channel]))


def answered(channel: str, sends: tuple[Send, ...]) -> float:
    """Return how the player answers by a channel: 1 when nothing is known, 1/2 to 3/2 otherwise."""
    sent = engaged = 0
    for send in sends:
        if send.channel == channel and not send.pending:
            sent += 1
            engaged += send.engaged
    return 0.5 + (engaged + 1) / (sent + 2)
