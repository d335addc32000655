"""What flies and is taken back because the player's facts have changed since it was cleared.

A claim looks at exclusions, consents and suppressed addresses by itself (``store.ports.Queue``). Where the player is
and what goes on with them only the tower knows: what stands in a line, perhaps for hours, is called back and judged
again. What a courier has claimed already is not reached.
"""

from crm.tower.airspace import CONTEXT, Airspace, Facts, Flying
from crm.tower.judgement import Case, Light, holding
from crm.tower.quiet import is_quiet, quiet_from
from crm.tower.sitting import Sitting
from crm.tower.why import Reason
from domain.entries import Fact

REJUDGE = "rejudge"  # a void's reason: the courier returns the message, and it is judged again


def call_back(sitting: Sitting, before: Airspace, fact: Fact) -> None:
    """Take back what must not go any more, or must not go now, since the fact is known."""
    flying = sitting.airspace.flying
    if not flying:
        return
    if fact.name == "merged_into":
        for one in list(flying.values()):
            sitting.take_back(one, Reason.PLAYER_MERGED.value)
        return
    is_move, is_occasion = fact.name == "timezone", _opens(fact)
    if not is_move and not is_occasion:
        return
    after, light = sitting.airspace.facts, sitting.light
    for one in flying.values():
        if one.withdrawn:
            continue
        if (
            _is_quiet_sooner(one, before.facts, after, light)
            if is_move
            else _is_held_now(one, before.facts, after, light)
        ):
            sitting.voids.append((one.request.id, REJUDGE))


def _opens(fact: Fact) -> bool:
    if fact.name not in ("support_case", "round_in_play") and not fact.name.startswith(CONTEXT):
        return False
    return bool((fact.value or {}).get("open"))


def _is_quiet_sooner(flying: Flying, before: Facts, after: Facts, light: Light) -> bool:
    """Tell whether it may be sent for less long than its dispatch says, which knows the zone that was."""
    quiet = light.policy.plan(flying.request.purpose).quiet
    if quiet is None or flying.channel not in quiet.channels:
        return False
    zone = after.timezone or light.timezone
    if is_quiet(quiet, light.now, zone):
        return True
    ends = min(flying.request.expires_at, quiet_from(quiet, flying.cleared_at, before.timezone or light.timezone))
    return quiet_from(quiet, light.now, zone) < ends


def _is_held_now(flying: Flying, before: Facts, after: Facts, light: Light) -> bool:
    """Tell whether something goes on with the player that holds it, and did not before."""
    case, plan = Case(flying.request, approved=flying.approved), light.policy.plan(flying.request.purpose)
    if not holding(case, flying.channel, plan, after, light.now):
        return False
    return not holding(case, flying.channel, plan, before, light.now)
