"""Messages that wait a moment for others of their kind: until when, and what they keep others from meanwhile."""

from msgspec import structs

from crm.tower.airspace import Airspace, Send, Waiting
from crm.tower.arbitration import Crowd, crowd_of
from crm.tower.judgement import Case
from crm.tower.limits import priority_of
from crm.tower.policy import Gather, Plan, Policy, is_call
from crm.tower.why import Reason

GATHERING = (Reason.GATHERING.value,)
Place = tuple[Send, int]
"""A send that more important messages will want, and when they have gathered."""


def gathered(airspace: Airspace, rule: Gather) -> list[Waiting]:
    """Return what waits together by a rule."""
    return [
        held
        for held in airspace.waiting.values()
        if held.reasons == GATHERING and held.request.purpose in rule.purposes
    ]


def window_of(case: Case, plan: Plan, airspace: Airspace, now: int) -> int:
    """Return until when a case gathers: as long as the first of those that do already; 0: it need not, or cannot."""
    if plan.gather is None or case.window == 0 or crowd_of(case, plan, "in_app") is None:
        return 0
    window = case.window
    if window < 0:
        window = min((held.until for held in gathered(airspace, plan.gather)), default=now + plan.gather.for_ms)
    return window if window < case.request.expires_at else 0


def reserved_places(airspace: Airspace, policy: Policy, priority: int, now: int) -> list[Place]:
    """Return the places that messages of a higher class will want, one for each message they will make."""
    if not policy.gather:
        return []
    places: dict[Crowd, Place] = {}
    for held in airspace.waiting.values():
        request = held.request
        if (
            held.reasons == GATHERING
            and not is_call(request)
            and priority_of(request, policy.plan(request.purpose)) > priority
        ):
            channel = request.channels[0] if request.channels and request.channels[0] != "best" else "in_app"
            send = Send(now, request.purpose, channel, pending=True)
            places.setdefault((request.purpose, channel, request.product), (send, held.until))
    return list(places.values())


def with_places(airspace: Airspace, places: list[Place]) -> Airspace:
    """Return the airspace as it will be when those places are taken."""
    if not places:
        return airspace
    return structs.replace(airspace, sends=(*airspace.sends, *(send for send, _ in places)))
